"""What a watched network predicts after an epoch: checked, counted, and kept in two files."""

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from mlpwatch.core.arrays import Tensors
from mlpwatch.core.data.source import MAX_CLASSES
from mlpwatch.core.epochs import Matrix
from mlpwatch.core.files.durable import OpenFolder, replace_durably
from mlpwatch.core.files.tensor_files import CheckpointError, Shapes, encode, read
from mlpwatch.core.runs.layout import IMAGES_NAME, PREDICTIONS_NAME

MOST_BYTES = 64 * 2**20
"""Most bytes of images that are kept, one per pixel: all of MNIST's, 440 of 224 × 224. The first
ones are kept."""

MOST_IMAGES = 1_000_000
"""Most labels; more are refused."""

COLOURS = 3


@dataclass(frozen=True, slots=True)
class EpochPredictions:
    """The predictions of one epoch; arrays of its own."""

    classes: int
    labels: NDArray[np.int64]
    """(images,)"""
    predictions: NDArray[np.int64]
    """(images,)"""
    probabilities: NDArray[np.float32]
    """(images, classes); 1 for the predicted class where the loop gave none."""
    images: NDArray[np.uint8] | None = None
    """(kept, height, width), 0 the lowest value; None if the loop gave none this time."""

    @property
    def confusion(self) -> "Matrix | None":
        """(classes, classes) counts, true class down; None for more than `MAX_CLASSES`."""
        if self.classes > MAX_CLASSES:
            return None
        places = self.labels * self.classes + self.predictions
        counts = np.bincount(places, minlength=self.classes**2)
        return counts.astype(np.int64).reshape(self.classes, self.classes)


def take_predictions(
    labels: object, predictions: object, probabilities: object, images: object, classes: int | None
) -> EpochPredictions:
    """Copy and check what a loop has given.

    Args:
        labels: (images,) from 0.
        predictions: (images,), or None.
        probabilities: (images, classes), or None.
        images: see `grey_images`, or None.
        classes: None for one more than the highest label.

    Raises:
        ValueError: shapes or values that do not go together; the message says which.
    """
    true = _whole("labels", labels)
    shares = None if probabilities is None else _array(probabilities).astype(np.float32)
    if shares is not None and (shares.ndim != 2 or len(shares) != len(true)):  # noqa: PLR2004
        raise ValueError(f"probabilities {shares.shape}: expected ({len(true)}, classes)")
    if predictions is None and shares is None:
        raise ValueError("labels without predictions: give predictions or probabilities too")
    most = shares.argmax(axis=1) if predictions is None and shares is not None else predictions
    said = _whole("predictions", most)
    if len(said) != len(true):
        raise ValueError(f"{len(said)} predictions of {len(true)} labels: expected as many")
    highest = int(max(true.max(initial=0), said.max(initial=0)))
    given = shares.shape[1] if shares is not None else 0
    count = max(classes or 0, given) or highest + 1
    if highest >= count:
        raise ValueError(f"class {highest}: expected 0 to {count - 1} of {count} classes")
    if shares is None:
        shares = np.zeros((len(true), count), np.float32)
        shares[np.arange(len(true)), said] = 1
    shares = np.pad(shares, ((0, 0), (0, count - shares.shape[1])))
    kept = None if images is None else grey_images(images)
    if kept is not None and len(kept) > len(true):
        raise ValueError(f"{len(kept)} images of {len(true)} labels: expected as many")
    return EpochPredictions(count, true, said, shares, kept)


def grey_images(images: object) -> NDArray[np.uint8]:
    """Return images as (kept, height, width) bytes; colours are averaged.

    Bytes stay as they are; other numbers are scaled from the lowest to the highest of all.

    Args:
        images: (images, height, width); with one or three channels first or last; or
            (images, side²).

    Raises:
        ValueError: another shape.
    """
    array = _array(images)
    shape, are_bytes = array.shape, array.dtype == np.uint8
    match array.ndim:
        case 2 if (side := round(shape[1] ** 0.5)) ** 2 == shape[1]:
            array = array.reshape(-1, side, side)
        case 3:
            pass
        case 4 if shape[1] in (1, COLOURS):
            array = array[: _most(shape[2] * shape[3])].mean(axis=1)
        case 4 if shape[3] in (1, COLOURS):
            array = array[: _most(shape[1] * shape[2])].mean(axis=3)
        case _:
            raise ValueError(f"images {shape}: expected (images, height, width)")
    if not array.size:
        raise ValueError(f"images {shape}: expected at least one pixel")
    array = array[: _most(array.shape[1] * array.shape[2])]
    if are_bytes:
        return array.astype(np.uint8)
    numbers = np.nan_to_num(array.astype(np.float32))
    low, high = float(numbers.min()), float(numbers.max())
    scaled = (numbers - low) * (255 / (high - low) if high > low else 0)
    return scaled.round().astype(np.uint8)


class PredictionFiles:
    """Writes both files of a folder; images that are the same as before are not written again.

    Args:
        path: of the folder.
        folder: the open folder.
    """

    def __init__(self, path: Path, folder: OpenFolder) -> None:
        self._path, self._folder = path, folder
        self._images = b""

    def write(self, found: EpochPredictions, epoch: int, step: int) -> None:
        """Replace the files.

        Raises:
            OSError: for example a full disk; older files stay.
        """
        if found.images is not None:
            digest = sha256(found.images.data).digest()
            if digest != self._images:
                self._replace(IMAGES_NAME, {"images": found.images}, {})
                self._images = digest
        tensors = {
            "labels": found.labels,
            "predictions": found.predictions,
            "probabilities": found.probabilities,
        }
        self._replace(PREDICTIONS_NAME, tensors, {"epoch": epoch, "step": step})

    def _replace(self, name: str, tensors: Mapping[str, Any], fields: Mapping[str, int]) -> None:
        data = encode(cast("Tensors", tensors), fields)
        replace_durably(self._path / name, data, folder=self._folder)


def read_predictions(folder: Path) -> tuple[EpochPredictions, int, int] | None:
    """Return the newest predictions, their epoch and step; None if there are none.

    Raises:
        CheckpointError: a file is damaged.
    """
    path = folder / PREDICTIONS_NAME
    if not path.exists():
        return None
    tensors, fields = read(path, _check_size)
    labels, said, shares = (tensors.get(n) for n in ("labels", "predictions", "probabilities"))
    if labels is None or said is None or shares is None or shares.ndim != 2:  # noqa: PLR2004
        raise CheckpointError(path, "labels, predictions or probabilities are missing")
    images = None
    if (folder / IMAGES_NAME).exists():
        images = read(folder / IMAGES_NAME, _check_size)[0].get("images")
    try:
        found = take_predictions(labels, said, shares, images, shares.shape[1])
        epoch, step = int(fields.get("epoch", 0)), int(fields.get("step", 0))
    except (ValueError, TypeError) as error:
        raise CheckpointError(path, str(error)) from None
    return found, epoch, step


def _check_size(shapes: Shapes) -> None:
    for name, shape in shapes.items():
        if int(np.prod(shape, dtype=object)) > 4 * MOST_BYTES:
            raise ValueError(f"{name} {shape}: expected at most {4 * MOST_BYTES:,} numbers")


def _most(pixels: int) -> int:
    return max(1, MOST_BYTES // max(1, pixels))


def _array(values: object) -> NDArray[Any]:
    """Return an array of NumPy's, PyTorch's (from its device), JAX's or of a list."""
    if hasattr(values, "detach"):
        values = values.detach().cpu()
    return np.asarray(values)


def _whole(name: str, values: object) -> NDArray[np.int64]:
    """Return (images,) class numbers; (images, 1) too."""
    array = _array(values)
    if array.ndim == 2 and array.shape[1] == 1:  # noqa: PLR2004
        array = array[:, 0]
    if array.ndim != 1 or not 0 < len(array) <= MOST_IMAGES:
        raise ValueError(f"{name} {array.shape}: expected (images,), 1 to {MOST_IMAGES:,} of them")
    whole = array.astype(np.int64)
    if not np.array_equal(whole, array) or whole.min() < 0:
        raise ValueError(f"{name}: expected whole numbers from 0")
    return whole
