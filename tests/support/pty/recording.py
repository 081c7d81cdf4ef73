"""An app that keeps what it would send to a terminal, and a terminal to send it to."""

import pyte
from rich.color import ColorSystem
from rich.console import RenderableType
from textual.app import ComposeResult
from textual.screen import Screen
from textual.widget import Widget

from mlpwatch.tui.terminal.spans import SpanApp
from mlpwatch.tui.terminal.textual_internals import CompositorUpdate, DisplayApp


class _Recorder(DisplayApp[None]):
    def __init__(self, *widgets: Widget, css: str = "") -> None:
        super().__init__()
        self._widgets = widgets
        self.sent: list[str] = []
        # Whatever TERM the tests run under.
        self.console._color_system = ColorSystem.TRUECOLOR
        if css:
            self.stylesheet.add_source(css)

    def compose(self) -> ComposeResult:
        yield from self._widgets

    def display_frame(self, screen: Screen[object], renderable: RenderableType | None) -> None:
        if isinstance(renderable, CompositorUpdate):
            self.sent.append(renderable.render_segments(self.console))
        super().display_frame(screen, renderable)

    def sent_bytes(self) -> int:
        """Bytes since the last clear, without cursor parking."""
        return len("".join(self.sent).encode())


class StockApp(_Recorder):
    """As Textual sends updates."""


class RecordingApp(SpanApp[None], _Recorder):
    """As mlpwatch sends updates."""


class Terminal:
    """A terminal emulator of a given size."""

    def __init__(self, width: int, height: int) -> None:
        self.screen = pyte.Screen(width, height)
        self._stream = pyte.Stream(self.screen)

    def feed(self, app: _Recorder) -> None:
        """Show everything that the app sent, and empty its record."""
        self._stream.feed("".join(app.sent).replace("\n", "\r\n"))
        app.sent.clear()

    def text(self) -> str:
        """The screen's rows without blanks at their ends."""
        return "\n".join(row.rstrip() for row in self.screen.display)

    def colour(self, x: int, y: int) -> str:
        """Foreground of a cell, as six hex digits or a name."""
        return self.screen.buffer[y][x].fg

    def is_reversed(self, x: int, y: int) -> bool:
        """Whether a cell is reversed."""
        return self.screen.buffer[y][x].reverse
