"""The metrics log gives back every epoch's confusion matrix."""

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

from mlpwatch.core.config import RunConfig
from mlpwatch.core.epochs import accuracy_of
from mlpwatch.core.events import EpochDone
from mlpwatch.core.runs.metrics import MetricsLog, parse_epoch, parse_old_confusion
from mlpwatch.core.training.launch import new_session, resumed_session
from tests.support.samples.run_samples import line, matrices
from tests.support.samples.training import VALIDATION, Training

SQUARES = st.integers(1, 36).flatmap(
    lambda side: arrays(np.int64, (side, side), elements=st.sampled_from([0, 0, 0, 1, 7, 60_000]))
)


@settings(deadline=None, max_examples=60)
@given(counts=SQUARES)
def test_any_matrix_comes_back_read_only(
    tmp_path_factory: pytest.TempPathFactory, counts: NDArray[np.int64]
) -> None:
    log = MetricsLog(tmp_path_factory.getbasetemp() / "any.jsonl")
    log.path.unlink(missing_ok=True)
    log.append(replace(line("torch", 4), confusion=counts))
    record = parse_epoch(log.path.read_bytes())
    assert record is not None
    found = record.confusion
    assert found is not None
    np.testing.assert_array_equal(found, counts)
    assert found.dtype == np.int64
    with pytest.raises(ValueError, match="read-only"):
        found[0, 0] = 1


def test_a_matrix_is_short(tmp_path: Path) -> None:
    counts = np.diag(np.full(10, 487))
    counts[4, 9] = 23
    log = MetricsLog(tmp_path / "metrics.jsonl")
    log.append(replace(line("numpy", 2), confusion=counts))
    assert json.loads(log.path.read_text())["confusion"] == {
        "classes": 10,
        "counts": [487, -10, 487, -10, 487, -10, 487, -10, 487, -4, 23, -5, 487,
                   -10, 487, -10, 487, -10, 487, -10, 487],
    }  # fmt: skip


@pytest.mark.parametrize(
    "fields",
    [
        {"classes": 3}, {"counts": None}, {"counts": [1, 2]}, {"counts": [1] * 5},
        {"counts": [True, -3]}, {"counts": [1, 2, 3, 4.5]}, {"counts": [-5]},
        {"counts": [1, -4]}, {"counts": [2**40, -3]}, {"counts": ["1", -3]},
        {"classes": 0, "counts": []}, {"classes": 10**9, "counts": [-(10**18)]},
    ],
    ids=str,
)  # fmt: skip
def test_a_damaged_matrix_is_a_damaged_line_in_the_new_format_and_in_the_old(
    tmp_path: Path, fields: dict[str, object]
) -> None:
    log = MetricsLog(tmp_path / "metrics.jsonl")
    log.append(line("numpy", 1))
    sound = {"classes": 2, "counts": [5, -2, 6]}
    numbers = json.loads(log.path.read_text())

    def new_and_old(matrix: dict[str, object]) -> list[object]:
        new = parse_epoch(json.dumps(numbers | {"confusion": matrix}).encode())
        old = parse_old_confusion(json.dumps(numbers | matrix).encode())
        return [new, old]

    assert new_and_old(sound | fields) == [None, None]
    assert None not in new_and_old(sound)


def test_accuracy_is_the_share_on_the_diagonal() -> None:
    assert accuracy_of(np.array([[3, 1], [0, 4]])) == 7 / 8
    assert accuracy_of(np.zeros((2, 2), np.int64)) == 0


def test_training_records_every_epochs_matrix() -> None:
    training = Training(epochs=3)
    training.run()
    lines = training.recorder.lines
    assert [(one.engine, one.epoch, one.step) for one in lines] == [
        ("numpy", 1, 6), ("numpy", 2, 12), ("numpy", 3, 18),
    ]  # fmt: skip
    for one, event in zip(lines, training.of(EpochDone), strict=True):
        assert event.validation is not None
        assert one.confusion is not None
        expected = confusion_matrix(
            training.dataset.validation_labels, event.validation.predictions, labels=range(3)
        )
        np.testing.assert_array_equal(one.confusion, expected)
        assert one.confusion.sum() == VALIDATION
        assert accuracy_of(one.confusion) == event.validation.accuracy


def test_a_resumed_run_goes_on_in_the_log_without_gap_or_repetition(tmp_path: Path) -> None:
    config = RunConfig(data="digits", hidden=(8,), epochs=2, threads=1, only="numpy")
    session = new_session(config, tmp_path, "demo", print)
    session.start()
    assert session.join(60)
    run = session.run
    run.release()
    before = matrices(run)["numpy"]
    assert list(before) == [1, 2]
    # As a crash leaves it: the log ahead of the checkpoint.
    ahead = replace(line("numpy", 3), confusion=np.ones((10, 10), np.int64))
    run.append_metrics(ahead)
    assert list(matrices(run)["numpy"]) == [1, 2, 3]
    longer = resumed_session(run, replace(config, epochs=4), print)
    assert list(matrices(run)["numpy"]) == [1, 2]
    longer.start()
    assert longer.join(60)
    run.release()
    after = matrices(run)["numpy"]
    assert list(after) == [1, 2, 3, 4]
    np.testing.assert_array_equal(after[2], before[2])
    assert [accuracy_of(counts) for counts in after.values()] == [
        line.val_accuracy for line in run.read_metrics()
    ]
