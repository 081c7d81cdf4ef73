"""Series as they are drawn."""

import math

import numpy as np
import pytest

from mlpwatch.core.scalars.curves import averaged, smoothed


def test_smoothing_is_the_unbiased_exponential_mean() -> None:
    values = np.array([1.0, 2.0, 4.0])
    w = 0.6
    expected = [1.0, (w * 0.4 * 1 + 0.4 * 2) / (1 - w**2)]
    expected.append((w * w * 0.4 * 1 + w * 0.4 * 2 + 0.4 * 4) / (1 - w**3))
    np.testing.assert_allclose(smoothed(values, w), expected)
    assert smoothed(values, 0.0) is values
    np.testing.assert_allclose(smoothed(np.full(9, 3.0), 0.9), 3.0)


def test_gaps_stay_gaps_and_do_not_enter_the_mean() -> None:
    result = smoothed(np.array([1.0, math.nan, 1.0, math.inf, 1.0]), 0.9)
    np.testing.assert_array_equal(result, [1, math.nan, 1, math.inf, 1])


def test_few_points_are_drawn_as_they_are() -> None:
    steps, values = np.array([0.0, 5.0, 9.0]), np.array([1.0, math.nan, 2.0])
    points = averaged(steps, values, 0, 10, 100)
    assert [x for x, _ in points] == [0, 5, 9]
    assert math.isnan(points[1][1])


def test_each_part_of_many_points_is_their_mean_and_old_parts_stay() -> None:
    steps = np.arange(1_000.0)
    values = np.where(steps < 500, steps, np.nan)
    points = averaged(steps, values, 0, 1_000, 10)
    assert len(points) == 10
    assert points[0] == (49.5, 49.5)
    assert math.isnan(points[-1][1])
    assert averaged(steps[:950], values[:950], 0, 1_000, 10)[:9] == points[:9]


def test_a_part_of_the_axis_keeps_its_neighbours() -> None:
    steps = np.arange(0.0, 1_000.0, 100.0)
    assert [x for x, _ in averaged(steps, steps, 250, 450, 50)] == [200, 300, 400, 500]
    assert averaged(steps, steps, 2_000, 3_000, 50) == [(900, 900)]


@pytest.mark.parametrize("scale", [1e-300, 1e300])
def test_extreme_values_do_not_fail(scale: float) -> None:
    steps = np.arange(5_000.0)
    for _, y in averaged(steps, np.full(5_000, scale), 0, 5_000, 100):
        assert y == pytest.approx(scale)


def test_gaps_of_two_calls_are_equal() -> None:
    steps, values = np.arange(300.0), np.full(300, math.nan)
    for columns in (10, 1_000):
        assert averaged(steps, values, 0, 300, columns) == averaged(steps, values, 0, 300, columns)
