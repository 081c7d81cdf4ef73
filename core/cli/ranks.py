"""`--ranks`: starts the processes of a run, or is one of them."""

import argparse
import os
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from mlpwatch.core.cli.ending import endings_of
from mlpwatch.core.cli.signals import stop_on_signals
from mlpwatch.core.config import RunConfig
from mlpwatch.core.errors import InputError, RunError
from mlpwatch.core.scheduling import own_rank

if TYPE_CHECKING:
    from mlpwatch.core.runs.run import Run
    from mlpwatch.core.training.launch import Leader
    from mlpwatch.core.training.session import Session

MOST_LOCAL_RANKS = 1_024

Make = Callable[[Callable[[str], None], "Leader"], "Session"]
"""Makes rank 0's session; takes a report, and the leader of the ranks."""


def add_ranks_option(parser: argparse.ArgumentParser) -> None:
    """Add `--ranks`."""
    parser.add_argument(
        "--ranks", type=_count, metavar="N",
        help="train on N processes of this machine, each with its share of every batch; "
        "on several machines: torchrun … -m mlpwatch train …",
    )  # fmt: skip


def _count(text: str) -> int:
    number = int(text) if text.isdecimal() else 0
    if not 1 <= number <= MOST_LOCAL_RANKS:
        raise argparse.ArgumentTypeError(
            f"{text!r}: expected a number of processes from 1 to {MOST_LOCAL_RANKS:,}"
        )
    return number


def check_command(words: list[str]) -> list[str]:
    """Return the command line, if a launcher's processes run a command that is made for several.

    Raises:
        InputError: each of them would run it.
    """
    command = words[0]
    if own_rank() is not None and command not in ("train", "resume"):
        name = "" if command == "watch" else f" {command}"
        raise InputError(
            f"mlpwatch{name}: several processes train only with mlpwatch train or resume; "
            "mlpwatch attach shows the run"
        )
    return words


def is_quiet_rank() -> bool:
    """Return whether rank 0, and not this process, says what is wrong."""
    return bool(own_rank())


def trains_on_ranks(options: argparse.Namespace) -> bool:
    """Return whether several processes train: by `--ranks`, or because a launcher says so."""
    ranks: int | None = getattr(options, "ranks", None)
    return own_rank() is not None or (ranks or 1) > 1


def train_on_ranks(options: argparse.Namespace, config: RunConfig, make: Make) -> int:
    """Start the ranks and wait for them, or be one of them; return the exit status.

    Raises:
        MlpwatchError: bad input; nothing has been written.
    """
    # Imported here: it takes a second.
    from mlpwatch.core.training.ranks.connection import check_for_ranks, interruptible  # noqa: PLC0415
    from mlpwatch.core.training.ranks.torch_processes import join, launch  # noqa: PLC0415

    check_for_ranks(config)
    if options.stop_at_difference:
        raise InputError("--stop-at-difference: compares single steps of one process; no --ranks")
    rank = own_rank()
    if rank is None:
        return launch(options.ranks, sys.argv[1:])
    size = int(os.environ["WORLD_SIZE"])
    if options.ranks not in (None, size):
        raise InputError(f"--ranks {options.ranks}: the launcher has started {size}; leave it out")
    if rank:
        from mlpwatch.core.training.ranks.follower import Follower  # noqa: PLC0415

        return Follower(interruptible(join)).run()
    with stop_on_signals() as request:
        from mlpwatch.core.cli.headless import run_headless, say  # noqa: PLC0415
        from mlpwatch.core.training.ranks.leader import RankLeader  # noqa: PLC0415

        leader = RankLeader(interruptible(join))
        notes: list[str] = []
        try:
            session = make(notes.append, leader)
        except BaseException:
            leader.refuse()
            raise
        for note in notes:
            say(note)
        return run_headless(session, request, endings_of(options), as_json=options.json)


def resumed_on_ranks(
    run: "Run",
    config: RunConfig,
    options: argparse.Namespace,
    report: Callable[[str], None],
    leader: "Leader",
) -> "Session":
    """Return rank 0's session of a saved run."""
    from mlpwatch.core.training.launch import resumed_session  # noqa: PLC0415 - for this alone

    session = resumed_session(run, config, report, leader)
    session.set_lockstep(options.lockstep)
    return session


def interrupted_run(saved: Path, name: str | None, config: RunConfig) -> "Run | None":
    """Return the run that a launcher's restart continues; None if it had not begun.

    Without a name it is the newest with these settings that several ranks trained and that has
    not ended by itself.

    Args:
        saved: the folder of all runs.
        name: as the command line gives it.
        config: as the command line gives it.
    """
    if not int(os.environ.get("TORCHELASTIC_RESTART_COUNT", "0") or 0):
        return None
    from mlpwatch.core.runs.listing import list_runs  # noqa: PLC0415 - it imports NumPy
    from mlpwatch.core.runs.run import Run  # noqa: PLC0415

    for candidate in [name] if name else [one.name for one in list_runs(saved)]:
        with suppress(RunError):
            run = Run.open(saved, candidate)
            is_same = replace(run.config, data=config.data) == config
            if is_same and (name or run.manifest.ranks > 1) and _is_open(run):
                return run
    return None


def _is_open(run: "Run") -> bool:
    """Return whether a run was stopped or killed, or failed, perhaps because a rank was lost."""
    from mlpwatch.core.runs.replay import recorded_end  # noqa: PLC0415 - it imports NumPy

    ends = [recorded_end(run, name) for name in run.config.engine_names]
    return any(end is None or end.reason in ("stopped", "failed") for end in ends)
