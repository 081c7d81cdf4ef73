"""A driver whose output never makes the app wait, and whose input goes before the trainers.

Textual 8.2 queues 30 writes and then blocks its event loop, and its writing thread dies at the
first error: after a hangup nobody would save, and a stalled link would make the app deaf to
signals.
"""

import select
import sys
from typing import Any

from textual.driver import Driver
from textual.events import CursorPosition, InputEvent
from textual.message import Message

from mlpwatch.tui.terminal.event_loop import answer_soon
from mlpwatch.tui.terminal.frame_flow import FrameFlow
from mlpwatch.tui.terminal.output import Output

LAST_ANSWER_SECONDS = 0.5
"""How long leaving waits for the terminal's answer to the last frame."""

_BEHIND: Any = object
"""The driver behind the patience is known at run time only."""


class _Patience(_BEHIND):  # type: ignore[misc]
    """What a patient driver does instead of the driver that it is made of."""

    is_paced = False
    """Whether the terminal is asked after each frame, as one behind a link must be."""
    flow: FrameFlow | None = None
    output: Output | None = None
    is_shown = False
    """Whether the app has the terminal."""
    is_stopped = False
    """Whether the terminal was given back because of ctrl+z."""

    def start_application_mode(self) -> None:
        """Take the terminal."""
        # Before the thread that reads the answers.
        self.flow = FrameFlow() if self.is_paced and self.input_tty else None
        super().start_application_mode()
        self.is_shown = True

    def stop_application_mode(self) -> None:
        """Give the terminal back."""
        self.is_shown = False
        if self.flow is not None:
            takes_nothing = is_hung_up(self) or (self.output is not None and self.output.waiting)
            self.flow.finish(0.0 if takes_nothing else LAST_ANSWER_SECONDS)
        super().stop_application_mode()

    def _sigtstp_application(self, *_: object) -> None:
        self.is_stopped = True
        super()._sigtstp_application()

    def _sigcont_application(self, *_: object) -> None:
        """Take the terminal again, however the process was stopped.

        Textual takes it at every SIGCONT: a second input thread after SIGSTOP, which knows no
        handler; raw modes after a hangup or `timeout`, where SIGCONT follows the signal.
        """
        if self.is_shown:
            # Nothing gave it back before SIGSTOP; the shell has set its own modes since.
            self.suspend_application_mode()
        elif not self.is_stopped:
            return
        self.is_stopped = False
        self.resume_application_mode()

    def process_message(self, message: Message) -> None:
        """Pass on what the terminal sent; where the cursor is was asked for another reason.

        From a key's arrival on the screen goes before the trainers, so that a frame which is being
        drawn is soon done with. In the thread that reads the terminal.
        """
        if isinstance(message, CursorPosition):
            if self.flow is not None and self.flow.answered():
                self._app.call_later(self._app.catch_up)
            return
        if isinstance(message, InputEvent):
            answer_soon(self._loop)
        super().process_message(message)

    def write(self, data: str) -> None:
        """Write to the terminal; returns at once."""
        if self.output is None:
            # Not on stderr, as Textual does: with `2> log` the screen would go into the log, and
            # it is stdout that was found to be a terminal.
            self.output = Output(sys.__stdout__ or self._file)
        self.output.write(data)

    def close(self) -> None:
        """Write what is left, and stop."""
        super().close()
        if self.output is not None:
            self.output.close()
            self.output = None


def patient(driver: type[Driver], *, paced: bool) -> type[Driver]:
    """Return a driver like the given one that writes through an `Output`.

    Args:
        driver: of this system.
        paced: ask the terminal after each frame, and let none follow before it has answered.
    """

    class PatientDriver(_Patience, driver):  # type: ignore[valid-type, misc]
        """Patience first, then the driver."""

        is_paced = paced

    return PatientDriver


def output_of(driver: Driver | None) -> Output | None:
    """Return where a driver writes; None before its first word and where there is no terminal."""
    return getattr(driver, "output", None)


def flow_of(driver: Driver | None) -> FrameFlow | None:
    """Return what paces a driver's frames; None where nothing does."""
    return getattr(driver, "flow", None)


def is_hung_up(driver: Driver | None) -> bool:
    """Return whether the other side of the terminal that a driver reads from is closed."""
    fileno: int | None = getattr(driver, "fileno", None)
    if fileno is None:
        return False
    # Asks for nothing but what is always told: an error or a hangup.
    looking = select.poll()
    looking.register(fileno, 0)
    return any(found & select.POLLHUP for _, found in looking.poll(0))
