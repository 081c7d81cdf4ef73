"""Training without a screen: `mlpwatch train`."""

import argparse
from contextlib import nullcontext
from pathlib import Path

from mlpwatch.core.cli.options import add_run_options, add_training_options, config_from
from mlpwatch.core.cli.signals import stop_on_signals
from mlpwatch.core.data.registry import check_source


def add_train_options(parser: argparse.ArgumentParser) -> None:
    """Add all options of `mlpwatch train`."""
    add_training_options(parser)
    add_run_options(parser, naming=True)
    parser.add_argument("--json", action="store_true", help="print the result as one JSON object")


def run_train(options: argparse.Namespace) -> int:
    """Run `mlpwatch train` and return its exit status.

    Raises:
        MlpwatchError: bad input; nothing has been written.
    """
    config = config_from(options)
    check_source(config.data)
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
        return run_headless(session, request, as_json=options.json)
