"""`mlpwatch status` and `mlpwatch tail`: how a run stands, and its log, also while it trains."""

import argparse
import math
from pathlib import Path

from mlpwatch.core.errors import InputError

TIMEOUT_STATUS = 124
"""Exit status if the time is up first, as of the `timeout` command."""

_RUN_HELP = "name of the run, or path of its folder"


def add_status_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of `mlpwatch status`, but for the folder of the runs."""
    parser.add_argument("run", metavar="RUN", help=_RUN_HELP)
    parser.add_argument(
        "--wait", action="store_true",
        help="until it has ended; then the exit status is 1 if it failed",
    )  # fmt: skip
    parser.add_argument(
        "--timeout", type=float, default=math.inf, metavar="S",
        help=f"with --wait: at most so many seconds, then exit status {TIMEOUT_STATUS}",
    )  # fmt: skip
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def add_tail_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of `mlpwatch tail`, but for the folder of the runs."""
    parser.add_argument("run", metavar="RUN", help=_RUN_HELP)
    parser.add_argument("--json", action="store_true", help="one JSON object per line, as written")
    parser.add_argument(
        "--lines", type=int, metavar="N", help="of those so far only the last N (default: all)"
    )
    parser.add_argument("--no-follow", action="store_true", help="do not wait for more")


def run_status(options: argparse.Namespace) -> int:
    """Run `mlpwatch status` and return its exit status.

    Raises:
        InputError: no such run, or it is damaged.
    """
    from mlpwatch.core.monitor.progress import any_folder, wait_for  # noqa: PLC0415

    if not options.timeout >= 0:
        raise InputError(f"--timeout {options.timeout:g}: expected seconds, 0 or more")
    path = any_folder(Path(options.saved), options.run)
    progress = wait_for(path, options.timeout if options.wait else 0.0)
    print(progress.json_text() if options.json else progress.line(), flush=True)  # noqa: T201
    if not options.wait:
        return 0
    return progress.exit_status if progress.has_ended else TIMEOUT_STATUS


def run_tail(options: argparse.Namespace) -> int:
    """Run `mlpwatch tail` until the run has ended, and return its exit status.

    Raises:
        InputError: no such run, or it is damaged.
    """
    from mlpwatch.core.monitor.progress import any_folder, log_lines  # noqa: PLC0415

    if options.lines is not None and options.lines < 0:
        raise InputError(f"--lines {options.lines}: expected a whole number, 0 or more")
    path = any_folder(Path(options.saved), options.run)
    for line in log_lines(path, options.lines, follows=not options.no_follow):
        print(line.json_text() if options.json else line.line(), flush=True)  # noqa: T201
    return 0
