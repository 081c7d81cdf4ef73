"""The gradient of a logit with respect to the pixels: by autograd, by finite differences."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from mlpwatch.core.analysis.saliency import ink_gradient, logit_gradient
from mlpwatch.core.arrays import Floats, Labels
from mlpwatch.core.config import Activation, Dtype
from mlpwatch.core.network.torch_mlp import MLP
from tests.support.samples.engines import build, small_config, small_images, smallest_relu_sum

ACTIVATIONS: tuple[Activation, ...] = ("relu", "sigmoid", "tanh")
DEPTHS = ((), (4,), (4, 3), (4, 3, 4))
CLASSES: Labels = np.array([0, 1, 2, 2, 1, 0, 0, 1, 2, 0, 1])


def by_autograd(weights: dict[str, Floats], images: Floats, activation: Activation) -> Floats:
    """∂z_c/∂x by PyTorch."""
    widths = [w.shape[1] for name, w in weights.items() if name.endswith("weight")]
    network = MLP([*widths, 3], activation).to(torch.from_numpy(weights["layers.0.bias"]).dtype)
    network.load_state_dict({name: torch.from_numpy(w) for name, w in weights.items()})
    x = torch.from_numpy(images.astype(weights["layers.0.weight"].dtype)).requires_grad_()
    network(x)[np.arange(len(images)), CLASSES].sum().backward()
    assert x.grad is not None
    gradient: Floats = x.grad.numpy()
    return gradient


@pytest.mark.parametrize(("dtype", "tolerance"), [("float64", 1e-12), ("float32", 1e-5)])
@pytest.mark.parametrize("hidden", DEPTHS, ids=len)
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_it_equals_autograd(
    activation: Activation, hidden: tuple[int, ...], dtype: Dtype, tolerance: float
) -> None:
    config = small_config(hidden=hidden, activation=activation, dtype=dtype)
    images = small_images()
    weights = build("numpy", config, images).state().weights
    found = logit_gradient(weights, images.pixels, CLASSES, activation)
    expected = by_autograd(weights, images.pixels, activation)
    assert found.dtype == np.dtype(dtype)
    assert np.abs(expected).max() > 1e-2
    np.testing.assert_allclose(found, expected, tolerance, tolerance)


@pytest.mark.parametrize("hidden", DEPTHS, ids=len)
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_it_equals_finite_differences(activation: Activation, hidden: tuple[int, ...]) -> None:
    config, images = small_config(hidden=hidden, activation=activation), small_images()
    engine = build("numpy", config, images)
    weights, pixels = engine.state().weights, images.pixels.astype(np.float64)
    if activation == "relu" and hidden:
        assert smallest_relu_sum(weights, images.pixels) > 1e-4, "no kink within the step"
    found = logit_gradient(weights, pixels, CLASSES, activation)
    width, here = 1e-6, np.arange(len(pixels))
    for pixel in range(pixels.shape[1]):
        step = np.zeros(pixels.shape[1])
        step[pixel] = width
        above, below = engine.logits(pixels + step), engine.logits(pixels - step)
        expected = (above - below)[here, CLASSES] / (2 * width)
        np.testing.assert_allclose(found[:, pixel], expected, 1e-6, 1e-8)


def test_no_weight_is_changed() -> None:
    config, images = small_config(hidden=()), small_images()
    weights = build("numpy", config, images).state().weights
    kept = {name: array.copy() for name, array in weights.items()}
    for activation in ACTIVATIONS:
        logit_gradient(weights, images.pixels, CLASSES, activation)
    for name, array in weights.items():
        np.testing.assert_array_equal(array, kept[name])


def test_in_ink_both_pixel_ranges_tell_the_same() -> None:
    """A network that reads 2 i - 1 is the one that reads i with other weights."""
    config, images = small_config(activation="tanh"), small_images()
    weights = build("numpy", config, images).state().weights
    w, b = weights["layers.0.weight"], weights["layers.0.bias"]
    same = weights | {"layers.0.weight": w / 2, "layers.0.bias": b + w.sum(axis=1) / 2}
    ink = images.pixels.astype(np.float64)
    found = logit_gradient(weights, ink, CLASSES, "tanh")
    other = logit_gradient(same, 2 * ink - 1, CLASSES, "tanh")
    wide = replace(config, pixel_range="-1..1").pixel_range
    np.testing.assert_allclose(ink_gradient(other, wide), ink_gradient(found, "0..1"), 1e-12)
