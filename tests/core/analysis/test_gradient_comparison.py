"""The famous gap in numbers: the two losses on the same weights and batch differ by the classes."""

import numpy as np
import pytest

from mlpwatch.core.analysis.gradient_comparison import compare_gradients
from mlpwatch.core.data.dataset import Dataset, load_dataset
from mlpwatch.core.network.build import initial_weights, layer_sizes
from mlpwatch.core.recipes import from_recipe


@pytest.fixture(scope="module")
def digits() -> Dataset:
    return load_dataset("digits", 0, "-1..1")


def test_nn_mse_loss_makes_every_gradient_smaller_by_the_class_count(digits: Dataset) -> None:
    found = compare_gradients(from_recipe("seed"), digits, None).engines
    by_hand, in_torch = found["numpy"], found["torch"]
    assert by_hand.loss / in_torch.loss == pytest.approx(10, rel=1e-5)
    assert len(by_hand.norms) == 2
    for own, theirs in zip(by_hand.norms, in_torch.norms, strict=True):
        assert own / theirs == pytest.approx(10, rel=1e-4)


def test_twins_have_the_same_gradient(digits: Dataset) -> None:
    comparison = compare_gradients(from_recipe("twin", dtype="float64"), digits, None)
    assert comparison.largest_difference < 1e-12
    assert comparison.batch_size == 64
    assert min(comparison.engines["numpy"].norms) > 0


def test_the_weights_given_are_the_ones_compared_at(digits: Dataset) -> None:
    config = from_recipe("twin", only="numpy")
    weights = initial_weights(layer_sizes(64, config.hidden, 10), config)
    still = {name: np.zeros_like(array) for name, array in weights.items()}
    comparison = compare_gradients(config, digits, still)
    assert comparison.engines["numpy"].loss == pytest.approx(np.log(10), rel=1e-6)
    # Without weights behind it, nothing flows back to the first layer.
    assert comparison.engines["numpy"].norms == (0.0, 0.0)


def test_dropout_and_optimizer_take_no_part(digits: Dataset) -> None:
    config = from_recipe("best", hidden=(16,), dtype="float64")
    assert compare_gradients(config, digits, None).largest_difference < 1e-12
