"""Watch one MLP learn twice, side by side, in a terminal: by hand in NumPy and in PyTorch."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mlpwatch.core.monitor.loop import StopOrder, WatchedLoop, watch

__all__ = ["StopOrder", "WatchedLoop", "watch"]

__version__ = "0.1.0"


def __getattr__(name: str) -> object:
    """Import what a training loop needs when it asks for it: 60 ms, without NumPy."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from mlpwatch.core.monitor import loop  # noqa: PLC0415 - see above

    return getattr(loop, name)
