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
    """Score each class of a confusion matrix; a share of no images is 0.

    By hand: importing scikit-learn's scores takes 1.1 s while the networks train.
    """
    right = counts.diagonal().astype(np.float64)
    of_class, predicted = counts.sum(axis=1), counts.sum(axis=0)
    # precision = right / predicted, recall = right / of class, F1 = 2 right / (both summed)
    precision = right / np.maximum(predicted, 1)
    recall = right / np.maximum(of_class, 1)
    f1 = 2 * right / np.maximum(predicted + of_class, 1)
    return ClassScores(precision, recall, f1, of_class.astype(np.int64), _pairs(counts))


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
