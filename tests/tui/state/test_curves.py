"""A curve of any length stays small, loses no point, and never redraws its past."""

import math
import time
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlpwatch.tui.state.curves import RECENT_CAPACITY, Curve, Point

VALUES = st.one_of(st.floats(-1e9, 1e9), st.sampled_from([math.nan, math.inf, -math.inf]))


def filled(values: list[float], capacity: int = 8, planned: float = 0) -> Curve:
    curve = Curve(capacity, planned)
    for step, value in enumerate(values, start=1):
        curve.add(step, value)
    return curve


def test_few_points_are_kept_as_they_came() -> None:
    curve = filled([2.5, 1.5, 0.5], capacity=512, planned=100)
    assert curve.points() == [Point(n, y, y, y) for n, y in ((1, 2.5), (2, 1.5), (3, 0.5))]
    assert curve.last == (3, 0.5)


def test_a_bucket_holds_mean_low_and_high() -> None:
    curve = filled([1.0, 2.0, 6.0, 10.0], capacity=2, planned=4)
    assert curve.points() == [Point(2.0, 3.0, 1.0, 6.0, size=3), Point(4.0, 10.0, 10.0, 10.0)]


def test_a_curve_within_its_plan_never_changes_its_stride() -> None:
    curve = Curve(capacity=512, planned=46_900)
    stride = curve.stride
    for step in range(1, 46_901):
        curve.add(step, 1.0)
    assert curve.stride == stride
    assert len(curve.points()) >= 511


@given(st.lists(VALUES, max_size=300), st.sampled_from([0, 10, 1000]))
def test_every_point_is_counted_once_and_space_is_bounded(
    values: list[float], planned: float
) -> None:
    curve = filled(values, planned=planned)
    finite = [value for value in values if math.isfinite(value)]
    assert (curve.count, curve.gaps) == (len(finite), len(values) - len(finite))
    points = curve.points()
    assert len(points) <= 8
    assert all(a.x < b.x for a, b in pairwise(points))
    if finite:
        known = [point for point in points if not math.isnan(point.mean)]
        assert min(point.low for point in known) == min(finite)
        assert max(point.high for point in known) == max(finite)


@given(st.lists(VALUES, min_size=2, max_size=300), st.data())
def test_more_points_change_the_past_only_by_merging_pairs(
    values: list[float], data: st.DataObject
) -> None:
    split = data.draw(st.integers(1, len(values) - 1))
    curve = filled(values[:split])
    stride, closed = curve.stride, curve.points()[:-1]
    for step, value in enumerate(values[split:], start=split + 1):
        curve.add(step, value)
    if curve.stride == stride:
        assert repr(curve.points()[: len(closed)]) == repr(closed)
        return
    for old in closed:
        new = next(p for p in curve.points() if p.x // curve.stride == old.x // curve.stride)
        if not math.isnan(old.mean):
            assert new.low <= old.low <= old.high <= new.high


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=200))
def test_buckets_hold_the_mean_of_what_fell_into_them(values: list[float]) -> None:
    curve = filled(values)
    for point in curve.points():
        bucket = point.x // curve.stride
        inside = [v for step, v in enumerate(values, start=1) if step // curve.stride == bucket]
        assert point.mean == pytest.approx(sum(inside) / len(inside), rel=1e-9, abs=1e-6)


def test_nan_and_infinity_are_gaps_and_do_not_touch_the_mean() -> None:
    curve = filled([1.0, math.nan, 3.0, math.inf, math.nan], capacity=2, planned=4)
    first, second = curve.points()
    assert first == Point(2.0, 2.0, 1.0, 3.0, size=2)
    assert math.isnan(second.mean)
    assert (curve.count, curve.gaps) == (2, 3)


def test_a_point_that_comes_late_falls_into_its_own_bucket() -> None:
    curve = filled([1.0, 1.0, 1.0, 1.0], capacity=8, planned=8)
    curve.add(2, 3.0)
    assert [point.mean for point in curve.points()] == [1.0, 2.0, 1.0, 1.0]


def test_the_newest_points_are_kept_as_they_came() -> None:
    curve = filled([float(n) for n in range(1_500)])
    assert curve.recent(2) == [(1_499, 1_498.0), (1_500, 1_499.0)]
    assert len(curve.recent()) == RECENT_CAPACITY
    assert curve.recent(0) == []
    assert Curve().last is None


def test_seconds_without_a_plan_start_fine_and_grow_coarse() -> None:
    curve = Curve(capacity=4)
    for seconds in (0.0, 0.02, 0.04):
        curve.add(seconds, seconds)
    assert len(curve.points()) == 3
    curve.add(60.0, 1.0)
    assert curve.stride == 16
    assert [point.x for point in curve.points()] == pytest.approx([0.02, 60.0])


def test_a_redraw_costs_the_same_after_a_hundred_times_as_many_points() -> None:
    def seconds(points: int) -> float:
        curve = filled([1.0] * points, capacity=512)
        best = math.inf
        for _ in range(20):
            curve.add(points, 1.0)
            start = time.thread_time()
            curve.points()
            best = min(best, time.thread_time() - start)
        return best

    assert seconds(100_000) < 5 * seconds(1_000)


@pytest.mark.parametrize("capacity", [0, 1, 7])
def test_an_impossible_capacity_is_refused(capacity: int) -> None:
    with pytest.raises(ValueError, match=f"capacity {capacity}: expected an even number"):
        Curve(capacity)


@pytest.mark.parametrize("x", [-1.0, math.nan, math.inf])
def test_an_impossible_x_is_refused(x: float) -> None:
    with pytest.raises(ValueError, match="expected 0 or more"):
        Curve().add(x, 1.0)
    with pytest.raises(ValueError, match="expected 0 or more"):
        Curve(planned=x)


@given(st.lists(st.lists(st.tuples(st.floats(0, 500), st.floats(-9, 9)), max_size=20), max_size=6))
def test_points_read_in_between_do_not_change_what_is_read_later(
    batches: list[list[tuple[float, float]]],
) -> None:
    watched, alone = Curve(capacity=8), Curve(capacity=8)
    for batch in batches:
        for x, y in batch:
            watched.add(x, y)
            alone.add(x, y)
        watched.points()
    assert watched.points() == alone.points()
