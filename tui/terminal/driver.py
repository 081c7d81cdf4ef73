"""A driver whose output never blocks the app, and whose input takes priority over the trainers.

Textual 8.2 queues 30 writes and then blocks its event loop, and its writing thread dies at the
first error: after a hangup nothing would be saved, and during a stall the app could not react
to signals.
"""

import os
import select
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Protocol, runtime_checkable

from textual.app import App
from textual.driver import Driver
from textual.events import CursorPosition, InputEvent
from textual.message import Message

from mlpwatch.tui.terminal.event_loop import answer_soon
from mlpwatch.tui.terminal.frame_flow import FrameFlow
from mlpwatch.tui.terminal.input_reader import InputReader
from mlpwatch.tui.terminal.output import Output
from mlpwatch.tui.terminal.stray_output import StrayOutput
from mlpwatch.tui.terminal.textual_internals import HookedDriver
from mlpwatch.tui.terminal.traits import is_remote, terminal_size
from mlpwatch.tui.terminal.window.abilities import abilities
from mlpwatch.tui.terminal.window.background import QUESTION
from mlpwatch.tui.terminal.window.pictures import QUESTION as PICTURES_QUESTION
from mlpwatch.tui.terminal.window.pictures import Pictures
from mlpwatch.tui.terminal.window.title import WindowSigns, WindowState

READ_SECONDS, READ_MORE_SECONDS = 0.1, 0.02
"""Time between two checks whether the app leaves; and whether an incomplete sequence is a key."""

READ_BYTES = 4_096


@runtime_checkable
class CatchesUp(Protocol):
    """An app that skips frames while the terminal is slow."""

    def catch_up(self) -> None:
        """Draw what was missed."""
        ...

    def call_later(self, callback: Callable[[], None]) -> bool:
        """Call this in the app's own thread."""
        ...


class TerminalDriver(HookedDriver):
    """Writes through an `Output`, and asks a remote terminal whether it has drawn a frame.

    Args:
        app: the app that is shown.
        debug: log every key to a file.
        mouse: have the terminal report the mouse.
        size: columns and rows; None for the terminal's own.
    """

    def __init__(
        self,
        app: App[Any],
        *,
        debug: bool = False,
        mouse: bool = True,
        size: tuple[int, int] | None = None,
    ) -> None:
        super().__init__(app, debug=debug, mouse=mouse, size=size or terminal_size())
        self.flow: FrameFlow | None = None
        self.output: Output | None = None
        self.stray_output = StrayOutput()
        self._is_paced = is_remote()
        self._window, self.pictures = WindowSigns(abilities()), Pictures()
        self._asks_background = abilities().has_background
        self._is_shown = False
        """Whether the app has the terminal."""
        self._is_stopped = False
        """Whether the terminal was released because of ctrl+z."""

    def start_application_mode(self) -> None:
        """Take the terminal."""
        self.stray_output.catch()
        # Before the thread that reads the answers starts.
        self.flow = FrameFlow() if self._is_paced and self.input_tty else None
        super().start_application_mode()
        self.write(self._window.open())
        if self._asks_background and self.input_tty:
            self.write(QUESTION)
        if abilities().has_pictures and self.input_tty:
            self.write(PICTURES_QUESTION)
        self._is_shown = True

    def stop_application_mode(self) -> None:
        """Release the terminal."""
        self._is_shown = False
        if self.flow is not None and not self._takes_nothing():
            # No report may follow the last answer: a shell would read it.
            self.write("\x1b[?1004l\x1b[?2004l")
            if self._mouse:
                self.write("\x1b[?1003l\x1b[?1000l")
            self.write(self.flow.last_question())
            self.flow.finish()
        # After the check for a terminal that takes nothing: what waits would count as stalled.
        self.write(self.pictures.cleared() + self._window.close())
        super().stop_application_mode()

    def show_window(self, state: WindowState) -> None:
        """Show a title and progress; a terminal that takes nothing now is left alone."""
        if (
            self.output is not None
            and not self.output.waiting
            and (new := self._window.show(state))
        ):
            self.write(new)

    def _takes_nothing(self) -> bool:
        """Return whether the terminal is gone or stalled."""
        return is_hung_up(self) or (self.output is not None and self.output.waiting > 0)

    def stop_process(self) -> None:
        """Release the terminal and stop the process."""
        self._is_stopped = True
        super().stop_process()

    def continue_process(self) -> None:
        """Take the terminal again, in whatever way the process was stopped.

        Textual takes it at every SIGCONT: a second input thread after SIGSTOP, which has no
        handler; raw modes after a hangup or `timeout`, where SIGCONT follows the signal.
        """
        if self._is_shown:
            # Nothing released it before SIGSTOP, and the shell has set its own modes since.
            self.suspend_application_mode()
        elif not self._is_stopped:
            return
        self._is_stopped = False
        self.resume_application_mode()

    def run_input_thread(self) -> None:
        """Read the terminal until the app leaves it."""
        reader = InputReader()
        while not self.exit_event.is_set():
            self._read(reader, READ_SECONDS if reader.is_idle else READ_MORE_SECONDS)
        # Pending input was typed for the app, not for the shell.
        self._read(reader, 0.0)

    def _read(self, reader: InputReader, seconds: float) -> None:
        """Wait for bytes, and pass on the messages that they complete."""
        messages = []
        if select.select([self.fileno], [], [], seconds)[0]:
            data = b""
            # Another process may have made the terminal non-blocking and may have read it first,
            # and every read of a lost terminal fails.
            with suppress(OSError):
                data = os.read(self.fileno, READ_BYTES)
            if not data:
                self.exit_event.wait(seconds)
            messages = reader.feed(data)
        else:
            messages = reader.tick()
        for message in messages:
            self.process_message(message)

    def process_message(self, message: Message) -> None:
        """Pass on the terminal's messages, except the answers to this driver's own questions.

        After a key the screen takes priority over the trainers, so that a frame in progress is
        finished soon. Runs in the thread that reads the terminal.
        """
        if isinstance(message, CursorPosition):
            is_drawn = self.flow is not None and self.flow.answered()
            if is_drawn and isinstance(self.app, CatchesUp):
                self.app.call_later(self.app.catch_up)
            return
        if isinstance(message, InputEvent):
            answer_soon(self.loop)
        super().process_message(message)

    def write(self, data: str) -> None:
        """Write to the terminal; returns at once."""
        if not data:
            return
        if self.output is None:
            # Not on stderr, as Textual does: with `2> log` the screen would go into the log, and
            # it is stdout that was checked to be a terminal.
            self.output = Output(self.stray_output.screen)
        self.output.write(data)

    def close(self) -> None:
        """Write the rest, and stop."""
        super().close()
        if self.output is not None:
            self.output.close()
            self.output = None
        self.stray_output.release()

    def terminal_size(self) -> tuple[int, int]:
        """Return columns and rows."""
        return terminal_size()


def output_of(driver: Driver | None) -> Output | None:
    """Return the output of a driver; None before its first write and without a terminal."""
    return getattr(driver, "output", None)


def flow_of(driver: Driver | None) -> FrameFlow | None:
    """Return the pacing of a driver's frames; None if they are not paced."""
    return getattr(driver, "flow", None)


def is_hung_up(driver: Driver | None) -> bool:
    """Return whether the other side of the driver's input terminal is closed."""
    fileno: int | None = getattr(driver, "fileno", None)
    if fileno is None:
        return False
    # Asks for no events except those always reported: an error or a hangup.
    looking = select.poll()
    looking.register(fileno, 0)
    return any(found & select.POLLHUP for _, found in looking.poll(0))
