"""Shapley values of known games, and their intervals."""

from itertools import permutations
from math import factorial

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from mlpwatch.core.sweeps.statistics import PairedDifference
from mlpwatch.core.sweeps.why.attribution import (
    MOST_COMBINED,
    Attribution,
    attribute,
    masks_of,
    one_at_a_time,
    shapley_values,
)

GLOVES = {mask: float(bool(mask & 1) and bool(mask & 6)) for mask in range(8)}
"""One left glove, two right ones: a pair is worth 1."""

GAMES = st.integers(1, 4).flatmap(
    lambda count: st.lists(st.floats(0, 1), min_size=2**count, max_size=2**count)
)


def test_the_glove_game() -> None:
    assert shapley_values(GLOVES, 3) == pytest.approx((2 / 3, 1 / 6, 1 / 6))


@given(GAMES)
def test_the_shares_are_the_means_over_all_orders_and_sum_to_the_gap(values: list[float]) -> None:
    count, game = len(values).bit_length() - 1, dict(enumerate(values))
    found = shapley_values(game, count)
    expected = np.zeros(count)
    for order in permutations(range(count)):
        mask = 0
        for bit in order:
            expected[bit] += (game[mask | 1 << bit] - game[mask]) / factorial(count)
            mask |= 1 << bit
    assert found == pytest.approx(expected, abs=1e-12)
    assert sum(found) == pytest.approx(values[-1] - values[0], abs=1e-12)


@given(GAMES)
def test_a_setting_without_effect_has_no_share_and_twins_share_alike(values: list[float]) -> None:
    count, game = len(values).bit_length() - 1, dict(enumerate(values))
    # One more bit that changes nothing, and one whose first bit is doubled: either of the two does.
    idle = {mask: game[mask % 2**count] for mask in range(2 ** (count + 1))}
    assert shapley_values(idle, count + 1) == pytest.approx((*shapley_values(game, count), 0.0))
    twins = {m: game[m % 2**count | m >> count] for m in range(2 ** (count + 1))}
    found = shapley_values(twins, count + 1)
    assert found[0] == pytest.approx(found[count], abs=1e-12)


def test_a_sum_of_effects_is_found_from_one_change_at_a_time() -> None:
    effects = [0.1, -0.02, 0.0, 0.3, 0.004, 0.05, -0.1]
    count = MOST_COMBINED + 1
    masks = masks_of(count)
    assert len(masks) == 2 * count + 2 == len(set(masks))
    game = {m: 0.5 + sum(e for bit, e in enumerate(effects) if m & 1 << bit) for m in masks}
    assert one_at_a_time(game, count) == pytest.approx(effects)
    found = attribute(dict.fromkeys(range(3), game), count)
    assert found.gap.mean == pytest.approx(sum(effects))
    assert found.remainder.mean == pytest.approx(0, abs=1e-12)
    # Two that work only together: each has half of it, once from either side.
    pair = {mask: float(mask & 3 == 3) for mask in masks}
    assert one_at_a_time(pair, count) == (0.5, 0.5, 0, 0, 0, 0, 0)


def test_all_combinations_up_to_six() -> None:
    assert masks_of(2) == (0, 1, 2, 3)
    assert len(masks_of(MOST_COMBINED)) == 64


def test_the_intervals_are_students_over_the_seeds() -> None:
    rng = np.random.default_rng(0)
    games = {seed: dict(enumerate(rng.random(4))) for seed in range(5)}
    games[9] = {0: 0.5, 3: 0.7}  # not all of its networks are trained
    found = attribute(games, 2)
    per_seed = np.array([shapley_values(games[seed], 2) for seed in range(5)])
    for bit, share in enumerate(found.shares):
        interval = stats.ttest_1samp(per_seed[:, bit], 0).confidence_interval(0.95)
        assert (share.low, share.high) == pytest.approx((interval.low, interval.high))
        assert share.n == 5
        assert share.mean == pytest.approx(per_seed[:, bit].mean())
    assert found.gap.mean == pytest.approx(sum(share.mean for share in found.shares))
    assert attribute({}, 2).gap.n == 0


@pytest.mark.parametrize(
    ("shares", "is_clear"),
    [
        ([(0.04, 0.002), (0.001, 0.004)], True),
        ([(0.04, 0.002), (0.001, 0.012)], False),
        ([(0.03, 0.02), (0.012, 0.011)], True),
        ([(0.02, 0.03), (0.02, 0.001)], False),
    ],
)
def test_it_is_clear_unless_an_interval_has_0_and_a_large_share(
    shares: list[tuple[float, float]], is_clear: bool
) -> None:
    parts = tuple(PairedDifference(3, *share) for share in shares)
    zero = PairedDifference(3, 0.0, 0.0)
    gap = PairedDifference(3, 0.042, 0.002)
    assert Attribution(gap, parts, zero).is_clear is is_clear
    # Without a gap there is nothing to share out, and one seed has no interval.
    assert not Attribution(PairedDifference(3, 0.01, 0.02), parts, zero).is_clear
    assert not Attribution(PairedDifference(1, 0.04, None), parts, zero).is_clear
