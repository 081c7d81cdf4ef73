"""A session without a screen: one progress line per epoch and engine on stderr."""

import math
import shlex
import sys
from contextlib import nullcontext, suppress
from pathlib import Path
from time import monotonic
from typing import TextIO

from mlpwatch.core.checking.findings import factor_text
from mlpwatch.core.cli.ending import RunEndings
from mlpwatch.core.cli.options import DEFAULT_SAVED
from mlpwatch.core.cli.signals import StopRequest
from mlpwatch.core.config import EngineName, RunConfig
from mlpwatch.core.events import (
    DifferenceFound,
    EpochDone,
    Event,
    Notice,
    RateChanged,
    RunEnded,
    SaveFailed,
)
from mlpwatch.core.files.strict_json import to_json
from mlpwatch.core.foreign.loading import diverted_stdout
from mlpwatch.core.runs.layout import best_name
from mlpwatch.core.text import one_line, printable
from mlpwatch.core.training.result import EngineResult
from mlpwatch.core.training.session import Session

DRAIN_SECONDS = 0.1
"""Time between two reads of the mailbox."""

JOIN_SECONDS = 30.0
"""How long to wait for the disk after training; less after a signal."""


def run_headless(
    session: Session, request: StopRequest, endings: RunEndings | None = None, *, as_json: bool
) -> int:
    """Train to the end or until a signal, print the result on stdout, return the exit status.

    Args:
        session: not yet started.
        request: a signal stops the run after saving it.
        endings: what follows the end of the run.
        as_json: print one JSON object instead of a line per engine.
    """
    request.is_loading = False
    # What a user's network and its modules print must not stand in the result.
    is_own = session.config.has_networks
    with diverted_stdout() if is_own else nullcontext(sys.stdout) as stdout:
        return _run(session, request, stdout, endings or RunEndings(), as_json=as_json)


def _run(
    session: Session, request: StopRequest, stdout: TextIO, endings: RunEndings, *, as_json: bool
) -> int:
    session.start()
    endings.follow(session)
    _follow(session, request)
    _report(session)
    endings.begin()
    try:
        _print_result(session, stdout, as_json=as_json)
    except OSError:
        # After a hangup nobody reads the result. That is not an error of the run.
        if not request.exit_status:
            raise
    for line in endings.finish(request.flag):
        say(line)
    return request.exit_status or end_status(session)


def _follow(session: Session, request: StopRequest) -> None:
    """Report until all engines have ended and are saved, or the time is up."""
    done_by = math.inf
    while not session.join(DRAIN_SECONDS) and monotonic() < min(done_by, request.leave_by):
        _report(session)
        if request.saves.is_set():
            request.saves.clear()
            session.save()
        if request.flag.is_set():
            session.stop()
        elif session.ended:
            done_by = min(done_by, monotonic() + JOIN_SECONDS)


def end_status(session: Session) -> int:
    """Return 1 if an engine failed, the run stopped at a difference, or is not saved; else 0."""
    sound = all(result.reason in ("finished", "stopped") for result in session.results.values())
    saved = session.save_error is None and all(map(session.is_saved, session.working))
    return 0 if sound and saved and session.stopped_at is None else 1


def summary_lines(session: Session) -> list[str]:
    """Return the last two lines of a run: its accuracies, and where it is saved."""
    parts = [_how_it_ended(session, name, end) for name, end in session.results.items()]
    parts += [_how_it_stands(session, name) for name in session.working]
    unsaved = [session.config.label(name) for name in session.working if not session.is_saved(name)]
    if unsaved:
        where = (
            f"left before {' and '.join(unsaved)} could save again; "
            f"mlpwatch resume {printable(session.run.name)} continues from what was saved"
        )
    elif session.save_error:
        engines = session.config.engine_names
        stands = ", ".join(
            f"{session.config.label(name)} {_last_good(session, name)}" for name in engines
        )
        where = f"{session.save_error}; {stands} (run {session.run.path})"
    elif all(session.last_saved_step(name) is None for name in session.config.engine_names):
        where = f"no checkpoint in {session.run.path}"
    elif not any(session.last_saved_step(name) for name in session.config.engine_names):
        where = f"nothing but the start is saved in {session.run.path}"
    else:
        where = f"run saved in {session.run.path}{_how_to_continue(session)}"
    return [one_line(" · ".join(parts) or "nothing trained"), one_line(where)]


def _how_to_continue(session: Session) -> str:
    """Return the command that continues a run that was stopped early; empty for a finished run."""
    stopped = any(end.reason == "stopped" for end in session.results.values())
    if not (stopped or session.working):
        return ""
    path = session.run.path
    saved = (
        "" if path.parent == Path(DEFAULT_SAVED) else f" --saved {shlex.quote(str(path.parent))}"
    )
    return f"; mlpwatch resume {shlex.quote(path.name)}{saved} continues it"


def _how_it_ended(session: Session, name: EngineName, end: EngineResult) -> str:
    label = session.config.label(name)
    if end.test is None:
        return f"{label} {end.reason}: {end.detail}; {_last_good(session, name)}"
    steps = f"{end.reason} after {end.position.step:,} steps"
    steps += f": {end.detail}, kept in {best_name(name)}" if end.detail else ""
    return f"{label} test accuracy {end.test.accuracy:.2%} ({steps})"


def _how_it_stands(session: Session, name: EngineName) -> str:
    step, label = session.last_saved_step(name), session.config.label(name)
    if session.is_saved(name):
        return f"{label} stopped after {step:,} steps"
    return f"{label} was busy: {_last_good(session, name)}"


def _last_good(session: Session, name: EngineName) -> str:
    step = session.last_saved_step(name)
    return "never saved" if step is None else f"last good checkpoint at step {step:,}"


def say(text: str) -> None:
    """Print one line on stderr at once. A closed stderr does not end the training."""
    with suppress(OSError):
        print(one_line(text), file=sys.stderr, flush=True)  # noqa: T201


def _report(session: Session) -> None:
    for event in session.mailbox.drain().events:
        if text := _line(event, session.config):
            say(text)


def _line(event: Event, config: RunConfig) -> str | None:
    epochs, width = config.epochs, max(5, *(len(config.label(n)) for n in config.engine_names))
    match event:
        case EpochDone(record=epoch):
            label = config.label(epoch.engine)
            return (
                f"{label:<{width}}  epoch {epoch.epoch:>{len(str(epochs))}}/{epochs}"
                f"  train loss {epoch.train_loss:.4f}  val loss {epoch.val_loss:.4f}"
                f"  val accuracy {epoch.val_accuracy:7.2%}"
                f"  {epoch.samples_per_second:>9,.0f} samples/s"
            )
        case Notice():
            return event.text
        case RateChanged():
            rates = f"{event.before:g} → {event.learning_rate:g}"
            return f"{event.engine:<5}  learning rate {rates} from step {event.step + 1:,} on"
        case DifferenceFound():
            return f"{config.label(event.differs):<{width}}  {difference_line(event)}"
        case SaveFailed():
            return (
                f"{config.label(event.engine):<{width}}  not saved at {event.path}: {event.detail}"
            )
        case RunEnded() if event.detail:
            return f"{config.label(event.engine):<{width}}  {event.reason}: {event.detail}"
    return None


def difference_line(found: DifferenceFound) -> str:
    """Return where an engine left the reference, and why, in one line."""
    factor = factor_text(found.factor)
    factor = factor and f", factor {factor}"
    where = f"differs from step {found.step:,} on, first in {found.tensor}"
    return f"{where}: {found.code}{factor}; {found.text}"


def _print_result(session: Session, stdout: TextIO, *, as_json: bool) -> None:
    if as_json:
        if session.working:
            for text in summary_lines(session):
                say(text)
        print(to_json(session.result()), file=stdout, flush=True)
        return
    for text in summary_lines(session):
        print(text, file=stdout, flush=True)
