"""The confusion log gives back every epoch's matrix, whatever happened to its file."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray
from sklearn.metrics import confusion_matrix

from mlpwatch.core.config import EngineName, RunConfig
from mlpwatch.core.events import EpochDone
from mlpwatch.core.runs.confusion_log import ConfusionLine, ConfusionLog, accuracy_of
from mlpwatch.core.training.launch import new_session, resumed_session
from tests.support.samples.training import VALIDATION, Training

SQUARES = st.integers(1, 36).flatmap(
    lambda side: arrays(np.int64, (side, side), elements=st.sampled_from([0, 0, 0, 1, 7, 60_000]))
)


def line(epoch: int, engine: EngineName = "numpy", classes: int = 3) -> ConfusionLine:
    counts = np.diag(np.full(classes, 40 + epoch))
    counts[0, classes - 1] = epoch
    return ConfusionLine(engine, epoch, epoch * 10, counts)


def told(log: ConfusionLog, engine: EngineName = "numpy", classes: int = 3) -> dict[int, object]:
    return {epoch: counts.tolist() for epoch, counts in log.read(classes)[engine].items()}


def wanted(*epochs: int) -> dict[int, object]:
    return {epoch: line(epoch).counts.tolist() for epoch in epochs}


@pytest.fixture
def log(tmp_path: Path) -> ConfusionLog:
    return ConfusionLog(tmp_path / "confusion.jsonl")


@settings(deadline=None, max_examples=60)
@given(counts=SQUARES)
def test_any_matrix_comes_back_read_only(
    tmp_path_factory: pytest.TempPathFactory, counts: NDArray[np.int64]
) -> None:
    log = ConfusionLog(tmp_path_factory.getbasetemp() / "any.jsonl")
    log.path.unlink(missing_ok=True)
    log.append(ConfusionLine("torch", 4, 9, counts))
    found = log.read(len(counts))["torch"][4]
    np.testing.assert_array_equal(found, counts)
    assert found.dtype == np.int64
    with pytest.raises(ValueError, match="read-only"):
        found[0, 0] = 1


def test_a_line_is_short_and_says_what_it_is(log: ConfusionLog) -> None:
    counts = np.diag(np.full(10, 487))
    counts[4, 9] = 23
    log.append(ConfusionLine("numpy", 2, 860, counts))
    text = log.path.read_text()
    assert json.loads(text) == {
        "engine": "numpy", "epoch": 2, "step": 860, "classes": 10,
        "counts": [487, -10, 487, -10, 487, -10, 487, -10, 487, -4, 23, -5, 487,
                   -10, 487, -10, 487, -10, 487, -10, 487],
    }  # fmt: skip
    assert len(text) < 160


def test_a_torn_last_line_is_left_out_wherever_it_tore(log: ConfusionLog) -> None:
    log.append(line(1))
    first = log.path.read_bytes()
    log.append(line(2))
    whole = log.path.read_bytes()
    for length in range(len(first), len(whole)):
        log.path.write_bytes(whole[:length])
        assert told(log) == wanted(1)
    log.append(line(3))
    assert told(log) == wanted(1, 3)


@pytest.mark.parametrize(
    "fields",
    [
        {"classes": 3}, {"counts": None}, {"counts": [1, 2]}, {"counts": [1] * 5},
        {"counts": [True, -3]}, {"counts": [1, 2, 3, 4.5]}, {"counts": [-5]},
        {"counts": [1, -4]}, {"counts": [2**40, -3]}, {"counts": ["1", -3]},
        {"classes": 0, "counts": []}, {"classes": 10**9, "counts": [-(10**18)]},
        {"engine": "jax"}, {"epoch": -1}, {"step": "x"},
    ],
    ids=str,
)  # fmt: skip
def test_a_damaged_line_is_left_out(log: ConfusionLog, fields: dict[str, object]) -> None:
    good = {"engine": "numpy", "epoch": 7, "step": 1, "classes": 2, "counts": [5, -2, 6]}
    log.append(line(1, classes=2))
    with log.path.open("a") as file:
        file.write(json.dumps(good | fields) + "\n")
    assert set(told(log, classes=2)) == {1}
    with log.path.open("a") as file:
        file.write(json.dumps(good) + "\n")
    assert told(log, classes=2)[7] == [[5, 0], [0, 6]]


def test_garbage_and_other_sizes_are_left_out(log: ConfusionLog) -> None:
    log.append(line(1))
    with log.path.open("ab") as file:
        file.write(b"\0" * 40 + b"\n\xff\n[1]\n\n")
    log.append(line(2, classes=4))
    log.append(line(3))
    assert told(log) == wanted(1, 3)


def test_without_a_file_there_is_nothing(log: ConfusionLog) -> None:
    assert log.read(3) == {"numpy": {}, "torch": {}}


def test_trim_drops_one_engines_later_epochs(log: ConfusionLog) -> None:
    for epoch in (1, 2, 3):
        log.append(line(epoch))
        log.append(line(epoch, "torch"))
    log.trim("numpy", 1)
    assert told(log) == wanted(1)
    assert told(log, "torch") == wanted(1, 2, 3)


def test_accuracy_is_the_share_on_the_diagonal() -> None:
    assert accuracy_of(np.array([[3, 1], [0, 4]])) == 7 / 8
    assert accuracy_of(np.zeros((2, 2), np.int64)) == 0


def test_training_records_every_epochs_matrix() -> None:
    training = Training(epochs=3)
    training.run()
    lines = training.recorder.matrices
    assert [(one.engine, one.epoch, one.step) for one in lines] == [
        ("numpy", 1, 6), ("numpy", 2, 12), ("numpy", 3, 18),
    ]  # fmt: skip
    for one, event in zip(lines, training.of(EpochDone), strict=True):
        expected = confusion_matrix(
            training.dataset.validation_labels, event.validation.predictions, labels=range(3)
        )
        np.testing.assert_array_equal(one.counts, expected)
        assert one.counts.sum() == VALIDATION
        assert accuracy_of(one.counts) == event.validation.accuracy


def test_a_resumed_run_goes_on_in_the_log_without_gap_or_repetition(tmp_path: Path) -> None:
    config = RunConfig(data="digits", hidden=(8,), epochs=2, threads=1, only="numpy")
    session = new_session(config, tmp_path, "demo", print)
    session.start()
    assert session.join(60)
    run = session.run
    run.release()
    before = run.confusion.read(10)["numpy"]
    assert list(before) == [1, 2]
    # As a crash leaves it: the log ahead of the checkpoint.
    run.confusion.append(ConfusionLine("numpy", 3, 999, np.ones((10, 10), np.int64)))
    longer = resumed_session(run, replace(config, epochs=4), print)
    assert list(run.confusion.read(10)["numpy"]) == [1, 2]
    longer.start()
    assert longer.join(60)
    run.release()
    after = run.confusion.read(10)["numpy"]
    assert list(after) == [1, 2, 3, 4]
    np.testing.assert_array_equal(after[2], before[2])
    assert [accuracy_of(counts) for counts in after.values()] == [
        line.val_accuracy for line in run.read_metrics()
    ]
