"""The screen's event loop, which keeps the interpreter while it has something to do."""

import asyncio
import selectors

from core.interpreter import keep_interpreter, share_interpreter


class _SharingSelector(selectors.DefaultSelector):
    """Waits for keys and timers; meanwhile the trainers hand the interpreter to and fro quickly."""

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """Wait; see `selectors.BaseSelector.select`."""
        share_interpreter()
        try:
            return super().select(timeout)
        finally:
            keep_interpreter()


def screen_loop() -> asyncio.AbstractEventLoop:
    """Return a new event loop for the app."""
    return asyncio.SelectorEventLoop(_SharingSelector())
