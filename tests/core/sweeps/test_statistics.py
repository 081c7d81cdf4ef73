"""The statistics equal NumPy's and SciPy's."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from mlpwatch.core.sweeps.statistics import (
    PairedDifference,
    band,
    paired_difference,
    spread,
    student,
    verdict,
)

SHARES = st.lists(st.floats(0, 1), min_size=2, max_size=30)


@given(SHARES)
def test_mean_and_sample_deviation_are_numpys(values: list[float]) -> None:
    found = spread(values)
    assert found.n == len(values)
    assert found.mean == pytest.approx(np.mean(values), abs=1e-12)
    assert found.std == pytest.approx(np.std(values, ddof=1), abs=1e-12)
    assert found.best == max(values)


@given(st.lists(st.tuples(st.integers(0, 1000), st.integers(0, 1000)), min_size=3, max_size=20))
def test_the_interval_is_that_of_the_paired_t_test(pairs: list[tuple[int, int]]) -> None:
    one = {seed: a / 1000 for seed, (a, _) in enumerate(pairs)}
    other = {seed: b / 1000 for seed, (_, b) in enumerate(pairs)}
    found = paired_difference(one, other)
    differences = [other[seed] - one[seed] for seed in one]
    margin = stats.t.ppf(0.975, len(pairs) - 1) * stats.sem(differences)
    assert found.n == len(pairs)
    assert found.mean == pytest.approx(np.mean(differences), abs=1e-12)
    assert found.margin == pytest.approx(margin, abs=1e-12)


def test_scipys_own_interval_of_one_example() -> None:
    one, other = [0.9488, 0.9471, 0.9502, 0.9480], [0.9063, 0.9050, 0.9068, 0.9041]
    found = paired_difference(dict(enumerate(one)), dict(enumerate(other)))
    interval = stats.ttest_rel(other, one).confidence_interval(0.95)
    assert (found.low, found.high) == pytest.approx((interval.low, interval.high), rel=1e-12)
    assert student(9) == pytest.approx(stats.t.ppf(0.975, 9), rel=1e-12)


def test_only_seeds_that_both_have_are_pairs() -> None:
    found = paired_difference({0: 0.9, 1: 0.8, 2: 0.7}, {1: 0.7, 2: 0.5, 3: 0.1})
    assert found.n == 2
    assert found.mean == pytest.approx(-0.15)


def test_one_value_has_no_spread_and_one_pair_no_interval() -> None:
    assert spread([0.5]).std is None
    found = paired_difference({0: 0.9}, {0: 0.8})
    assert (found.n, found.margin, found.low, found.is_real) == (1, None, None, False)
    assert verdict(found, "PyTorch") == ("PyTorch is 10.00 points lower: one pair, so no interval")
    same = verdict(paired_difference({0: 0.9}, {0: 0.9}), "PyTorch")
    assert same == "0.00 points: no difference in one pair, so no interval"
    near = verdict(paired_difference({0: 0.9}, {0: 0.90001}), "PyTorch")
    assert near == "PyTorch is 0.0010 points higher: one pair, so no interval"
    assert math.isnan(spread([math.nan]).mean)
    assert verdict(paired_difference({}, {}), "PyTorch") == "no pair of the same seed yet"


@pytest.mark.parametrize(
    ("mean", "margin", "said"),
    [
        (-0.0431, 0.0009, "PyTorch is 4.31 ± 0.09 points lower: real"),
        (0.0431, 0.0009, "PyTorch is 4.31 ± 0.09 points higher: real"),
        (-0.0002, 0.0005, "0.02 ± 0.05: no difference shown"),
        (0.0, 0.0, "0.00 ± 0.00: no difference shown"),
        (0.00002, 0.00001, "PyTorch is 0.0020 ± 0.0010 points higher: real"),
    ],
)
def test_the_verdict_is_a_sentence(mean: float, margin: float, said: str) -> None:
    assert verdict(PairedDifference(10, mean, margin), "PyTorch") == said


def test_a_band_is_the_mean_and_deviation_of_each_epoch() -> None:
    found = band([{1: 0.2, 2: 0.4, 3: math.nan}, {1: 0.4, 2: 0.8}, {1: 0.6}])
    assert found.epochs == (1, 2)
    assert found.n == (3, 2)
    assert found.mean == pytest.approx((0.4, 0.6))
    assert found.high == pytest.approx(
        (0.4 + np.std([0.2, 0.4, 0.6], ddof=1), 0.6 + np.std([0.4, 0.8], ddof=1))
    )
    assert found.low[1] == pytest.approx(1.2 - found.high[1])
    single = band([{1: 0.2}])
    assert single.low == single.high == single.mean == (0.2,)
