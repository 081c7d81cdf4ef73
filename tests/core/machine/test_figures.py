"""Figures of this machine, of GPUs by a stand-in for the driver, and what may be missing."""

import os
import sys
from types import ModuleType, SimpleNamespace

import psutil
import pynvml
import pytest

from mlpwatch.core.machine.figures import MachineFigures, has_psutil

USED = ("nvmlInit", "nvmlShutdown", "nvmlDeviceGetCount", "nvmlDeviceGetHandleByIndex",
        "nvmlDeviceGetUtilizationRates", "nvmlDeviceGetMemoryInfo", "nvmlDeviceGetTemperature",
        "nvmlDeviceGetPowerUsage", "NVML_TEMPERATURE_GPU")  # fmt: skip


class Driver(ModuleType):
    """Two GPUs with the names of NVIDIA's module; the second reports no power."""

    NVML_TEMPERATURE_GPU = pynvml.NVML_TEMPERATURE_GPU

    def __init__(self) -> None:
        super().__init__("pynvml")
        self.is_open = False

    def nvmlInit(self) -> None:  # noqa: N802 - NVIDIA's names
        self.is_open = True

    def nvmlShutdown(self) -> None:  # noqa: N802
        self.is_open = False

    def nvmlDeviceGetCount(self) -> int:  # noqa: N802
        return 2

    def nvmlDeviceGetHandleByIndex(self, index: int) -> int:  # noqa: N802
        return index

    def nvmlDeviceGetUtilizationRates(self, handle: int) -> object:  # noqa: N802
        return SimpleNamespace(gpu=40 + handle, memory=7)

    def nvmlDeviceGetMemoryInfo(self, handle: int) -> object:  # noqa: N802
        return SimpleNamespace(total=80 * 10**9, free=0, used=(12 + handle) * 10**9)

    def nvmlDeviceGetTemperature(self, handle: int, sensor: int) -> int:  # noqa: N802
        assert sensor == self.NVML_TEMPERATURE_GPU
        return 50 + handle

    def nvmlDeviceGetPowerUsage(self, handle: int) -> int:  # noqa: N802
        if handle == 1:
            raise pynvml.NVMLError_NotSupported
        return 123_400


def test_this_process_and_this_machine() -> None:
    figures = MachineFigures()
    began = os.times()
    while os.times().user - began.user < 0.1:
        sum(range(10_000))
    found = figures.read()
    figures.close()
    assert 0 < found["process/CPU %"] <= 101
    assert 0 < found["machine/CPU %"] <= 100
    assert found["process/process memory MB"] == pytest.approx(
        psutil.Process().memory_info().rss / 1e6, rel=0.2
    )
    total = psutil.virtual_memory().total / 1e9
    assert found["process/process memory MB"] / 1e3 < total
    assert 0 < found["machine/machine memory GB"] < total
    assert not [name for name in found if name.startswith("GPU")]  # no driver on this machine


def test_gpus_and_what_a_card_does_not_report(monkeypatch: pytest.MonkeyPatch) -> None:
    driver = Driver()
    monkeypatch.setitem(sys.modules, "pynvml", driver)
    figures = MachineFigures()
    assert driver.is_open
    gpus = {name: one for name, one in figures.read().items() if name.startswith("GPU")}
    figures.close()
    assert not driver.is_open
    assert gpus == {
        "GPU 0/GPU %": 40, "GPU 0/GPU memory GB": 12, "GPU 0/GPU temperature °C": 50,
        "GPU 0/GPU power W": 123.4,
        "GPU 1/GPU %": 41, "GPU 1/GPU memory GB": 13, "GPU 1/GPU temperature °C": 51,
    }  # fmt: skip


def test_nvidias_module_has_the_names_that_are_called() -> None:
    assert [name for name in USED if not hasattr(pynvml, name)] == []


def test_what_psutil_can_not_read_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> float:
        raise psutil.AccessDenied

    figures = MachineFigures()
    monkeypatch.setattr(psutil.Process, "cpu_percent", fail)
    monkeypatch.setattr(psutil, "virtual_memory", fail)
    assert set(figures.read()) == {"machine/CPU %", "process/process memory MB"}
    monkeypatch.setattr(psutil, "Process", fail)
    assert set(MachineFigures().read()) == {"machine/CPU %"}


def test_without_psutil(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psutil", None)
    assert not has_psutil()
    with pytest.raises(ImportError):
        MachineFigures()
