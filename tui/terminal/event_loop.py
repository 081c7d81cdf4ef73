"""The screen's event loop, which keeps the interpreter while it answers a key."""

import asyncio
import selectors
from time import monotonic

from mlpwatch.core.scheduling import keep_interpreter, share_interpreter

ANSWER_SECONDS = 0.15
"""The screen has priority for this long after a key; nearly all is drawn by then."""


class _SharingSelector(selectors.DefaultSelector):
    """Waits for keys and timers; meanwhile the trainers switch the interpreter quickly."""

    answers_until = 0.0
    is_waiting = False
    """Whether the loop must first get the interpreter back, as soon as possible."""

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """Wait; see `selectors.BaseSelector.select`."""
        self.is_waiting = True
        share_interpreter()
        try:
            return super().select(timeout)
        finally:
            self.is_waiting = False
            if monotonic() < self.answers_until:
                keep_interpreter()


class ScreenLoop(asyncio.SelectorEventLoop):
    """Often leaves the interpreter to the trainers, except while it answers a key."""

    def __init__(self) -> None:
        self._sharing = _SharingSelector()
        super().__init__(self._sharing)

    def answer(self) -> None:
        """Keep the interpreter for a moment: the user has pressed a key and waits."""
        self._sharing.answers_until = monotonic() + ANSWER_SECONDS
        if not self._sharing.is_waiting:
            keep_interpreter()


def answer_soon(loop: asyncio.AbstractEventLoop) -> None:
    """Have a loop answer a key before the trainers run, if it can; callable from any thread."""
    if isinstance(loop, ScreenLoop):
        loop.answer()
