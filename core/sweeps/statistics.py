"""What many runs say together: means, spreads, paired differences and a plain verdict.

Pure functions of numbers; none reads a file. Accuracies are shares, 0 to 1.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, stdev

CONFIDENCE = 0.95
"""Of the interval of a difference."""

FEWEST_FOR_SPREAD = 2
"""One value has no spread, and one pair no interval."""


@dataclass(frozen=True, slots=True)
class Spread:
    """A sample of one number, such as the test accuracy of one setting over its seeds."""

    n: int
    mean: float
    """NaN for an empty sample."""
    std: float | None
    """Sample standard deviation (n - 1 below the line); None for fewer than two values."""
    best: float
    """The largest value; NaN for an empty sample."""


@dataclass(frozen=True, slots=True)
class PairedDifference:
    """The mean of differences between two values that share a seed."""

    n: int
    """Number of pairs."""
    mean: float
    """NaN without a pair."""
    margin: float | None
    """Half the width of the 95 % interval; None for fewer than two pairs."""

    @property
    def low(self) -> float | None:
        """The lower end of the interval."""
        return None if self.margin is None else self.mean - self.margin

    @property
    def high(self) -> float | None:
        """The upper end of the interval."""
        return None if self.margin is None else self.mean + self.margin

    @property
    def is_real(self) -> bool:
        """Whether the interval leaves out 0."""
        return self.margin is not None and abs(self.mean) > self.margin


@dataclass(frozen=True, slots=True)
class Band:
    """The curves of several runs as one: per epoch their mean and spread."""

    epochs: tuple[int, ...]
    mean: tuple[float, ...]
    low: tuple[float, ...]
    """Mean minus sample standard deviation; the mean itself where one run has the epoch."""
    high: tuple[float, ...]
    n: tuple[int, ...]
    """Runs that have the epoch."""


def spread(values: Iterable[float]) -> Spread:
    """Return mean, sample standard deviation and best of the finite values."""
    found = [value for value in values if math.isfinite(value)]
    if not found:
        return Spread(0, math.nan, None, math.nan)
    std = stdev(found) if len(found) >= FEWEST_FOR_SPREAD else None
    return Spread(len(found), fmean(found), std, max(found))


def paired_difference(one: Mapping[int, float], other: Mapping[int, float]) -> PairedDifference:
    """Return the mean of `other - one` over the seeds that both have, with its 95 % interval.

    The interval is Student's: mean ± t(0.975, n - 1) s / √n, s the sample standard deviation of the
    differences. It is that of `scipy.stats.ttest_rel(other, one).confidence_interval()`.

    Args:
        one: a value per seed.
        other: likewise.
    """
    differences = [other[seed] - one[seed] for seed in one.keys() & other.keys()]
    found = spread(differences)
    if found.std is None:
        return PairedDifference(found.n, found.mean, None)
    margin = student(found.n - 1) * found.std / math.sqrt(found.n)
    return PairedDifference(found.n, found.mean, margin)


def student(freedom: int) -> float:
    """Return t(0.975, `freedom`): how many standard errors half the 95 % interval has."""
    # scipy.stats takes a second to import; this is what its t.ppf calls.
    from scipy.special import stdtrit  # noqa: PLC0415

    return float(stdtrit(freedom, (1 + CONFIDENCE) / 2))


def verdict(found: PairedDifference, subject: str) -> str:
    """Return a difference in a sentence, in points (percent of the images).

    Args:
        found: of accuracies.
        subject: what the second value is of, such as `PyTorch`.
    """
    if not found.n:
        return "no pair of the same seed yet"
    points, margin = abs(found.mean) * 100, (found.margin or 0.0) * 100
    # Two decimals, more where both would be shown as 0.
    digits = 2 if max(points, margin) >= 0.005 or not max(points, margin) else 4  # noqa: PLR2004
    if found.margin is None:
        if not points:
            return "0.00 points: no difference in one pair, so no interval"
        return f"{subject} is {points:.{digits}f} points {_side(found)}: one pair, so no interval"
    numbers = f"{points:.{digits}f} ± {margin:.{digits}f}"
    if not found.is_real:
        return f"{numbers}: no difference shown"
    return f"{subject} is {numbers} points {_side(found)}: real"


def band(curves: Sequence[Mapping[int, float]]) -> Band:
    """Return mean and spread of several curves, per epoch that any of them has.

    Args:
        curves: a value per epoch, per run; NaN and infinity are left out.
    """
    epochs = sorted({epoch for curve in curves for epoch in curve})
    found = [(epoch, spread(c[epoch] for c in curves if epoch in c)) for epoch in epochs]
    known = [(epoch, one) for epoch, one in found if one.n]
    return Band(
        epochs=tuple(epoch for epoch, _ in known),
        mean=tuple(one.mean for _, one in known),
        low=tuple(one.mean - (one.std or 0.0) for _, one in known),
        high=tuple(one.mean + (one.std or 0.0) for _, one in known),
        n=tuple(one.n for _, one in known),
    )


def _side(found: PairedDifference) -> str:
    return "lower" if found.mean < 0 else "higher"
