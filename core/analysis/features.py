"""The activations of the hidden layers: features of images, dead units.

The layers are the ones used in training, with a copy of the weights. Matrix products use as many
threads as the NumPy trainer: the count belongs to the process, and changing it would change the
rounding of the trainer's sums.
"""

import numpy as np
from numpy.typing import NDArray

from mlpwatch.core.arrays import Floats, Rows, Tensors
from mlpwatch.core.config import Activation
from mlpwatch.core.network.layers import Network, Parameters, predict_chunks

CHUNK = 1_000
"""Images copied at a time: 3 MB of MNIST, 1 to 10 ms."""


def hidden_width(weights: Tensors) -> int | None:
    """Return the width of the last hidden layer; None without a hidden layer."""
    last = len(weights) // 2 - 1
    return weights[f"layers.{last}.weight"].shape[1] if last else None


def extract_features(
    weights: Tensors, images: Floats, rows: Rows, activation: Activation
) -> NDArray[np.float32]:
    """Return the last hidden layer's activations A_L-1 (len(rows), width).

    Without a hidden layer these are the images themselves.

    Args:
        weights: `layers.K.weight` (fan_out, fan_in) and `layers.K.bias` (fan_out,).
        images: (samples, features), scaled as in training.
        rows: the images to use.
        activation: of the hidden layers.
    """
    if hidden_width(weights) is None:
        return images[rows].astype(np.float32, copy=False)

    def features(network: Network, _logits: Floats) -> NDArray[np.float32]:
        return network.activations[-1].output.astype(np.float32)

    parameters, parts = Parameters(weights), []
    for start in range(0, len(rows), CHUNK):
        chunk = images[rows[start : start + CHUNK]]
        parts += predict_chunks(parameters, activation, chunk, features)
    return np.concatenate(parts) if parts else np.empty((0, 0), np.float32)


def dead_units(weights: Tensors, images: Floats) -> list[NDArray[np.bool_]]:
    """Return which ReLU units are 0 on all of these images, (width,) per hidden layer.

    No gradient reaches the weights of such a unit, so they do not change. A NaN is not 0.
    """

    def silent(network: Network, _logits: Floats) -> list[NDArray[np.bool_]]:
        return [(layer.output == 0).all(axis=0) for layer in network.activations]

    chunks = predict_chunks(Parameters(weights), "relu", images, silent)
    return [np.logical_and.reduce(layer) for layer in zip(*chunks, strict=True)]
