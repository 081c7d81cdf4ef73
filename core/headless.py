"""Watching a session without a screen: one progress line per epoch and engine on stderr."""

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from threading import Event as Flag
from types import FrameType

from core.config import EngineName
from core.session import Session
from core.strict_json import to_json
from core.telemetry import EpochDone, Event, RunEnded, SaveFailed

DRAIN_SECONDS = 0.1
"""Time between two looks into the mailbox."""

JOIN_SECONDS = 30.0
"""How long an orderly end may take; a batch, an evaluation and a save need far less."""

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class StopRequest:
    """Whether, and by which signal, the run was asked to stop."""

    def __init__(self) -> None:
        self.flag = Flag()
        self.signal: int | None = None

    @property
    def exit_status(self) -> int:
        """128 plus the signal's number, as shells have it; 0 without one."""
        return 128 + self.signal if self.signal else 0

    def receive(self, number: int, _frame: FrameType | None) -> None:
        """Note the first signal; at a second one leave at once."""
        if self.signal is not None:
            os._exit(128 + number)
        self.signal = number
        self.flag.set()


@contextmanager
def stop_on_signals() -> Iterator[StopRequest]:
    """Turn SIGINT, SIGTERM and SIGHUP into a `StopRequest` while the block runs."""
    request = StopRequest()
    # Under nohup a hangup is ignored on purpose: the run is to outlive its terminal.
    ignored = {signal.SIGHUP} if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN else set()
    before = {
        number: signal.signal(number, request.receive)
        for number in SIGNALS
        if number not in ignored
    }
    try:
        yield request
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def run_headless(session: Session, request: StopRequest, *, as_json: bool) -> int:
    """Train to the end, or until a signal; say the result on stdout; return the exit status.

    Args:
        session: not yet started.
        request: a signal stops the run after saving it.
        as_json: print one JSON object instead of a line per engine.
    """
    session.start()
    while not session.ended:
        if request.flag.wait(DRAIN_SECONDS):
            session.stop()
            session.join(JOIN_SECONDS)
            break
        _report(session)
    session.join(JOIN_SECONDS)
    _report(session)
    _print_result(session, as_json=as_json)
    return request.exit_status or end_status(session)


def end_status(session: Session) -> int:
    """Return 1 if an engine diverged or failed or something could not be saved, else 0."""
    sound = all(outcome.reason in ("finished", "stopped") for outcome in session.outcomes.values())
    return 0 if sound and session.save_error is None else 1


def summary_lines(session: Session) -> list[str]:
    """Return what is left to say when a run is over: accuracies, then where the run lies."""
    parts = []
    for name, outcome in session.outcomes.items():
        if outcome.test is None:
            parts.append(f"{name} {outcome.reason}: {outcome.detail}; {_last_good(session, name)}")
        else:
            steps = f"{outcome.reason} after {outcome.position.step:,} steps"
            parts.append(f"{name} test accuracy {outcome.test.accuracy:.2%} ({steps})")
    if session.save_error:
        where = f"{session.save_error} (run {session.run.path})"
    elif all(session.last_saved_step(name) is None for name in session.outcomes):
        where = f"no checkpoint in {session.run.path}"
    else:
        where = f"run saved in {session.run.path}"
    return [" · ".join(parts) or "nothing trained", where]


def _last_good(session: Session, name: EngineName) -> str:
    step = session.last_saved_step(name)
    return "never saved" if step is None else f"last good checkpoint at step {step:,}"


def say(text: str) -> None:
    """Print one line on stderr, at once; a reader that has left ends no training."""
    with suppress(OSError):
        print(text, file=sys.stderr, flush=True)  # noqa: T201


def _report(session: Session) -> None:
    for event in session.mailbox.drain().events:
        if text := _line(event, session.config.epochs):
            say(text)


def _line(event: Event, epochs: int) -> str | None:
    match event:
        case EpochDone():
            return (
                f"{event.engine:<5}  epoch {event.epoch:>{len(str(epochs))}}/{epochs}"
                f"  train loss {event.train_loss:.4f}  val loss {event.validation.loss:.4f}"
                f"  val accuracy {event.validation.accuracy:7.2%}"
                f"  {event.samples_per_second:>9,.0f} samples/s"
            )
        case SaveFailed():
            return f"{event.engine:<5}  not saved at {event.path}: {event.detail}"
        case RunEnded(reason="diverged" | "failed"):
            return f"{event.engine:<5}  {event.reason}: {event.detail}"
    return None


def _print_result(session: Session, *, as_json: bool) -> None:
    if as_json:
        print(to_json(session.result()), flush=True)  # noqa: T201
        return
    for text in summary_lines(session):
        print(text, flush=True)  # noqa: T201
