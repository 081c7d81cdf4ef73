"""A program that writes checkpoints until something ends it.

Usage: python -m tests.support.faults.doomed_writer FOLDER loop
       python -m tests.support.faults.doomed_writer FOLDER die STEP CALL   (before that call)
       python -m tests.support.faults.doomed_writer FOLDER limit BYTES   (of each file)
"""

import os
import resource
import signal
import sys
from itertools import count
from pathlib import Path
from typing import Any

from mlpwatch.core.epochs import EpochRecord
from mlpwatch.core.runs.checkpoints import checkpoint_path, write_checkpoint
from mlpwatch.core.runs.metrics import MetricsLog
from tests.support.samples.checkpoint_samples import sample_checkpoint

BIG = (784, 50, 10)


def write_for_ever(path: Path) -> None:
    for step in count():
        write_checkpoint(path, sample_checkpoint(step, BIG), 0)
        sys.stdout.write(f"{step}\n")
        sys.stdout.flush()


def die_while_writing(path: Path, step: int, fatal_call: int) -> None:
    """Send SIGKILL to itself before the given call out of fsync, replace, replace, fsync."""
    calls = count(1)

    def deadly(function: Any) -> Any:  # noqa: ANN401
        def call(*args: object, **folders: object) -> object:
            if next(calls) == fatal_call:
                os.kill(os.getpid(), signal.SIGKILL)
            return function(*args, **folders)

        return call

    for owner, name in ((os, "fsync"), (os, "replace")):
        setattr(owner, name, deadly(getattr(owner, name)))
    write_checkpoint(path, sample_checkpoint(step), 0)


def write_on_a_full_disk(path: Path, limit: int) -> None:
    """Print the errno of a checkpoint and of a metrics line that do not fit."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
    log = MetricsLog(path.with_name("metrics.jsonl"))

    def fill_log() -> None:
        for epoch in range(limit):
            log.append(EpochRecord("numpy", epoch, 1, 0, 0, 0, 0, 0))

    def save_big() -> None:
        write_checkpoint(path, sample_checkpoint(9, BIG), 0)

    for write in (save_big, fill_log):
        try:
            write()
        except OSError as error:
            sys.stdout.write(f"{error.errno}\n")


if __name__ == "__main__":
    target = checkpoint_path(Path(sys.argv[1]), "numpy")
    numbers = [int(argument) for argument in sys.argv[3:]]
    match sys.argv[2]:
        case "loop":
            write_for_ever(target)
        case "die":
            die_while_writing(target, *numbers)
        case "limit":
            write_on_a_full_disk(target, *numbers)
