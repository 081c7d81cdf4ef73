"""`mlpwatch relay`, and the options of `mlpwatch attach HOST:RUN` that start it elsewhere."""

import argparse
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from mlpwatch.core.errors import InputError

if TYPE_CHECKING:
    from mlpwatch.core.relay.address import Address

_SAVED = "saved"
"""The default of --saved: not sent, so that the other machine's own default holds there."""


def add_relay_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of `mlpwatch relay`, but for the folder of the runs."""
    parser.add_argument(
        "run", nargs="?", metavar="RUN",
        help="name of the run, or path of its folder (default: the newest run)",
    )  # fmt: skip
    parser.set_defaults(command=run_relay)


def add_far_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of `mlpwatch attach` for runs on another machine."""
    group = parser.add_argument_group("HOST:RUN")
    group.add_argument(
        "--remote-command", metavar="CMD",
        help="starts mlpwatch there (default: $MLPWATCH_REMOTE, or mlpwatch)",
    )  # fmt: skip


def run_relay(options: argparse.Namespace) -> int:
    """Relay a run over standard input and output until the other side is gone.

    Raises:
        InputError: started by hand on a terminal.
    """
    if sys.stdin is None or sys.stdout is None or sys.stdin.isatty():
        raise InputError(
            "relay: expected pipes, not a terminal or nothing; mlpwatch attach HOST:RUN starts it"
        )
    from mlpwatch.core.relay.far_side import relay_run  # noqa: PLC0415 - only for this command

    # What a library prints must not come between the frames.
    sink = os.dup(sys.stdout.fileno())
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    return relay_run(Path(options.saved), options.run, sys.stdin.fileno(), sink)


def far_address(options: argparse.Namespace) -> "Address | None":
    """Return the run on another machine that `mlpwatch attach` names; None for one here.

    Raises:
        InputError: a second run is named beside it, or the host can't be one.
    """
    if not any(":" in name for name in (options.run, options.second) if name):
        return None
    from mlpwatch.core.relay.address import parse_address  # noqa: PLC0415 - only for HOST:RUN

    saved = options.saved
    # What is typed is meant for the other machine; what a settings file says, for this one.
    there = "" if saved == _SAVED or hasattr(saved, "where") else str(saved)
    found = [
        parse_address(name, Path(saved), options.remote_command, there)
        for name in (options.run, options.second)
    ]
    far = next((one for one in found if one is not None), None)
    if far is not None and options.second is not None:
        raise InputError(f"attach {far}: a run on another machine is shown alone; give one name")
    return far
