"""`mlpwatch order`: one command to a run that trains in another process."""

import argparse
import math
from pathlib import Path
from typing import TYPE_CHECKING, get_args

from mlpwatch.core.cli.options import parse_number
from mlpwatch.core.config import EngineName
from mlpwatch.core.errors import InputError
from mlpwatch.core.limits import check_new_rate

if TYPE_CHECKING:
    from mlpwatch.core.remote.protocol import Command, LoopStatus, Status

ORDERS = ("pause", "resume", "step", "save", "stop", "status", "set")

WITH_ENGINES = ("pause", "resume", "set")


def add_order_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of `mlpwatch order`."""
    parser.add_argument("run", metavar="RUN", help="name of the run, or path of its folder")
    parser.add_argument("order", choices=ORDERS, metavar="|".join(ORDERS), help="what it should do")
    parser.add_argument(
        "--learning-rate", type=parse_number, metavar="F",
        help="with set: from the next batch on; a schedule falls from it as from the first one",
    )  # fmt: skip
    parser.add_argument(
        "--engine", choices=get_args(EngineName), metavar="|".join(get_args(EngineName)),
        help="with pause, resume and set: this one alone (default: both)",
    )  # fmt: skip
    parser.add_argument("--json", action="store_true", help="print the answer as one JSON object")


def command_of(options: argparse.Namespace) -> "Command":
    """Return the command that the options ask for.

    Raises:
        InputError: an option is missing, or does not go with the order.
        ConfigError: the learning rate is out of range.
    """
    from mlpwatch.core.remote.protocol import Command  # noqa: PLC0415 - only for this command

    order, rate = options.order, options.learning_rate
    if order == "set" and rate is None:
        raise InputError("order set: expected --learning-rate F, like --learning-rate 0.05")
    if order != "set" and rate is not None:
        raise InputError(f"--learning-rate {rate:g}: order {order} takes none; use set")
    if options.engine and order not in WITH_ENGINES:
        raise InputError(f"--engine {options.engine}: order {order} goes to both; leave it out")
    if rate is not None:
        check_new_rate(rate)
    engines = (options.engine,) if options.engine else ()
    return Command(order, engines, learning_rate=rate)


def run_order(options: argparse.Namespace) -> int:
    """Send a command, print the answer, and return the exit status.

    The answer comes once the command is accepted: training obeys at its next batch.

    Raises:
        RunError: nobody trains the run, it does not answer, or it refuses the command.
    """
    command = command_of(options)
    from mlpwatch.core.remote.client import give_order  # noqa: PLC0415 - only for this command
    from mlpwatch.core.remote.protocol import encode_answer  # noqa: PLC0415
    from mlpwatch.core.runs.layout import is_watched  # noqa: PLC0415
    from mlpwatch.core.runs.listing import find_folder, find_run  # noqa: PLC0415
    from mlpwatch.core.runs.manifest import read_manifest  # noqa: PLC0415

    folder = find_folder(Path(options.saved), options.run)
    if not is_watched(folder):
        folder = find_run(Path(options.saved), options.run)
        read_manifest(folder)
    status = give_order(folder, command)
    text = encode_answer(status).decode().strip() if options.json else _line(status)
    print(text, flush=True)  # noqa: T201
    return 0


def _line(status: "Status") -> str:
    """Return how the run stands, in one line."""
    parts = [_loop_text(status.loop)] if status.loop is not None else []
    for name, threads in status.threads.items():
        phase = "paused" if name in status.paused else "training"
        rate = status.learning_rates.get(name, math.nan)
        shown = f", learning rate {rate:g}" if rate > 0 else ""
        parts.append(f"{name} {phase}{shown}, {threads} thread{'s' * (threads != 1)}")
    if status.steps_per_second is not None:
        parts.append(f"at most {status.steps_per_second:g} steps/s")
    if status.lockstep:
        parts.append("in lockstep")
    return " · ".join([*parts, f"process {status.process}"])


def _loop_text(loop: "LoopStatus") -> str:
    shown = "paused" if loop.is_paused else "training"
    rate = "" if loop.learning_rate is None else f", learning rate {loop.learning_rate:g}"
    saves = ", saves at its next step" if loop.save_requested else ""
    return f"{shown} at step {loop.step:,}, epoch {loop.epoch}{rate}{saves}"
