"""What is kept of a curve from frame to frame is what drawing it at once would give."""

import math
from typing import get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlpwatch.tui.charts.dots import Dots, Frame, Marker, Series, series_dots
from mlpwatch.tui.charts.traces import Trace
from mlpwatch.tui.kit.theme import Role
from mlpwatch.tui.state.curves import Curve

FRAME = Frame(40, 10, (0.0, 300.0), (0.0, 5.0))
LOSSES = st.one_of(st.floats(0, 6), st.just(math.nan))
GROWTH = st.lists(
    st.tuples(st.integers(1, 40), st.lists(LOSSES, min_size=1, max_size=9)), min_size=1, max_size=30
)


def series(curve: Curve, marker: Marker, *, in_full: bool = False) -> Series:
    points = [(point.x, point.mean) for point in curve.points()]
    return Series("train", Role.NUMPY, points, marker, in_full)


def drawn(trace: Trace) -> dict[int, set[tuple[int, int]]]:
    return {x: set(dots) for x, dots in trace.cells.items() if dots}


@settings(deadline=None)  # a busy machine is no failure
@given(GROWTH, st.sampled_from(get_args(Marker)), st.booleans(), st.sampled_from([0, 300]))
def test_a_curve_grown_point_by_point_equals_one_drawn_at_once(
    growth: list[tuple[int, list[float]]], marker: Marker, in_full: bool, planned: int
) -> None:
    curve, grown, step = Curve(32, planned), Trace(FRAME), 0
    for stride, values in growth:
        for value in values:
            step += stride
            curve.add(step, value)
        before = drawn(grown)
        changed = grown.update(series(curve, marker, in_full=in_full))
        at_once = Trace(FRAME)
        at_once.update(series(curve, marker, in_full=in_full))
        assert drawn(grown) == drawn(at_once)
        differing = {
            x for x in before.keys() | drawn(grown).keys() if before.get(x) != drawn(grown).get(x)
        }
        assert differing <= changed


@pytest.mark.parametrize("marker", get_args(Marker))
def test_a_new_point_costs_the_end_of_the_curve_only(
    marker: Marker, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[int] = []

    def counted(one: Series, frame: Frame, first: int = 0) -> Dots:
        dots = series_dots(one, frame, first)
        made.append(len(dots))
        return dots

    monkeypatch.setattr("mlpwatch.tui.charts.traces.series_dots", counted)
    points = [(float(x), 2.0 + math.sin(x / 9)) for x in range(0, 290, 2)]
    trace = Trace(FRAME)
    for end in range(100, len(points)):
        trace.update(Series("train", Role.NUMPY, points[:end], marker))
    whole, *later = made
    assert len(later) == len(points) - 101
    assert max(later) <= whole / 4
    assert trace.update(Series("train", Role.NUMPY, points[:-1], marker)) == set()
    assert len(made) == len(later) + 1, "the same again costs nothing"
