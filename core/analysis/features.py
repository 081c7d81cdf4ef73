"""The activations of the hidden layers: features of images, dead, saturated and equal units.

The layers are the ones used in training, with a copy of the weights. Matrix products use as many
threads as the NumPy trainer: the count belongs to the process, and changing it would change the
rounding of the trainer's sums.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mlpwatch.core.arrays import Floats, Rows, Tensors
from mlpwatch.core.network.activations import AnyActivation, rule_of
from mlpwatch.core.network.layers import Network, Parameters, overflow_allowed, predict_chunks

FLAT = 0.01
"""A unit is flat on an image if f' is below this share of its greatest value: almost no gradient
flows back through it. For ReLU, whose derivative is 0 or 1, that is an output of 0."""

PROBE_IMAGES = 256
"""Training images of `UnitProbe`: 0.2 % of the products of an epoch of MNIST."""

UNIFORM = 1e-3
"""Units are equal if their weights differ by at most this share of the largest: equal ones get
equal gradients, but for rounding."""

CHUNK = 1_000
"""Images copied at a time: 3 MB of MNIST, 1 to 10 ms."""


def hidden_width(weights: Tensors) -> int | None:
    """Return the width of the last hidden layer; None without a hidden layer."""
    last = len(weights) // 2 - 1
    return weights[f"layers.{last}.weight"].shape[1] if last else None


def extract_features(
    weights: Tensors, images: Floats, rows: Rows, activation: AnyActivation
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


@dataclass(frozen=True, slots=True)
class HiddenUnits:
    """The units of one hidden layer."""

    flat_share: float
    """Share of the units that are flat on every image; NaN if f is never flat."""
    is_uniform: bool
    """Whether all units have the same weights."""


class UnitProbe:
    """Looks at the hidden units of either engine with the same images, again and again.

    Args:
        activation: of the hidden layers.
        images: (samples, features), scaled as in training.
    """

    def __init__(self, activation: AnyActivation, images: Floats) -> None:
        self._activation, self._images = activation, images
        self._parameters: Parameters | None = None

    def look(self, weights: Tensors) -> tuple[HiddenUnits, ...]:
        """Return the state of each hidden layer with these weights, input side first."""
        last = len(weights) // 2 - 1
        pairs = ((weights[f"layers.{k}.weight"], weights[f"layers.{k}.bias"]) for k in range(last))
        uniform = [is_uniform(w, b) for w, b in pairs]
        shares = [np.nan] * last
        if rule_of(self._activation).flat_word and last and len(self._images):
            shares = self._flat_shares(weights)
        return tuple(HiddenUnits(*both) for both in zip(shares, uniform, strict=True))

    def _flat_shares(self, weights: Tensors) -> list[float]:
        if self._parameters is None:
            self._parameters = Parameters(weights)
            self._network = Network(self._parameters, self._activation, len(self._images))
        for name, array in self._parameters.by_name(self._parameters.theta).items():
            np.copyto(array, weights[name].T)
        with overflow_allowed():
            self._network.forward(self._images.astype(self._parameters.theta.dtype, copy=False))
            steepest = [one.relative_derivative().max(axis=0) for one in self._network.activations]
        # max over the images of f'(z) / max f' < FLAT                    (width,)
        return [float((of_unit < FLAT).mean()) for of_unit in steepest]


def is_uniform(w: Floats, b: Floats) -> bool:
    """Return whether all units of a layer are equal, W (fan_out, fan_in) and b (fan_out,)."""
    limit = UNIFORM * max(float(np.abs(w[0]).max()), float(abs(b[0])))
    # The second unit of a sound layer differs, which saves the time for the others.
    return len(w) > 1 and all(
        float(np.abs(w[:units] - w[0]).max()) <= limit
        and float(np.abs(b[:units] - b[0]).max()) <= limit
        for units in (2, len(w))
    )
