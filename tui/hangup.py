"""A run that outlives its terminal: trains to its end without a screen, for `--on-hangup`."""

import argparse
import os
import signal
from time import monotonic
from typing import TYPE_CHECKING, Literal, get_args

from mlpwatch.core.cli.ending import RunEndings
from mlpwatch.core.cli.signals import StopRequest, stop_on_signals

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mlpwatch.core.training.session import Session
    from mlpwatch.tui.state.watch import Watch

OnHangup = Literal["save", "continue"]
"""Save and end, or continue without a screen."""

LOOK_SECONDS = 0.1
"""Time between two checks whether training has ended."""


def add_hangup_option(group: argparse._ArgumentGroup) -> None:
    """Add `--on-hangup`."""
    group.add_argument(
        "--on-hangup",
        choices=get_args(OnHangup),
        default="save",
        metavar="save|continue",
        help="when the terminal is gone: save and end (default), or train on without a screen "
        "until mlpwatch attach finds the run again",
    )


def ignore_hangups() -> None:
    """Ignore all further hangups: the kernel sends one, and the shell often sends another."""
    signal.signal(signal.SIGHUP, signal.SIG_IGN)


def go_on(watch: "Watch", beside: "Sequence[Watch]" = (), endings: RunEndings | None = None) -> int:
    """Train to the end, or until a signal; return the exit status of a run without a screen.

    Args:
        watch: loading or training; its screen is gone.
        beside: other runs that train in this process.
        endings: what follows their end.

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
        others = [one.session for one in beside if isinstance(one.session, Session)]
        return _train_on([watch.session, *others], request, endings or RunEndings())


def _train_on(sessions: "list[Session]", request: "StopRequest", endings: RunEndings) -> int:
    from mlpwatch.core.cli.headless import end_status  # noqa: PLC0415

    request.is_loading = False
    for session in sessions:
        endings.follow(session)
    while not all(one.join(LOOK_SECONDS) for one in sessions):
        if monotonic() >= request.leave_by:
            break
        for session in sessions:
            # Each epoch's event takes 0.3 MB, and nothing reads them.
            session.mailbox.drain()
        if request.saves.is_set():
            request.saves.clear()
            for session in sessions:
                session.save()
        if request.flag.is_set():
            for session in sessions:
                session.stop()
    endings.finish(request.flag)
    return request.exit_status or max(map(end_status, sessions))


def _let_go_of_terminal() -> None:
    """Redirect input and output to /dev/null: using a terminal that is gone fails."""
    nowhere = os.open(os.devnull, os.O_RDWR)
    for descriptor in range(3):
        os.dup2(nowhere, descriptor)
    os.close(nowhere)
