"""A curve of any length in bounded space; its past does not change."""

import math
from bisect import bisect_left
from collections import deque
from operator import itemgetter
from typing import NamedTuple, Self

CAPACITY = 256
"""Buckets of a whole run: two per dot column of a braille chart at 140 columns. Drawing them is
most of what grows with the run: with 512, late frames cost 1.8 times the first ones, not 1.2."""

RECENT_CAPACITY = 1_000
"""Newest points that are kept unchanged."""

_FIRST_STRIDE = 1 / 64
"""Initial bucket width if the end is unknown; a power of two doubles exactly."""


class Point(NamedTuple):
    """The contents of a bucket; mean, low and high are NaN if it has only gaps."""

    x: float
    """Mean of the points' x."""
    mean: float
    low: float
    high: float
    size: int = 1
    """Number of finite points, which are consecutive."""


class _Bucket:
    """Running means, extremes and counts of the points in one range of x."""

    __slots__ = ("gaps", "high", "index", "low", "mean", "size", "x")

    def __init__(self, index: int) -> None:
        self.index = index
        self.x = 0.0
        self.mean = math.nan
        self.low = math.inf
        self.high = -math.inf
        self.size = 0
        """Finite points."""
        self.gaps = 0

    @classmethod
    def of(cls, size: int, point: Point) -> Self:
        """Return the bucket of `size` points that are known only by their summary."""
        bucket = cls(0)
        bucket.size, bucket.x, bucket.mean = size, point.x, point.mean
        bucket.low, bucket.high = point.low, point.high
        return bucket

    def add(self, x: float, y: float) -> None:
        """Add a finite y."""
        self.size = size = self.size + 1
        if size == 1:
            self.x, self.mean = x, y
        else:
            self.x += (x - self.x) / size
            self.mean += (y - self.mean) / size
        self.low = min(self.low, y)
        self.high = max(self.high, y)

    def add_gap(self, x: float) -> None:
        """Add an x whose y is NaN or infinite."""
        if not self.size:
            self.x += (x - self.x) / (self.gaps + 1)
        self.gaps += 1

    def merge(self, other: "_Bucket") -> None:
        self.gaps += other.gaps
        if not other.size:
            return
        if not self.size:
            self.x, self.mean = other.x, other.mean
        else:
            share = other.size / (self.size + other.size)
            self.x += (other.x - self.x) * share
            self.mean += (other.mean - self.mean) * share
        self.size += other.size
        self.low = min(self.low, other.low)
        self.high = max(self.high, other.high)

    def point(self) -> Point:
        if not self.size:
            return Point(self.x, math.nan, math.nan, math.nan, 0)
        return Point(self.x, self.mean, self.low, self.high, self.size)


class Curve:
    """Thins points into buckets of fixed width over x, from 0 on.

    When a point falls beyond the last bucket, neighbours are merged in pairs and the width
    doubles. A full bucket never changes in any other way, so the drawn curve stays in place,
    and a redraw costs the same after a million points as after a thousand.

    Args:
        capacity: buckets at most; even, at least 2.
        planned: the expected last x, in the unit of x; 0 if unknown.

    Raises:
        ValueError: the capacity is odd or below 2, or `planned` is negative or not finite.
    """

    def __init__(self, capacity: int = CAPACITY, planned: float = 0) -> None:
        if capacity < 2 or capacity % 2:  # noqa: PLR2004
            raise ValueError(f"capacity {capacity}: expected an even number from 2 on")
        if not (math.isfinite(planned) and planned >= 0):
            raise ValueError(f"planned {planned}: expected 0 or more")
        self._capacity = capacity
        # Slightly wider than the share, so that the planned end itself is inside.
        self._stride = planned / (capacity - 1) if planned > 0 else _FIRST_STRIDE
        self._buckets: list[_Bucket] = []
        self._recent: deque[tuple[float, float]] = deque(maxlen=RECENT_CAPACITY)
        self._last_sum = -math.inf
        """The newest x at which several points were added as a summary."""
        self._points: list[Point] = []
        self._unchanged = 0
        """Leading points that still equal their buckets' points."""
        self.count = 0
        """Finite points added."""
        self.gaps = 0
        """Points added that were NaN or infinite."""
        self.low, self.high = math.inf, -math.inf
        """Least and greatest finite y; infinite before any."""

    @property
    def stride(self) -> float:
        """Width of a bucket, in the unit of x."""
        return self._stride

    @property
    def last(self) -> tuple[float, float] | None:
        """The newest point, NaN or not; None before the first."""
        return self._recent[-1] if self._recent else None

    def add(self, x: float, y: float) -> None:
        """Add a point; a y that is NaN or infinite is a gap, which is counted but not averaged.

        Raises:
            ValueError: x is negative or not finite.
        """
        # Called twice per step, thousands of times a second, on the event loop: avoid calls here.
        if not 0 <= x < math.inf:
            raise ValueError(f"x {x}: expected 0 or more")
        while x / self._stride >= self._capacity:
            self._halve()
        bucket = self._bucket(int(x / self._stride))
        self._recent.append((x, y))
        if not -math.inf < y < math.inf:
            bucket.add_gap(x)
            self.gaps += 1
            return
        bucket.add(x, y)
        self.count += 1
        self.low = min(self.low, y)
        self.high = max(self.high, y)

    def add_sum(self, count: int, point: Point) -> None:
        """Add points that are known only by their number, mean and extremes.

        Raises:
            ValueError: x is negative or not finite.
        """
        self.add(point.x, point.mean)
        if count > 1:
            self._last_sum = point.x
        if count > 1 and math.isfinite(point.mean):
            bucket = self._bucket(int(point.x / self._stride))
            # One of these points was already added, as the mean.
            bucket.merge(_Bucket.of(count - 1, point))
            self.count += count - 1
            self.low, self.high = min(self.low, point.low), max(self.high, point.high)

    def points(self) -> list[Point]:
        """Return one point per nonempty bucket, in ascending order of x."""
        first = self._unchanged
        if first < len(self._buckets):
            # Between two frames only the last one or two of hundreds of buckets have changed.
            changed = [bucket.point() for bucket in self._buckets[first:]]
            self._points = self._points[:first] + changed
            self._unchanged = len(self._points)
        return self._points

    def recent(self, count: int = RECENT_CAPACITY) -> list[tuple[float, float]]:
        """Return the newest points (x, y) unchanged, oldest first, at most 1,000."""
        return list(self._recent)[-count:] if count > 0 else []

    def at(self, x: float) -> Point | None:
        """Return the point of the bucket that contains x; None if it is empty."""
        index = int(x / self._stride)
        place = bisect_left(self._buckets, index, key=lambda bucket: bucket.index)
        if place < len(self._buckets) and self._buckets[place].index == index:
            return self._buckets[place].point()
        return None

    def exact(self, x: float) -> float | None:
        """Return the y of the point at x itself, if it is among the newest 1,000.

        None up to the newest x at which points were added as a summary: a mean may be stored there.
        """
        if x <= self._last_sum:
            return None
        recent = self._recent
        place = bisect_left(recent, x, key=itemgetter(0))
        return recent[place][1] if place < len(recent) and recent[place][0] == x else None

    def _bucket(self, index: int) -> _Bucket:
        buckets = self._buckets
        if buckets and (last := buckets[-1]).index == index:
            if self._unchanged == len(buckets):
                self._unchanged -= 1
            return last
        place = bisect_left(buckets, index, key=lambda bucket: bucket.index)
        self._unchanged = min(self._unchanged, place)
        if place == len(buckets) or buckets[place].index != index:
            buckets.insert(place, _Bucket(index))
        return buckets[place]

    def _halve(self) -> None:
        """Merge buckets 2k and 2k + 1 into k. Halving a float is exact, so is this index."""
        merged: list[_Bucket] = []
        for bucket in self._buckets:
            bucket.index //= 2
            if merged and merged[-1].index == bucket.index:
                merged[-1].merge(bucket)
            else:
                merged.append(bucket)
        self._buckets = merged
        self._unchanged = 0
        self._stride *= 2
