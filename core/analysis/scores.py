"""Precision, recall and F1 of each class, by scikit-learn; the pairs that are confused most."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from mlpwatch.core.epochs import Matrix


class Pair(NamedTuple):
    """Images of one class that were predicted as another."""

    true: int
    predicted: int
    images: int
    share: float
    """Share of the images of the true class, 0 to 1."""


class PairDifference(NamedTuple):
    """A cell in which two matrices differ."""

    true: int
    predicted: int
    first: int
    second: int


@dataclass(frozen=True, slots=True)
class ClassScores:
    """The scores of each class in one confusion matrix; 0 where the divisor is 0."""

    precision: NDArray[np.float64]
    """(classes,) share of the images predicted as this class that are of this class."""
    recall: NDArray[np.float64]
    """(classes,) share of the images of this class that were predicted as it."""
    f1: NDArray[np.float64]
    """(classes,) harmonic mean of both."""
    images: NDArray[np.int64]
    """(classes,) images of this class."""
    pairs: tuple[Pair, ...]
    """All confused pairs, the most frequent first."""


def score_classes(counts: Matrix) -> ClassScores:
    """Score each class of a confusion matrix; takes a millisecond or two."""
    # Imported late: scikit-learn takes about a second, too long before the first frame.
    from sklearn.metrics import precision_recall_fscore_support  # noqa: PLC0415

    if not counts.any():
        nothing = np.zeros(len(counts))
        return ClassScores(nothing, nothing, nothing, nothing.astype(np.int64), ())
    classes = np.arange(len(counts))
    true, predicted = np.repeat(classes, len(classes)), np.tile(classes, len(classes))
    # Each cell is one sample, weighted by its count.
    precision, recall, f1, images = precision_recall_fscore_support(
        true, predicted, labels=classes, sample_weight=counts.ravel(), zero_division=0
    )
    return ClassScores(precision, recall, f1, images.astype(np.int64), _pairs(counts))


def largest_differences(first: Matrix, second: Matrix) -> tuple[PairDifference, ...]:
    """Return the cells in which two matrices (classes, classes) differ, the largest first."""
    size = np.abs(first - second).ravel()
    cells = np.argsort(-size, kind="stable")[: np.count_nonzero(size)]
    places = [divmod(int(cell), len(first)) for cell in cells]
    return tuple(PairDifference(t, p, int(first[t, p]), int(second[t, p])) for t, p in places)


def _pairs(counts: Matrix) -> tuple[Pair, ...]:
    wrong = counts.copy()
    np.fill_diagonal(wrong, 0)
    totals = np.maximum(counts.sum(axis=1), 1)
    cells = np.argsort(-wrong.ravel(), kind="stable")[: np.count_nonzero(wrong)]
    places = [divmod(int(cell), len(counts)) for cell in cells]
    return tuple(Pair(t, p, int(wrong[t, p]), float(wrong[t, p] / totals[t])) for t, p in places)
