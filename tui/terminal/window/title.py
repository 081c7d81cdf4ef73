"""The window's title and the progress in its tab: sent only when they have changed, and taken back.

The title of before lies on the terminal's own stack meanwhile (xterm's `CSI 22;0t` and `23;0t`).
"""

from collections.abc import Callable
from time import monotonic
from typing import Literal, NamedTuple

from mlpwatch.core.text import printable
from mlpwatch.tui.terminal.window.abilities import Abilities

TITLE_SECONDS = 5.0
"""Time between two titles: 60 bytes in 5 s are 0.7 % of the 1.8 kB/s of the dashboard."""

PROGRESS_SECONDS = 10.0
"""Time until the same progress is sent again: Ghostty hides it after 15 s of silence."""

MOST_TITLE_LENGTH = 60

Progress = Literal["running", "failed", "paused"]

_STATES: dict[Progress, int] = {"running": 1, "failed": 2, "paused": 4}

_PUSH, _POP = "\x1b[22;0t", "\x1b[23;0t"
_NO_PROGRESS = "\x1b]9;4;0;0\x1b\\"


class WindowState(NamedTuple):
    """What title and tab say of a run."""

    title: str
    progress: Progress | None = None
    """None for no progress, as before and after the training."""
    percent: int = 0


class WindowSigns:
    """Returns the sequences for title and progress; the caller writes them.

    Args:
        can: what the terminal shows.
        clock: returns seconds.
    """

    def __init__(self, can: Abilities, clock: Callable[[], float] = monotonic) -> None:
        self._can, self._clock = can, clock
        self._is_open = False
        self._state: WindowState | None = None
        self._title, self._titled_at = "", -TITLE_SECONDS
        self._progress, self._progressed_at = "", -PROGRESS_SECONDS

    def open(self) -> str:
        """Keep the title of before, and show the state from before ctrl+z, if there is one."""
        self._is_open = True
        self._title = self._progress = ""
        self._titled_at = -TITLE_SECONDS
        pushed = _PUSH if self._can.has_title else ""
        return pushed + (self.show(self._state) if self._state else "")

    def show(self, state: WindowState) -> str:
        """Return what is new, at most every few seconds; "" for nothing."""
        self._state = state
        if not self._is_open:
            return ""
        return self._new_title(state) + self._new_progress(state)

    def close(self) -> str:
        """Take back both, once."""
        if not self._is_open:
            return ""
        self._is_open = False
        cleared = _NO_PROGRESS if self._progress else ""
        return cleared + (_POP if self._can.has_title else "")

    def _new_title(self, state: WindowState) -> str:
        title = printable(state.title)[:MOST_TITLE_LENGTH]
        is_early = self._clock() - self._titled_at < TITLE_SECONDS
        if not self._can.has_title or title == self._title or is_early:
            return ""
        self._title, self._titled_at = title, self._clock()
        return f"\x1b]2;{title}\a"

    def _new_progress(self, state: WindowState) -> str:
        if not self._can.has_progress:
            return ""
        if state.progress is None:
            was_shown, self._progress = bool(self._progress), ""
            return _NO_PROGRESS if was_shown else ""
        # ST at its end: some of VTE's terminals take no bell there.
        text = f"\x1b]9;4;{_STATES[state.progress]};{state.percent}\x1b\\"
        since = self._clock() - self._progressed_at
        if since < (PROGRESS_SECONDS if text == self._progress else 1.0):
            return ""
        self._progress, self._progressed_at = text, self._clock()
        return text
