"""Orderly end after a key, a signal or a lost terminal; ctrl+z and its continuation."""

import asyncio
import math
import os
import signal
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from time import monotonic

from mlpwatch.core.cli.signals import STOP_SIGNALS, is_impatient, keep_time_to_save
from mlpwatch.core.training.control import LEAVE_SECONDS
from mlpwatch.tui.formatting import with_keys
from mlpwatch.tui.hangup import ignore_hangups
from mlpwatch.tui.run_stack import RunStack
from mlpwatch.tui.terminal.app import TerminalApp
from mlpwatch.tui.terminal.driver import is_hung_up

HANGUP_SECONDS = 0.5
"""Time between two checks for a lost terminal; Textual reads a dead one in a loop."""


class Shutdown:
    """Saves the main run and ends the app after a key, a signal or a lost terminal.

    Args:
        app: to end.
        runs: of which the main one is asked to end.
        show: draws what has changed on the screen, including numbers.
        goes_on_after_hangup: a lost terminal ends only the screen, not the training.
    """

    def __init__(
        self,
        app: TerminalApp[int],
        runs: RunStack,
        show: Callable[[], None],
        *,
        goes_on_after_hangup: bool,
    ) -> None:
        self._app, self._runs, self._show = app, runs, show
        self._goes_on_after_hangup = goes_on_after_hangup
        self._signal_at = -math.inf
        self.goes_on_without_screen = False
        """Whether the terminal is lost and training must continue."""
        self.is_asked = False
        """Whether a key or a signal has asked for the end."""
        self.status = 0
        """The exit status of that key or signal."""

    def listen(self) -> None:
        """Handle signals and the terminal's hangup; call it when the loop runs."""
        loop = asyncio.get_running_loop()
        loop.set_default_executor(_ImpatientExecutor())
        keep_time_to_save()
        for number in STOP_SIGNALS:
            loop.add_signal_handler(number, self._receive, number)
        loop.add_signal_handler(signal.SIGUSR1, self._save)
        self._app.set_interval(HANGUP_SECONDS, self._look_for_hangup)

    def leave(self, status: int = 0) -> None:
        """Save and end, once."""
        if self.is_asked:
            return
        self.is_asked, self.status = True, status
        self._runs.leave()
        if state := self._runs.top.state:
            state.say(self._runs.main.farewell)
        self._show()
        # Not at the next poll: with a low --fps it is seconds away.
        self._app.run_worker(self._finish())

    def interrupt(self) -> None:
        """Save and end with the status of Ctrl-C; the second time end at once."""
        if self.is_asked:
            self._app.exit(128 + signal.SIGINT)
        self.leave(128 + signal.SIGINT)

    def may_suspend(self) -> bool:
        """Return whether a shell can take the terminal back; if not, say so.

        A session leader has no shell above it, as in `ssh -t HOST mlpwatch`: if it stopped, nothing
        would continue it.
        """
        if os.getpgrp() != os.getsid(0):
            return True
        if state := self._runs.top.state:
            state.say(with_keys("{ctrl+z}: there is no shell to go back to; {space} pauses"))
            self._show()
        return False

    def _receive(self, number: signal.Signals) -> None:
        if number == signal.SIGHUP and self._goes_on_after_hangup:
            self._go_on_without_screen()
            return
        if is_impatient(number, self._signal_at):
            self._app.exit(128 + number)
        self._signal_at = monotonic()
        self.leave(128 + number)

    def _save(self) -> None:
        for watch in (self._runs.main, *self._runs.beside):
            watch.save()
        self._show()

    def _look_for_hangup(self) -> None:
        """End if the terminal is lost and no signal came."""
        if not self.is_asked and is_hung_up(self._app.driver):
            self._receive(signal.SIGHUP)

    def _go_on_without_screen(self) -> None:
        # Before asyncio removes its own handler: after that a second hangup would end the process.
        asyncio.get_running_loop().remove_signal_handler(signal.SIGHUP)
        ignore_hangups()
        if not self.is_asked:
            self.goes_on_without_screen = True
            self._app.exit(0)

    async def _finish(self) -> None:
        """Wait for trainers and disk, off the event loop, then end."""
        await self._runs.join(LEAVE_SECONDS)
        self._app.exit(self.status)


class _ImpatientExecutor(ThreadPoolExecutor):
    """The executor of `asyncio.to_thread`; closing the event loop does not wait for its threads.

    `asyncio.run` ends with the default executor's shutdown, and waits there until the last of its
    threads is done: a disk that does not respond would keep the process from ending.
    """

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:  # noqa: ARG002
        """Accept no more work, and drop what has not begun."""
        super().shutdown(wait=False, cancel_futures=True)
