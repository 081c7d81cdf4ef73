"""Scores of a matrix are scikit-learn's on the images behind it."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray
from sklearn.metrics import confusion_matrix, precision_recall_fscore_support

from mlpwatch.core.analysis.scores import Pair, PairDifference, largest_differences, score_classes

MATRICES = st.integers(2, 6).flatmap(
    lambda side: arrays(np.int64, (side, side), elements=st.integers(0, 9))
)


@pytest.mark.parametrize("seed", range(5))
def test_scores_equal_scikit_learn_on_the_same_predictions(seed: int) -> None:
    random = np.random.default_rng(seed)
    labels, read = random.integers(0, 5, 200), random.integers(0, 6, 200)
    read = np.where(random.random(200) < 0.7, labels, read)
    classes = np.arange(7)  # one that never occurs and one that is only read
    scores = score_classes(confusion_matrix(labels, read, labels=classes))
    expected = precision_recall_fscore_support(labels, read, labels=classes, zero_division=0)
    for mine, theirs in zip(
        (scores.precision, scores.recall, scores.f1, scores.images), expected, strict=True
    ):
        np.testing.assert_allclose(mine, theirs, rtol=1e-12)


@given(MATRICES)
def test_pairs_are_all_mistakes_the_most_frequent_first(counts: NDArray[np.int64]) -> None:
    pairs = score_classes(counts).pairs
    found = {(pair.true, pair.predicted): pair.images for pair in pairs}
    assert found == {(t, p): int(n) for (t, p), n in np.ndenumerate(counts) if t != p and n}
    assert [pair.images for pair in pairs] == sorted(found.values(), reverse=True)
    for pair in pairs:
        assert pair.share == pytest.approx(pair.images / counts[pair.true].sum())


def test_the_worst_pair_by_hand() -> None:
    counts = np.array([[8, 2, 0], [0, 9, 1], [4, 0, 6]])
    assert score_classes(counts).pairs[0] == Pair(2, 0, 4, 0.4)


def test_differences_come_largest_first_and_equal_cells_not_at_all() -> None:
    first = np.array([[8, 2], [5, 5]])
    second = np.array([[8, 3], [1, 9]])
    assert largest_differences(first, second) == (
        PairDifference(1, 0, 5, 1), PairDifference(1, 1, 5, 9), PairDifference(0, 1, 2, 3),
    )  # fmt: skip
    assert largest_differences(first, first) == ()
