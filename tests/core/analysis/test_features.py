"""A forward pass on a copy of the weights is the engine's; a dead unit is one that is always 0."""

import numpy as np
import pytest

from mlpwatch.core.analysis.features import CHUNK, dead_units, extract_features
from mlpwatch.core.config import Activation
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
