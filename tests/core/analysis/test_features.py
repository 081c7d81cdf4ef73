"""A forward pass on a copy of the weights is the engine's; a dead unit is one that is always 0."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from mlpwatch.core.analysis.features import CHUNK, FLAT, UnitProbe, dead_units, extract_features
from mlpwatch.core.config import Activation
from mlpwatch.core.network.activations import ACTIVATIONS
from tests.support.samples.engines import FEATURES, build, small_config, small_images


@pytest.mark.parametrize("hidden", [(), (4,), (4, 3)], ids=len)
@pytest.mark.parametrize("activation", ["relu", "sigmoid", "tanh"])
def test_the_last_layer_on_top_of_it_gives_the_engines_logits(
    activation: Activation, hidden: tuple[int, ...]
) -> None:
    images = small_images(samples=CHUNK + 3)
    engine = build("numpy", small_config(hidden=hidden, activation=activation), images)
    weights = engine.state().weights
    rows = np.arange(CHUNK + 3)[::-1]
    top = extract_features(weights, images.pixels, rows, activation)
    assert top.dtype == np.float32
    assert top.shape == (CHUNK + 3, hidden[-1] if hidden else FEATURES)
    w, b = (weights[f"layers.{len(hidden)}.{kind}"] for kind in ("weight", "bias"))
    logits = engine.logits(images.pixels)[rows]
    np.testing.assert_allclose(top @ w.T + b, logits, 1e-4, 1e-5)


def test_no_image_gives_nothing() -> None:
    images = small_images()
    weights = build("numpy", small_config(), images).state().weights
    assert len(extract_features(weights, images.pixels, np.empty(0, np.intp), "relu")) == 0


def test_dead_units_are_those_that_no_image_wakes() -> None:
    """Unit 1 wakes for a single image, first or last of one of two chunks; unit 2 for none."""
    pixels = np.zeros((CHUNK + 5, FEATURES), np.float32)
    w = np.zeros((3, FEATURES))
    w[1, 0] = 1.0
    weights = {
        "layers.0.weight": w,
        "layers.0.bias": np.array([0.5, 0.0, -0.5]),
        "layers.1.weight": np.eye(3),
        "layers.1.bias": np.array([-0.5, 0.0, 0.0]),
        "layers.2.weight": np.ones((2, 3)),
        "layers.2.bias": np.zeros(2),
    }
    assert [list(dead) for dead in dead_units(weights, pixels)] == [
        [False, True, True],
        [True, True, True],
    ]
    for awake in (0, CHUNK - 1, CHUNK + 4):
        lit = pixels.copy()
        lit[awake, 0] = 1.0
        assert [list(dead) for dead in dead_units(weights, lit)] == [
            [False, False, True],
            [True, False, True],
        ]


def test_weights_that_diverged_are_not_dead_and_raise_nothing() -> None:
    images = small_images()
    weights = build("numpy", small_config(), images).state().weights
    broken = weights | {"layers.0.bias": np.array([np.nan, np.inf, 0.0, 0.0])}
    (dead,) = dead_units(broken, images.pixels)
    assert not dead[:2].any()


def test_a_network_without_hidden_layers_has_no_units() -> None:
    images = small_images()
    weights = build("numpy", small_config(hidden=()), images).state().weights
    assert dead_units(weights, images.pixels) == []


DERIVATIVES: dict[Activation, Callable[[Any], Any]] = {
    "relu": lambda z: (z > 0) * 1.0,
    "sigmoid": lambda z: 4 * np.exp(-np.abs(z)) / (1 + np.exp(-np.abs(z))) ** 2,
    "tanh": lambda z: 1 - np.tanh(z) ** 2,
    "gelu": lambda z: (
        (
            (0.5 * (1 + np.vectorize(math.erf)(z / 2**0.5)))
            + z * np.exp(-(z**2) / 2) / (2 * np.pi) ** 0.5
        )
        / ACTIVATIONS["gelu"].steepest
    ),
}
VALUES: dict[Activation, Callable[[Any], Any]] = {
    "relu": lambda z: np.maximum(z, 0),
    "sigmoid": lambda z: 1 / (1 + np.exp(-z)),
    "tanh": np.tanh,
    "gelu": lambda z: z * 0.5 * (1 + np.vectorize(math.erf)(z / 2**0.5)),
}
"""f' as a share of its greatest value, and f, in float64."""


@pytest.mark.parametrize("activation", DERIVATIVES)
def test_the_share_of_flat_units_is_that_of_the_definition(activation: Activation) -> None:
    images = small_images(samples=64)
    config = small_config(hidden=(12, 9), activation=activation, dtype="float32")
    weights = build("torch", config, images).weights()
    probe, found = UnitProbe(activation, images.pixels), []
    for bias in (0.0, -2.0, -4.0, -8.0, -12.0):
        shifted = {n: a + bias if n.endswith("bias") else 3 * a for n, a in weights.items()}
        shifted = {n: a.astype(np.float32) for n, a in shifted.items()}
        a, expected = images.pixels.astype(np.float64), []
        for k in range(2):
            z = a @ shifted[f"layers.{k}.weight"].T.astype(np.float64) + shifted[f"layers.{k}.bias"]
            expected.append(float((DERIVATIVES[activation](z).max(axis=0) < FLAT).mean()))
            a = VALUES[activation](z)
        shares = [layer.flat_share for layer in probe.look(shifted)]
        assert shares == pytest.approx(expected)
        found += shares
    assert len(set(found)) > 2, "or little would be proven"


def test_a_unit_that_leaks_is_never_flat() -> None:
    images = small_images()
    weights = build("numpy", small_config(activation="leaky-relu"), images).weights()
    (layer,) = UnitProbe("leaky-relu", images.pixels).look(weights)
    assert math.isnan(layer.flat_share)


def test_equal_units_are_seen_whatever_their_rounding() -> None:
    images = small_images()
    weights = build("numpy", small_config(hidden=(4, 3)), images).weights()
    probe = UnitProbe("relu", images.pixels)
    assert [layer.is_uniform for layer in probe.look(weights)] == [False, False]
    weights["layers.0.weight"][:] = weights["layers.0.weight"][0]
    assert [layer.is_uniform for layer in probe.look(weights)] == [False, False], (
        "its biases differ"
    )
    weights["layers.0.bias"][:] = 0.1
    weights["layers.0.weight"] *= 1 + 1e-6 * np.arange(4)[:, None]
    assert [layer.is_uniform for layer in probe.look(weights)] == [True, False]
    weights["layers.0.weight"][3] *= 1.01
    assert [layer.is_uniform for layer in probe.look(weights)] == [False, False]


def test_no_hidden_layer_and_diverged_weights_are_no_error() -> None:
    images = small_images()
    weights = build("numpy", small_config(hidden=()), images).weights()
    assert UnitProbe("relu", images.pixels).look(weights) == ()
    weights = build("numpy", small_config(), images).weights()
    broken = {name: np.full_like(array, np.nan) for name, array in weights.items()}
    assert not UnitProbe("relu", images.pixels).look(broken)[0].is_uniform
