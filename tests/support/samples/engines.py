"""Small networks for the tests: data, weights, both engines, finite differences."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from mlpwatch.core.arrays import Floats, Labels, Rows, Tensors
from mlpwatch.core.config import EngineName, RunConfig
from mlpwatch.core.network.build import build_engine
from mlpwatch.core.network.engine import Engine, EngineState

FEATURES = 5
SAMPLES = 11


@dataclass(frozen=True, slots=True)
class Images:
    """A handful of random images: (samples, features) float32, (samples,) labels."""

    pixels: Floats
    labels: Labels
    classes: int


def small_images(classes: int = 3, samples: int = SAMPLES, seed: int = 0) -> Images:
    """Return random images in which every class occurs."""
    random = np.random.default_rng(seed)
    pixels = random.normal(size=(samples, FEATURES)).astype(np.float32)
    labels = np.arange(samples, dtype=np.int64) % classes
    return Images(pixels, labels, classes)


def small_config(**settings: Any) -> RunConfig:  # noqa: ANN401
    """Return settings of a 5-4-classes network in float64, with some of them replaced."""
    return replace(RunConfig(hidden=(4,), dtype="float64", learning_rate=0.05), **settings)


def build(name: EngineName, config: RunConfig, images: Images) -> Engine:
    """Build one engine on the images, with biases that are not zero."""
    engine = build_engine(name, config, images.pixels, images.labels, images.classes)
    engine.use_threads(1)
    state = engine.state()
    random = np.random.default_rng(1)
    for tensor, array in state.weights.items():
        if tensor.endswith("bias"):
            array[:] = random.normal(0, 0.3, array.shape)
    engine.load_state(state)
    return engine


def build_both(config: RunConfig, images: Images) -> tuple[Engine, Engine]:
    """Build the NumPy and the PyTorch engine with the same weights."""
    return build("numpy", config, images), build("torch", config, images)


def batches(order: Rows, batch_size: int) -> list[Rows]:
    """Cut an order (samples,) into batches; the last one may be shorter."""
    return [order[first : first + batch_size] for first in range(0, len(order), batch_size)]


def train_steps(engine: Engine, steps: Sequence[Rows]) -> list[float]:
    """Train on these batches and return their losses."""
    for rows in steps:
        engine.train_batch(rows)
    return engine.take_losses()


def finite_differences(engine: Engine, rows: Rows, width: float = 1e-5) -> dict[str, Floats]:
    """Return central differences of the loss, one weight at a time; the weights come back."""
    state = engine.state()
    return {name: _differences(engine, rows, state, name, width) for name in state.weights}


def _differences(engine: Engine, rows: Rows, state: EngineState, name: str, width: float) -> Floats:
    array = state.weights[name]
    found = np.empty_like(array)
    for index in np.ndindex(array.shape):
        kept = array[index]
        losses = []
        for value in (kept + width, kept - width):
            array[index] = value
            engine.load_state(state)
            losses.append(engine.loss_and_gradient(rows)[0])
        array[index] = kept
        found[index] = (losses[0] - losses[1]) / (2 * width)
    engine.load_state(state)
    return found


def smallest_relu_sum(weights: Tensors, pixels: Floats, leak: float = 0.0) -> float:
    """Return the least |z| of any hidden unit: how far the nearest (leaky) ReLU kink is."""
    a, least = pixels.astype(np.float64), np.inf
    for k in range(len(weights) // 2 - 1):
        z = a @ weights[f"layers.{k}.weight"].T + weights[f"layers.{k}.bias"]
        least = min(least, float(np.abs(z).min()))
        a = np.maximum(z, leak * z)
    return least


def assert_same_bits(found: Tensors, expected: Tensors) -> None:
    """Compare names, dtypes, shapes and every bit."""
    assert found.keys() == expected.keys()
    for name, array in expected.items():
        assert found[name].dtype == array.dtype
        assert found[name].shape == array.shape
        assert found[name].tobytes() == array.tobytes(), name


def assert_close(found: Tensors, expected: Tensors, tolerance: float) -> None:
    """Compare names, dtypes, shapes, and values within an absolute and relative tolerance."""
    assert found.keys() == expected.keys()
    for name, array in expected.items():
        assert found[name].dtype == array.dtype
        assert found[name].shape == array.shape
        np.testing.assert_allclose(found[name], array, tolerance, tolerance, err_msg=name)
