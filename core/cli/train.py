"""Training without a screen: `mlpwatch train`."""

import argparse
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from mlpwatch.core.cli.ending import add_end_options, endings_of
from mlpwatch.core.cli.options import add_run_options, add_training_options, config_from
from mlpwatch.core.cli.ranks import (
    add_ranks_option,
    interrupted_run,
    train_on_ranks,
    trains_on_ranks,
)
from mlpwatch.core.cli.signals import stop_on_signals
from mlpwatch.core.config import RunConfig
from mlpwatch.core.data.registry import check_source

if TYPE_CHECKING:
    from mlpwatch.core.training.launch import Leader, Report
    from mlpwatch.core.training.session import Session


def add_train_options(parser: argparse.ArgumentParser) -> None:
    """Add all options of `mlpwatch train`."""
    add_training_options(parser)
    add_run_options(parser, naming=True)
    add_end_options(parser)
    add_ranks_option(parser)
    parser.add_argument("--json", action="store_true", help="print the result as one JSON object")


def run_train(options: argparse.Namespace) -> int:
    """Run `mlpwatch train` and return its exit status.

    Raises:
        MlpwatchError: bad input; nothing has been written.
    """
    config = config_from(options)
    check_source(config.data)
    if trains_on_ranks(options):
        return train_on_ranks(options, config, partial(_ranked_session, options, config))
    with stop_on_signals() as request:
        # After the check: importing NumPy, scikit-learn and torch takes seconds.
        from mlpwatch.core.cli.headless import run_headless, say  # noqa: PLC0415
        from mlpwatch.core.foreign.loading import diverted_stdout  # noqa: PLC0415
        from mlpwatch.core.runs.layout import check_run_name  # noqa: PLC0415
        from mlpwatch.core.training.launch import new_session  # noqa: PLC0415

        if options.name is not None:
            check_run_name(options.name)
        notes: list[str] = []
        # Printed only after success: bad input gets one line, the error.
        # A user's network may print while it is made.
        with diverted_stdout() if config.has_networks else nullcontext():
            session = new_session(config, Path(options.saved), options.name, notes.append)
        session.set_lockstep(options.lockstep)
        if options.stop_at_difference:
            session.stop_at_difference(ends=True)
        for note in notes:
            say(note)
        return run_headless(session, request, endings_of(options), as_json=options.json)


def _ranked_session(
    options: argparse.Namespace, config: RunConfig, report: "Report", leader: "Leader"
) -> "Session":
    """Return rank 0's session: a new one, or after a restart the one that was interrupted."""
    from mlpwatch.core.runs.layout import check_run_name  # noqa: PLC0415
    from mlpwatch.core.training.launch import new_session, resumed_session  # noqa: PLC0415

    saved = Path(options.saved)
    if options.name is not None:
        check_run_name(options.name)
    if run := interrupted_run(saved, options.name, config):
        session = resumed_session(run, run.config, report, leader)
    else:
        session = new_session(config, saved, options.name, report, leader)
    session.set_lockstep(options.lockstep)
    return session
