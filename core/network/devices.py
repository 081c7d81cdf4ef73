"""Which device PyTorch trains on."""

from typing import Literal

from mlpwatch.core.config import RunConfig
from mlpwatch.core.errors import ConfigError


def device_for(config: RunConfig, has_cuda: bool, has_mps: bool) -> Literal["cpu", "cuda", "mps"]:
    """Return the device that the config asks for.

    Args:
        config: device and dtype are used.
        has_cuda: whether PyTorch finds an NVIDIA or AMD GPU here.
        has_mps: whether it finds Apple's.

    Raises:
        ConfigError: it is absent here, or can't compute in the config's dtype.
    """
    wanted = config.device
    if wanted == "auto":
        mps_fits = has_mps and config.dtype == "float32"
        return "cuda" if has_cuda else "mps" if mps_fits else "cpu"
    if (wanted == "cuda" and not has_cuda) or (wanted == "mps" and not has_mps):
        raise ConfigError(f"device {wanted!r}: PyTorch finds none here; use --device cpu or auto")
    if wanted == "mps" and config.dtype == "float64":
        raise ConfigError("device 'mps' has no float64: use --dtype float32 or --device cpu")
    return wanted
