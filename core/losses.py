"""Losses by hand: the value, and its gradient with respect to the logits."""

from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from core.activations import multiply_sigmoid_slope, sigmoid
from core.config import EngineName, LossMean, RunConfig

Array = NDArray[np.floating]
LabelArray = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class LossScratch:
    """Memory for the loss of one batch size, made once.

    Args:
        logits: (batch, classes), for shape and dtype.
    """

    logits: Array
    column: Array = field(init=False)
    """(batch, 1)"""
    picked: Array = field(init=False)
    """(batch,)"""
    square: Array = field(init=False)
    """(batch, classes)"""
    row_starts: LabelArray = field(init=False)
    """(batch,) where each row begins in the flat logits."""
    places: LabelArray = field(init=False)
    """(batch,) where each row's true class stands in the flat logits."""

    def __post_init__(self) -> None:
        """Make the arrays."""
        batch, classes = self.logits.shape
        for name, array in (
            ("column", np.empty((batch, 1), self.logits.dtype)),
            ("picked", np.empty(batch, self.logits.dtype)),
            ("square", np.empty_like(self.logits)),
            ("row_starts", np.arange(batch, dtype=np.int64) * classes),
            ("places", np.empty(batch, np.int64)),
        ):
            object.__setattr__(self, name, array)

    def subtract_one_hot(self, array: Array, labels: LabelArray) -> None:
        """Subtract 1 at each row's true class; (batch, classes), in place."""
        flat = array.reshape(-1)
        np.add(self.row_starts, labels, out=self.places)
        # mode="clip" writes straight to `out`; the default checks through a second buffer.
        flat.take(self.places, out=self.picked, mode="clip")
        np.subtract(self.picked, 1, out=self.picked)
        flat[self.places] = self.picked


class Loss(Protocol):
    """What a network is trained on; holds no state."""

    def value_and_delta(
        self, logits: Array, labels: LabelArray, delta: Array, scratch: LossScratch | None = None
    ) -> float:
        """Write ∂L/∂Z to `delta` (batch, classes) and return L.

        Args:
            logits: Z (batch, classes), overwritten as scratch space.
            labels: (batch,) true classes.
            delta: receives the gradient; L already holds the mean over the batch.
            scratch: memory for this batch size; None to make it.
        """

    def probabilities(self, logits: Array) -> Array:
        """Return what the output layer makes of logits (samples, classes); same shape."""

    def per_image(self, logits: Array, labels: LabelArray) -> Array:
        """Return the loss of each image (samples,)."""


class CrossEntropy:
    """Softmax and negative log-likelihood, mean over the batch.

    L = mean_b [ log Σ_c exp(z_bc) - z_b,label(b) ], with the row's largest logit taken out
    first, so that logits of ±1e4 stay finite.
    """

    def value_and_delta(
        self, logits: Array, labels: LabelArray, delta: Array, scratch: LossScratch | None = None
    ) -> float:
        """See `Loss`."""
        batch = len(logits)
        scratch = scratch or LossScratch(logits)
        column = scratch.column
        # z ← z - max_c z                                           (batch, classes)
        np.maximum.reduce(logits, axis=1, keepdims=True, out=column)
        np.subtract(logits, column, out=logits)
        # p = exp(z) / Σ_c exp(z)                                   (batch, classes)
        np.exp(logits, out=delta)
        np.add.reduce(delta, axis=1, keepdims=True, out=column)
        np.divide(delta, column, out=delta)
        # ∂L/∂Z = (p - onehot(label)) / batch                       (batch, classes)
        scratch.subtract_one_hot(delta, labels)
        np.multiply(delta, 1 / batch, out=delta)
        # L = (Σ_b log Σ_c exp(z) - Σ_b z_label) / batch
        logits.reshape(-1).take(scratch.places, out=scratch.picked, mode="clip")
        np.log(column, out=column)
        return float(column.sum() - scratch.picked.sum()) / batch

    def probabilities(self, logits: Array) -> Array:
        """See `Loss`: softmax."""
        shares: Array = np.exp(logits - logits.max(axis=1, keepdims=True))
        shares /= shares.sum(axis=1, keepdims=True)
        return shares

    def per_image(self, logits: Array, labels: LabelArray) -> Array:
        """See `Loss`."""
        shifted = logits - logits.max(axis=1, keepdims=True)
        log_sums: Array = np.log(np.exp(shifted).sum(axis=1))
        losses: Array = log_sums - shifted[np.arange(len(labels)), labels]
        return losses


class SquaredError:
    """Squared error of a sigmoid output on one-hot targets.

    `batch`: L = 1/B Σ_b Σ_c (a_bc - y_bc)², as hand-written code sums over the classes.
    `element`: L = 1/(B C) Σ_b Σ_c (a_bc - y_bc)², as `nn.MSELoss()` averages over them too.

    Args:
        mean: which of the two.
    """

    def __init__(self, mean: LossMean) -> None:
        self._mean = mean

    def value_and_delta(
        self, logits: Array, labels: LabelArray, delta: Array, scratch: LossScratch | None = None
    ) -> float:
        """See `Loss`."""
        scratch = scratch or LossScratch(logits)
        # a = σ(z)                                                  (batch, classes)
        a = logits
        sigmoid(logits, out=a)
        # a - y                                                     (batch, classes)
        np.copyto(delta, a)
        scratch.subtract_one_hot(delta, labels)
        scale = 1 / (len(logits) * self._divisor(logits))
        loss = scale * float(np.vdot(delta, delta))
        # ∂L/∂Z = 2/B (a - y) ⊙ a (1 - a)                           (batch, classes)
        multiply_sigmoid_slope(delta, a, scratch.square)
        np.multiply(delta, 2 * scale, out=delta)
        return loss

    def probabilities(self, logits: Array) -> Array:
        """See `Loss`: one sigmoid per class; the rows need not sum to 1."""
        out = np.empty_like(logits)
        sigmoid(logits, out=out)
        return out

    def per_image(self, logits: Array, labels: LabelArray) -> Array:
        """See `Loss`."""
        error = self.probabilities(logits)
        error[np.arange(len(labels)), labels] -= 1
        losses: Array = np.square(error).sum(axis=1) / self._divisor(logits)
        return losses

    def _divisor(self, logits: Array) -> int:
        return logits.shape[1] if self._mean == "element" else 1


def loss_for(config: RunConfig, engine: EngineName) -> Loss:
    """Return the loss that this engine trains on."""
    if config.loss == "cross-entropy":
        return CrossEntropy()
    return SquaredError(config.loss_mean(engine))
