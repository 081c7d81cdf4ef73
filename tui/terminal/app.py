"""An app that skips frames while the terminal is busy, and later sends the missed cells once."""

from collections import deque
from functools import cached_property
from time import monotonic
from weakref import ref

from rich.console import RenderableType
from textual import constants
from textual.app import ReturnType
from textual.driver import Driver
from textual.events import Event, InputEvent, Resize
from textual.geometry import Region, Size
from textual.screen import Screen
from textual.timer import Timer
from textual.widget import Widget

from mlpwatch.tui.terminal.driver import TerminalDriver, flow_of, output_of
from mlpwatch.tui.terminal.output import Output
from mlpwatch.tui.terminal.spans import SpanApp
from mlpwatch.tui.terminal.textual_internals import ChopsUpdate
from mlpwatch.tui.terminal.window.background import BackgroundFound
from mlpwatch.tui.terminal.window.pictures import Placement

MOST_WAITING = 2_048
"""Characters that may wait before frames are skipped: two to four frames of live curves."""

LOOK_SECONDS = 0.05
"""Time between two checks whether the terminal accepts output again."""

OPENING_SECONDS = 2.0
"""Keys wait this long for a screen to open, which takes some milliseconds."""

OPENING_LOOK_SECONDS = 0.005

DEFAULT_THEME = "textual-dark"

STRAY_SECONDS = 1.0
"""Time between two checks for output of libraries."""


class HasPicture(Widget):
    """A view with a picture in pixels in front of its cells."""

    picture: Placement | None = None
    """Relative to the view; None for none."""


class Missed:
    """The cells of skipped frames: one stretch per row, or the whole screen."""

    def __init__(self) -> None:
        self._rows: dict[int, tuple[int, int]] = {}
        self._all = False

    def add(self, renderable: RenderableType) -> None:
        """Add the cells of a skipped frame."""
        if not isinstance(renderable, ChopsUpdate):
            self._all = True
            return
        for y, start, end in renderable.spans:
            first, last = self._rows.get(y, (start, end))
            self._rows[y] = min(first, start), max(last, end)

    def __bool__(self) -> bool:
        """Whether any frame was skipped."""
        return self._all or bool(self._rows)

    def refresh(self, screen: Screen[object]) -> None:
        """Have the screen draw these cells in their present state, and forget them."""
        rows, self._rows = self._rows, {}
        regions = [Region(start, y, end - start, 1) for y, (start, end) in rows.items()]
        if self._all:
            regions, self._all = [], False
        screen.refresh(*regions)


class TerminalApp(SpanApp[ReturnType]):
    """Sends no frame while an earlier one is waiting; modes and answers are still sent.

    A slow link gets fewer frames, a stalled one none; in either case the next frame sent shows
    the newest state. Only the missed cells are sent, not the whole screen: otherwise repaints of
    cells that arrived in time would fill a slow link.
    """

    follows_background = False
    """Whether a light terminal gets the light theme: no theme was asked for."""

    shows_pictures = False
    """Whether the terminal has answered that it shows pixels."""

    _pictured: "ref[HasPicture] | None" = None
    _missed: Missed | None = None
    _early_until = 0.0
    _catch_up_timer: Timer | None = None

    @cached_property
    def _early(self) -> deque[InputEvent]:
        """Key and mouse events that wait for a screen to open."""
        return deque()

    def get_driver_class(self) -> type[Driver]:
        """Return the driver named in the environment, or one that no terminal can block."""
        return super().get_driver_class() if constants.DRIVER else TerminalDriver

    def bytes_taken(self) -> int:
        """Return the number of bytes that the terminal has accepted."""
        output = output_of(self.driver)
        return output.bytes_taken if output else 0

    def on_mount(self) -> None:
        """Start checking for output of libraries."""
        self.set_interval(STRAY_SECONDS, self._look_for_stray_output)

    def on_background_found(self, event: BackgroundFound) -> None:
        """Show dark letters on light ground where the terminal does; dark ground is the default."""
        # Unless another theme has been chosen meanwhile: over a slow link the answer is late.
        if self.follows_background and event.is_light and self.theme == DEFAULT_THEME:
            self.theme = "textual-light"
        self.follows_background = False

    def on_pictures_found(self) -> None:
        """Show large digits in pixels from now on."""
        self.shows_pictures = True

    def heard(self, line: str) -> None:
        """Show a line that a library has written to the terminal; by default not at all."""

    def stray_lines(self) -> list[str]:
        """Return what libraries have written to the terminal while the screen was shown."""
        return self.driver.stray_output.lines() if isinstance(self.driver, TerminalDriver) else []

    def follow_size(self) -> None:
        """Check the terminal's size: one change in some hundreds comes without its signal."""
        if isinstance(self.driver, TerminalDriver):
            size = Size(*self.driver.terminal_size())
            if size != self.size:
                self.post_message(Resize(size, size))

    def _look_for_stray_output(self) -> None:
        driver = self.driver
        if isinstance(driver, TerminalDriver) and (line := driver.stray_output.new_line()):
            self.heard(line)

    def _is_opening(self) -> bool:
        """Return whether the screen on top is not mounted yet."""
        return bool(self.screen_stack) and not self.screen.is_mounted

    def _hold(self, event: InputEvent) -> None:
        """Keep an event until the screen that it is meant for is mounted."""
        if not self._early:
            self._early_until = monotonic() + OPENING_SECONDS
            self.set_timer(OPENING_LOOK_SECONDS, self._release)
        self._early.append(event)

    async def _release(self) -> None:
        """Pass on the kept events, in order."""
        while self._early and not (self._is_opening() and monotonic() < self._early_until):
            await super().on_event(self._early.popleft())
            # The next event may be for another screen, which this one opens.
            self._early_until = monotonic() + OPENING_SECONDS
        if self._early:
            self.set_timer(OPENING_LOOK_SECONDS, self._release)

    async def on_event(self, event: Event) -> None:
        """Pass events on, or keep them for a screen; answers to keys are not delayed by pacing."""
        if isinstance(event, Resize):
            # Otherwise Rich reads it from COLUMNS and LINES.
            self.console.size = event.size
            if isinstance(self.driver, TerminalDriver):
                self.driver.pictures.forget()
        if isinstance(event, InputEvent | Resize) and (flow := flow_of(self.driver)):
            flow.typed()
        if isinstance(event, InputEvent) and (self._early or self._is_opening()):
            self._hold(event)
        else:
            await super().on_event(event)

    def show_pictures_of(self, view: "HasPicture") -> None:
        """Show the picture of a view in front of its cells, while it is on the screen on top."""
        self._pictured = ref(view)
        # Its place is known once it is laid out.
        self.call_after_refresh(self._show_pictures)

    def _show_pictures(self) -> None:
        driver, view = self.driver, self._pictured() if self._pictured else None
        if view is None or not isinstance(driver, TerminalDriver) or not self.screen_stack:
            return
        wanted = view.picture
        if wanted is not None:
            is_seen = view.is_attached and view.screen is self.screen and view.is_on_screen
            # Scrolled out in part, it would cover what is beside its view.
            is_seen = is_seen and self.screen.region.contains_region(view.region)
            x, y = view.content_region.offset
            wanted = wanted._replace(x=wanted.x + x, y=wanted.y + y) if is_seen else None
        driver.write(driver.pictures.change(wanted))

    def display_frame(self, screen: Screen[object], renderable: RenderableType | None) -> None:
        """Send a frame, or skip it while an earlier one is on its way."""
        output = output_of(self.driver)
        if renderable is None or output is None:
            super().display_frame(screen, renderable)
        elif output.waiting <= MOST_WAITING and self._has_drawn():
            self._send(screen, renderable, output)
            if self._pictured is not None:
                # Another screen may lie above now, or the view be elsewhere.
                self._show_pictures()
        else:
            self._miss(renderable)

    def _has_drawn(self) -> bool:
        """Return whether the terminal has drawn what was sent; always true if it is not asked."""
        flow = flow_of(self.driver)
        return flow is None or flow.may_send()

    def _send(self, screen: Screen[object], renderable: RenderableType, output: Output) -> None:
        before = output.handed_over
        super().display_frame(screen, renderable)
        flow = flow_of(self.driver)
        if output.handed_over > before and flow and (question := flow.sent()):
            output.write(question)

    def _miss(self, renderable: RenderableType) -> None:
        """Skip a frame, and check repeatedly whether another may be sent."""
        if self._missed is None:
            self._missed = Missed()
        self._missed.add(renderable)
        if self._catch_up_timer is None:
            self._catch_up_timer = self.set_interval(LOOK_SECONDS, self.catch_up)

    def catch_up(self) -> None:
        """Draw what was missed, once the terminal has accepted and drawn all that was sent."""
        output, flow = output_of(self.driver), flow_of(self.driver)
        if output is not None and output.waiting:
            return
        if output is not None and flow is not None and not flow.may_send():
            if question := flow.reminder():
                output.write(question)
            return
        if self._catch_up_timer is not None:
            self._catch_up_timer.stop()
            self._catch_up_timer = None
        if self._missed:
            self._missed.refresh(self.screen)
