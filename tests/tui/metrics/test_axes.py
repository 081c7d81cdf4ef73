"""The x axis of all charts, and how they share the screen."""

import math

import pytest

from mlpwatch.tui.metrics.axes import MOST_ZOOM, is_short, whole_limits, zoomed
from mlpwatch.tui.metrics.layout import ChartGrid, age_text, chart_grid, step_text


def test_an_axis_ends_at_a_round_step_and_seldom_moves() -> None:
    ends = {whole_limits(0, step)[1] for step in range(1, 10_001)}
    assert len(ends) < 50
    for step in range(1, 10_001):
        low, high = whole_limits(0, step)
        assert low == 0
        assert step <= high <= 1.5 * step


@pytest.mark.parametrize(
    ("low", "high", "planned", "limits"),
    [
        (0, 10, 100, (0, 100)), (0, 10, 5, (0, 10)), (900, 1_000, math.nan, (900, 1_000)),
        (0, 0, math.nan, (0, 1)), (-10, -5, math.nan, (-10, -5)),
        (0, 1.7e308, math.nan, (0, 1.7e308)),
    ],
)  # fmt: skip
def test_limits_hold_the_steps(
    low: float, high: float, planned: float, limits: tuple[float, float]
) -> None:
    assert whole_limits(low, high, planned) == limits


def test_a_zoom_follows_the_newest_step_in_strides() -> None:
    ends = [zoomed((0, 1_000), 2, step, None) for step in range(400, 1_000)]
    for step, (low, high) in zip(range(400, 1_000), ends, strict=True):
        assert high - low == 250
        assert low <= step <= high
    assert len(set(ends)) == 600 // (250 // 8) + 1


def test_a_zoom_is_around_the_crosshair_and_stays_inside() -> None:
    assert zoomed((0, 1_000), 1, 900, 600) == (350, 850)
    assert zoomed((0, 1_000), 1, 900, 10) == (0, 500)
    assert zoomed((0, 1_000), 1, 900, 990) == (500, 1_000)
    assert zoomed((0, 1_000), 0, 900, 600) == (0, 1_000)
    low, high = zoomed((1e15, 1e15 + 1), MOST_ZOOM, 1e15, None)
    assert low < high


def test_epochs_beside_steps_have_an_axis_of_their_own() -> None:
    assert is_short(10, 9_000)
    assert not is_short(8_000, 9_000)


@pytest.mark.parametrize("by_twos", [False, True])
@pytest.mark.parametrize("size", [(40, 10), (80, 21), (140, 37), (220, 57)])
def test_a_page_has_room_for_all_that_fits(size: tuple[int, int], by_twos: bool) -> None:
    for charts in range(2, 60, 2):
        grid = chart_grid(charts, *size, by_twos=by_twos)
        assert grid.across % 2 == 0 or not by_twos
        assert size[0] // grid.across >= 20
        assert size[1] // grid.down >= 6
        assert grid.size <= 24


def test_few_charts_fill_the_screen() -> None:
    assert chart_grid(1, 80, 21) == ChartGrid(1, 1)
    assert chart_grid(2, 220, 57) == ChartGrid(1, 2)
    assert chart_grid(3, 220, 57) == ChartGrid(2, 2)
    assert chart_grid(2, 80, 21) == ChartGrid(1, 2)
    assert chart_grid(60, 80, 21) == ChartGrid(2, 3)


def test_ages_and_steps_as_text() -> None:
    ages = [age_text(seconds) for seconds in (0, 25, 200, 8_000, 400_000)]
    assert ages == ["live", "written 20 s ago", "written 3 min ago", "written 2 h ago",
                    "written 4 days ago"]  # fmt: skip
    assert [step_text(step) for step in (0.0, 12_345.0, 0.25, 1e300)] == [
        "0",
        "12,345",
        "0.25",
        "1e+300",
    ]
