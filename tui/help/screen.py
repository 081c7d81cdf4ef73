"""Short screens above the others: the help, and the command palette."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import ClassVar

from textual.app import App, ComposeResult, SystemCommand
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.events import Key as KeyEvent
from textual.events import Resize
from textual.geometry import Size
from textual.screen import ModalScreen, Screen
from textual.widgets import Static

from mlpwatch.tui.help.text import FRAME_COLUMNS, HELP_COLUMNS, laid_out
from mlpwatch.tui.kit.base_screen import ClosesOnce
from mlpwatch.tui.kit.keys import KEYS, Where
from mlpwatch.tui.kit.look import look_of
from mlpwatch.tui.terminal.textual_internals import SafePalette

_SCROLL_KEYS = ("up", "down", "pageup", "pagedown", "home", "end")


class HelpScreen(ModalScreen[None], ClosesOnce[None]):
    """All keys, from the key table; any key except those that scroll closes it.

    Args:
        where: the screen below; its keys come first.
    """

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "dismiss", "close", show=False)]

    def __init__(self, where: Where = "dashboard") -> None:
        super().__init__()
        self._where = where
        self._laid_out_for = (0, 0)

    def compose(self) -> ComposeResult:
        """Make the list."""
        with VerticalScroll(id="help"):
            yield Static(id="keys", markup=False)

    def on_mount(self) -> None:
        """Lay out the keys, so that the first frame has them."""
        self._lay_out(self.app.size)

    def on_screen_resume(self) -> None:
        """Scroll to the top, and lay out for the present size."""
        self.query_one("#help", VerticalScroll).scroll_home(animate=False)
        self._lay_out(self.app.size)

    def on_resize(self, event: Resize) -> None:
        """Lay out the keys for the new size."""
        self._lay_out(event.size)

    def on_key(self, event: KeyEvent) -> None:
        """Take a key."""
        if self.take_key(event):
            event.stop()

    def take_key(self, event: KeyEvent) -> bool:
        """Close on any key that does not scroll."""
        closes = event.key not in _SCROLL_KEYS
        if closes:
            self.dismiss()
        return closes

    def _lay_out(self, size: Size) -> None:
        """Lay out the keys, if the terminal's size has changed."""
        if size == self._laid_out_for:
            return
        self._laid_out_for = size
        text = laid_out(self._where, size, look_of(self))
        columns = max(len(line) for line in text.plain.split("\n"))
        self.query_one("#help").styles.width = max(HELP_COLUMNS, columns) + FRAME_COLUMNS
        self.query_one("#keys", Static).update(text)


class Palette(SafePalette, ClosesOnce[None]):
    """Textual's palette; keys that come in a burst would close it and the screen below it."""


def palette_commands(
    app: App[int], screen: Screen[object], new_run: Callable[[], None]
) -> Iterator[SystemCommand]:
    """Yield the commands of a screen.

    Args:
        app: runs the actions.
        screen: on which the palette was opened.
        new_run: asks for the options of a new run.
    """
    where = getattr(screen, "WHERE", "everywhere")
    for key in KEYS:
        if key.where in (where, "everywhere") and key.action != "command_palette":
            title = key.label or key.help
            title = title[0].upper() + title[1:]
            # From the palette `leave` ends the program on every screen.
            leaves = key.action == "leave"
            run = (
                partial(app.run_action, "quit")
                if leaves
                else partial(screen.run_action, key.action)
            )
            about = f"{key.help} ({key.shown})" if key.label else key.shown
            yield SystemCommand(title, about, run)
    for name, about in (("Light", "dark text on light ground"), ("Dark", "light text on dark")):
        theme = partial(setattr, app, "theme", f"textual-{name.lower()}")
        yield SystemCommand(f"{name} theme", about, theme)
    yield SystemCommand("New run", "change the options of a run (r, then N)", new_run)
