"""Activations of the hidden layers: function, derivative, and initial weights.

A new activation needs its name in `core.specification.ActivationName`, a record here, and its
counterpart in `torch_mlp.ACTIVATIONS`.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from mlpwatch.core.arrays import Floats
from mlpwatch.core.config import Activation, RunConfig
from mlpwatch.core.network.tables import complete
from mlpwatch.core.specification import LEAK

_ZERO, _HALF, _ONE = (np.array(value, np.float32) for value in (0, 0.5, 1))
"""Arrays, because an operation with a Python number takes 0.3 µs longer."""

_SQRT_HALF, _SQRT_2_PI = math.sqrt(0.5), math.sqrt(2 * math.pi)


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

    flat_word: str
    """What a unit is called whose f'(z) is near 0 on every image, so that it hardly learns; empty
    if f' is never near 0."""

    gain: float
    """Factor of the variance of the initial weights that compensates for f."""

    initializer: Callable[[np.random.Generator, int, int, float], NDArray[np.float64]]
    """Takes (random, fan_in, fan_out, gain), returns the initial W (fan_out, fan_in)."""

    forward: Callable[[Floats, Floats], None]
    """(z, kept): replaces z (batch, width) by f(z); stores in `kept` what `backward` needs."""

    backward: Callable[[Floats, Floats, Floats], None]
    """(gradient, a, kept): gradient ⊙= f'(z), with a = f(z); may overwrite `kept`."""

    arrays_kept: int = 1
    """`kept` is (arrays_kept · batch, width)."""


def _relu_forward(z: Floats, kept: Floats) -> None:
    # f(z) = max(0, z); 64 x 128 take 1.3 µs with an array of zeros, 3.5 µs with a single zero
    kept.fill(0)
    np.maximum(z, kept, out=z)
    # f'(z) = 1 where z > 0, else 0; at the kink 0, as in PyTorch
    np.greater(z, _ZERO, out=kept)


def _times_kept(gradient: Floats, _a: Floats, kept: Floats) -> None:
    np.multiply(gradient, kept, out=gradient)


def _leaky_relu_forward(z: Floats, kept: Floats, slope: float = LEAK) -> None:
    # f'(z) = 1 where z > 0, else 0.01 or the slope given; at the kink this, as in PyTorch
    np.greater(z, _ZERO, out=kept)
    np.maximum(kept, slope, out=kept)
    # f(z) = z f'(z)
    np.multiply(z, kept, out=z)


def _gelu_forward(z: Floats, kept: Floats) -> None:
    # Imported late: NumPy has no erf, and SciPy takes 0.1 s.
    from scipy.special import erf  # noqa: PLC0415

    slope, phi = kept.reshape(2, *z.shape)
    # Φ(z) = (1 + erf(z / √2)) / 2: the normal distribution function
    np.multiply(z, _SQRT_HALF, out=phi)
    erf(phi, out=phi)
    np.add(phi, _ONE, out=phi)
    np.multiply(phi, _HALF, out=phi)
    # f'(z) = Φ(z) + z φ(z), with the density φ(z) = exp(-z²/2) / √(2π)
    np.multiply(z, z, out=slope)
    np.multiply(slope, -0.5, out=slope)
    np.exp(slope, out=slope)
    np.multiply(slope, 1 / _SQRT_2_PI, out=slope)
    np.multiply(slope, z, out=slope)
    np.add(slope, phi, out=slope)
    # f(z) = z Φ(z)
    np.multiply(z, phi, out=z)


def _gelu_backward(gradient: Floats, _a: Floats, kept: Floats) -> None:
    np.multiply(gradient, kept[: len(gradient)], out=gradient)


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


def leaky_relu(slope: float) -> ActivationRule:
    """Return the leaky ReLU with f'(z) = slope, from 0 to 1, where z ≤ 0."""
    return ActivationRule(
        formula=f"max({slope:g} z, z)",
        derivative=f"1 where z > 0, else {slope:g}",
        steepest=1.0,
        flat_word="" if slope else "dead",
        gain=2 / (1 + slope**2),  # He et al. 2015, equation 15
        initializer=he_normal,
        forward=partial(_leaky_relu_forward, slope=slope) if slope != LEAK else _leaky_relu_forward,
        backward=_times_kept,
    )


AnyActivation = Activation | ActivationRule
"""An activation by name, or its record: that of a leaky ReLU with another slope."""


ACTIVATIONS: Mapping[Activation, ActivationRule] = complete(
    Activation,
    {
        "relu": ActivationRule(
            formula="max(0, z)",
            derivative="1 where z > 0, else 0",
            steepest=1.0,
            flat_word="dead",
            gain=2.0,
            initializer=he_normal,
            forward=_relu_forward,
            backward=_times_kept,
        ),
        "leaky-relu": leaky_relu(LEAK),
        "gelu": ActivationRule(
            formula="z Φ(z)",
            derivative="Φ(z) + z φ(z)",
            steepest=1.1289041,  # at z = √2, where f''(z) = φ(z) (2 - z²) is 0
            flat_word="dead",
            gain=2.0,
            initializer=he_normal,
            forward=_gelu_forward,
            backward=_gelu_backward,
            arrays_kept=2,
        ),
        "sigmoid": ActivationRule(
            formula="1 / (1 + exp(−z))",
            derivative="a (1 − a)",
            steepest=0.25,
            flat_word="saturated",
            gain=1.0,
            initializer=glorot_uniform,
            forward=_sigmoid_forward,
            backward=sigmoid_backward,
        ),
        "tanh": ActivationRule(
            formula="tanh(z)",
            derivative="1 − a²",
            steepest=1.0,
            flat_word="saturated",
            gain=1.0,
            initializer=glorot_uniform,
            forward=_tanh_forward,
            backward=_tanh_backward,
        ),
    },
)


def activation_of(config: RunConfig) -> ActivationRule:
    """Return the activation of a run's hidden layers, with the slope of its leaky ReLU."""
    if config.activation == "leaky-relu" and config.negative_slope != LEAK:
        return leaky_relu(config.negative_slope)
    return ACTIVATIONS[config.activation]


def rule_of(activation: AnyActivation) -> ActivationRule:
    """Return the record of an activation."""
    return activation if isinstance(activation, ActivationRule) else ACTIVATIONS[activation]
