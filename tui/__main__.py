"""The command line: `mlpwatch`, `python -m mlpwatch`.

Imports torch, scikit-learn, NumPy and Textual only when a command needs them.
"""

import argparse
import gc
import os
import signal
import sys
from collections.abc import Callable, Iterable, Sequence
from contextlib import nullcontext, redirect_stdout, suppress
from functools import partial
from pathlib import Path
from threading import Thread
from typing import IO, TYPE_CHECKING

from mlpwatch.core.cli.branch import branch_maker, config_for_branch
from mlpwatch.core.cli.options import config_for_resume, config_from
from mlpwatch.core.cli.ranks import (
    check_command,
    is_quiet_rank,
    resumed_on_ranks,
    train_on_ranks,
    trains_on_ranks,
)
from mlpwatch.core.cli.signals import stop_on_signals
from mlpwatch.core.cli.train import run_train
from mlpwatch.core.errors import InputError, MlpwatchError, RunError
from mlpwatch.core.training.control import LEAVE_SECONDS
from mlpwatch.tui.command_line import COMMANDS, build_parser
from mlpwatch.tui.startup import undisturbed
from mlpwatch.tui.surroundings import check_folder, check_textual_variables, prepare_streams
from mlpwatch.tui.terminal.output import LAST_WORDS_SECONDS
from mlpwatch.tui.terminal.traits import unusable_terminal

if TYPE_CHECKING:
    from mlpwatch.core.config import EngineName, RunConfig
    from mlpwatch.core.remote.follower import RunFollower
    from mlpwatch.core.runs.run import Run
    from mlpwatch.core.training.session import Session
    from mlpwatch.tui.app import MlpwatchApp
    from mlpwatch.tui.state.watch import Report, Start, Watch

FRAMES_PER_SECOND = "240"
"""How often Textual may draw, which it reads only from the environment. At its default of 60, a key
just after a frame waits for one or two frame periods: 41 and 44 ms (p95) in a list of mistakes of
10,000 images while both models train, 33 and 27 with this."""


def run() -> None:
    """Run the command line of this process and end the process with its exit status."""
    prepare_streams()
    status = main(sys.argv[1:])
    flushing = Thread(target=_flush, daemon=True)
    flushing.start()
    # A pipe gets all the time it needs; a terminal may be stalled or gone.
    flushing.join(LAST_WORDS_SECONDS if _is_terminal(sys.stdout) else None)
    # A trainer or an import that does not finish must not keep the process alive.
    os._exit(status)


def main(arguments: Sequence[str]) -> int:
    """Run one command and return its exit status; a user's mistake is one line on stderr."""
    try:
        parser = build_parser(
            watch=train_and_watch,
            train=run_train,
            resume=resume,
            branch=branch,
            attach=attach,
            runs=runs,
            fetch=fetch,
        )
        options = parser.parse_args(check_command(_with_command(arguments)))
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
    if _says_no_screen():
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
            if options.stop_at_difference:
                session.stop_at_difference(ends=False)
            return session

    return _show(config, start, options)


def resume(options: argparse.Namespace) -> int:
    """Resume a stopped run, with or without a screen."""
    run = _open_run(options)
    config = config_for_resume(options, run.config)
    if trains_on_ranks(options):
        return train_on_ranks(options, config, partial(resumed_on_ranks, run, config, options))
    has_screen = not options.headless and not _says_no_screen()

    def start(report: "Report") -> "Session":
        report("importing NumPy, scikit-learn and PyTorch")
        with undisturbed():
            from mlpwatch.core.training.launch import resumed_session  # noqa: PLC0415

            session = resumed_session(run, config, report)
            session.set_lockstep(options.lockstep)
            if options.stop_at_difference:
                session.stop_at_difference(ends=not has_screen)
            return session

    if has_screen:
        return _show(config, start, options)
    with stop_on_signals() as request:
        from mlpwatch.core.cli.headless import run_headless, say  # noqa: PLC0415
        from mlpwatch.core.foreign.loading import diverted_stdout  # noqa: PLC0415

        with diverted_stdout() if config.has_networks else nullcontext():
            session = start(say)
        return run_headless(session, request, as_json=options.json)


def branch(options: argparse.Namespace) -> int:
    """Start a new run at the end of a kept epoch of another, with or without a screen."""
    parent = _open_run(options)
    make = branch_maker(options, parent)
    if options.name is not None:
        from mlpwatch.core.runs.layout import check_run_name  # noqa: PLC0415

        check_run_name(options.name)
    has_screen = not options.headless and not _says_no_screen()

    def start(report: "Report") -> "Session":
        report("importing NumPy, scikit-learn and PyTorch")
        with undisturbed():
            session = make(report)
            if options.stop_at_difference:
                session.stop_at_difference(ends=not has_screen)
            return session

    if has_screen:
        return _show(config_for_branch(options, parent.config), start, options)
    with stop_on_signals() as request:
        from mlpwatch.core.cli.headless import run_headless  # noqa: PLC0415

        # Bad input gets one line, the error: what it loads is not said.
        with redirect_stdout(sys.stderr):
            session = make(lambda _text: None)
        if options.stop_at_difference:
            session.stop_at_difference(ends=True)
        return run_headless(session, request, as_json=options.json)


def attach(options: argparse.Namespace) -> int:
    """Watch a run of another process, or one that has ended, from its folder."""
    run = _open_run(options)
    if fault := _no_screen():
        raise InputError(f"attach {run.name}: {fault}; mlpwatch runs lists it without a screen")

    def start(report: "Report") -> "RunFollower":
        report(f"reading {run.name}")
        from mlpwatch.core.remote.follower import RunFollower  # noqa: PLC0415

        return RunFollower(run)

    from mlpwatch.tui.state.watch import Watch  # noqa: PLC0415

    return _run_app(
        Watch(start, attached=True, titles=run.config.titles), run.config.engine_names, options
    )


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


def _show(config: "RunConfig", start: "Start", options: argparse.Namespace) -> int:
    """Run the app on a session; return the exit status."""
    from mlpwatch.tui.state.watch import Watch  # noqa: PLC0415

    return _run_app(Watch(start, titles=config.titles), config.engine_names, options)


def _end(app: "MlpwatchApp", status: int) -> int:
    """Print the result on the normal screen, or continue without one; return the exit status."""
    # It differs from the run at the start if another was resumed on the screen.
    following = app.runs.main
    if app.shutdown.goes_on_without_screen:
        from mlpwatch.tui.hangup import go_on  # noqa: PLC0415

        return go_on(following, app.runs.beside)
    if following.error is not None and not app.shutdown.is_asked:
        raise following.error
    if following.session is not None and following.attached:
        _say_at_last([following.farewell])
    from mlpwatch.core.cli.headless import end_status, summary_lines  # noqa: PLC0415
    from mlpwatch.core.training.session import Session  # noqa: PLC0415

    session = following.session
    if not isinstance(session, Session):
        return status
    others = [one.session for one in app.runs.beside if isinstance(one.session, Session)]
    sessions = [session, *others]
    if not app.shutdown.is_asked:
        # The screen ended by itself: the terminal was closed, or drawing failed. Save anyway.
        for one in sessions:
            one.stop()
        for one in sessions:
            one.join(LEAVE_SECONDS)
    for one in sessions:
        _say_at_last(summary_lines(one))
    return status or max(map(end_status, sessions))


def _run_app(watch: "Watch", names: tuple["EngineName", ...], options: argparse.Namespace) -> int:
    """Run the app until it ends; return the exit status."""
    # The app handles the signal once it runs; until then it must not end the process.
    signal.signal(signal.SIGUSR1, signal.SIG_IGN)
    # The app enables it again after its first frame: see `collect_from_now_on`.
    gc.disable()
    check_textual_variables(os.environ)
    os.environ.setdefault("TEXTUAL_FPS", FRAMES_PER_SECOND)
    import asyncio  # noqa: PLC0415

    from mlpwatch.tui.app import MlpwatchApp  # noqa: PLC0415
    from mlpwatch.tui.startup import ScreenOptions  # noqa: PLC0415
    from mlpwatch.tui.terminal.event_loop import ScreenLoop  # noqa: PLC0415
    from mlpwatch.tui.terminal.traits import has_colour, has_unicode  # noqa: PLC0415

    if not has_colour():
        # Textual and Rich recognise a terminal without colours only by this.
        os.environ["NO_COLOR"] = "1"
    screen = ScreenOptions(
        fps=options.fps,
        mouse=not options.no_mouse,
        ascii_only=options.ascii or not has_unicode(),
        saved=Path(options.saved),
        goes_on_after_hangup=getattr(options, "on_hangup", "save") == "continue",
    )
    app = MlpwatchApp(watch, names, screen)
    if options.theme is not None:
        app.theme = _theme(options.theme, app.available_themes)
    with asyncio.Runner(loop_factory=ScreenLoop) as runner:
        status = runner.run(app.run_async(mouse=screen.mouse))
    if stray := app.stray_lines():
        _say_at_last(["mlpwatch: libraries wrote:", *stray], sys.stderr)
    return _end(app, status or app.shutdown.status or app.return_code or 0)


def _theme(name: str, available: Iterable[str]) -> str:
    """Return Textual's name of a theme.

    Raises:
        InputError: there is no such theme.
    """
    known = {"dark": "textual-dark", "light": "textual-light", **{n: n for n in available}}
    if name not in known:
        raise InputError(f"--theme {name!r}: expected one of {', '.join(sorted(known))}")
    return known[name]


def _say_at_last(lines: list[str], stream: IO[str] | None = None) -> None:
    """Write on the normal screen; do not wait for a terminal that takes nothing."""
    from mlpwatch.core.text import one_line  # noqa: PLC0415
    from mlpwatch.tui.terminal.output import Output  # noqa: PLC0415

    last_words = Output(stream or sys.stdout)
    last_words.write("".join(f"{one_line(line)}\n" for line in lines))
    last_words.close()


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


def _is_terminal(stream: IO[str] | None) -> bool:
    """Return whether a standard stream is a terminal; a closed one is None."""
    return stream is not None and stream.isatty()


def _says_no_screen() -> bool:
    """Print one line if there is no terminal to draw on; return whether it was printed."""
    why = _no_screen()
    if not why:
        return False
    print(f"mlpwatch: {why}, so this trains without a screen", file=sys.stderr)  # noqa: T201
    return True


def _no_screen() -> str:
    """Return why there is no terminal to draw on; empty if there is one."""
    if fault := unusable_terminal():
        return fault
    if not _is_terminal(sys.stdout):
        return "the output is no terminal"
    return "" if _is_terminal(sys.stdin) else "the input is no terminal"


def _with_command(arguments: Sequence[str]) -> list[str]:
    """Put the command `watch` in front, unless there is another command or a request for help."""
    first = arguments[0] if arguments else ""
    if first in COMMANDS or first in ("-h", "--help", "--version"):
        return list(arguments)
    if first and not first.startswith("-"):
        expected = ", ".join(COMMANDS)
        raise InputError(f"command {first!r}: expected one of {expected}, or options alone")
    return ["watch", *arguments]


if __name__ == "__main__":
    run()
