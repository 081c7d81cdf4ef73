"""Activations and their slopes, against their definitions and against PyTorch."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlpwatch.core.config import Activation
from mlpwatch.core.network.activations import ACTIVATIONS, sigmoid

NAMES: tuple[Activation, ...] = ("relu", "sigmoid", "tanh")
SUMS = np.linspace(-6, 6, 49).reshape(7, 7)
DEFINITIONS = {
    "relu": lambda z: z * (z > 0),
    "sigmoid": lambda z: 1 / (1 + np.exp(-z)),
    "tanh": lambda z: (np.exp(z) - np.exp(-z)) / (np.exp(z) + np.exp(-z)),
}
SLOPES = {
    "relu": lambda z: (z > 0).astype(z.dtype),
    "sigmoid": lambda z: np.exp(-z) / (1 + np.exp(-z)) ** 2,
    "tanh": lambda z: 4 / (np.exp(z) + np.exp(-z)) ** 2,
}


def test_every_activation_of_the_settings_is_there() -> None:
    assert set(ACTIVATIONS) == set(NAMES)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", NAMES)
def test_an_activation_replaces_the_sums_in_place(name: Activation, dtype: str) -> None:
    a = SUMS.astype(dtype)
    ACTIVATIONS[name].apply(a, np.empty_like(a))
    assert a.dtype == dtype
    tolerance = 1e-6 if dtype == "float32" else 1e-13
    np.testing.assert_allclose(a, DEFINITIONS[name](SUMS), tolerance, tolerance)


@pytest.mark.parametrize("name", NAMES)
def test_a_slope_follows_from_the_output_and_multiplies_delta(name: Activation) -> None:
    a, slope = SUMS.copy(), np.empty_like(SUMS)
    ACTIVATIONS[name].apply(a, slope)
    output = a.copy()
    delta = np.full_like(a, -3.0)
    ACTIVATIONS[name].multiply_slope(delta, a, slope)
    np.testing.assert_allclose(delta, -3.0 * SLOPES[name](SUMS), rtol=1e-9, atol=1e-12)
    np.testing.assert_array_equal(a, output)


def test_the_slope_of_relu_at_its_kink_is_0_as_in_pytorch() -> None:
    import torch

    z = torch.zeros(1, 1, requires_grad=True)
    torch.relu(z).sum().backward()  # type: ignore[no-untyped-call]
    delta, a, slope = np.ones((1, 1)), np.zeros((1, 1)), np.empty((1, 1))
    ACTIVATIONS["relu"].apply(a, slope)
    ACTIVATIONS["relu"].multiply_slope(delta, a, slope)
    assert z.grad is not None
    assert delta[0, 0] == z.grad.item() == 0


@given(st.floats(width=32, allow_nan=False), st.sampled_from(["float32", "float64"]))
def test_sigmoid_stays_in_0_to_1_and_never_warns(z: float, dtype: str) -> None:
    out = np.empty((1, 1), dtype)
    sigmoid(np.full((1, 1), z, dtype), out=out)  # a warning is an error here
    assert 0 <= out[0, 0] <= 1
    if abs(z) < 10:
        assert out[0, 0] == pytest.approx(1 / (1 + np.exp(-z)), abs=1.2e-7)


def test_sigmoid_writes_to_out_and_leaves_its_input() -> None:
    z, out = SUMS.copy(), np.empty_like(SUMS)
    sigmoid(z, out=out)
    np.testing.assert_array_equal(z, SUMS)
    np.testing.assert_allclose(out + out[::-1, ::-1], 1, rtol=1e-15)
