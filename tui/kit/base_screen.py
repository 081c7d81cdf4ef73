"""What all screens share: when they may draw, how they close, how they receive late keys."""

from typing import Protocol, runtime_checkable

from textual.await_complete import AwaitComplete
from textual.events import Key
from textual.screen import Screen, ScreenResultType
from textual.widget import Widget

from mlpwatch.tui.terminal.textual_internals import is_being_removed


def can_draw(view: Widget) -> bool:
    """Return whether all parts of a screen, or of a part of a screen, exist.

    `is_attached` alone is also true before they are made, and while a closed screen is removed: its
    timers and workers may fire in between, and would find no child.
    """
    return view.is_attached and view.is_mounted and not is_being_removed(view)


class ClosesOnce(Screen[ScreenResultType]):
    """A screen that closes only itself, and only once.

    Textual closes the screen on top, whichever it is. Keys typed in a burst, or a palette command
    after an escape, would also close the screen below; closing the last screen ends the app.
    """

    def dismiss(self, result: ScreenResultType | None = None) -> AwaitComplete:
        """Close with a result, if this is the screen on top."""
        return super().dismiss(result) if self.is_active else AwaitComplete()


@runtime_checkable
class TakesKeys(Protocol):
    """A screen that sometimes takes keys without a binding: any key, or a label.

    In a burst, the keys after the one that opens the screen arrive before it does; the app passes
    them on.
    """

    def take_key(self, event: Key) -> bool:
        """Take a key if the screen waits for it; return whether it did."""
        ...


@runtime_checkable
class Says(Protocol):
    """A screen that shows its own messages."""

    def say(self, text: str, *, bad: bool = False) -> None:
        """Show a message above the footer."""
        ...
