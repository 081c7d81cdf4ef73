"""Sweeps as processes of their own, for tests that stop and kill them."""

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from mlpwatch.core.runs.lock import read_owner
from mlpwatch.core.sweeps.group import read_group
from mlpwatch.core.sweeps.reading import GroupReader, GroupReading
from mlpwatch.core.sweeps.trial import train_trial
from tests.support.checkout import CHECKOUT, SOURCE

LONG = ("--data", "digits", "--hidden", "32", "--batch-size", "8", "--epochs")
"""A trial with about twenty epochs a second; the number of epochs is to follow."""

OTHER_DISK = """
import sys
from mlpwatch.core.sweeps import cluster
from mlpwatch.tui.__main__ import main
# The workers look for another file, and so take the sweep's folder for one that they can't see.
cluster.sign_name = lambda sweep: ".on-another-disk"
sys.exit(main(sys.argv[1:]))
"""
"""`mlpwatch` whose folder no worker sees."""


def begin(saved: Path, *words: str, shares_disk: bool = True) -> "subprocess.Popen[str]":
    """Start a sweep that is named `g`, as the first process of a group."""
    first: Sequence[str] = ("-m", "mlpwatch") if shares_disk else ("-c", OTHER_DISK)
    return subprocess.Popen(
        [sys.executable, *first, "sweep", "--saved", str(saved), "--name", "g", *words],
        cwd=CHECKOUT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        start_new_session=True, env={**os.environ, "PYTHONPATH": str(SOURCE)},
    )  # fmt: skip


def reading(saved: Path) -> GroupReading | None:
    """Return how the sweep stands; None before its folder is there."""
    path = saved / "g"
    return GroupReader(path).read() if path.exists() else None


def epochs_of(saved: Path, number: int = 0) -> int:
    """Return the epochs in the metrics of a trial, of the engine that is ahead."""
    found = reading(saved)
    return max((r.epoch for r in found.rows[number].records), default=0) if found else 0


def training_pid(saved: Path, number: int = 0) -> int:
    """Return the process that trains a trial."""
    group = read_group(saved / "g")
    owner = read_owner(saved / "g" / group.trials[number].name)
    assert owner is not None
    return owner.pid


def undisturbed(saved: Path, elsewhere: Path, threads: int) -> Path:
    """Train all trials of the sweep again in this process; return their folder."""
    folder = elsewhere / "g"
    folder.mkdir(parents=True)
    for trial in read_group(saved / "g").trials:
        assert train_trial(folder, trial, threads, lambda: False).state == "finished"
    return folder
