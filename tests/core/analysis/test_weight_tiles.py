"""First layers as pictures: each weight in its pixel's place, on a scale that stays."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlpwatch.core.analysis.weight_store import WeightSnapshot
from mlpwatch.core.analysis.weight_tiles import FirstLayer, count_dead, first_layer, shared_scale
from mlpwatch.core.arrays import Floats


def shown(w: Floats) -> WeightSnapshot:
    return WeightSnapshot("numpy", 1, 9, {"layers.0.weight": w, "layers.0.bias": np.zeros(len(w))})


def layer(reach: float) -> FirstLayer:
    return FirstLayer(shown(np.zeros((1, 1))), np.zeros((1, 1, 1)), reach)


def test_each_weight_lies_where_its_pixel_lies() -> None:
    w = np.arange(24.0).reshape(2, 12)
    found = first_layer(shown(w), (3, 4))
    assert found.tiles.shape == (2, 3, 4)
    assert found.tiles[1, 2, 3] == w[1, 11]
    np.testing.assert_array_equal(found.tiles.reshape(2, 12), w)


def test_features_that_are_no_image_fill_a_near_square() -> None:
    found = first_layer(shown(np.ones((3, 7))), (28, 28))
    assert found.tiles.shape == (3, 3, 3)
    assert np.isnan(found.tiles).sum() == 3 * 2
    assert np.nansum(found.tiles) == 21
    assert first_layer(shown(np.ones((3, 10))), (28, 28)).tiles.shape == (3, 3, 4)


def test_the_reach_leaves_out_the_few_largest() -> None:
    w = np.linspace(-1, 1, 1_000).reshape(10, 100)
    w[0, 0] = 50.0
    assert first_layer(shown(w), (10, 10)).reach == pytest.approx(0.98, abs=0.005)


@given(st.floats(1e-8, 1e8))
def test_the_scale_is_the_next_round_number(reach: float) -> None:
    scale = shared_scale(layer(reach))
    assert reach <= scale <= 2.1 * reach
    mantissa = scale / 10 ** math.floor(math.log10(scale) + 1e-9)
    assert min(abs(mantissa - round_one) for round_one in (1, 2, 3, 5)) < 1e-6


def test_both_models_share_a_scale_and_one_that_diverged_does_not_count() -> None:
    assert shared_scale(layer(0.04), layer(0.11)) == 0.2
    assert shared_scale(layer(0.04), layer(math.nan)) == 0.05
    assert shared_scale(layer(math.inf)) == shared_scale(layer(0.0)) == 1.0


def test_dead_units_are_counted_layer_by_layer() -> None:
    weights = {
        "layers.0.weight": np.eye(3, 4),
        "layers.0.bias": np.array([0.0, -2.0, 0.0]),
        "layers.1.weight": np.ones((2, 3)),
        "layers.1.bias": np.array([-5.0, 0.0]),
        "layers.2.weight": np.ones((2, 2)),
        "layers.2.bias": np.zeros(2),
    }
    found = count_dead(WeightSnapshot("torch", 0, 7, weights), np.eye(4, dtype=np.float32))
    assert found.step == 7
    assert found.counts == ((1, 3), (1, 2))
    assert list(found.layers[0]) == [False, True, False]
