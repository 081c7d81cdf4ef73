"""What makes outputs of logits: softmax, one sigmoid per class, or nothing."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from mlpwatch.core.arrays import Floats
from mlpwatch.core.config import OutputActivation
from mlpwatch.core.network.activations import sigmoid, sigmoid_backward
from mlpwatch.core.network.tables import complete


@dataclass(frozen=True, slots=True)
class OutputRule:
    """One output activation a = f(z) of logits z (batch, classes)."""

    letter: str
    """Of its outputs: p where they are probabilities that sum to 1, else a."""

    formula: str
    """f(z)"""

    derivative: str
    """∂L/∂z where {} is ∂L/∂a."""

    forward: Callable[[Floats, Floats, Floats], None]
    """(z, a, sums): writes f(z) to `a` (batch, classes); `sums` (batch,) is scratch space."""

    backward: Callable[[Floats, Floats, Floats, Floats], None]
    """(gradient, a, scratch, sums): turns ∂L/∂a into ∂L/∂z in place."""

    def apply(self, logits: Floats) -> Floats:
        """Return f(z) (samples, classes)."""
        a = np.empty_like(logits)
        self.forward(logits, a, np.empty(len(logits), logits.dtype))
        return a


def _softmax(z: Floats, a: Floats, sums: Floats) -> None:
    column = sums[:, np.newaxis]
    # z ← z - max_c z: a is the same, exp never overflows           (batch, classes)
    np.maximum.reduce(z, axis=1, out=sums)
    np.subtract(z, column, out=a)
    # a = exp(z) / Σ_c exp(z)                                       (batch, classes)
    np.exp(a, out=a)
    np.add.reduce(a, axis=1, out=sums)
    np.divide(a, column, out=a)


def _softmax_backward(gradient: Floats, a: Floats, scratch: Floats, sums: Floats) -> None:
    # ∂L/∂Z = a ⊙ (∂L/∂A - Σ_c ∂L/∂A a)                             (batch, classes)
    np.multiply(gradient, a, out=scratch)
    np.add.reduce(scratch, axis=1, out=sums)
    np.subtract(gradient, sums[:, np.newaxis], out=gradient)
    np.multiply(gradient, a, out=gradient)


def _sigmoid(z: Floats, a: Floats, _sums: Floats) -> None:
    sigmoid(z, out=a)


def _sigmoid_backward(gradient: Floats, a: Floats, scratch: Floats, _sums: Floats) -> None:
    sigmoid_backward(gradient, a, scratch)


def _linear(z: Floats, a: Floats, _sums: Floats) -> None:
    np.copyto(a, z)


def _linear_backward(_gradient: Floats, _a: Floats, _scratch: Floats, _sums: Floats) -> None:
    """∂L/∂Z = ∂L/∂A."""


OUTPUTS: Mapping[OutputActivation, OutputRule] = complete(
    OutputActivation,
    {
        "softmax": OutputRule(
            letter="p",
            formula="softmax(z)",
            derivative="p ⊙ (g − Σc g p) / B,  g = {}",
            forward=_softmax,
            backward=_softmax_backward,
        ),
        "sigmoid": OutputRule(
            letter="a",
            formula="σ(z)",
            derivative="{} ⊙ a (1 − a) / B",
            forward=_sigmoid,
            backward=_sigmoid_backward,
        ),
        "linear": OutputRule(
            letter="a",
            formula="z",
            derivative="{} / B",
            forward=_linear,
            backward=_linear_backward,
        ),
    },
)
