"""Losses by hand: the value, and its gradient with respect to the logits."""

import math
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from mlpwatch.core.config import EngineName, LossMean, RunConfig
from mlpwatch.core.network.activations import multiply_sigmoid_slope, sigmoid

Array = NDArray[np.floating]
LabelArray = NDArray[np.int64]


def by_class(batch: int, classes: int, dtype: np.dtype[np.floating]) -> Array:
    """Return an empty (batch, classes) array whose columns are contiguous.

    Sums and maxima over 10 classes then run over 100 images at a time instead of over 10
    numbers at a time: the softmax of a batch takes 14 µs instead of 23.
    """
    return np.empty((classes, batch), dtype).T


class LossScratch:
    """Memory for the loss of one batch size, made once, so that a step allocates no array.

    Args:
        batch: images per step.
        classes: width of the output layer.
        dtype: of the arithmetic.
    """

    def __init__(self, batch: int, classes: int, dtype: np.dtype[np.floating]) -> None:
        self.sums = np.empty(batch, dtype)
        self.picked = np.empty(batch, dtype)
        self.slope = by_class(batch, classes, dtype)
        self.ones = np.ones(batch, dtype)
        self.places = np.empty(batch, np.int64)
        self.factor = np.empty((), dtype)
        self._numbers = np.arange(batch, dtype=np.int64)

    def find_labels(self, labels: LabelArray) -> None:
        """Note where each row's true class stands in an array made by `by_class`."""
        np.multiply(labels, len(self._numbers), out=self.places)
        np.add(self.places, self._numbers, out=self.places)

    def pick(self, array: Array) -> Array:
        """Return (batch,) the number at each true class; the next call overwrites it.

        Args:
            array: (classes, batch), the transpose of one made by `by_class`; below too.
        """
        # mode="clip" writes straight to `out`; the default checks through a second buffer.
        return array.reshape(-1).take(self.places, out=self.picked, mode="clip")

    def subtract_one_hot(self, array: Array) -> None:
        """Subtract 1 at each true class, in place."""
        picked = self.pick(array)
        self.put(array, np.subtract(picked, 1, out=picked))

    def put(self, array: Array, values: Array) -> None:
        """Write values (batch,) to each true class."""
        array.reshape(-1)[self.places] = values


class Loss(Protocol):
    """What a network is trained on; holds no state."""

    def value_and_delta(
        self,
        logits: Array,
        labels: LabelArray,
        delta: Array,
        scratch: LossScratch,
        scale: float = 1.0,
    ) -> float:
        """Write scale · ∂L/∂Z to `delta` (batch, classes) and return L.

        Args:
            logits: Z (batch, classes), made by `by_class`; overwritten as scratch space.
            labels: (batch,) true classes.
            delta: made by `by_class`; receives the gradient. L holds the mean over the batch.
            scratch: memory for this batch size.
            scale: multiplies the gradient, not the loss.
        """

    def probabilities(self, logits: Array) -> Array:
        """Return what the output layer makes of logits (samples, classes); same shape."""

    def per_image(self, logits: Array, labels: LabelArray) -> Array:
        """Return the loss of each image (samples,)."""


class CrossEntropy:
    """Softmax and negative log-likelihood, mean over the batch.

    L = mean_b log Σ_c exp(z_bc - z_b,label(b)). The label's own term is exp(0) = 1, so the sum
    never underflows, and for most of a training neither does it overflow: a row with a logit 88
    above its label's (709 in float64) makes L infinite, and is read again from the largest
    logit, which takes a third longer. So logits of ±1e4 stay finite. (That first try signals its
    overflow, so the caller's `np.errstate` has to allow it.)
    """

    def value_and_delta(
        self,
        logits: Array,
        labels: LabelArray,
        delta: Array,
        scratch: LossScratch,
        scale: float = 1.0,
    ) -> float:
        """See `Loss`."""
        batch, sums = len(logits), scratch.sums
        scratch.find_labels(labels)
        # As they lie in memory: what belongs to an image is then subtracted in 1.1 µs, not 1.5.
        z, e = logits.T, delta.T
        # e = exp(z - z_label), s = Σ_c e                           (classes, batch), (batch,)
        np.subtract(z, scratch.pick(z), out=e)
        np.exp(e, out=e)
        np.add.reduce(e, axis=0, out=sums)
        # L = Σ_b log s / batch
        loss = float(scratch.ones @ np.log(sums, out=scratch.picked)) / batch
        if not math.isfinite(loss):
            return self._from_the_largest(z, e, scratch, scale)
        # ∂L/∂Z = (e / s - onehot(label)) / batch; there e is 1     (classes, batch)
        scratch.factor.fill(scale / batch)
        np.divide(scratch.factor, sums, out=sums)
        np.multiply(e, sums, out=e)
        scratch.put(e, np.subtract(sums, scratch.factor, out=sums))
        return loss

    def _from_the_largest(
        self, z: Array, delta: Array, scratch: LossScratch, scale: float
    ) -> float:
        """Do the same with an image's largest logit taken out first, so that nothing overflows."""
        sums, batch = scratch.sums, len(scratch.sums)
        # z ← z - max_c z                                           (classes, batch)
        np.maximum.reduce(z, axis=0, out=sums)
        np.subtract(z, sums, out=z)
        # p = exp(z) / Σ_c exp(z)                                   (classes, batch)
        np.exp(z, out=delta)
        np.add.reduce(delta, axis=0, out=sums)
        np.divide(delta, sums, out=delta)
        # ∂L/∂Z = (p - onehot(label)) / batch                       (classes, batch)
        scratch.subtract_one_hot(delta)
        np.multiply(delta, scale / batch, out=delta)
        # L = (Σ_b log Σ_c exp(z) - Σ_b z_label) / batch
        log_sums = np.log(sums, out=sums)
        return float(scratch.ones @ log_sums - scratch.ones @ scratch.pick(z)) / batch

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
        self,
        logits: Array,
        labels: LabelArray,
        delta: Array,
        scratch: LossScratch,
        scale: float = 1.0,
    ) -> float:
        """See `Loss`."""
        scratch.find_labels(labels)
        # a = σ(z)                                                  (batch, classes)
        a = logits
        sigmoid(logits, out=a)
        # a - y                                                     (batch, classes)
        np.copyto(delta, a)
        scratch.subtract_one_hot(delta.T)
        mean = 1 / (len(logits) * self._divisor(logits))
        loss = mean * float(np.vdot(delta.T, delta.T))
        # ∂L/∂Z = 2/B (a - y) ⊙ a (1 - a)                           (batch, classes)
        multiply_sigmoid_slope(delta, a, scratch.slope)
        np.multiply(delta, 2 * mean * scale, out=delta)
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
