"""Series by name: thinned, restarted, with gaps, in bounded memory."""

import math
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlpwatch.core.scalars import store as module
from mlpwatch.core.scalars.store import CAPACITY, ScalarPoint, ScalarStore


def stored(*pairs: tuple[float, float]) -> ScalarStore:
    store = ScalarStore()
    store.add(ScalarPoint("loss", step, value, 100 + step) for step, value in pairs)
    return store


def test_a_short_series_is_kept_as_it_is() -> None:
    store = stored((0, 3.0), (10, 2.0), (25, math.nan), (30, 1.0))
    steps, values, seconds = store.series("loss")
    assert steps.dtype == values.dtype == seconds.dtype == np.float64
    assert steps.tolist() == [0, 10, 25, 30]
    np.testing.assert_array_equal(values, [3, 2, math.nan, 1])
    assert seconds.tolist() == [100, 110, 125, 130]
    assert store.last("loss") == ("loss", 30, 1.0, 130)


def test_names_come_in_the_order_in_which_they_appeared() -> None:
    store = ScalarStore()
    store.add(ScalarPoint(name, 0, 0) for name in ("val/loss", "train/loss", "val/loss"))
    assert store.names() == ("val/loss", "train/loss")
    with pytest.raises(KeyError):
        store.series("accuracy")


@pytest.mark.parametrize("step", [math.nan, math.inf, -1.7e308, 1.1e15])
def test_a_point_whose_step_no_axis_can_show_is_left_out(step: float) -> None:
    store = stored((0, 1.0), (step, 2.0), (1, 3.0))
    assert store.series("loss").values.tolist() == [1, 3]


def test_a_step_that_jumps_back_replaces_what_came_after_it() -> None:
    store = stored((0, 1), (1, 2), (2, 3), (3, 4), (1, 20), (2, 30))
    steps, values, _ = store.series("loss")
    assert steps.tolist() == [0, 1, 2]
    assert values.tolist() == [1, 20, 30]


def test_the_same_step_again_replaces_its_value() -> None:
    steps, values, _ = stored((0, 1), (1, 2), (1, 3)).series("loss")
    assert (steps.tolist(), values.tolist()) == ([0, 1], [1, 3])


def test_a_million_points_are_means_in_bounded_space() -> None:
    n = 1_000_000
    store = stored(*((k, float(k % 2)) for k in range(n)))
    steps, values, _ = store.series("loss")
    assert CAPACITY // 2 <= len(steps) <= CAPACITY
    assert (np.diff(steps) > 0).all()
    assert values[:-1].tolist() == [0.5] * (len(values) - 1)
    assert steps[0] == (2**8 - 1) / 2, "the first holds steps 0 to 255"
    assert store.last("loss").step == n - 1


def test_a_restart_of_a_thinned_series_leaves_what_came_before() -> None:
    n = 3 * CAPACITY
    store = stored(*((k, 1.0) for k in range(n)), *((k, 2.0) for k in range(n // 2, n // 2 + 100)))
    steps, values, _ = store.series("loss")
    assert (np.diff(steps) > 0).all()
    before = steps < n // 2 - 4
    assert (values[before] == 1).all()
    assert (values[steps > n // 2 + 4] == 2).all()
    assert steps[-1] <= n // 2 + 100


def test_gaps_do_not_enter_a_mean_and_stay_gaps_where_all_is_one() -> None:
    n = 2 * CAPACITY + 2
    values = [math.nan if k < 8 or k % 2 else 1.0 for k in range(n)]
    _, means, _ = stored(*enumerate(values)).series("loss")
    assert np.isnan(means[:2]).all()
    assert (means[2:] == 1).all()


def test_infinities_are_gaps_and_the_largest_floats_are_not() -> None:
    most = sys.float_info.max
    store = stored((0, math.inf), *((k, most * (-1) ** k) for k in range(1, 2 * CAPACITY)))
    values = store.series("loss").values
    assert np.isfinite(values[1:]).all()
    assert math.isnan(stored((0, math.inf)).series("loss").values[0])


def test_a_step_that_is_not_finite_is_left_out() -> None:
    store = stored((math.nan, 1), (math.inf, 2), (-5, 3))
    assert store.series("loss").steps.tolist() == [-5]


def test_names_beyond_the_limit_are_counted_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_SERIES", 2)
    store = ScalarStore()
    store.add(ScalarPoint(f"n{k}", 0, 0) for k in range(5))
    assert store.names() == ("n0", "n1")
    assert len(store.dropped) == 2


def test_an_array_that_was_returned_does_not_change() -> None:
    store = stored((0, 1))
    before = store.series("loss")
    revision = store.revision
    store.add([ScalarPoint("loss", 1, 2)])
    assert before.steps.tolist() == [0]
    assert store.revision > revision


@given(st.lists(st.integers(0, 40), min_size=1, max_size=200), st.integers(1, 4))
def test_steps_ascend_and_the_mean_of_all_is_kept(steps: list[int], power: int) -> None:
    capacity = 2**power
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "CAPACITY", capacity)
        kept = stored(*((step, 1.0) for step in steps)).series("loss")
        assert len(kept.steps) <= capacity
        assert (np.diff(kept.steps) > 0).all()
        assert kept.steps[-1] <= max(steps)
        ascending = sorted(set(steps))
        means = stored(*((step, float(step)) for step in ascending)).series("loss")
    np.testing.assert_allclose(means.values, means.steps)
