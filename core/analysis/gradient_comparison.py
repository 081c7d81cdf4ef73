"""Both engines' gradients at the same weights on the same batch: the effect of a loss's mean."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from mlpwatch.core.arrays import Tensors
from mlpwatch.core.config import EngineName, RunConfig
from mlpwatch.core.data.dataset import Dataset, batch_order
from mlpwatch.core.network.build import build_engine, initial_weights, layer_sizes
from mlpwatch.core.network.engine import EngineState


@dataclass(frozen=True, slots=True)
class EngineGradient:
    """One engine's loss and gradient, computed without an update."""

    loss: float
    norms: tuple[float, ...]
    """‖∂L/∂W‖ per layer, input side first: the root of the sum of squares."""


@dataclass(frozen=True, slots=True)
class GradientComparison:
    """Both engines on the same weights and batch."""

    batch_size: int
    engines: Mapping[EngineName, EngineGradient]
    largest_difference: float
    """Largest absolute difference of any weight's or bias's gradient; 0 with one engine."""


def compare_gradients(
    config: RunConfig, dataset: Dataset, weights: Tensors | None
) -> GradientComparison:
    """Compute loss and gradient in each engine of the run, on the first batch of its first epoch.

    Args:
        config: loss conventions, activation and dtype are used.
        dataset: its training images.
        weights: those of the network; None for the initial weights.
    """
    rows = batch_order(config.seed, 0, dataset.train_count)[: config.batch_size]
    images, labels = dataset.train_images[rows], dataset.train_labels[rows]
    if weights is None:
        sizes = layer_sizes(dataset.features, config.hidden, dataset.classes)
        weights = initial_weights(sizes, config)
    # Without optimizer memory or dropout, and on the CPU: this is not part of training.
    still = replace(
        config.of("numpy"), optimizer="sgd", device="cpu", dropout=0.0, input_dropout=0.0
    )
    found: dict[EngineName, EngineGradient] = {}
    gradients: list[Tensors] = []
    for name in config.engine_names:
        engine = build_engine(name, still, images, labels, dataset.classes)
        if config.kind(name) == "torch":
            # The trainers use the cores. NumPy's thread count belongs to the process: unchanged.
            engine.use_threads(1)
        engine.load_state(EngineState(dict(weights)))
        loss, gradient = engine.loss_and_gradient(np.arange(len(rows)))
        norms = [np.linalg.norm(g) for key, g in gradient.items() if key.endswith(".weight")]
        found[name] = EngineGradient(loss, tuple(float(norm) for norm in norms))
        gradients.append(gradient)
    return GradientComparison(len(rows), found, _largest_difference(gradients))


def _largest_difference(gradients: list[Tensors]) -> float:
    first, last = gradients[0], gradients[-1]
    return max(float(np.abs(g - last[name]).max()) for name, g in first.items())
