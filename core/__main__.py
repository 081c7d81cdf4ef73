"""Training without a screen: `mlpwatch train`, or `python -m core`."""

import argparse
import os
import sys
from contextlib import suppress
from pathlib import Path

from core.errors import MlpwatchError
from core.options import Parser, add_run_options, add_training_options, config_from
from core.stop_signals import stop_on_signals


def add_train_options(parser: argparse.ArgumentParser) -> None:
    """Add all options of `mlpwatch train`."""
    add_training_options(parser)
    add_run_options(parser, naming=True)
    parser.add_argument("--json", action="store_true", help="print the result as one JSON object")


def train(options: argparse.Namespace) -> int:
    """Run `mlpwatch train` and return its exit status.

    Raises:
        MlpwatchError: bad input; nothing has been written.
    """
    config = config_from(options)
    with stop_on_signals() as request:
        # After the check: this imports NumPy, scikit-learn and torch, and takes seconds.
        from core.headless import run_headless, say  # noqa: PLC0415
        from core.launch import new_session  # noqa: PLC0415
        from core.run_names import check_run_name  # noqa: PLC0415

        if options.name is not None:
            check_run_name(options.name)
        notes: list[str] = []
        # Said once all has gone well: bad input gets one line, and that is the error's.
        session = new_session(config, Path(options.saved), options.name, notes.append)
        for note in notes:
            say(note)
        return run_headless(session, request, as_json=options.json)


def main(arguments: list[str] | None = None) -> int:
    """Parse the command line, train, and return the exit status."""
    parser = Parser(prog="python -m core", description=__doc__, allow_abbrev=False)
    add_train_options(parser)
    try:
        return train(parser.parse_args(arguments))
    except MlpwatchError as error:
        from core.run_names import one_line  # noqa: PLC0415

        print(one_line(error), file=sys.stderr)  # noqa: T201
        return error.exit_status


if __name__ == "__main__":
    status = main()
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError):
            stream.flush()
    # A trainer that does not come to an end must not hold the process.
    os._exit(status)
