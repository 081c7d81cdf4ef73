"""Activations and their slopes, against their definitions and against PyTorch."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from mlpwatch.core.analysis.features import FLAT
from mlpwatch.core.arrays import Floats
from mlpwatch.core.config import Activation
from mlpwatch.core.network.activations import ACTIVATIONS, sigmoid
from mlpwatch.core.network.layers import Activation as Activation_
from mlpwatch.core.network.layers import overflow_allowed
from mlpwatch.core.network.tables import complete

NAMES: tuple[Activation, ...] = tuple(ACTIVATIONS)
SUMS = np.linspace(-6, 6, 49).reshape(7, 7)
NORMAL = stats.norm
IN_TORCH = {"leaky-relu": "leaky_relu"}
"""The names in `torch.nn.functional` that differ from ours."""


def kept_for(name: Activation, z: Floats) -> Floats:
    """Return the array that an activation keeps for sums z (batch, width)."""
    return np.empty((ACTIVATIONS[name].arrays_kept * len(z), z.shape[1]), z.dtype)


DEFINITIONS: dict[Activation, Callable[[Floats], Floats]] = {
    "relu": lambda z: z * (z > 0),
    "leaky-relu": lambda z: np.where(z > 0, z, 0.01 * z),
    "gelu": lambda z: z * NORMAL.cdf(z),
    "sigmoid": lambda z: 1 / (1 + np.exp(-z)),
    "tanh": lambda z: (np.exp(z) - np.exp(-z)) / (np.exp(z) + np.exp(-z)),
}
SLOPES: dict[Activation, Callable[[Floats], Floats]] = {
    "relu": lambda z: (z > 0).astype(z.dtype),
    "leaky-relu": lambda z: np.where(z > 0, 1, 0.01),
    "gelu": lambda z: NORMAL.cdf(z) + z * NORMAL.pdf(z),
    "sigmoid": lambda z: np.exp(-z) / (1 + np.exp(-z)) ** 2,
    "tanh": lambda z: 4 / (np.exp(z) + np.exp(-z)) ** 2,
}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", NAMES)
def test_an_activation_replaces_the_sums_in_place(name: Activation, dtype: str) -> None:
    a = SUMS.astype(dtype)
    ACTIVATIONS[name].forward(a, kept_for(name, a))
    assert a.dtype == dtype
    tolerance = 1e-6 if dtype == "float32" else 1e-13
    np.testing.assert_allclose(a, DEFINITIONS[name](SUMS), tolerance, tolerance)


@pytest.mark.parametrize("name", NAMES)
def test_a_slope_follows_from_the_output_and_multiplies_delta(name: Activation) -> None:
    a, slope = SUMS.copy(), kept_for(name, SUMS)
    ACTIVATIONS[name].forward(a, slope)
    output = a.copy()
    delta = np.full_like(a, -3.0)
    ACTIVATIONS[name].backward(delta, a, slope)
    np.testing.assert_allclose(delta, -3.0 * SLOPES[name](SUMS), rtol=1e-9, atol=1e-12)
    np.testing.assert_array_equal(a, output)


@pytest.mark.parametrize("name", NAMES)
def test_the_steepest_derivative_is_that_of_finite_differences(name: Activation) -> None:
    z = np.linspace(-3, 3, 601).reshape(1, -1) + 1e-4  # off the kink
    differences = (DEFINITIONS[name](z + 1e-6) - DEFINITIONS[name](z - 1e-6)) / 2e-6
    assert differences.max() == pytest.approx(ACTIVATIONS[name].steepest, rel=1e-4)
    layer = Activation_(name, z.shape, z.dtype)
    layer.forward(z.copy())
    expected = differences / ACTIVATIONS[name].steepest
    np.testing.assert_allclose(layer.relative_derivative(), expected, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("z", [-np.inf, np.inf, np.nan])
def test_infinite_sums_and_nan_are_as_in_pytorch(name: Activation, z: float) -> None:
    import torch

    x = torch.full((1, 1), z, dtype=torch.float64, requires_grad=True)
    expected = getattr(torch.nn.functional, IN_TORCH.get(name, name))(x)
    expected.sum().backward()
    a, gradient = np.full((1, 1), z), np.ones((1, 1))
    kept = kept_for(name, a)
    with overflow_allowed():
        ACTIVATIONS[name].forward(a, kept)
        ACTIVATIONS[name].backward(gradient, a, kept)
    np.testing.assert_array_equal(a, expected.detach().numpy())
    assert x.grad is not None
    if not np.isnan(z):
        np.testing.assert_array_equal(gradient, x.grad.numpy())


def test_a_table_with_a_missing_or_an_unknown_name_is_an_error() -> None:
    with pytest.raises(TypeError, match=r"look at \['tanh'\]"):
        complete(Activation, {name: 1 for name in NAMES if name != "tanh"})
    with pytest.raises(TypeError, match=r"look at \['swish'\]"):
        complete(Activation, {**dict.fromkeys(NAMES, 1), "swish": 2})


@pytest.mark.parametrize(("name", "expected"), [("relu", 0.0), ("leaky-relu", 0.01)])
def test_the_slope_at_a_kink_is_as_in_pytorch(name: Activation, expected: float) -> None:
    import torch

    z = torch.zeros(1, 1, requires_grad=True)
    getattr(torch.nn.functional, IN_TORCH.get(name, name))(z.double()).sum().backward()
    delta, a = np.ones((1, 1)), np.zeros((1, 1))
    slope = kept_for(name, a)
    ACTIVATIONS[name].forward(a, slope)
    ACTIVATIONS[name].backward(delta, a, slope)
    assert z.grad is not None
    assert delta[0, 0] == expected == pytest.approx(z.grad.item(), rel=1e-7)


def test_a_leaky_unit_is_never_flat() -> None:
    for dtype in (np.dtype(np.float32), np.dtype(np.float64)):
        layer = Activation_("leaky-relu", (3, 2), dtype)
        layer.forward(np.full((3, 2), -1.0, dtype))
        assert not (layer.relative_derivative() < FLAT).any()


@pytest.mark.parametrize("name", ["relu", "leaky-relu", "gelu"])
def test_the_gain_keeps_the_size_of_the_sums(name: Activation) -> None:
    """With W normal of variance gain / fan_in, E[f(z)²] · gain stays near E[z²] = 1."""
    z = np.random.default_rng(0).normal(size=(1_000, 1_000))
    a = z.copy()
    ACTIVATIONS[name].forward(a, kept_for(name, a))
    assert np.square(a).mean() * ACTIVATIONS[name].gain == pytest.approx(1, abs=0.16)


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
