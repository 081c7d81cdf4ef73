"""Losses by hand: the value, and its gradient with respect to the logits.

A new loss needs its name in `core.config.LossName`, its class and record here, and its counterpart
in `torch_mlp.LOSSES`.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import ClassVar

import numpy as np

from mlpwatch.core.arrays import Floats, Labels
from mlpwatch.core.config import EngineName, LossMean, LossName, RunConfig
from mlpwatch.core.network.activations import sigmoid, sigmoid_backward
from mlpwatch.core.network.tables import complete


class _Buffers:
    """Memory for the loss of one batch size, made once, so a step allocates no array.

    Args:
        logits: (batch, classes), class by class in memory.
    """

    def __init__(self, logits: Floats) -> None:
        batch, dtype = len(logits), logits.dtype
        self.values, self.gradient, self.scratch = (np.empty_like(logits) for _ in range(3))
        self._flat_values = self.values.T.reshape(-1)
        self._flat_gradient = self.gradient.T.reshape(-1)
        self.sums = np.empty(batch, dtype)
        self.column = self.sums[:, np.newaxis]
        self.ones = np.ones(batch, dtype)
        self._picked = np.empty(batch, dtype)
        self._places = np.empty(batch, np.int64)
        self._numbers = np.arange(batch, dtype=np.int64)
        # Arrays, because an operation with a Python number takes 0.3 µs longer.
        self._batch = np.array(batch, np.int64)
        self.factor = np.array(1 / batch, dtype)

    def find(self, labels: Labels) -> None:
        """Find the position of each row's true class in memory."""
        np.multiply(labels, self._batch, out=self._places)
        np.add(self._places, self._numbers, out=self._places)

    def value_at_label(self) -> Floats:
        """Return the number of `values` at each true class, (batch,)."""
        # mode="clip" writes directly to `out`; the default mode uses a second buffer.
        return self._flat_values.take(self._places, out=self._picked, mode="clip")

    def subtract_one_hot(self) -> None:
        """Subtract y, 1 at each true class and 0 elsewhere, from `gradient`."""
        picked = self._flat_gradient.take(self._places, out=self._picked, mode="clip")
        self._flat_gradient[self._places] = np.subtract(picked, 1, out=picked)


class Loss(ABC):
    """The function that training minimises: L is the mean over a batch.

    Keeps buffers for each batch size, and what `backward` needs from the last `forward`.
    """

    formulas: ClassVar[tuple[str, str]]
    """The loss of a batch, and ∂L/∂Z."""

    def __init__(self) -> None:
        self._by_batch: dict[int, _Buffers] = {}

    @abstractmethod
    def forward(self, logits: Floats, labels: Labels) -> float:
        """Return L for logits Z (batch, classes) and true classes (batch,).

        Args:
            logits: in the memory order of the last `Linear`.
            labels: int64.
        """

    @abstractmethod
    def backward(self) -> Floats:
        """Return ∂L/∂Z (batch, classes) of the last `forward`; its next call overwrites it."""

    @abstractmethod
    def probabilities(self, logits: Floats) -> Floats:
        """Return the output layer's probabilities for logits (samples, classes); same shape."""

    @abstractmethod
    def per_image(self, logits: Floats, labels: Labels) -> Floats:
        """Return the loss of each image (samples,)."""

    def _start(self, logits: Floats, labels: Labels) -> _Buffers:
        """Return the buffers for this batch size; `backward` uses those of the last call."""
        if (buffers := self._by_batch.get(len(logits))) is None:
            buffers = self._by_batch[len(logits)] = _Buffers(logits)
        buffers.find(labels)
        self._last = buffers
        return buffers


class CrossEntropy(Loss):
    """Softmax and negative log-likelihood, averaged over the batch."""

    formulas = (
        "p = exp(z) / Σc exp(z)   loss of an image = −log p[label]   L = their mean",
        "∂L/∂Z = (p − y) / B,  y = 1 at the label, 0 elsewhere",
    )

    def forward(self, logits: Floats, labels: Labels) -> float:
        """See `Loss`."""
        own = self._start(logits, labels)
        z, p = own.values, own.gradient
        # z ← z - max_c z: p is the same, exp never overflows       (batch, classes)
        np.maximum.reduce(logits, axis=1, out=own.sums)
        np.subtract(logits, own.column, out=z)
        # p = exp(z) / Σ_c exp(z)                                   (batch, classes)
        np.exp(z, out=p)
        np.add.reduce(p, axis=1, out=own.sums)
        np.divide(p, own.column, out=p)
        # L = mean_b -log p_label = mean_b (log Σ_c exp(z) - z_label): finite where p_label is 0
        np.log(own.sums, out=own.sums)
        np.subtract(own.sums, own.value_at_label(), out=own.sums)
        return float(own.ones @ own.sums) / len(logits)

    def backward(self) -> Floats:
        """See `Loss`."""
        own = self._last
        # ∂L/∂Z = (p - y) / batch                                   (batch, classes)
        own.subtract_one_hot()
        return np.multiply(own.gradient, own.factor, out=own.gradient)

    def probabilities(self, logits: Floats) -> Floats:
        """See `Loss`: softmax."""
        p: Floats = np.exp(logits - logits.max(axis=1, keepdims=True))
        p /= p.sum(axis=1, keepdims=True)
        return p

    def per_image(self, logits: Floats, labels: Labels) -> Floats:
        """See `Loss`."""
        z = logits - logits.max(axis=1, keepdims=True)
        log_sums: Floats = np.log(np.exp(z).sum(axis=1))
        losses: Floats = log_sums - z[np.arange(len(labels)), labels]
        return losses


class SquaredError(Loss):
    """Squared error of a sigmoid output on one-hot targets.

    `batch`: L = 1/B Σ_b Σ_c (a_bc - y_bc)², summed over the classes as in hand-written code.
    `element`: L = 1/(B C) Σ_b Σ_c (a_bc - y_bc)², averaged over them too, as in `nn.MSELoss()`.

    Args:
        mean: one of these two.
    """

    formulas = (
        "a = σ(z)    loss of an image = Σc (a − y)²    L = their mean",
        "∂L/∂Z = 2 (a − y) ⊙ a (1 − a) / B",
    )

    def __init__(self, mean: LossMean) -> None:
        super().__init__()
        self._mean = mean

    def forward(self, logits: Floats, labels: Labels) -> float:
        """See `Loss`."""
        own = self._start(logits, labels)
        a, e = own.values, own.gradient
        # a = σ(z)                                                  (batch, classes)
        sigmoid(logits, out=a)
        # e = a - y                                                 (batch, classes)
        np.copyto(e, a)
        own.subtract_one_hot()
        # L = Σ_b Σ_c e² / B
        return float(np.vdot(e.T, e.T)) / self._divisor(e)

    def backward(self) -> Floats:
        """See `Loss`."""
        a, e = self._last.values, self._last.gradient
        # ∂L/∂Z = 2 e ⊙ a (1 - a) / B                               (batch, classes)
        sigmoid_backward(e, a, self._last.scratch)
        return np.multiply(e, 2 / self._divisor(e), out=e)

    def probabilities(self, logits: Floats) -> Floats:
        """See `Loss`: one sigmoid per class; the rows need not sum to 1."""
        out = np.empty_like(logits)
        sigmoid(logits, out=out)
        return out

    def per_image(self, logits: Floats, labels: Labels) -> Floats:
        """See `Loss`."""
        error = self.probabilities(logits)
        error[np.arange(len(labels)), labels] -= 1
        losses: Floats = np.square(error).sum(axis=1) * len(error) / self._divisor(error)
        return losses

    def _divisor(self, array: Floats) -> int:
        return array.size if self._mean == "element" else len(array)


LOSSES: Mapping[LossName, Callable[[LossMean], Loss]] = complete(
    LossName, {"cross-entropy": lambda _mean: CrossEntropy(), "mse": SquaredError}
)
"""By name: a function from `LossMean` to a new loss."""


def loss_for(config: RunConfig, engine: EngineName) -> Loss:
    """Return the loss that this engine minimises."""
    return LOSSES[config.loss](config.loss_mean(engine))
