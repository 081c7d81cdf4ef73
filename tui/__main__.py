"""The command line: `mlpwatch`, `python -m mlpwatch`.

Imports torch, scikit-learn, NumPy and Textual only when a command needs them.
"""

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from contextlib import nullcontext, redirect_stdout, suppress
from functools import partial
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING

from mlpwatch.core.cli.options import config_for_resume, config_from
from mlpwatch.core.cli.parser import meant_by
from mlpwatch.core.cli.ranks import (
    check_command,
    is_quiet_rank,
    resumed_on_ranks,
    train_on_ranks,
    trains_on_ranks,
)
from mlpwatch.core.cli.setup.own_defaults import apply_own_defaults
from mlpwatch.core.errors import InputError, MlpwatchError, RunError
from mlpwatch.tui.command_line import COMMANDS, build_parser
from mlpwatch.tui.startup import undisturbed
from mlpwatch.tui.surroundings import check_folder, prepare_streams
from mlpwatch.tui.terminal.output import LAST_WORDS_SECONDS
from mlpwatch.tui.terminal.traits import is_terminal, no_screen

if TYPE_CHECKING:
    from mlpwatch.core.config import RunConfig
    from mlpwatch.core.remote.follower import RunFollower
    from mlpwatch.core.runs.run import Run
    from mlpwatch.core.training.session import Session
    from mlpwatch.tui.state.watch import Report, Start


def run() -> None:
    """Run the command line of this process and end the process with its exit status."""
    prepare_streams()
    status = main(sys.argv[1:])
    flushing = Thread(target=_flush, daemon=True)
    flushing.start()
    # A pipe gets all the time it needs; a terminal may be stalled or gone.
    flushing.join(LAST_WORDS_SECONDS if is_terminal(sys.stdout) else None)
    # A trainer or an import that does not finish must not keep the process alive.
    os._exit(status)


def main(arguments: Sequence[str]) -> int:
    """Run one command and return its exit status; a user's mistake is one line on stderr."""
    try:
        words = check_command(_with_command(arguments))
        parser = build_parser(_HANDLERS, None if words[0].startswith("-") else words[0])
        apply_own_defaults(parser)
        options = parser.parse_args(words)
        command: Callable[[argparse.Namespace], int] = options.command
        check_folder()
        return command(options)
    except MlpwatchError as error:
        if not is_quiet_rank():
            _complain(error)
        return error.exit_status
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        # The reader of our output is gone, so nobody can see a message.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except OSError as error:
        # For example a full disk behind `> file`: all other failures have their own errors.
        _complain(error.strerror or error)
        return 1


def train_and_watch(options: argparse.Namespace) -> int:
    """Train and watch; without a terminal, train like `mlpwatch train`."""
    config = config_from(options)
    _check_cues(options, config)
    if _says_no_screen():
        from mlpwatch.core.cli.train import run_train  # noqa: PLC0415

        return run_train(options)
    from mlpwatch.core.data.registry import check_source  # noqa: PLC0415

    # Report what can be checked at once before the screen changes.
    check_source(config.data)
    if options.name is not None:
        from mlpwatch.core.runs.layout import check_run_name  # noqa: PLC0415

        check_run_name(options.name)

    def start(report: "Report") -> "Session":
        report("importing NumPy, scikit-learn and PyTorch")
        with undisturbed():
            from mlpwatch.core.training.launch import new_session  # noqa: PLC0415

            session = new_session(config, Path(options.saved), options.name, report)
            session.set_lockstep(options.lockstep)
            return _planned(session, options, has_screen=True)

    return _show(config, start, options)


def resume(options: argparse.Namespace) -> int:
    """Resume a stopped run, with or without a screen."""
    run = _open_run(options)
    config = config_for_resume(options, run.config)
    _check_cues(options, config)
    if trains_on_ranks(options):
        return train_on_ranks(options, config, partial(resumed_on_ranks, run, config, options))
    has_screen = not options.headless and not _says_no_screen()

    def start(report: "Report") -> "Session":
        report("importing NumPy, scikit-learn and PyTorch")
        with undisturbed():
            from mlpwatch.core.training.launch import resumed_session  # noqa: PLC0415

            session = resumed_session(run, config, report)
            session.set_lockstep(options.lockstep)
            return _planned(session, options, has_screen=has_screen)

    if has_screen:
        return _show(config, start, options)
    from mlpwatch.core.cli.ending import endings_of  # noqa: PLC0415
    from mlpwatch.core.cli.signals import stop_on_signals  # noqa: PLC0415

    with stop_on_signals() as request:
        from mlpwatch.core.cli.headless import run_headless, say  # noqa: PLC0415
        from mlpwatch.core.foreign.loading import diverted_stdout  # noqa: PLC0415

        with diverted_stdout() if config.has_networks else nullcontext():
            session = start(say)
        return run_headless(session, request, endings_of(options), as_json=options.json)


def branch(options: argparse.Namespace) -> int:
    """Start a new run at the end of a kept epoch of another, with or without a screen."""
    from mlpwatch.core.cli.branch import branch_maker, config_for_branch  # noqa: PLC0415

    parent = _open_run(options)
    make = branch_maker(options, parent)
    _check_cues(options, parent.config)
    if options.name is not None:
        from mlpwatch.core.runs.layout import check_run_name  # noqa: PLC0415

        check_run_name(options.name)
    has_screen = not options.headless and not _says_no_screen()

    def start(report: "Report") -> "Session":
        report("importing NumPy, scikit-learn and PyTorch")
        with undisturbed():
            return _planned(make(report), options, has_screen=has_screen)

    if has_screen:
        return _show(config_for_branch(options, parent.config), start, options)
    from mlpwatch.core.cli.ending import endings_of  # noqa: PLC0415
    from mlpwatch.core.cli.signals import stop_on_signals  # noqa: PLC0415

    with stop_on_signals() as request:
        from mlpwatch.core.cli.headless import run_headless  # noqa: PLC0415

        # Bad input gets one line, the error: what it loads is not said.
        with redirect_stdout(sys.stderr):
            session = _planned(make(lambda _text: None), options, has_screen=False)
        return run_headless(session, request, endings_of(options), as_json=options.json)


def _check_cues(options: argparse.Namespace, config: "RunConfig") -> None:
    """Check what a talk needs: a screen, and the epochs that its cues wait for.

    Raises:
        InputError: it is missing.
    """
    if options.cues:
        from mlpwatch.tui.lecture.cue_file import check_cues  # noqa: PLC0415

        fault = "--headless" if getattr(options, "headless", False) else no_screen()
        check_cues(options.cues, config.epochs, fault)


def _planned(session: "Session", options: argparse.Namespace, *, has_screen: bool) -> "Session":
    """Return a session that stops where the command line says."""
    if options.stop_at_difference:
        session.stop_at_difference(ends=not has_screen)
    if options.cues:
        from mlpwatch.tui.lecture.cue_file import plan_pause  # noqa: PLC0415

        plan_pause(session, options.cues)
    return session


def attach(options: argparse.Namespace) -> int:
    """Watch a run, a sweep or the log of another process, which may have ended, from its files."""
    from mlpwatch.core.cli.remote.relay import far_address  # noqa: PLC0415

    if (far := far_address(options)) is not None:
        if options.spectate:
            raise InputError(
                f"attach {far} --spectate: a run of another machine is copied to files here, which"
                " a spectator may not write; give the command on that machine"
            )
        if fault := no_screen():
            raise InputError(f"attach {far}: {fault}; on the other machine, mlpwatch runs lists it")
        from mlpwatch.tui.far_attach import show_far  # noqa: PLC0415

        return show_far(far, options)
    from mlpwatch.tui.metrics.opening import logs_named, opened  # noqa: PLC0415

    if options.spectate:
        from mlpwatch.core.spectating import look_only  # noqa: PLC0415

        look_only()
    if paths := logs_named(Path(options.saved), (options.run, options.second)):
        logs = opened(paths)
        if fault := no_screen():
            raise InputError(f"attach {options.run}: {fault}; expected a terminal")
        from mlpwatch.tui.showing import show_logs  # noqa: PLC0415

        return show_logs(logs, options)
    if group := _group_named(options):
        if fault := no_screen():
            raise InputError(f"attach {group.name}: {fault}; mlpwatch compare prints its table")
        from mlpwatch.tui.showing import show_group  # noqa: PLC0415

        return show_group(group, options)
    from mlpwatch.core.monitor.progress import watched_loop  # noqa: PLC0415

    if loop := watched_loop(Path(options.saved), options.run):
        if fault := no_screen():
            raise InputError(f"attach {options.run}: {fault}; mlpwatch status and tail need none")
        from mlpwatch.tui.showing import show_loop  # noqa: PLC0415

        return show_loop(loop, options)
    run = _open_run(options)
    if fault := no_screen():
        raise InputError(f"attach {run.name}: {fault}; mlpwatch runs lists it without a screen")

    def start(report: "Report") -> "RunFollower":
        report(f"reading {run.name}")
        from mlpwatch.core.remote.follower import RunFollower  # noqa: PLC0415

        return RunFollower(run)

    return _show(run.config, start, options, attached=True)


def sweep(options: argparse.Namespace) -> int:
    """Train a grid of settings times seeds and watch; without a terminal, print lines."""
    if options.headless or options.json or no_screen():
        from mlpwatch.core.cli.sweep import run_sweep  # noqa: PLC0415

        return run_sweep(options)
    from mlpwatch.tui.showing import show_sweep  # noqa: PLC0415

    return show_sweep(options)


def runs(options: argparse.Namespace) -> int:
    """List saved runs, newest first."""
    from mlpwatch.tui.runs.listing_text import runs_as_json, runs_as_text  # noqa: PLC0415

    saved = Path(options.saved)
    try:
        width = os.get_terminal_size(sys.stdout.fileno()).columns or None
    except (AttributeError, OSError, ValueError):
        width = None  # no terminal: a file, a pipe, nothing
    print(runs_as_json(saved) if options.json else runs_as_text(saved, width))  # noqa: T201
    return 0


def fetch(_options: argparse.Namespace) -> int:
    """Download a data set into the cache."""
    from mlpwatch.core.cli.headless import say  # noqa: PLC0415
    from mlpwatch.core.data.mnist_cache import fetch_mnist  # noqa: PLC0415

    fetch_mnist(say)
    return 0


def show_in_browsers(options: argparse.Namespace) -> int:
    """Show runs in browsers, until a signal ends it."""
    note = _served(options)
    from mlpwatch.tui.serve.command import serve_pages  # noqa: PLC0415

    return serve_pages(options, note)


_HANDLERS = {
    "watch": train_and_watch,
    "resume": resume,
    "branch": branch,
    "attach": attach,
    "sweep": sweep,
    "runs": runs,
    "data": fetch,
    "serve": show_in_browsers,
}


def _served(options: argparse.Namespace) -> str:
    """Return what there is to show, in one line.

    Raises:
        RunError: nothing.
    """
    from mlpwatch.core.monitor.progress import watched_loop  # noqa: PLC0415
    from mlpwatch.core.runs.lock import is_locked  # noqa: PLC0415
    from mlpwatch.tui.metrics.opening import logs_named  # noqa: PLC0415

    saved = Path(options.saved)
    if logs_named(saved, (options.run, None)):
        return f"showing the log {options.run}"
    if shown := _group_named(options) or watched_loop(saved, options.run):
        return f"showing {shown.name}"
    run = _open_run(options)
    if is_locked(run.path):
        return f"showing {run.name}, which trains"
    return f"showing {run.name}, which has ended; mlpwatch, in another terminal, trains a new run"


def _group_named(options: argparse.Namespace) -> Path | None:
    """Return the folder of the sweep that is named on the command line; None for a run."""
    from mlpwatch.core.runs.listing import find_folder, is_group  # noqa: PLC0415

    if options.run is None:
        return None
    with suppress(RunError):
        folder = find_folder(Path(options.saved), options.run)
        return folder if is_group(folder) else None
    return None


def _show(
    config: "RunConfig", start: "Start", options: argparse.Namespace, *, attached: bool = False
) -> int:
    """Run the app on a session, or on the follower of a run; return the exit status."""
    from mlpwatch.tui.showing import show_run  # noqa: PLC0415
    from mlpwatch.tui.state.watch import Watch  # noqa: PLC0415

    watch = Watch(start, attached=attached, titles=config.titles)
    return show_run(watch, config.engine_names, options)


def _open_run(options: argparse.Namespace) -> "Run":
    """Open the run named on the command line, otherwise the newest that is not damaged.

    Raises:
        RunError: there is no such run.
    """
    from mlpwatch.core.runs.listing import list_runs  # noqa: PLC0415
    from mlpwatch.core.runs.run import Run  # noqa: PLC0415

    saved = Path(options.saved)
    if options.run is not None:
        return Run.open(saved, options.run)
    for summary in list_runs(saved):
        with suppress(RunError):
            return Run.open(saved, summary.name)
    raise RunError(f"{saved}: no run in it; start one with mlpwatch, or give a folder with --saved")


def _complain(why: object) -> None:
    """Print one line on stderr."""
    # Only here: the import takes 15 ms, which would delay the first frame.
    from mlpwatch.core.text import one_line  # noqa: PLC0415

    print(f"mlpwatch: {one_line(why)}", file=sys.stderr)  # noqa: T201


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError):
            if stream is not None:
                stream.flush()


def _says_no_screen() -> bool:
    """Print one line if there is no terminal to draw on; return whether it was printed."""
    if why := no_screen():
        print(f"mlpwatch: {why}, so this trains without a screen", file=sys.stderr)  # noqa: T201
    return bool(why)


def _with_command(arguments: Sequence[str]) -> list[str]:
    """Put the command `watch` in front, unless there is another command or a request for help."""
    first = arguments[0] if arguments else ""
    if first in COMMANDS or first in ("-h", "--help", "--version"):
        return list(arguments)
    if first and not first.startswith("-"):
        expected = f"expected one of {', '.join(COMMANDS)}, or options alone"
        raise InputError(f"command {first!r}: {expected}{meant_by(first, COMMANDS)}")
    return ["watch", *arguments]


if __name__ == "__main__":
    run()
