"""Shows a run of another machine: `mlpwatch attach HOST:RUN`."""

import argparse
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import TYPE_CHECKING

from mlpwatch.core.errors import RunError
from mlpwatch.tui.showing import show_loop, show_run
from mlpwatch.tui.state.watch import Watch

if TYPE_CHECKING:
    from mlpwatch.core.relay.address import Address
    from mlpwatch.core.relay.far_run import FarRunFollower
    from mlpwatch.core.relay.link import Link
    from mlpwatch.tui.state.watch import Report

SETTINGS_SECONDS = 60.0
"""Longest wait for the settings of a run that has been found."""

LOGS_SECONDS = 600.0
"""The same for its logs: those of the longest run take 3 MB as they are sent."""


def show_far(address: "Address", options: argparse.Namespace) -> int:
    """Connect, show the run until the screen is left, and return the exit status.

    ssh may ask for a password or about a key before anything is drawn.

    Raises:
        InputError: there is no way to it, or no such run; one line.
    """
    from mlpwatch.core.relay.link import Link  # noqa: PLC0415 - only for HOST:RUN

    link = Link(address)
    try:
        with _signals_unwind():
            link.connect()
            link.start()
            if not link.mirror.wait_for_manifest(SETTINGS_SECONDS):
                raise RunError(f"{address}: no settings came; attach again")
        return _show_loop(link, options) if link.is_watched else _show_run(link, options)
    finally:
        link.close()


@contextmanager
def _signals_unwind() -> Iterator[None]:
    """Let a hangup end the process through its `finally`: the copy of the run is deleted there."""

    def leave(number: int, _frame: FrameType | None) -> None:
        raise SystemExit(128 + number)

    before = {number: signal.signal(number, leave) for number in (signal.SIGHUP, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _show_run(link: "Link", options: argparse.Namespace) -> int:
    from mlpwatch.core.relay.far_run import FarRun, FarRunFollower  # noqa: PLC0415
    from mlpwatch.core.runs.manifest import read_manifest  # noqa: PLC0415

    run = FarRun(link.mirror.path, read_manifest(link.mirror.path), link)

    def start(report: "Report") -> "FarRunFollower":
        report(f"reading {run.name}")
        # A link that is lost now, for example because the disk is full, has no run to say it on.
        link.say = lambda text, _is_bad: report(text)
        if not link.mirror.wait_until_whole(LOGS_SECONDS):
            raise RunError(f"{run.name}: its logs did not come; attach again")
        return FarRunFollower(run, link)

    watch = Watch(start, attached=True, titles=run.config.titles)
    return show_run(watch, run.config.engine_names, options)


def _show_loop(link: "Link", options: argparse.Namespace) -> int:
    from mlpwatch.core.relay.far_run import FarLoopSource  # noqa: PLC0415

    def start() -> FarLoopSource:
        link.mirror.wait_until_whole(LOGS_SECONDS)
        return FarLoopSource(link)

    return show_loop(link.mirror.path, options, start)
