"""A run that outlives its terminal: trains to its end without a screen, for `--on-hangup`."""

import os
import signal
from time import monotonic
from typing import TYPE_CHECKING, Literal

from mlpwatch.core.cli.signals import StopRequest, stop_on_signals

if TYPE_CHECKING:
    from mlpwatch.core.training.session import Session
    from mlpwatch.tui.state.watch import Watch

OnHangup = Literal["save", "continue"]
"""Save and end, or continue without a screen."""

LOOK_SECONDS = 0.1
"""Time between two checks whether training has ended."""


def ignore_hangups() -> None:
    """Ignore all further hangups: the kernel sends one, and the shell often sends another."""
    signal.signal(signal.SIGHUP, signal.SIG_IGN)


def go_on(watch: "Watch") -> int:
    """Train to the end, or until a signal; return the exit status of a run without a screen.

    Args:
        watch: loading or training; its screen is gone.

    Raises:
        MlpwatchError: the run that was being loaded can't be trained.
    """
    from mlpwatch.core.training.session import Session  # noqa: PLC0415 - after the first frame

    _let_go_of_terminal()
    with stop_on_signals() as request:
        while watch.is_loading:
            if request.flag.wait(LOOK_SECONDS):
                return request.exit_status
        watch.poll()
        if watch.error is not None:
            raise watch.error
        if not isinstance(watch.session, Session):
            return request.exit_status
        if watch.limit_is_automatic:
            # The limit exists only so that people can watch.
            watch.session.set_steps_per_second(None)
        return _train_on(watch.session, request)


def _train_on(session: "Session", request: "StopRequest") -> int:
    from mlpwatch.core.cli.headless import end_status  # noqa: PLC0415

    request.is_loading = False
    while not session.join(LOOK_SECONDS) and monotonic() < request.leave_by:
        # Each epoch's event takes 0.3 MB, and nothing reads them.
        session.mailbox.drain()
        if request.saves.is_set():
            request.saves.clear()
            session.save()
        if request.flag.is_set():
            session.stop()
    return request.exit_status or end_status(session)


def _let_go_of_terminal() -> None:
    """Redirect input and output to /dev/null: using a terminal that is gone fails."""
    nowhere = os.open(os.devnull, os.O_RDWR)
    for descriptor in range(3):
        os.dup2(nowhere, descriptor)
    os.close(nowhere)
