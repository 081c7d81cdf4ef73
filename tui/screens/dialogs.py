"""Short screens over the others: help, and all commands by name."""

from textwrap import fill
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.command import CommandPalette
from textual.containers import VerticalScroll
from textual.events import Key as KeyEvent
from textual.events import Resize
from textual.screen import ModalScreen
from textual.widgets import Static

from tui.keys import KEYS, Where
from tui.screens.presence import ClosesOnce

_HEADINGS: dict[Where, str] = {
    "everywhere": "Everywhere",
    "dashboard": "On the dashboard",
    "mistakes": "Among the mistakes",
    "explain": "In the explanation",
    "weights": "Among the weights",
    "runs": "Among the runs",
    "compare": "Comparing runs",
    "question": "Asked before something is done",
    "entry": "Typing a name or a number",
    "draw": "On the drawing",
}

_ARROWS = str.maketrans({"↑": "up", "↓": "down", "←": "left", "→": "right"})
"""A plain ">" would name another key."""

HELP_COLUMNS = 72
"""Of the 78 that the stylesheet gives, without its padding and the scrollbar."""

_FRAME_COLUMNS = 6
"""Padding and scrollbar."""

_TEXT_AT = 13
"""The column where the help of a key begins."""

_SCROLL_KEYS = ("up", "down", "pageup", "pagedown", "home", "end")


class HelpScreen(ModalScreen[None], ClosesOnce[None]):
    """All keys, from the one table; any other key than those that scroll closes it.

    Args:
        where: it is asked for; what works there comes first.
        ascii_only: name the arrow keys in words.
    """

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "dismiss", "close", show=False)]

    def __init__(self, where: Where = "dashboard", *, ascii_only: bool = False) -> None:
        super().__init__()
        self._where, self._ascii = where, ascii_only
        self._wrapped_at = 0

    def compose(self) -> ComposeResult:
        """Make the list."""
        with VerticalScroll(id="help"):
            yield Static(self._wrapped(self.app.size.width), id="keys", markup=False)

    def on_screen_resume(self) -> None:
        """Begin at the top again, in the terminal's size of now."""
        self.query_one("#help", VerticalScroll).scroll_home(animate=False)
        self._wrap(self.app.size.width)

    def on_resize(self, event: Resize) -> None:
        """Wrap the lines anew."""
        self._wrap(event.size.width)

    def on_key(self, event: KeyEvent) -> None:
        """Close on any key that does not scroll."""
        if event.key not in _SCROLL_KEYS:
            event.stop()
            self.dismiss()

    def _wrap(self, columns: int) -> None:
        """Wrap the lines, if they have another width than before."""
        if columns != self._wrapped_at:
            self.query_one("#keys", Static).update(self._wrapped(columns))

    def _wrapped(self, columns: int) -> str:
        self._wrapped_at = columns
        width = min(HELP_COLUMNS, columns - _FRAME_COLUMNS)
        return help_text(self._where, width, ascii_only=self._ascii)


class Palette(CommandPalette, ClosesOnce[None]):
    """Textual's palette, which keys that come in a burst would close with the screen below it."""


def help_text(
    here: Where = "dashboard", width: int = HELP_COLUMNS, *, ascii_only: bool = False
) -> str:
    """Return all keys, grouped by where they work: here, everywhere, elsewhere.

    Args:
        here: what works there comes first.
        width: in columns; a longer line goes on below its own text, not below the key.
        ascii_only: name the arrow keys in words.
    """
    lines: list[str] = []
    for where in (here, *(where for where in _HEADINGS if where != here)):
        lines.append(_HEADINGS[where])
        for key in KEYS:
            if key.where == where:
                shown = key.shown.translate(_ARROWS) if ascii_only else key.shown
                lines.append(_filled(f"  {shown:<10} {key.help}", width))
        lines.append("")
    mouse = "Shift and drag selects text in most terminals; --no-mouse leaves the mouse alone."
    lines.append(fill(mouse, max(1, width)))
    return "\n".join(lines)


def _filled(line: str, width: int) -> str:
    columns = max(width, _TEXT_AT + 10)
    # Where all fits nothing is asked of `fill`, which takes 0.1 ms a line.
    if len(line) <= columns:
        return line
    return fill(line, columns, subsequent_indent=" " * _TEXT_AT, drop_whitespace=True)
