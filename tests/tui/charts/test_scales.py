"""Limits seldom change, ticks are few and round, labels are short and exact."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlpwatch.tui.charts.scales import LABEL_COLUMNS, Limits, nice_limits, nice_ticks, tick_label


@pytest.mark.parametrize(
    ("values", "log", "limits"),
    [
        ([2.3, 0.1], False, (0, 2.5)),
        ([0.91, 0.97], False, (0.91, 0.97)),
        ([97.2, 98.1], False, (97.2, 98.1)),
        ([], False, (0, 1)),
        ([0.0], False, (0, 1)),
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
