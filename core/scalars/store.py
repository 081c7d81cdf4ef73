"""Series of numbers by name, in bounded memory for any number of points."""

import math
from array import array
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from typing import NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

CAPACITY = 4_096
"""Most points of a series that are kept, thinned. A chart has 440 dot columns at 220 columns, so a
zoom into a tenth of the run still has a point per dot. A full series takes 160 kB."""

MOST_STEP = 1e15
"""Largest step; above 9e15 a float can't hold the next one, and no axis can show it."""

MOST_SERIES = 1_000
"""Most names: 160 MB when all are full. A log may name each of its million lines."""

_Number = TypeVar("_Number", np.int64, np.float64)


class ScalarPoint(NamedTuple):
    """One number that a training loop logged."""

    name: str
    """Parts are joined by `/`: `train/loss`."""
    step: float
    """Of the loop, or the number of the epoch; finite."""
    value: float
    """NaN and infinities are gaps."""
    seconds: float = math.nan
    """When it was logged, in Unix time; NaN if unknown."""


class ScalarSeries(NamedTuple):
    """A series, thinned to `CAPACITY` points."""

    steps: NDArray[np.float64]
    """(points,), ascending."""
    values: NDArray[np.float64]
    """(points,); the mean of each point's finite values, NaN where there is none."""
    seconds: NDArray[np.float64]
    """(points,) Unix time; NaN where it is unknown."""


class ScalarStore:
    """Keeps series by name. Not thread-safe: one thread owns it, and others send it points.

    A step that is not above the last one of its series begins it again from there, as a restart
    from a checkpoint does: the points at and after that step are dropped, exact to one kept point.
    """

    def __init__(self) -> None:
        self._series: dict[str, _Series] = {}
        self.revision = 0
        """Grows with each point: an unchanged number means unchanged series."""
        self.dropped: set[str] = set()
        """Some of the names beyond `MOST_SERIES`, whose points are not kept."""

    def add(self, points: Iterable[ScalarPoint]) -> None:
        """Add points in the order in which they were logged, in about 1 µs per point.

        A point whose step is not finite, or not between -10¹⁵ and 10¹⁵, is left out.
        """
        series = self._series
        for name, step, value, seconds in points:
            if not -MOST_STEP <= step <= MOST_STEP:
                continue
            one = series.get(name)
            if one is None:
                if len(series) == MOST_SERIES:
                    if len(self.dropped) < MOST_SERIES:
                        self.dropped.add(name)
                    continue
                one = series[name] = _Series()
            one.add(step, value, seconds)
            self.revision += 1

    def names(self) -> Sequence[str]:
        """Return the names in the order in which they first appeared."""
        return tuple(self._series)

    def series(self, name: str) -> ScalarSeries:
        """Return a series; arrays of its own, which later points do not change.

        Raises:
            KeyError: there is no such name.
        """
        return self._series[name].arrays()

    def last(self, name: str) -> ScalarPoint:
        """Return the newest point of a series, not averaged with others.

        Raises:
            KeyError: there is no such name.
        """
        return ScalarPoint(name, *self._series[name].last)


class _Series:
    """Buckets of `stride` consecutive points each; the last one may have fewer.

    When there are more than `CAPACITY` buckets, neighbours are merged in pairs and the stride
    doubles. A full bucket never changes in any other way, so a drawn curve stays in place.
    """

    __slots__ = ("_counts", "_finite", "_steps", "_stride", "_times", "_values", "last")

    def __init__(self) -> None:
        self._steps, self._values, self._times = array("d"), array("d"), array("d")
        self._counts, self._finite = array("q"), array("q")
        self._stride = 1
        self.last = (-math.inf, math.nan, math.nan)

    def add(self, step: float, value: float, seconds: float) -> None:
        is_finite = -math.inf < value < math.inf
        if step <= self.last[0]:
            self._cut(step)
        self.last = (step, value, seconds)
        counts = self._counts
        if counts and counts[-1] < self._stride:
            counts[-1] = count = counts[-1] + 1
            self._steps[-1] += (step - self._steps[-1]) / count
            self._times[-1] += (seconds - self._times[-1]) / count
            if is_finite:
                self._finite[-1] = finite = self._finite[-1] + 1
                old = self._values[-1]
                # Each divided first: their difference may be beyond the largest float.
                self._values[-1] = value if finite == 1 else old + (value / finite - old / finite)
            return
        self._steps.append(step)
        self._values.append(value if is_finite else math.nan)
        self._times.append(seconds)
        counts.append(1)
        self._finite.append(int(is_finite))
        if len(counts) > CAPACITY:
            self._halve()

    def arrays(self) -> ScalarSeries:
        return ScalarSeries(*(np.array(a) for a in (self._steps, self._values, self._times)))

    def _cut(self, step: float) -> None:
        """Drop the buckets whose mean step is at or after `step`."""
        place = bisect_left(self._steps, step)
        for kept in (self._steps, self._values, self._times, self._counts, self._finite):
            del kept[place:]

    def _halve(self) -> None:
        """Merge buckets 2k and 2k + 1 into k; an odd last one stays as it is."""
        counts, finite = np.array(self._counts), np.array(self._finite)
        self._steps = _merged(self._steps, counts)
        self._times = _merged(self._times, counts)
        self._values = _merged(self._values, finite)
        self._counts = array("q", _pair_sums(counts).tobytes())
        self._finite = array("q", _pair_sums(finite).tobytes())
        self._stride *= 2


def _merged(means: "array[float]", weights: NDArray[np.int64]) -> "array[float]":
    """Return the mean of each pair, weighted by (buckets,) counts; NaN where both are 0."""
    values = np.where(weights > 0, np.array(means), 0.0)
    sums = _pair_sums(weights)
    owner = np.arange(len(weights)) // 2
    # Weights become shares before they multiply: a value near the largest float would overflow.
    shares = weights / np.maximum(sums, 1)[owner]
    merged = np.where(sums > 0, _pair_sums(values * shares), np.nan)
    return array("d", merged.tobytes())


def _pair_sums(values: NDArray[_Number]) -> NDArray[_Number]:
    sums: NDArray[_Number] = np.add.reduceat(values, np.arange(0, len(values), 2))
    return sums
