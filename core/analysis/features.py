"""What the hidden layers make of images: a forward pass by hand on a copy of the weights.

For whoever looks on while training goes on. Matrix products use as many threads as NumPy's trainer
has: the count belongs to the process, and changing it would change how the trainer's sums round.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from mlpwatch.core.arrays import Floats, Rows, Tensors
from mlpwatch.core.config import Activation
from mlpwatch.core.network.activations import ACTIVATIONS

CHUNK = 1_000
"""Images per product: 3 MB of MNIST, 1 to 10 ms."""


def layer_weights(weights: Tensors) -> list[tuple[Floats, Floats]]:
    """Return W (fan_out, fan_in) and b (fan_out,) of each layer, input side first."""
    return [
        (weights[f"layers.{k}.weight"], weights[f"layers.{k}.bias"])
        for k in range(len(weights) // 2)
    ]


def hidden_activations(weights: Tensors, images: Floats, activation: Activation) -> list[Floats]:
    """Return A_1 … A_L-1, each (samples, width), of a few images (samples, features).

    Without dropout, as when validation images are read. Empty for a network without hidden layers.
    """
    *hidden, (last, _) = layer_weights(weights)
    a: Floats = images.astype(last.dtype, copy=False)
    found: list[Floats] = []
    # Weights that diverged overflow; what they make of an image is then NaN or infinite.
    with np.errstate(over="ignore", invalid="ignore"):
        for w, b in hidden:
            # A_k+1 = f(A_k W_kᵀ + b_k)                             (samples, fan_out)
            a = a @ w.T
            a += b
            ACTIVATIONS[activation].apply(a, np.empty_like(a))
            found.append(a)
    return found


def last_hidden(
    weights: Tensors, images: Floats, rows: Rows, activation: Activation
) -> NDArray[np.float32]:
    """Return A_L-1 (len(rows), width) of the images (samples, features) that `rows` names.

    The images themselves where there is no hidden layer.
    """
    parts = []
    for start in range(0, len(rows), CHUNK):
        chunk = images[rows[start : start + CHUNK]]
        reached = [chunk, *hidden_activations(weights, chunk, activation)][-1]
        parts.append(reached.astype(np.float32, copy=False))
    return np.concatenate(parts) if parts else np.empty((0, 0), np.float32)


def dead_units(weights: Tensors, images: Floats) -> list[NDArray[np.bool_]]:
    """Return which ReLU units are 0 on every one of these images, (width,) per hidden layer.

    No gradient reaches the weights of such a unit: it stays as it is. A NaN is not 0.
    """
    dead: list[NDArray[np.bool_]] = []
    for chunk in _chunks(images):
        silent = [(a == 0).all(axis=0) for a in hidden_activations(weights, chunk, "relu")]
        dead = [before & now for before, now in zip(dead or silent, silent, strict=True)]
    return dead


def _chunks(images: Floats) -> Iterator[Floats]:
    for start in range(0, len(images), CHUNK):
        yield images[start : start + CHUNK]
