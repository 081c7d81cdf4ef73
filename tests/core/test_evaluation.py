"""Evaluations and lists of mistakes against plain counting."""

from typing import get_args

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn.metrics import accuracy_score, confusion_matrix

from core.config import EngineName
from core.engine import Labels
from core.evaluation import MISTAKE_LISTS, MistakeList, evaluate, mistake_rows
from core.losses import CrossEntropy, SquaredError

CLASSES = 4
RANDOM = np.random.default_rng(3)
LABELS: Labels = RANDOM.integers(0, CLASSES - 1, 60)  # the last class never occurs
LOGITS = RANDOM.normal(0, 2, (60, CLASSES))


def test_the_figures_equal_plain_counting_and_scikit_learn() -> None:
    found = evaluate(LOGITS, LABELS, CrossEntropy())
    read = LOGITS.argmax(axis=1)
    counts = np.zeros((CLASSES, CLASSES), np.int64)
    for true, predicted in zip(LABELS, read, strict=True):
        counts[true, predicted] += 1
    np.testing.assert_array_equal(found.confusion, counts)
    np.testing.assert_array_equal(
        found.confusion, confusion_matrix(LABELS, read, labels=range(CLASSES))
    )
    assert found.accuracy == counts.trace() / 60 == accuracy_score(LABELS, read)
    np.testing.assert_array_equal(found.predictions, read)
    assert found.loss == pytest.approx(found.losses.mean(), rel=1e-6)
    shares = np.exp(LOGITS) / np.exp(LOGITS).sum(1, keepdims=True)
    np.testing.assert_allclose(found.probabilities, shares, rtol=1e-6)
    np.testing.assert_allclose(found.losses, -np.log(shares[np.arange(60), LABELS]), rtol=1e-5)


def test_the_arrays_are_small_and_read_only() -> None:
    found = evaluate(LOGITS, LABELS, CrossEntropy())
    kinds = {"confusion": "int64", "probabilities": "float32", "losses": "float32"}
    for name, dtype in (kinds | {"predictions": "int64"}).items():
        array = getattr(found, name)
        assert array.dtype == dtype
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 0


def test_saturated_outputs_are_read_by_their_logits() -> None:
    """At ±20 and ±25 float32 sigmoids tie at 0 or 1, and softmax ties for near logits."""
    logits = np.array([[20, 25, -9], [-25, -20, -21], [1e-9, 2e-9, -1]], np.float32)
    labels = np.ones(3, np.int64)
    for loss in (SquaredError("batch"), CrossEntropy()):
        found = evaluate(logits, labels, loss)
        assert found.accuracy == 1
        assert found.predictions.tolist() == [1, 1, 1]


@pytest.mark.parametrize("worst", [np.inf, np.nan, 3e38])
def test_logits_beyond_float32_make_a_loss_that_is_not_finite_and_no_warning(worst: float) -> None:
    logits = np.array([[worst, -3e38, 0], [0, 1, 2]], np.float32)
    found = evaluate(logits, np.array([1, 1]), CrossEntropy())
    assert not np.isfinite(found.loss)


labels_and_predictions = st.integers(0, 12).flatmap(
    lambda n: st.tuples(*[st.lists(st.integers(0, 3), min_size=n, max_size=n)] * 3)
)
one_class = st.none() | st.integers(0, 3)


@given(labels_and_predictions, st.sampled_from(MISTAKE_LISTS), one_class, one_class)
@settings(max_examples=200)
def test_mistakes_are_those_that_a_plain_loop_selects(
    columns: tuple[list[int], list[int], list[int]],
    which: MistakeList,
    true: int | None,
    predicted: int | None,
) -> None:
    labels, numpy_read, torch_read = (np.array(column, np.int64) for column in columns)
    expected = []
    for row, (y, a, b) in enumerate(zip(*columns, strict=True)):
        wrong = {"numpy": a != y, "torch": b != y, "both": a != y != b, "disagree": a != b}[which]
        seen = {"numpy": {a}, "torch": {b}}.get(which, {a, b})
        if wrong and true in (None, y) and (predicted is None or predicted in seen):
            expected.append(row)
    found = mistake_rows(labels, {"numpy": numpy_read, "torch": torch_read}, which, true, predicted)
    assert found.tolist() == expected


@pytest.mark.parametrize("missing", ["numpy", "torch"])
def test_a_list_that_needs_a_missing_engine_is_empty(missing: EngineName) -> None:
    names: tuple[EngineName, ...] = get_args(EngineName)
    wrong: NDArray[np.intp] = (LABELS + 1) % CLASSES
    read = {name: wrong for name in names if name != missing}
    for which in MISTAKE_LISTS:
        rows = mistake_rows(LABELS, read, which)
        assert len(rows) == (60 if which in read else 0)
