"""An app that skips frames while the terminal takes nothing, and then sends what it missed once."""

from collections import deque
from functools import cached_property
from time import monotonic

from rich.console import RenderableType
from textual import constants
from textual.app import ReturnType
from textual.driver import Driver
from textual.events import Event, InputEvent, Resize
from textual.geometry import Region, Size
from textual.screen import Screen
from textual.timer import Timer

from mlpwatch.tui.terminal.driver import TerminalDriver, flow_of, output_of
from mlpwatch.tui.terminal.output import Output
from mlpwatch.tui.terminal.spans import SpanApp
from mlpwatch.tui.terminal.textual_internals import ChopsUpdate

MOST_WAITING = 2_048
"""Characters that may wait before frames are skipped: two to four frames of live curves."""

LOOK_SECONDS = 0.05
"""Time between two looks whether the terminal takes something again."""

OPENING_SECONDS = 2.0
"""How long keys wait for a screen to open; it takes some milliseconds."""

OPENING_LOOK_SECONDS = 0.005

STRAY_SECONDS = 1.0
"""Time between two looks at what libraries have written."""


class Missed:
    """What skipped frames would have changed: one stretch per row, or the whole screen."""

    def __init__(self) -> None:
        self._rows: dict[int, tuple[int, int]] = {}
        self._all = False

    def add(self, renderable: RenderableType) -> None:
        """Note the cells of a frame that is skipped."""
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
        """Have the screen draw these cells as they are now, and forget them."""
        rows, self._rows = self._rows, {}
        regions = [Region(start, y, end - start, 1) for y, (start, end) in rows.items()]
        if self._all:
            regions, self._all = [], False
        screen.refresh(*regions)


class TerminalApp(SpanApp[ReturnType]):
    """Sends no frame while an earlier one waits for the terminal; modes and answers still go out.

    A link slower than the changes gets fewer frames, a stalled one none; either way the first
    frame that it takes shows the newest state. Sending only the cells that were missed, not the
    whole screen, keeps a slow link from being filled by repaints of what it had in time.
    """

    _missed: Missed | None = None
    _early_until = 0.0
    _catch_up_timer: Timer | None = None

    @cached_property
    def _early(self) -> deque[InputEvent]:
        """Keys and the like that wait for a screen to open."""
        return deque()

    def get_driver_class(self) -> type[Driver]:
        """Return the driver that the environment names, or one that no terminal can block."""
        return super().get_driver_class() if constants.DRIVER else TerminalDriver

    def bytes_taken(self) -> int:
        """Return the bytes that the terminal has taken so far."""
        output = output_of(self.driver)
        return output.bytes_taken if output else 0

    def on_mount(self) -> None:
        """Look for what libraries write."""
        self.set_interval(STRAY_SECONDS, self._look_for_stray_output)

    def heard(self, line: str) -> None:
        """Show a line that a library has written to the terminal; by default not at all."""

    def stray_lines(self) -> list[str]:
        """Return what libraries have written to the terminal while the screen was up."""
        return self.driver.stray_output.lines() if isinstance(self.driver, TerminalDriver) else []

    def follow_size(self) -> None:
        """Compare the terminal's size: one change in some hundreds comes without its signal."""
        if isinstance(self.driver, TerminalDriver):
            size = Size(*self.driver.terminal_size())
            if size != self.size:
                self.post_message(Resize(size, size))

    def _look_for_stray_output(self) -> None:
        driver = self.driver
        if isinstance(driver, TerminalDriver) and (line := driver.stray_output.new_line()):
            self.heard(line)

    def _is_opening(self) -> bool:
        """Return whether the screen on top has no parts yet that a key could change."""
        return bool(self.screen_stack) and not self.screen.is_mounted

    def _hold(self, event: InputEvent) -> None:
        """Keep what was typed ahead until the screen that it is for is there."""
        if not self._early:
            self._early_until = monotonic() + OPENING_SECONDS
            self.set_timer(OPENING_LOOK_SECONDS, self._release)
        self._early.append(event)

    async def _release(self) -> None:
        """Pass on, in order, what was held."""
        while self._early and not (self._is_opening() and monotonic() < self._early_until):
            await super().on_event(self._early.popleft())
            # The next one may be for another screen, which this one opens.
            self._early_until = monotonic() + OPENING_SECONDS
        if self._early:
            self.set_timer(OPENING_LOOK_SECONDS, self._release)

    async def on_event(self, event: Event) -> None:
        """Let what a key changes go out at once, too, where frames are paced."""
        if isinstance(event, Resize):
            # Else Rich looks for it in COLUMNS and LINES.
            self.console.size = event.size
        if isinstance(event, InputEvent | Resize) and (flow := flow_of(self.driver)):
            flow.typed()
        if isinstance(event, InputEvent) and (self._early or self._is_opening()):
            self._hold(event)
        else:
            await super().on_event(event)

    def display_frame(self, screen: Screen[object], renderable: RenderableType | None) -> None:
        """Send a frame, or skip it while an earlier one is under way."""
        output = output_of(self.driver)
        if renderable is None or output is None:
            super().display_frame(screen, renderable)
        elif output.waiting <= MOST_WAITING and self._has_drawn():
            self._send(screen, renderable, output)
        else:
            self._miss(renderable)

    def _has_drawn(self) -> bool:
        """Return whether the terminal has drawn what it got, as far as it is asked."""
        flow = flow_of(self.driver)
        return flow is None or flow.may_send()

    def _send(self, screen: Screen[object], renderable: RenderableType, output: Output) -> None:
        before = output.handed_over
        super().display_frame(screen, renderable)
        flow = flow_of(self.driver)
        if output.handed_over > before and flow and (question := flow.sent()):
            output.write(question)

    def _miss(self, renderable: RenderableType) -> None:
        """Skip a frame, and look again and again whether another may go."""
        if self._missed is None:
            self._missed = Missed()
        self._missed.add(renderable)
        if self._catch_up_timer is None:
            self._catch_up_timer = self.set_interval(LOOK_SECONDS, self.catch_up)

    def catch_up(self) -> None:
        """Draw what was missed, once the terminal has taken and drawn all that was sent."""
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
