"""All private names of Textual and Rich that the screen needs, each behind a public name.

Tested with Textual 8.2 and Rich 14 and 15. `tests/tui/terminal/test_textual_internals.py` has a
test for each name, which says what has changed if another version breaks it.
"""

import asyncio
from contextlib import suppress
from pathlib import Path
from traceback import extract_tb
from typing import Any

from rich.color import ColorSystem
from rich.console import Console, RenderableType
from textual._compositor import ChopsUpdate, CompositorUpdate, LayoutUpdate
from textual._xterm_parser import XTermParser
from textual.app import App, ReturnType
from textual.command import CommandPalette
from textual.css.query import NoMatches
from textual.driver import Driver
from textual.drivers.linux_driver import LinuxDriver
from textual.errors import NoWidget
from textual.geometry import Region
from textual.screen import Screen
from textual.widget import Widget

__all__ = [
    "ChopsUpdate", "CompositorUpdate", "DisplayApp", "HookedDriver", "LayoutUpdate", "SafePalette",
    "XTermParser", "add_result_callback", "color_system", "is_being_removed",
]  # fmt: skip


class DisplayApp(App[ReturnType]):
    """An app whose subclasses decide how frames are sent."""

    @property
    def driver(self) -> Driver | None:
        """Reads and writes the terminal; None before the app runs."""
        return self._driver

    def display_frame(self, screen: Screen[object], renderable: RenderableType | None) -> None:
        """Send a frame to the terminal.

        Args:
            screen: the screen that was drawn.
            renderable: its changes; None if nothing has changed.
        """
        super()._display(screen, renderable)

    def _display(self, screen: Screen[object], renderable: RenderableType | None) -> None:
        self.display_frame(screen, renderable)

    def _handle_exception(self, error: Exception) -> None:
        palettes = [one for one in self.screen_stack if isinstance(one, SafePalette)]
        cause = getattr(error, "error", error)
        if palettes and isinstance(cause, (LookupError, NoMatches)) and _is_textuals_own(cause):
            palettes[-1].dismiss()
        else:
            super()._handle_exception(error)


class HookedDriver(LinuxDriver):
    """Textual's driver for terminals; subclasses handle its size and job control."""

    @property
    def app(self) -> App[Any]:
        """The driver's app."""
        return self._app

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        """The event loop of the app."""
        return self._loop

    def start_application_mode(self) -> None:
        """Take the terminal."""
        # Textual's method has no annotations.
        super().start_application_mode()  # type: ignore[no-untyped-call]

    def terminal_size(self) -> tuple[int, int]:
        """Return columns and rows."""
        return super()._get_terminal_size()

    def stop_process(self) -> None:
        """Release the terminal and stop the process, for ctrl+z."""
        super()._sigtstp_application()

    def continue_process(self) -> None:
        """Take the terminal again after the process was stopped."""
        super()._sigcont_application()

    def _query_in_band_window_resize(self) -> None:
        """Request no size reports: the size comes from the system, as in every program."""

    def _get_terminal_size(self) -> tuple[int, int]:
        return self.terminal_size()

    def _sigtstp_application(self, *_: object) -> None:
        self.stop_process()

    def _sigcont_application(self, *_: object) -> None:
        self.continue_process()


class SafePalette(CommandPalette):
    """Textual's palette, in which `page down` before the list is laid out does nothing.

    Textual 8.2 then accesses a row that is not yet known: `ctrl+p` and `page down` in one read
    ended the app. So did a click on empty space in a terminal that has become smaller; a click
    on a row that a letter typed meanwhile has removed; an escape while it still searches.
    An error in the palette itself closes it: see `DisplayApp`.
    """

    def get_widget_at(self, x: int, y: int) -> tuple[Widget, Region]:
        """Return the widget at a place, and its region; the palette itself if there is none."""
        try:
            return super().get_widget_at(x, y)
        except NoWidget:
            return self, self.region

    def _action_command_list(self, action: str) -> None:
        with suppress(KeyError, IndexError):
            super()._action_command_list(action)


def _is_textuals_own(error: BaseException) -> bool:
    """Return whether an error arose in Textual, without code of this project on the stack."""
    files = [frame.filename for frame in extract_tb(error.__traceback__)]
    return not any("mlpwatch" in Path(file).parts for file in files if file != __file__)


def color_system(console: Console) -> ColorSystem:
    """Return the colour system of a console; true colours if it has none."""
    return console._color_system or ColorSystem.TRUECOLOR


def is_being_removed(widget: Widget) -> bool:
    """Return whether a widget is being removed: its children may be gone."""
    return widget._pruning


def add_result_callback(screen: Screen[Any]) -> None:
    """Add a result callback to a screen; `pop_screen` and `switch_screen` remove one.

    Textual adds it for each screen except an app's first one.
    """
    screen._push_result_callback(screen, None)
