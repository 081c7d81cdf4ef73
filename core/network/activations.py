"""Activations of the hidden layers: function, derivative, and initial weights.

A new activation needs its name in `core.config.Activation`, a record here, and its counterpart in
`torch_mlp.ACTIVATIONS`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mlpwatch.core.arrays import Floats
from mlpwatch.core.config import Activation
from mlpwatch.core.network.tables import complete

_ZERO, _HALF, _ONE = (np.array(value, np.float32) for value in (0, 0.5, 1))
"""Arrays, because an operation with a Python number takes 0.3 µs longer."""


def he_normal(
    random: np.random.Generator, fan_in: int, fan_out: int, gain: float
) -> NDArray[np.float64]:
    """Return W (fan_out, fan_in), normal with variance gain / fan_in (He et al. 2015)."""
    return random.normal(0.0, np.sqrt(gain / fan_in), (fan_out, fan_in))


def glorot_uniform(
    random: np.random.Generator, fan_in: int, fan_out: int, gain: float
) -> NDArray[np.float64]:
    """Return W (fan_out, fan_in), uniform, of variance 2 gain / (fan_in + fan_out).

    Glorot and Bengio 2010, equation 16.
    """
    bound = np.sqrt(6.0 * gain / (fan_in + fan_out))
    return random.uniform(-bound, bound, (fan_out, fan_in))


@dataclass(frozen=True, slots=True)
class ActivationRule:
    """One activation f. Its functions work in place, so a step allocates no array."""

    formula: str
    """f(z)"""

    derivative: str
    """f'(z)"""

    steepest: float
    """The greatest f'(z)."""

    gain: float
    """Factor of the variance of the initial weights that compensates for f."""

    initializer: Callable[[np.random.Generator, int, int, float], NDArray[np.float64]]
    """Takes (random, fan_in, fan_out, gain), returns the initial W (fan_out, fan_in)."""

    forward: Callable[[Floats, Floats], None]
    """(z, kept): replaces z (batch, width) by f(z); stores in `kept` what `backward` needs."""

    backward: Callable[[Floats, Floats, Floats], None]
    """(gradient, a, kept): gradient ⊙= f'(z), with a = f(z); may overwrite `kept`."""


def _relu_forward(z: Floats, kept: Floats) -> None:
    # f(z) = max(0, z); 64 x 128 take 1.3 µs with an array of zeros, 3.5 µs with a single zero
    kept.fill(0)
    np.maximum(z, kept, out=z)
    # f'(z) = 1 where z > 0, else 0; at the kink 0, as in PyTorch
    np.greater(z, _ZERO, out=kept)


def _relu_backward(gradient: Floats, _a: Floats, kept: Floats) -> None:
    np.multiply(gradient, kept, out=gradient)


def sigmoid(z: Floats, out: Floats) -> None:
    """Write σ(z) = 1 / (1 + exp(-z)) = (1 + tanh(z / 2)) / 2 to `out`; never overflows."""
    np.multiply(z, _HALF, out=out)
    np.tanh(out, out=out)
    np.multiply(out, _HALF, out=out)
    np.add(out, _HALF, out=out)


def _sigmoid_forward(z: Floats, _kept: Floats) -> None:
    sigmoid(z, out=z)


def sigmoid_backward(gradient: Floats, a: Floats, kept: Floats) -> None:
    """Multiply a gradient by σ'(z) = a (1 - a), where a = σ(z), in place."""
    np.subtract(_ONE, a, out=kept)
    np.multiply(kept, a, out=kept)
    np.multiply(gradient, kept, out=gradient)


def _tanh_forward(z: Floats, _kept: Floats) -> None:
    np.tanh(z, out=z)


def _tanh_backward(gradient: Floats, a: Floats, kept: Floats) -> None:
    # tanh'(z) = 1 - a²
    np.multiply(a, a, out=kept)
    np.subtract(_ONE, kept, out=kept)
    np.multiply(gradient, kept, out=gradient)


ACTIVATIONS: Mapping[Activation, ActivationRule] = complete(
    Activation,
    {
        "relu": ActivationRule(
            formula="max(0, z)",
            derivative="1 where z > 0, else 0",
            steepest=1.0,
            gain=2.0,
            initializer=he_normal,
            forward=_relu_forward,
            backward=_relu_backward,
        ),
        "sigmoid": ActivationRule(
            formula="1 / (1 + exp(−z))",
            derivative="a (1 − a)",
            steepest=0.25,
            gain=1.0,
            initializer=glorot_uniform,
            forward=_sigmoid_forward,
            backward=sigmoid_backward,
        ),
        "tanh": ActivationRule(
            formula="tanh(z)",
            derivative="1 − a²",
            steepest=1.0,
            gain=1.0,
            initializer=glorot_uniform,
            forward=_tanh_forward,
            backward=_tanh_backward,
        ),
    },
)
