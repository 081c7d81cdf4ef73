"""How good the predictions are: accuracy and confusion matrix, by scikit-learn."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from core.config import EngineName

if TYPE_CHECKING:
    from core.engine import Floats, Labels
    from core.losses import Loss


@dataclass(frozen=True, slots=True)
class Evaluation:
    """One reading of one split. Its arrays are read-only."""

    loss: float
    """Mean over the images."""

    accuracy: float
    """Share of the images whose most probable class is the true one, 0 to 1."""

    confusion: NDArray[np.int64]
    """(classes, classes) counts: true class down, predicted class across."""

    probabilities: NDArray[np.float32]
    """(samples, classes): softmax for cross-entropy, one sigmoid per class for mse."""

    losses: NDArray[np.float32]
    """(samples,) the loss of each image."""

    predictions: NDArray[np.intp]
    """(samples,) the most probable class of each image."""


def evaluate(logits: "Floats", labels: "Labels", loss: "Loss") -> Evaluation:
    """Compare an engine's logits (samples, classes) with the true labels (samples,)."""
    # scikit-learn takes about a second to import: never before the first frame.
    from sklearn.metrics import confusion_matrix  # noqa: PLC0415

    # Column by column, maxima and sums over the classes run over all images at a time: 0.1 ms
    # instead of 0.8 for 5,000 images. Training waits for this.
    logits = np.asfortranarray(logits)
    # Not by the probabilities: they tie at 0 or 1 where a sigmoid is saturated, at |z| > 17.
    predictions = logits.argmax(axis=1)
    # An overflow is no error here: it shows as an infinite loss, which ends the run by name.
    with np.errstate(over="ignore", invalid="ignore"):
        probabilities = loss.probabilities(logits)
        losses = loss.per_image(logits, labels)
    classes = np.arange(logits.shape[1])
    confusion = confusion_matrix(labels, predictions, labels=classes).astype(np.int64)
    evaluation = Evaluation(
        loss=float(losses.mean()),
        accuracy=float(confusion.trace() / len(labels)),
        confusion=confusion,
        probabilities=probabilities.astype(np.float32),
        losses=losses.astype(np.float32),
        predictions=predictions,
    )
    arrays = (evaluation.confusion, evaluation.probabilities, evaluation.losses, predictions)
    for array in arrays:
        array.flags.writeable = False
    return evaluation


def numbers_alone(loss: float, accuracy: float, classes: int) -> Evaluation:
    """Return an evaluation of which only these two numbers are known; it has no images."""
    return Evaluation(
        loss=loss,
        accuracy=accuracy,
        confusion=np.zeros((classes, classes), np.int64),
        probabilities=np.empty((0, classes), np.float32),
        losses=np.empty(0, np.float32),
        predictions=np.empty(0, np.intp),
    )


MistakeList = Literal["numpy", "torch", "both", "disagree"]
"""Wrong in NumPy, wrong in PyTorch, wrong in both, or read differently by the two."""

MISTAKE_LISTS: tuple[MistakeList, ...] = get_args(MistakeList)


def mistake_rows(
    labels: "Labels",
    predictions: Mapping[EngineName, NDArray[np.intp]],
    which: MistakeList,
    true: int | None = None,
    predicted: int | None = None,
) -> NDArray[np.intp]:
    """Return the rows of one list of mistakes, ascending.

    Args:
        labels: (samples,) true classes.
        predictions: (samples,) most probable classes, by engine; an engine may be missing.
        which: the list; empty if it needs an engine that is missing.
        true: keep only this true class.
        predicted: keep only what some engine of the list read as this class.
    """
    needed: tuple[EngineName, ...] = ("numpy", "torch")
    if which in ("numpy", "torch"):
        needed = (which,)
    if any(name not in predictions for name in needed):
        return np.empty(0, np.intp)
    read = [predictions[name] for name in needed]
    chosen = read[0] != (read[1] if which == "disagree" else labels)
    if which == "both":
        chosen &= read[1] != labels
    if true is not None:
        chosen &= labels == true
    if predicted is not None:
        chosen &= np.logical_or.reduce([one == predicted for one in read])
    return np.flatnonzero(chosen)
