"""Evaluations against plain counting."""

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, confusion_matrix

from mlpwatch.core.analysis.inference import evaluate
from mlpwatch.core.arrays import Labels
from mlpwatch.core.network.losses import CrossEntropy, SquaredError

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
