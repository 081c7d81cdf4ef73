"""CPU, memory and GPU figures of this process and its machine, now."""

from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any

PROCESS, MACHINE = "process", "machine"
"""First parts of the names of figures; `GPU 0` and so on are the others."""

MOST_GPUS = 16
"""More have no figures: a sample of 16 takes a line of 3 kB."""

_GB, _MB = 1e9, 1e6

NEEDS_PSUTIL = (
    "CPU, memory and GPU figures need psutil, which is not installed; "
    "pip install 'mlpwatch[machine]'"
)


def has_psutil() -> bool:
    """Return whether psutil can be imported."""
    try:
        import psutil  # noqa: F401, PLC0415 - an extra, imported only when used
    except ImportError:
        return False
    return True


class MachineFigures:
    """Reads the figures. A figure that can't be read is left out; nothing is raised for it.

    Raises:
        ImportError: psutil is not installed.
    """

    def __init__(self) -> None:
        import psutil  # noqa: PLC0415 - an extra, imported only when used

        self._psutil: Any = psutil
        self._process: Any = None
        with suppress(Exception):
            self._process = psutil.Process()
        self._cores = psutil.cpu_count() or 1
        self._gpus = _Gpus()
        # The first CPU figure would be 0: it is of the time since the call before.
        self.read()

    def read(self) -> dict[str, float]:
        """Return the figures by name; CPU since the last call, of all cores together."""
        psutil, process, found = self._psutil, self._process, dict[str, float]()
        _put(found, f"{PROCESS}/CPU %", lambda: process.cpu_percent() / self._cores)
        _put(found, f"{MACHINE}/CPU %", psutil.cpu_percent)
        _put(found, f"{PROCESS}/process memory MB", lambda: process.memory_info().rss / _MB)
        _put(found, f"{MACHINE}/machine memory GB", lambda: _used(psutil.virtual_memory()) / _GB)
        self._gpus.read_into(found)
        return found

    def close(self) -> None:
        """Let go of the driver."""
        self._gpus.close()


_GPU_FIGURES: dict[str, Callable[[Any, Any], float]] = {
    "GPU %": lambda nvml, gpu: nvml.nvmlDeviceGetUtilizationRates(gpu).gpu,
    "GPU memory GB": lambda nvml, gpu: nvml.nvmlDeviceGetMemoryInfo(gpu).used / _GB,
    "GPU temperature °C": lambda nvml, gpu: nvml.nvmlDeviceGetTemperature(
        gpu, nvml.NVML_TEMPERATURE_GPU
    ),
    # The driver has milliwatts.
    "GPU power W": lambda nvml, gpu: nvml.nvmlDeviceGetPowerUsage(gpu) / 1_000,
}
"""By name; each takes the module and the handle of a GPU."""


class _Gpus:
    """The GPUs that NVIDIA's driver lists; none without the driver or its Python module."""

    def __init__(self) -> None:
        self._nvml: Any = None
        self._handles: list[Any] = []
        try:
            import pynvml  # noqa: PLC0415 - an extra, imported only when used

            pynvml.nvmlInit()
            self._nvml = pynvml
            count = min(pynvml.nvmlDeviceGetCount(), MOST_GPUS)
            self._handles = [pynvml.nvmlDeviceGetHandleByIndex(n) for n in range(count)]
        except Exception:  # no module, no driver, or one that does not answer: no GPU
            self._handles = []

    def read_into(self, found: dict[str, float]) -> None:
        nvml = self._nvml
        for number, gpu in enumerate(self._handles):
            for name, figure in _GPU_FIGURES.items():
                _put(found, f"GPU {number}/{name}", partial(figure, nvml, gpu))

    def close(self) -> None:
        if self._nvml is not None:
            with suppress(Exception):
                self._nvml.nvmlShutdown()


def _put(found: dict[str, float], name: str, figure: Callable[[], float]) -> None:
    # Anything may fail: a container without /proc, a card that reports no power. It is left out.
    with suppress(Exception):
        found[name] = round(float(figure()), 3)


def _used(memory: Any) -> float:  # noqa: ANN401 - a tuple of psutil
    """Return the bytes that other programs could not get: buffers and caches are free to take."""
    return float(memory.total - memory.available)
