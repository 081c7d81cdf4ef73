"""An app that ends in order: keys, signals and a terminal that is gone; ctrl+z and back."""

import asyncio
import math
import os
import signal
from time import monotonic

from mlpwatch.core.cli.signals import is_impatient
from mlpwatch.core.training.control import LEAVE_SECONDS
from mlpwatch.tui.executor import ImpatientExecutor
from mlpwatch.tui.hangup import ignore_hangups
from mlpwatch.tui.run_stack import Followed, FollowedApp
from mlpwatch.tui.screen_options import ScreenOptions
from mlpwatch.tui.terminal.driver import is_hung_up

HANGUP_SECONDS = 0.5
"""Between two looks whether the terminal is still there; Textual reads a dead one in a loop."""


class LeavingApp(FollowedApp):
    """Saves and leaves when a key, a signal or a vanished terminal says so.

    Args:
        followed: the run that trains here, which is told to end.
        options: of the screen.
    """

    def __init__(self, followed: Followed, options: ScreenOptions) -> None:
        # With NO_COLOR Textual would still send greys of its theme; terminal colours send none.
        super().__init__(followed, options, ansi=True if os.environ.get("NO_COLOR") else None)
        self.goes_on_without_screen = False
        """The terminal is gone, and training is to go on."""
        self._status = 0
        self._asked_to_leave = False
        self._signal_at = -math.inf

    @property
    def asked_to_leave(self) -> bool:
        """Whether a key or a signal has asked for the end."""
        return self._asked_to_leave

    @property
    def status(self) -> int:
        """The exit status that the key or signal which ended the app stands for."""
        return self._status

    def action_leave(self) -> None:
        """Save and quit."""
        self._leave(0)

    async def action_quit(self) -> None:
        """Save and quit; the command palette's way."""
        self._leave(0)

    def action_interrupt(self) -> None:
        """Save and quit with the status of Ctrl-C; at once the second time."""
        if self._asked_to_leave:
            self.exit(128 + signal.SIGINT)
        self._leave(128 + signal.SIGINT)

    def action_suspend_process(self) -> None:
        """Stop, and give the terminal back to the shell; its `fg` goes on."""
        if os.getpgrp() != os.getsid(0):
            super().action_suspend_process()
        elif state := self.watch_session.state:
            # Whoever leads the session has no shell above it, as in `ssh -t HOST mlpwatch`:
            # stopped, it would never go on.
            state.say("ctrl+z: there is no shell to go back to; space pauses")
            self.update_screen(numbers=True)

    def update_screen(self, *, numbers: bool = False) -> None:
        """Let the screen draw what has changed.

        Args:
            numbers: those too that otherwise change twice a second at most.
        """
        update = getattr(self.screen, "update", None)
        if update is not None:
            update(numbers=numbers)

    def listen(self) -> None:
        """Listen to signals and to the terminal's hangup; call it once the loop runs."""
        loop = asyncio.get_running_loop()
        loop.set_default_executor(ImpatientExecutor())
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            loop.add_signal_handler(number, self._receive, number)
        self.set_interval(HANGUP_SECONDS, self._look_for_hangup)

    def _receive(self, number: signal.Signals) -> None:
        if number == signal.SIGHUP and self._options.goes_on_after_hangup:
            self._go_on_without_screen()
            return
        if is_impatient(number, self._signal_at):
            self.exit(128 + number)
        self._signal_at = monotonic()
        self._leave(128 + number)

    def _look_for_hangup(self) -> None:
        """Leave a terminal that is gone, though no signal has said so."""
        if not self._asked_to_leave and is_hung_up(self.driver):
            self._receive(signal.SIGHUP)

    def _go_on_without_screen(self) -> None:
        # Before asyncio gives it back: from then on a second hangup would end the process.
        asyncio.get_running_loop().remove_signal_handler(signal.SIGHUP)
        ignore_hangups()
        if not self._asked_to_leave:
            self.goes_on_without_screen = True
            self.exit(0)

    def _leave(self, status: int) -> None:
        if self._asked_to_leave:
            return
        self._asked_to_leave, self._status = True, status
        self.main_watch.leave()
        if state := self.watch_session.state:
            state.say(self.main_watch.farewell)
        self.update_screen(numbers=True)
        # Not at the next look into the mailbox: with a low --fps it is seconds away.
        self.run_worker(self._finish())

    async def _finish(self) -> None:
        """Give the trainers and the disk their time, off the event loop, then end."""
        if session := self.main_watch.session:
            await asyncio.to_thread(session.join, LEAVE_SECONDS)
        self.exit(self._status)
