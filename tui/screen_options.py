"""What the command line says of the screen."""

from pathlib import Path
from typing import NamedTuple

from mlpwatch.tui.terminal.traits import is_remote

DEFAULT_FPS = 4.0
SSH_FPS = 2.0
"""Over SSH half as often: bytes and latency count more there."""


class ScreenOptions(NamedTuple):
    """What the command line says of the screen."""

    fps: float | None = None
    """Looks into the mailbox per second; None for the default of this kind of terminal."""
    mouse: bool = True
    ascii_only: bool = False
    saved: Path = Path("saved")
    """The folder of all runs."""
    goes_on_after_hangup: bool = False
    """A terminal that is gone ends the screen alone, not the training."""

    @property
    def frames_per_second(self) -> float:
        """What was asked for, or the default of this kind of terminal."""
        default = SSH_FPS if is_remote() else DEFAULT_FPS
        return self.fps or default
