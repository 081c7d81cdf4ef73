"""The results of one engine's epoch: its numbers and the network's predictions.

Does not import NumPy: the screen draws its first frame before NumPy is loaded.
"""

from dataclasses import dataclass, field, fields
from math import nan
from typing import TYPE_CHECKING, Any, TypeAlias

from mlpwatch.core.config import EngineName

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Matrix: TypeAlias = "NDArray[np.int64]"
"""(classes, classes) counts: true class down, predicted class across; read-only."""


@dataclass(frozen=True, slots=True)
class Evaluation:
    """The predictions for one split. Its arrays are read-only."""

    loss: float
    """Mean loss of the images."""

    accuracy: float
    """Share of the images whose most probable class is the true one, 0 to 1."""

    confusion: Matrix

    probabilities: "NDArray[np.float32]"
    """(samples, classes): softmax for cross-entropy, one sigmoid per class for mse."""

    losses: "NDArray[np.float32]"
    """(samples,) the loss of each image."""

    predictions: "NDArray[np.intp]"
    """(samples,) the most probable class of each image."""


class EqualWithNan:
    """Dataclasses that compare as tuples: two unknown numbers are equal if both are `math.nan`.

    Since Python 3.13 a dataclass compares field by field, so one with NaN would not equal itself.
    """

    __slots__ = ()

    def _compared(self) -> tuple[object, ...]:
        own: Any = self
        return tuple(getattr(self, one.name) for one in fields(own) if one.compare)

    def __eq__(self, other: object) -> bool:
        """Return whether both are of one class and have equal fields."""
        if type(other) is not type(self):
            return NotImplemented
        return self._compared() == other._compared()

    def __hash__(self) -> int:
        """Return the hash of the fields."""
        return hash(self._compared())


@dataclass(frozen=True, slots=True, eq=False)
class LayerRecord(EqualWithNan):
    """One layer in one epoch, or at one step. An unknown or non-finite number is NaN.

    Epochs of few steps are not all measured: then an epoch has no layers.
    """

    gradient_norm: float
    """‖∂L/∂W‖, the root of the sum of squares; in an epoch the mean of some steps."""
    update_ratio: float
    """‖ΔW‖ ÷ ‖W‖ of a step, ΔW the change by the optimizer; in an epoch the mean likewise."""
    flat_share: float = nan
    """Share of the units whose f' is near 0 on every image, 0 to 1: dead or saturated ones.
    NaN for the output layer, after an epoch that did not look, and where nobody can."""
    is_uniform: bool = False
    """Whether all units of a hidden layer have the same weights, and so compute the same."""


@dataclass(frozen=True, slots=True, eq=False)
class EpochRecord(EqualWithNan):
    """One engine at the end of one epoch: a line of `metrics.jsonl`, a point of the charts.

    An unknown or non-finite number is NaN here and null in the file.
    """

    engine: EngineName
    epoch: int
    """Epochs done so far, counted from 1."""
    step: int
    """Updates done so far."""
    seconds: float
    """Training time so far."""
    train_loss: float
    """Mean over the epoch's images, each loss taken before its batch's update."""
    val_loss: float
    val_accuracy: float
    """0 to 1."""
    samples_per_second: float
    """Training images per second in this epoch, without the evaluation."""
    train_accuracy: float = nan
    """0 to 1, on training images; NaN if they were not evaluated."""
    confusion: "Matrix | None" = field(default=None, compare=False, repr=False)
    """Confusion matrix of the validation images; None if unknown."""
    layers: tuple[LayerRecord, ...] = ()
    """Input side first; empty if unknown."""


def accuracy_of(counts: Matrix) -> float:
    """Return the share of the images that lie on the diagonal, 0 to 1; 0 for no images."""
    return float(counts.trace() / max(1, counts.sum()))
