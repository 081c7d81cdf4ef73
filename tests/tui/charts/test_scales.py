"""Limits seldom change, ticks are few and round, labels are short and exact."""

import math
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlpwatch.tui.charts.dots import DOTS_DOWN, Frame
from mlpwatch.tui.charts.scales import (
    LABEL_COLUMNS,
    Limits,
    nice_limits,
    nice_ticks,
    ruler,
    tick_label,
    tick_labels,
)


@pytest.mark.parametrize(
    ("values", "log", "limits"),
    [
        ([2.3, 0.1], False, (0, 2.5)),
        ([0.91, 0.97], False, (0.91, 0.97)),
        ([97.2, 98.1], False, (97.2, 98.1)),
        ([], False, (0, 1)),
        ([0.0], False, (0, 1)),
        ([0.1, 0.1 + 2e-17, 0.1 + 1e-12], False, (0.09, 0.11)),
        ([2.3, 0.08], True, (0.05, 5)),
        ([0.3], True, (0.2, 2)),
        ([-1.0], True, (0.1, 1)),
    ],
)
def test_limits_snap_to_steps(values: list[float], log: bool, limits: Limits) -> None:
    assert nice_limits(values, log) == pytest.approx(limits)


@given(st.lists(st.floats(1e-6, 1e6), min_size=1, max_size=50), st.booleans())
def test_limits_hold_every_value_never_shrink_and_change_rarely(
    values: list[float], log: bool
) -> None:
    limits, changes = nice_limits(values[:1], log), 0
    for value in values:
        wider = nice_limits([value, math.nan], log, limits)
        assert wider[0] <= limits[0] < limits[1] <= wider[1]
        assert wider[0] <= value * (1 + 1e-9)
        assert value <= wider[1] * (1 + 1e-9)
        changes += wider != limits
        limits = wider
    assert nice_limits(values, log, limits) == limits
    assert changes <= 90


@given(st.floats(-1e7, 1e7), st.floats(1e-6, 1e7), st.integers(1, 12))
def test_ticks_are_few_ascending_and_inside(low: float, span: float, most: int) -> None:
    high = low + max(span, abs(low) * 1e-6)
    ticks = nice_ticks((low, high), most)
    assert len(ticks) <= most
    assert ticks == sorted(set(ticks))
    slack = (high - low) * 1e-6
    assert all(low - slack <= tick <= high + slack for tick in ticks)


@given(st.integers(-9, 12), st.sampled_from([1, 2, 5]), st.integers(0, 20))
def test_labels_are_short_and_say_the_value(power: int, leading: int, multiple: int) -> None:
    value = leading * multiple * 10.0**power
    label = tick_label(value)
    assert len(label) <= LABEL_COLUMNS
    number = float(label.rstrip("kMG"))
    assert number * {"k": 1e3, "M": 1e6, "G": 1e9}.get(label[-1], 1) == pytest.approx(value)


def rows_of_ticks(limits: Limits, rows: int, *, log: bool, labels_top: bool = False) -> list[int]:
    """The rows that the ticks of a plot stand in, from below."""
    axis = ruler(limits, rows, log, labels_top=labels_top)
    up = Frame(20, rows + 1, (0, 1), axis.limits, log).up()
    return [round(up(tick)) // DOTS_DOWN for tick in axis.ticks]


@given(st.floats(0, 1e6), st.floats(1e-6, 1e6), st.integers(4, 60), st.booleans(), st.booleans())
def test_ticks_stand_on_even_rows(
    low: float, span: float, rows: int, labels_top: bool, from_zero: bool
) -> None:
    low = 0.0 if from_zero else low
    limits = nice_limits([low, low + max(span, low * 1e-3)], log=False)
    axis = ruler(limits, rows, log=False, labels_top=labels_top)
    assert axis.limits[0] <= limits[0] + 1e-9 * limits[1]
    assert axis.limits[1] >= limits[1] * (1 - 1e-9)
    places = rows_of_ticks(limits, rows, log=False, labels_top=labels_top)
    assert len({after - before for before, after in pairwise(places)}) <= 1, places
    assert all(0 <= place < rows for place in places)


@pytest.mark.parametrize("rows", range(4, 40))
@pytest.mark.parametrize("limits", [(1e-3, 1.0), (1e-8, 1e-5), (0.01, 50.0)])
def test_powers_of_ten_stand_on_even_rows(limits: Limits, rows: int) -> None:
    places = rows_of_ticks(limits, rows, log=True)
    assert len(places) >= 2
    assert len({after - before for before, after in pairwise(places)}) <= 1, places


@pytest.mark.parametrize("rows", range(4, 40))
def test_an_accuracy_has_a_tick_at_100(rows: int) -> None:
    for low in (0.0, 40.0, 90.0, 97.2):
        axis = ruler((low, 100.0), rows, log=False, labels_top=True)
        assert axis.ticks[-1] == pytest.approx(100)
        assert (axis.limits[1] - axis.limits[0]) < 2.3 * (100 - low), "more than half is used"


def test_an_impossible_span_gets_ticks_where_they_fall() -> None:
    assert ruler((1e-300, 1e300), 10, log=True).limits == (1e-300, 1e300)
    assert ruler((0.0, 2.5), 3, log=False).limits == (0.0, 2.5)


@given(st.lists(st.floats(), max_size=9), st.booleans(), st.integers(1, 40))
def test_any_numbers_have_an_axis(values: list[float], log: bool, rows: int) -> None:
    limits = nice_limits(values, log)
    axis = ruler(limits, rows, log)
    assert -math.inf < axis.limits[0] < axis.limits[1] < math.inf
    assert all(len(label) <= LABEL_COLUMNS for label in tick_labels(axis.ticks))


def test_labels_with_exponents_have_the_same_one() -> None:
    axis = ruler(nice_limits([0, 2.2e32], log=False), 20, log=False)
    assert tick_labels(axis.ticks) == ["0", "5e31", "10e31", "15e31", "20e31"]
    axis = ruler(nice_limits([0, 4.4e-5], log=False), 14, log=False)
    assert tick_labels(axis.ticks) == ["0", "1e-5", "2e-5", "3e-5", "4e-5"]


def test_a_label_that_says_nothing_new_is_left_out() -> None:
    assert tick_labels([100_000, 100_001, 100_002]) == ["100k", "", ""]
    assert tick_labels([9e-4, 95e-5, 1e-3, 105e-5]) == [".0009", "95e-5", "0.001", ""]
    assert tick_labels([-1e100, 0.0]) == ["", "0"]
