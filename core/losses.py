"""Losses by hand: the value, and its gradient with respect to the logits."""

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from core.activations import multiply_sigmoid_slope, sigmoid
from core.config import EngineName, LossMean, RunConfig

Array = NDArray[np.floating]
LabelArray = NDArray[np.int64]


class Loss(Protocol):
    """What a network is trained on; holds no state."""

    def value_and_delta(self, logits: Array, labels: LabelArray, delta: Array) -> float:
        """Write ∂L/∂Z to `delta` (batch, classes) and return L.

        Args:
            logits: Z (batch, classes), overwritten as scratch space.
            labels: (batch,) true classes.
            delta: receives the gradient; L already holds the mean over the batch.
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

    def value_and_delta(self, logits: Array, labels: LabelArray, delta: Array) -> float:
        """See `Loss`."""
        batch = len(logits)
        rows = np.arange(batch)
        # z ← z - max_c z                                          (batch, classes)
        logits -= logits.max(axis=1, keepdims=True)
        # p = exp(z) / Σ_c exp(z)                                   (batch, classes)
        np.exp(logits, out=delta)
        sums = delta.sum(axis=1, keepdims=True)
        delta /= sums
        loss = (np.log(sums[:, 0]) - logits[rows, labels]).mean()
        # ∂L/∂Z = (p - onehot(label)) / batch                       (batch, classes)
        delta[rows, labels] -= 1
        delta /= batch
        return float(loss)

    def probabilities(self, logits: Array) -> Array:
        """See `Loss`: softmax."""
        shares: Array = np.exp(logits - logits.max(axis=1, keepdims=True))
        shares /= shares.sum(axis=1, keepdims=True)
        return shares

    def per_image(self, logits: Array, labels: LabelArray) -> Array:
        """See `Loss`."""
        shifted = logits - logits.max(axis=1, keepdims=True)
        log_sums: Array = np.log(np.exp(shifted).sum(axis=1))
        true_logits: Array = shifted[np.arange(len(labels)), labels]
        losses: Array = log_sums - true_logits
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

    def value_and_delta(self, logits: Array, labels: LabelArray, delta: Array) -> float:
        """See `Loss`."""
        batch = len(logits)
        # a = σ(z)                                                  (batch, classes)
        a = logits
        sigmoid(logits, out=a)
        # a - y                                                     (batch, classes)
        np.copyto(delta, a)
        delta[np.arange(batch), labels] -= 1
        scale = 1 / (batch * self._divisor(logits))
        loss = scale * float(np.vdot(delta, delta))
        # ∂L/∂Z = 2/B (a - y) ⊙ a (1 - a)                           (batch, classes)
        multiply_sigmoid_slope(delta, a, scratch=np.empty_like(a))
        delta *= 2 * scale
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
