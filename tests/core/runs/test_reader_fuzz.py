"""Seeded injuries to a run's own files: sound values or a named error, soon, in little memory.

MLPWATCH_FUZZ=20000 for as many inputs per reader as the release was tried with.
"""

import random
import tracemalloc
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from time import process_time

import numpy as np
import pytest

from mlpwatch.core.errors import RunError
from mlpwatch.core.events import CheckpointSaved, RunStarted, SaveFailed
from mlpwatch.core.runs.checkpoints import read_checkpoint, write_checkpoint
from mlpwatch.core.runs.event_log import EventLog, Plan
from mlpwatch.core.runs.layout import (
    CONFUSION_NAME,
    EVENTS_NAME,
    MANIFEST_NAME,
    METRICS_NAME,
    OWNER_NAME,
    RESULT_NAME,
)
from mlpwatch.core.runs.listing import read_result
from mlpwatch.core.runs.lock import read_owner, write_owner
from mlpwatch.core.runs.manifest import read_manifest
from mlpwatch.core.runs.metrics import MetricsLog
from mlpwatch.core.runs.replay import RunTail
from mlpwatch.core.runs.run import Run
from tests.core.data.test_data_fuzz import LONGEST_SECONDS, MUTATIONS, SLACK_BYTES, mutated
from tests.support.faults.run_losses import Loss, check
from tests.support.samples.checkpoint_samples import sample_checkpoint
from tests.support.samples.run_samples import create, line, old_confusion_line

pytestmark = pytest.mark.slow


@dataclass(frozen=True)
class Reader:
    """One kind of file of a run: how a sound one is made, and how it is read."""

    name: str
    make: Callable[[Path], object]
    read: Callable[[Path], object]


def make_metrics(folder: Path) -> None:
    counts = np.arange(100, dtype=np.int64).reshape(10, 10)
    for epoch in range(1, 6):
        MetricsLog(folder / METRICS_NAME).append(replace(line("numpy", epoch), confusion=counts))


def make_confusion(folder: Path) -> None:
    make_metrics(folder)
    counts = np.arange(100, dtype=np.int64).reshape(10, 10)
    lines = [old_confusion_line("numpy", epoch, counts) for epoch in range(1, 4)]
    (folder / CONFUSION_NAME).write_text("".join(lines))


def make_events(folder: Path) -> None:
    EventLog(folder / EVENTS_NAME).append(
        [
            Plan(5, 20),
            RunStarted("numpy", 100, 1, 0, 0.0),
            CheckpointSaved("numpy", 5, "saved/x/numpy.safetensors"),
            SaveFailed("numpy", 9, "saved/x", "No space left on device"),
        ]
    )


def read_logs(folder: Path) -> None:
    """Read what the list, the comparison and a follower read."""
    run = Run.open(folder.parent, folder.name)
    run.read_metrics()
    MetricsLog(folder / METRICS_NAME).newest(["numpy", "torch"])
    RunTail(run).read()


READERS = [
    Reader(
        "checkpoint.safetensors",
        lambda folder: write_checkpoint(folder / "checkpoint.safetensors", sample_checkpoint(3), 0),
        lambda folder: read_checkpoint(folder / "checkpoint.safetensors"),
    ),
    Reader(MANIFEST_NAME, lambda _folder: None, read_manifest),
    Reader(METRICS_NAME, make_metrics, read_logs),
    Reader(CONFUSION_NAME, make_confusion, read_logs),
    Reader(EVENTS_NAME, make_events, lambda folder: EventLog(folder / EVENTS_NAME).read()),
    Reader(
        RESULT_NAME,
        lambda folder: (
            (folder / RESULT_NAME).write_text('{"engines": {"numpy": {"a": 0.5}}}') and None
        ),
        lambda folder: read_result(folder / RESULT_NAME),
    ),
    Reader(OWNER_NAME, write_owner, read_owner),
]


def read_peak(read: Callable[[], object]) -> int:
    """Return the most bytes that Python and NumPy held while reading; named errors are fine."""
    tracemalloc.reset_peak()
    before = tracemalloc.get_traced_memory()[0]
    with suppress(RunError):
        read()
    return tracemalloc.get_traced_memory()[1] - before


@pytest.mark.parametrize("reader", READERS, ids=lambda reader: reader.name)
def test_a_mutated_file_is_read_or_refused_by_name_soon_and_in_little_memory(
    tmp_path: Path, reader: Reader
) -> None:
    folder = create(tmp_path, "demo").path
    reader.make(folder)
    path = folder / reader.name
    sound = path.read_bytes()
    names = sorted(file.name for file in folder.iterdir())
    tracemalloc.start()
    try:
        honest = read_peak(lambda: reader.read(folder))
        for seed in range(MUTATIONS):
            damaged = mutated(sound, random.Random(seed))
            path.write_bytes(damaged)
            began = process_time()
            peak = read_peak(lambda: reader.read(folder))
            assert process_time() - began < LONGEST_SECONDS, f"seed {seed}"
            if peak > 2 * honest + SLACK_BYTES:
                peak = read_peak(lambda: reader.read(folder))  # what grew once does not again
            assert peak <= 2 * honest + SLACK_BYTES, f"seed {seed}: {peak:,} bytes"
            assert path.read_bytes() == damaged, f"seed {seed}: who reads writes nothing"
    finally:
        tracemalloc.stop()
    assert sorted(file.name for file in folder.iterdir()) == names, "nothing is lost or left"
    check(Loss(MUTATIONS * len(names), (), 0))


def test_a_header_that_claims_a_million_million_rows_is_refused_before_memory_is_taken(
    tmp_path: Path,
) -> None:
    path = tmp_path / "huge.safetensors"
    write_checkpoint(path, sample_checkpoint(3), 0)
    text = path.read_bytes()
    at = text.index(b'"shape":[')
    end = text.index(b"]", at)
    claim = b'"shape":[1000000000000,4'
    header = text[8:at] + claim + text[end:]
    size = int.from_bytes(text[:8], "little") + len(claim) - (end - at)
    path.write_bytes(size.to_bytes(8, "little") + header)
    tracemalloc.start()
    try:
        with pytest.raises(RunError):
            read_checkpoint(path)
        assert tracemalloc.get_traced_memory()[1] < SLACK_BYTES
    finally:
        tracemalloc.stop()


def test_a_metrics_log_of_a_million_lines_with_garbage_inside_is_read(tmp_path: Path) -> None:
    log = MetricsLog(tmp_path / METRICS_NAME)
    log.append(line("numpy", 1))
    one = log.path.read_bytes()
    log.path.write_bytes(one * 500_000 + b"\x00garbage\xff\n" + one * 500_000 + one[:20])
    began = process_time()
    assert log.newest(["numpy"])["numpy"].epoch == 1
    assert process_time() - began < 1.0, "the list of runs reads the end alone"
