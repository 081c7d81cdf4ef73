"""The screen's event loop, which keeps the interpreter while a key is answered."""

import asyncio
import selectors
from time import monotonic

from mlpwatch.core.scheduling import keep_interpreter, share_interpreter

ANSWER_SECONDS = 0.15
"""How long after a key the screen goes before the trainers; nearly all is drawn by then."""


class _SharingSelector(selectors.DefaultSelector):
    """Waits for keys and timers; meanwhile the trainers hand the interpreter to and fro quickly."""

    answers_until = 0.0
    is_waiting = False
    """Whether the loop has to get the interpreter back first: the sooner, the better."""

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
    """Lets the trainers have the interpreter often, but for the time that an answer takes."""

    def __init__(self) -> None:
        self._sharing = _SharingSelector()
        super().__init__(self._sharing)

    def answer(self) -> None:
        """Keep the interpreter for a moment: somebody has pressed a key and waits."""
        self._sharing.answers_until = monotonic() + ANSWER_SECONDS
        if not self._sharing.is_waiting:
            keep_interpreter()


def answer_soon(loop: asyncio.AbstractEventLoop) -> None:
    """Have a loop answer a key before it lets the trainers on, if it can; from any thread."""
    if isinstance(loop, ScreenLoop):
        loop.answer()
