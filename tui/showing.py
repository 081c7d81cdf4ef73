"""Runs the app until it ends, on a run or on a sweep, and prints the result afterwards."""

import argparse
import gc
import os
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from threading import Event as Flag
from typing import IO, TYPE_CHECKING

from mlpwatch.core.cli.ending import endings_of
from mlpwatch.core.training.control import LEAVE_SECONDS
from mlpwatch.tui.surroundings import check_textual_variables

if TYPE_CHECKING:
    from mlpwatch.core.config import EngineName
    from mlpwatch.core.run_source import RunSource
    from mlpwatch.tui.app import MlpwatchApp
    from mlpwatch.tui.groups.source import SweepSource
    from mlpwatch.tui.metrics.following import FollowedMetrics
    from mlpwatch.tui.startup import ScreenOptions
    from mlpwatch.tui.state.watch import Watch

FRAMES_PER_SECOND = "240"
"""How often Textual may draw, which it reads only from the environment. At its default of 60, a key
just after a frame waits for one or two frame periods: 41 and 44 ms (p95) in a list of mistakes of
10,000 images while both models train, 33 and 27 with this."""


def show_run(watch: "Watch", names: tuple["EngineName", ...], options: argparse.Namespace) -> int:
    """Run the app on a run until it ends; return the exit status.

    Args:
        watch: not yet opened.
        names: the engines that train, left to right.
        options: of the command line.

    Raises:
        MlpwatchError: the run can't be trained or read.
    """

    def make(screen: "ScreenOptions") -> "MlpwatchApp":
        from mlpwatch.tui.app import MlpwatchApp  # noqa: PLC0415

        app = MlpwatchApp(watch, names, screen)
        if cues := getattr(options, "cues", None):
            app.follow_cues(cues)
        return app

    return _end(*_run_app(make, options))


def show_loop(
    path: Path, options: argparse.Namespace, start: "Callable[[], RunSource] | None" = None
) -> int:
    """Show a loop that `mlpwatch.watch()` opened; return the exit status.

    Args:
        path: of its folder.
        options: of the command line.
        start: makes its source, where it is on another machine.

    Raises:
        RunError: it can't be read.
    """

    def make(screen: "ScreenOptions") -> "MlpwatchApp":
        from mlpwatch.tui.loop_app import LoopApp  # noqa: PLC0415

        return LoopApp(path, screen, start)

    return _end(*_run_app(make, options))


def show_sweep(options: argparse.Namespace) -> int:
    """Train a sweep behind its screen until that is left; return the exit status.

    Raises:
        MlpwatchError: bad input, or the sweep can't be trained.
    """
    from mlpwatch.core.cli.sweep import planned_sweep, print_end  # noqa: PLC0415
    from mlpwatch.core.cli.sweep_ending import FollowedSweep  # noqa: PLC0415
    from mlpwatch.tui.groups.source import SweepSource, SweepTraining  # noqa: PLC0415

    stop = Flag()
    training = SweepTraining(*planned_sweep(options, stop.is_set), stop)
    source = SweepSource(training.sweep.path, training)
    endings = endings_of(options)
    endings.add(FollowedSweep(source.path, lambda: training.phase == "ended"))
    status = _show_group(source, options)
    reading = source.newest()
    if reading is None:
        return status
    print_end(reading, options)
    _say_at_last(endings.finish())
    has_failed = reading.is_done and all(row.state == "failed" for row in reading.rows)
    return status or int(has_failed)


def show_group(path: Path, options: argparse.Namespace) -> int:
    """Show a sweep of another process, or one that has ended; return the exit status.

    Raises:
        RunError: it can't be read.
    """
    from mlpwatch.core.text import printable  # noqa: PLC0415
    from mlpwatch.tui.groups.source import SweepSource  # noqa: PLC0415

    source = SweepSource(path)
    # What can't be read is said before the screen changes.
    source.newest()
    status = _show_group(source, options)
    if source.is_training:
        name = printable(path.name)
        _say_at_last(
            [f"{name} trains on without this screen; mlpwatch attach {name} shows it again"]
        )
    return status


def show_logs(logs: "Sequence[FollowedMetrics]", options: argparse.Namespace) -> int:
    """Show the logs of other programs, watched loops or metrics of runs; return the exit status.

    Args:
        logs: one, or two beside each other; not read yet.
        options: of the command line.
    """

    def make(screen: "ScreenOptions") -> "MlpwatchApp":
        from mlpwatch.tui.metrics_app import MetricsApp  # noqa: PLC0415

        return MetricsApp(logs, screen)

    _, status = _run_app(make, options)
    return status


def _show_group(source: "SweepSource", options: argparse.Namespace) -> int:
    def make(screen: "ScreenOptions") -> "MlpwatchApp":
        from mlpwatch.tui.group_app import GroupApp  # noqa: PLC0415

        return GroupApp(source, screen)

    _, status = _run_app(make, options)
    if source.error is not None:
        raise source.error
    return status


def _run_app(
    make: "Callable[[ScreenOptions], MlpwatchApp]",
    options: argparse.Namespace,
) -> "tuple[MlpwatchApp, int]":
    """Run an app until it ends; return it and the exit status."""
    # The app handles the signal once it runs; until then it must not end the process.
    signal.signal(signal.SIGUSR1, signal.SIG_IGN)
    # The app enables it again after its first frame: see `collect_from_now_on`.
    gc.disable()
    check_textual_variables(os.environ)
    os.environ.setdefault("TEXTUAL_FPS", FRAMES_PER_SECOND)
    import asyncio  # noqa: PLC0415

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
        notifies=getattr(options, "notify", False),
        is_big=getattr(options, "big", False),
        endings=endings_of(options),
    )
    if keys := getattr(options, "own_keys", {}):
        from mlpwatch.tui.kit.own_keys import rebind  # noqa: PLC0415

        # Before the screens are imported, which bind the keys.
        rebind(keys, options.own_file)
    app = make(screen)
    app.follows_background = options.theme is None
    if options.theme is not None:
        app.theme = options.theme
    with asyncio.Runner(loop_factory=ScreenLoop) as runner:
        status = runner.run(app.run_async(mouse=screen.mouse))
    if stray := app.stray_lines():
        _say_at_last(["mlpwatch: libraries wrote:", *stray], sys.stderr)
    return app, status or app.shutdown.status or app.return_code or 0


def _end(app: "MlpwatchApp", status: int) -> int:
    """Print the result on the normal screen, or continue without one; return the exit status."""
    # It differs from the run at the start if another was resumed on the screen.
    following = app.runs.main
    if app.shutdown.goes_on_without_screen:
        from mlpwatch.tui.hangup import go_on  # noqa: PLC0415

        return go_on(following, app.runs.beside, app.endings)
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
        app.endings.follow(one)
        _say_at_last(summary_lines(one))
    if lines := app.endings.finish():
        _say_at_last(lines)
    return status or max(map(end_status, sessions))


def _say_at_last(lines: list[str], stream: IO[str] | None = None) -> None:
    """Write on the normal screen; do not wait for a terminal that takes nothing."""
    from mlpwatch.core.text import one_line  # noqa: PLC0415
    from mlpwatch.tui.terminal.output import Output  # noqa: PLC0415

    last_words = Output(stream or sys.stdout)
    last_words.write("".join(f"{one_line(line)}\n" for line in lines))
    last_words.close()
