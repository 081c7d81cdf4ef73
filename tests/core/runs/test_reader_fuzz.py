"""Seeded injuries to a run's own files: sound values or a named error, soon, in little memory.

MLPWATCH_FUZZ=20000 for as many inputs per reader as the release was tried with.
"""

import random
import tracemalloc
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from time import process_time

import numpy as np
import pytest

from mlpwatch.core.errors import RunError
from mlpwatch.core.events import CheckpointSaved, RunStarted, SaveFailed
from mlpwatch.core.runs.checkpoints import read_checkpoint, write_checkpoint
from mlpwatch.core.runs.confusion_log import CONFUSION_NAME, ConfusionLine, ConfusionLog
from mlpwatch.core.runs.event_log import EVENTS_NAME, EventLog, Plan
from mlpwatch.core.runs.listing import METRICS_NAME, RESULT_NAME, read_result
from mlpwatch.core.runs.manifest import CARD_NAME, read_card
from mlpwatch.core.runs.metrics import MetricsLog
from mlpwatch.core.runs.owner import OWNER_NAME, read_owner, write_owner
from tests.core.data.test_data_fuzz import LONGEST_SECONDS, MUTATIONS, SLACK_BYTES, mutated
from tests.support.faults.run_losses import Loss, check
from tests.support.samples.checkpoint_samples import sample_checkpoint
from tests.support.samples.run_samples import create, line


@dataclass(frozen=True)
class Reader:
    """One kind of file of a run: how a sound one is made, and how it is read."""

    name: str
    make: Callable[[Path], object]
    read: Callable[[Path], object]


def make_metrics(folder: Path) -> None:
    for epoch in range(1, 6):
        MetricsLog(folder / METRICS_NAME).append(line("numpy", epoch))


def make_confusion(folder: Path) -> None:
    for epoch in range(1, 4):
        counts = np.arange(9, dtype=np.int64).reshape(3, 3)
        ConfusionLog(folder / CONFUSION_NAME).append(ConfusionLine("numpy", epoch, epoch, counts))


def make_events(folder: Path) -> None:
    EventLog(folder / EVENTS_NAME).append(
        [
            Plan(5, 20),
            RunStarted("numpy", 100, 1, 0, 0.0),
            CheckpointSaved("numpy", 5, "saved/x/numpy.safetensors"),
            SaveFailed("numpy", 9, "saved/x", "No space left on device"),
        ]
    )


READERS = [
    Reader(
        "checkpoint.safetensors",
        lambda folder: write_checkpoint(folder / "checkpoint.safetensors", sample_checkpoint(3), 0),
        lambda folder: read_checkpoint(folder / "checkpoint.safetensors"),
    ),
    Reader(CARD_NAME, lambda _folder: None, read_card),
    Reader(METRICS_NAME, make_metrics, lambda folder: MetricsLog(folder / METRICS_NAME).read()),
    Reader(
        CONFUSION_NAME, make_confusion, lambda folder: ConfusionLog(folder / CONFUSION_NAME).read(3)
    ),
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
