"""A run that outlives its terminal: trained to its end without a screen, as `--on-hangup` asks."""

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
"""Time between two looks whether training has ended."""


def ignore_hangups() -> None:
    """Let no further hangup end the process: the kernel sends one, and often a shell another."""
    signal.signal(signal.SIGHUP, signal.SIG_IGN)


def go_on(watch: "Watch") -> int:
    """Train to the end, or until a signal; return the exit status of a run without a screen.

    Args:
        watch: loading or training; its screen is gone.

    Raises:
        MlpwatchError: what it was loading can't be trained.
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
            # It exists only so that people can watch.
            watch.session.set_steps_per_second(None)
        return _train_on(watch.session, request)


def _train_on(session: "Session", request: "StopRequest") -> int:
    from mlpwatch.core.cli.headless import end_status  # noqa: PLC0415

    request.is_loading = False
    while not session.join(LOOK_SECONDS) and monotonic() < request.leave_by:
        # Each epoch's event holds 0.3 MB, and nobody reads them.
        session.mailbox.drain()
        if request.saves.is_set():
            request.saves.clear()
            session.save()
        if request.flag.is_set():
            session.stop()
    return request.exit_status or end_status(session)


def _let_go_of_terminal() -> None:
    """Point input and output to nowhere: reading or writing a terminal that is gone fails."""
    nowhere = os.open(os.devnull, os.O_RDWR)
    for descriptor in range(3):
        os.dup2(nowhere, descriptor)
    os.close(nowhere)
