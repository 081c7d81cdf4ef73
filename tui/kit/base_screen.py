"""What all screens share: when they may draw, how they close, late keys, keys of spectators."""

from typing import TYPE_CHECKING, Protocol, runtime_checkable

from textual.actions import parse
from textual.app import ReturnType
from textual.await_complete import AwaitComplete
from textual.events import Key
from textual.screen import Screen, ScreenResultType
from textual.widget import Widget

from mlpwatch.core.spectating import LOOKS_ONLY, looks_only
from mlpwatch.tui.kit.keys import CHANGING
from mlpwatch.tui.terminal.app import TerminalApp
from mlpwatch.tui.terminal.textual_internals import is_being_removed

if TYPE_CHECKING:
    from collections.abc import Mapping

    from textual.actions import ActionParseResult
    from textual.dom import DOMNode


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


class SpectatedApp(TerminalApp[ReturnType]):
    """An app that, in a spectator's process, answers changing actions with one line.

    Every key and every key's command in the palette is such an action. An action of a screen that
    is being closed is dropped: keys typed in a burst may reach it when its widgets are gone.
    """

    async def run_action(
        self,
        action: "str | ActionParseResult",
        default_namespace: "DOMNode | None" = None,
        namespaces: "Mapping[str, DOMNode] | None" = None,
    ) -> bool:
        """Run an action, unless a spectator may not take it, or its screen is gone."""
        where, name, _ = parse(action) if isinstance(action, str) else action
        if looks_only() and name in CHANGING:
            self._answer(LOOKS_ONLY)
            return True
        is_gone = isinstance(default_namespace, Screen) and not can_draw(default_namespace)
        if is_gone and not where and hasattr(default_namespace, f"action_{name}"):
            return True
        return await super().run_action(action, default_namespace, namespaces)

    def _answer(self, text: str, *, bad: bool = False, seconds: float | None = None) -> None:
        """Show an answer to a key, only on the screen where it was pressed.

        Args:
            text: one line.
            bad: it is a fault.
            seconds: how long it is shown; None for as long as other answers.
        """
        raise NotImplementedError
