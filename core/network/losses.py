"""Losses by hand: the value, and its gradient with respect to the logits.

A new loss needs its name in `core.config.LossName`, its class and record here, and its counterpart
in `torch_losses.LOSSES`.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping

import numpy as np

from mlpwatch.core.arrays import Floats, Labels
from mlpwatch.core.config import EngineName, LossMean, LossName, OutputActivation, RunConfig
from mlpwatch.core.network.activations import sigmoid
from mlpwatch.core.network.outputs import OUTPUTS
from mlpwatch.core.network.tables import complete

LEAST_LOG = -100.0
"""log p and log (1 - p) are at least this where p is rounded to 0 or 1, as in PyTorch's
`binary_cross_entropy`."""

LEAST_PRODUCT = 1e-12
"""p (1 - p) is at least this as a divisor, as in PyTorch's."""


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

    def put_at_label(self, array: Floats, values: Floats) -> None:
        """Write (batch,) values to each true class of an array (batch, classes) of these."""
        array.T.reshape(-1)[self._places] = values


class Loss(ABC):
    """The function that training minimises: L is the mean over a batch.

    Keeps buffers for each batch size, and what `backward` needs from the last `forward`.

    Args:
        output: what makes outputs of logits.
        mean: what a sum over all classes is averaged over: the images (`batch`), as in hand-written
            code, or the classes too (`element`), as in `nn.MSELoss()`.
    """

    formulas: tuple[str, str]
    """The loss of a batch, and ∂L/∂Z."""

    def __init__(self, output: OutputActivation, mean: LossMean = "batch") -> None:
        self._by_batch: dict[int, _Buffers] = {}
        self._output, self._mean = OUTPUTS[output], mean
        self.is_linear = output == "linear"

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

    def outputs(self, logits: Floats) -> Floats:
        """Return what the output layer makes of logits (samples, classes); same shape."""
        return self._output.apply(logits)

    def probabilities(self, logits: Floats) -> Floats:
        """Return the outputs as shares from 0 to 1; linear ones are cut there."""
        outputs = self.outputs(logits)
        return np.clip(outputs, 0, 1) if self.is_linear else outputs

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

    def _divisor(self, array: Floats) -> int:
        return array.size if self._mean == "element" else len(array)


class CrossEntropy(Loss):
    """Softmax and negative log-likelihood, averaged over the batch."""

    formulas = (
        "p = exp(z) / Σc exp(z)   loss of an image = −log p[label]   L = their mean",
        "∂L/∂Z = (p − y) / B,  y = 1 at the label, 0 elsewhere",
    )

    def __init__(self) -> None:
        super().__init__("softmax")

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

    def per_image(self, logits: Floats, labels: Labels) -> Floats:
        """See `Loss`."""
        z = logits - logits.max(axis=1, keepdims=True)
        log_sums: Floats = np.log(np.exp(z).sum(axis=1))
        losses: Floats = log_sums - z[np.arange(len(labels)), labels]
        return losses


class SigmoidCrossEntropy(Loss):
    """Negative log-likelihood of the true class, whose output is a sigmoid."""

    formulas = (
        "a = σ(z)    loss of an image = −log a[label]    L = their mean",
        "∂L/∂Z = (a − 1) / B at the label, 0 elsewhere",
    )

    def __init__(self) -> None:
        super().__init__("sigmoid")

    def forward(self, logits: Floats, labels: Labels) -> float:
        """See `Loss`."""
        own = self._start(logits, labels)
        np.copyto(own.values, logits)
        z = own.value_at_label()
        # ∂L/∂z_label = σ(z_label) - 1 = -σ(-z_label), all others 0  (batch, classes)
        own.gradient.fill(0)
        np.negative(z, out=z)
        sigmoid(z, out=own.sums)
        own.put_at_label(own.gradient, -own.sums)
        # L = mean_b -log σ(z_label) = mean_b log (1 + exp(-z_label))
        return float(own.ones @ np.logaddexp(0, z)) / len(logits)

    def backward(self) -> Floats:
        """See `Loss`."""
        own = self._last
        return np.multiply(own.gradient, own.factor, out=own.gradient)

    def per_image(self, logits: Floats, labels: Labels) -> Floats:
        """See `Loss`."""
        losses: Floats = np.logaddexp(0, -logits[np.arange(len(labels)), labels])
        return losses


class SquaredError(Loss):
    """Squared error on one-hot targets, or a share of it.

    `batch`: L = 1/B Σ_b Σ_c (a_bc - y_bc)², summed over the classes as in hand-written code.
    `element`: L = 1/(B C) Σ_b Σ_c (a_bc - y_bc)², averaged over them too, as in `nn.MSELoss()`.

    Args:
        mean: one of these two.
        output: what makes a of the logits.
        share: of the squared error: 1, or 1/2 so that no factor 2 stands in its gradient.
    """

    def __init__(
        self, mean: LossMean, output: OutputActivation = "sigmoid", share: float = 1
    ) -> None:
        super().__init__(output, mean)
        self._share = share
        rule, a = OUTPUTS[output], OUTPUTS[output].letter
        half, error = ("", f"2 ({a} − y)") if share == 1 else ("½ ", f"({a} − y)")
        self.formulas = (
            f"{a} = {rule.formula}    loss of an image = {half}Σc ({a} − y)²    L = their mean",
            f"∂L/∂Z = {rule.derivative.format(error)}",
        )

    def forward(self, logits: Floats, labels: Labels) -> float:
        """See `Loss`."""
        own = self._start(logits, labels)
        a, e = own.values, own.gradient
        # a = σ(z), or another output activation                    (batch, classes)
        self._output.forward(logits, a, own.sums)
        # e = a - y                                                 (batch, classes)
        np.copyto(e, a)
        own.subtract_one_hot()
        # L = Σ_b Σ_c e² / B, or half of it
        return self._share * float(np.vdot(e.T, e.T)) / self._divisor(e)

    def backward(self) -> Floats:
        """See `Loss`."""
        own = self._last
        a, e = own.values, own.gradient
        # ∂L/∂Z = 2 e ⊙ a (1 - a) / B, of a sigmoid                 (batch, classes)
        self._output.backward(e, a, own.scratch, own.sums)
        return np.multiply(e, 2 * self._share / self._divisor(e), out=e)

    def per_image(self, logits: Floats, labels: Labels) -> Floats:
        """See `Loss`."""
        error = self.outputs(logits)
        error[np.arange(len(labels)), labels] -= 1
        each = self._share * np.square(error).sum(axis=1)
        losses: Floats = each * len(error) / self._divisor(error)
        return losses


class BinaryCrossEntropy(Loss):
    """Each class is a yes or no of its own: one sigmoid, one log-likelihood.

    Args:
        mean: see `Loss`; `element` is `nn.BCEWithLogitsLoss()`.
    """

    formulas = (
        "a = σ(z)    L = mean over images of −Σc (y log a + (1 − y) log(1 − a))",
        "∂L/∂Z = (a − y) / B",
    )

    def __init__(self, mean: LossMean) -> None:
        super().__init__("sigmoid", mean)

    def forward(self, logits: Floats, labels: Labels) -> float:
        """See `Loss`."""
        own = self._start(logits, labels)
        np.copyto(own.values, logits)
        at_label = float(own.ones @ own.value_at_label())
        # -log(1 - σ(z)) = log(1 + exp(z)), and -log σ(z) = log(1 + exp(z)) - z
        np.logaddexp(0, logits, out=own.scratch)
        # e = a - y                                                 (batch, classes)
        sigmoid(logits, out=own.gradient)
        own.subtract_one_hot()
        # L = Σ_b (Σ_c log(1 + exp(z)) - z_label) / B
        return (float(own.scratch.sum()) - at_label) / self._divisor(logits)

    def backward(self) -> Floats:
        """See `Loss`."""
        e = self._last.gradient
        # ∂L/∂Z = e / B                                             (batch, classes)
        return np.multiply(e, 1 / self._divisor(e), out=e)

    def per_image(self, logits: Floats, labels: Labels) -> Floats:
        """See `Loss`."""
        each = np.logaddexp(0, logits).sum(axis=1) - logits[np.arange(len(labels)), labels]
        losses: Floats = each * len(each) / self._divisor(logits)
        return losses


class SoftmaxBinaryCrossEntropy(Loss):
    """Binary cross-entropy of a softmax's outputs, as `nn.BCELoss` computes it.

    Args:
        mean: see `Loss`; `element` is `nn.BCELoss()`.
    """

    formulas = (
        "p = softmax(z)    L = mean over images of −Σc (y log p + (1 − y) log(1 − p))",
        "∂L/∂Z = p ⊙ (g − Σc g p) / B,  g = (p − y) / (p (1 − p))",
    )

    def __init__(self, mean: LossMean) -> None:
        super().__init__("softmax", mean)

    def forward(self, logits: Floats, labels: Labels) -> float:
        """See `Loss`."""
        own = self._start(logits, labels)
        p = own.values
        self._output.forward(logits, p, own.sums)
        np.copyto(own.gradient, p)
        own.subtract_one_hot()
        # L = -Σ_b (log p_label + Σ_c≠label log(1 - p)) / B
        return -float(self._logarithms(p, labels).sum()) / self._divisor(p)

    def backward(self) -> Floats:
        """See `Loss`."""
        own = self._last
        p, g = own.values, own.gradient
        # g = ∂L/∂p = (p - y) / (p (1 - p))                         (batch, classes)
        np.subtract(1, p, out=own.scratch)
        np.multiply(own.scratch, p, out=own.scratch)
        np.maximum(own.scratch, LEAST_PRODUCT, out=own.scratch)
        np.divide(g, own.scratch, out=g)
        # ∂L/∂Z = p ⊙ (g - Σ_c g p) / B                             (batch, classes)
        self._output.backward(g, p, own.scratch, own.sums)
        return np.multiply(g, 1 / self._divisor(g), out=g)

    def per_image(self, logits: Floats, labels: Labels) -> Floats:
        """See `Loss`."""
        each = -self._logarithms(self.outputs(logits), labels).sum(axis=1)
        losses: Floats = each * len(each) / self._divisor(logits)
        return losses

    @staticmethod
    def _logarithms(p: Floats, labels: Labels) -> Floats:
        """Return log p of each true class, log(1 - p) of all others (samples, classes)."""
        rows = np.arange(len(labels))
        with np.errstate(divide="ignore"):
            found: Floats = np.log1p(-p)
            found[rows, labels] = np.log(p[rows, labels])
        return np.maximum(found, LEAST_LOG, out=found)


def _cross_entropy(output: OutputActivation, _mean: LossMean) -> Loss:
    return CrossEntropy() if output == "softmax" else SigmoidCrossEntropy()


def _squared_error(output: OutputActivation, mean: LossMean) -> Loss:
    return SquaredError(mean, output)


def _half_squared_error(output: OutputActivation, mean: LossMean) -> Loss:
    return SquaredError(mean, output, share=0.5)


def _binary_cross_entropy(output: OutputActivation, mean: LossMean) -> Loss:
    return BinaryCrossEntropy(mean) if output == "sigmoid" else SoftmaxBinaryCrossEntropy(mean)


LOSSES: Mapping[LossName, Callable[[OutputActivation, LossMean], Loss]] = complete(
    LossName,
    {
        "cross-entropy": _cross_entropy,
        "mse": _squared_error,
        "half-mse": _half_squared_error,
        "bce": _binary_cross_entropy,
    },
)
"""By name: a function from output activation and `LossMean` to a new loss."""


def loss_for(config: RunConfig, engine: EngineName) -> Loss:
    """Return the loss that this engine minimises."""
    return LOSSES[config.loss](config.output_function, config.loss_mean(engine))
