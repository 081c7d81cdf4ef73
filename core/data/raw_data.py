"""Images or points, and labels, of a file, checked but not yet scaled or split."""

import hashlib
import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlpwatch.core.arrays import Labels
from mlpwatch.core.data.labels import MIN_CLASSES, class_numbers
from mlpwatch.core.data.source import FILES_NORMALISATION, NormalisationName
from mlpwatch.core.errors import DataError

POINT_FEATURES = 2
"""So many features are a point of the plane, not an image."""

Bounds = tuple[tuple[float, float], ...]
"""The least and the greatest value of each feature."""

_CHANNELS = (1, 3, 4)
"""Grey, RGB, RGB with transparency."""

_WHITE_BYTE = 255.0
_HASH_ROWS = 4096


@dataclass(frozen=True, slots=True)
class RawPart:
    """The training or the test part."""

    images: NDArray[Any]
    """(samples, side, side), or of points (samples, 1, 2); integers or floats like the file."""

    labels: Labels
    """(samples,), from 0 to 35, as in the file."""


@dataclass(frozen=True, slots=True)
class RawData:
    """One source: a training part and, if it has one, a test part."""

    name: str
    train: RawPart
    test: RawPart | None
    white: float
    """The pixel value that is scaled to 1; of points 1."""

    values: tuple[int, ...]
    """The labels that occur, rising."""

    sha256: str
    """Hash of shapes, dtypes and bytes; equal content has the same hash in any kind of file."""

    normalisation: NormalisationName

    bounds: Bounds | None = None
    """Of points, the least and the greatest value of each feature in the training part."""

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width of an image, in pixels; of points (1, 2)."""
        height, width = self.train.images.shape[1:]
        return int(height), int(width)


def check_part(where: tuple[str, str], images: NDArray[Any], labels: NDArray[Any]) -> RawPart:
    """Bring images to (samples, side, side) and labels to int64 (samples,).

    Args:
        where: names of the images and the labels in messages.
        images: (n, side, side) or (n, side * side); with one channel, or with three equal channels,
            before or behind the pixels; or (side, side, n). Points are (n, 2), and become
            (n, 1, 2).
        labels: see `class_numbers`. If both arrays are swapped, their shapes show it.

    Raises:
        DataError: another shape, different lengths, NaN, or labels outside 0 to 35.
    """
    if images.ndim == 1 and labels.ndim > 2:  # noqa: PLR2004
        images, labels = labels, images  # their names are swapped
    classes = class_numbers(where[1], labels)
    squares = _square_images(where[0], _grey_images(where[0], images, len(classes)))
    if len(squares) != len(classes):
        raise DataError(
            f"{where[0]}: {len(squares):,} images, but {len(classes):,} labels in {where[1]};"
            " expected one label per image; write both again"
        )
    return RawPart(squares, classes)


def combine_parts(
    name: str,
    where: str,
    train: RawPart,
    test: RawPart | None,
    normalisation: NormalisationName = FILES_NORMALISATION,
) -> RawData:
    """Check that both parts fit together, and return them with what they share.

    Raises:
        DataError: sizes or dtypes differ, pixels are out of range, fewer than two classes.
    """
    parts = [train] if test is None else [train, test]
    for part in parts[1:]:
        if (
            part.images.shape[1:] != train.images.shape[1:]
            or part.images.dtype != train.images.dtype
        ):
            raise DataError(
                f"{where}: test images {_described(part.images)}, training images"
                f" {_described(train.images)}; expected the same; write both again"
            )
    present = np.unique(train.labels)
    if len(present) < MIN_CLASSES:
        raise DataError(
            f"{where}: every training label is {present[0]}; expected two classes or more;"
            " check the labels"
        )
    images = [part.images for part in parts]
    bounds = _bounds(where, train.images) if _are_points(train.images) else None
    white = 1.0 if bounds else _white_level(where, images)
    if (level := train.images.min()) == train.images.max():
        raise DataError(
            f"{where}: every pixel of every training image is {level}; expected pictures;"
            " check what was written"
        )
    return RawData(
        name=name,
        train=train,
        test=test,
        white=white,
        values=tuple(np.unique(np.concatenate([part.labels for part in parts])).tolist()),
        sha256=content_sha256(parts),
        normalisation=normalisation,
        bounds=bounds,
    )


def content_sha256(parts: list[RawPart]) -> str:
    """Return the hash of the parts' images and labels; 0.06 s for MNIST."""
    digest = hashlib.sha256()
    for part in parts:
        for array in (part.images, part.labels):
            digest.update(f"{array.dtype.str} {array.shape} ".encode())
            for start in range(0, len(array), _HASH_ROWS):
                # C order, whatever the file's order; copied only if it differs.
                digest.update(np.ascontiguousarray(array[start : start + _HASH_ROWS]).data)
    return digest.hexdigest()


def _described(images: NDArray[Any]) -> str:
    return f"{images.shape[1]}x{images.shape[2]} {images.dtype}"


def _grey_images(where: str, images: NDArray[Any], count: int) -> NDArray[Any]:
    """Return images without an axis of channels, one image per row."""
    if images.dtype.kind == "b":
        images = images.view(np.uint8)
    if images.dtype.kind not in "uif":
        raise DataError(f"{where}: dtype {images.dtype}; expected pixels; write them as numbers")
    if images.ndim == 3 and len(images) != count == images.shape[2]:  # noqa: PLR2004
        return np.moveaxis(images, 2, 0)
    if images.ndim != 4:  # noqa: PLR2004
        return images
    if images.shape[1] in _CHANNELS and images.shape[2] == images.shape[3]:
        images = np.moveaxis(images, 1, 3)
    if images.shape[3] not in _CHANNELS:
        return images
    grey: NDArray[Any] = images[..., 0]
    others = [images[..., n] for n in range(1, min(3, images.shape[3]))]
    if all(np.array_equal(grey, other) for other in others):
        return grey
    raise DataError(
        f"{where}: shape {images.shape}, pictures in colour; expected grey ones, like (n, 28, 28);"
        " convert them: images.mean(-1)"
    )


def _square_images(where: str, images: NDArray[Any]) -> NDArray[Any]:
    match images.shape:
        # A row or a column of pixels, as torch.nn.Linear's input has it.
        case (count, 2) | (count, 1, 2) | (count, 2, 1):
            height, width = 1, POINT_FEATURES
        case (count, features) | (count, 1, features) | (count, features, 1):
            height = width = math.isqrt(features)
        case (count, height, width) | (count, height, width, 1):
            pass
        case _:
            count = height = width = 0
    is_known = height == width or (height, width) == (1, POINT_FEATURES)
    if not is_known or count * height * width != images.size:
        raise DataError(
            f"{where}: shape {images.shape}; expected square grey images, like (n, 28, 28)"
            " or (n, 784), or points, (n, 2); reshape them"
        )
    if images.dtype.kind == "f" and not np.isfinite([images.min(), images.max()]).all():
        raise DataError(
            f"{where}: holds NaN or infinity; expected pixels from 0 to 1 or 0 to 255; clean them"
        )
    return images.reshape(count, height, width)


def _are_points(images: NDArray[Any]) -> bool:
    return images.shape[1:] == (1, POINT_FEATURES)


def _bounds(where: str, points: NDArray[Any]) -> Bounds:
    """Return the least and the greatest value of each feature of (samples, 1, 2)."""
    bounds = tuple((float(each.min()), float(each.max())) for each in points[:, 0].T)
    for number, (low, high) in enumerate(bounds, start=1):
        if low == high:
            raise DataError(
                f"{where}: feature {number} is {low:g} in every row; expected values that differ;"
                " check what was written"
            )
    return bounds


def _white_level(where: str, images: list[NDArray[Any]]) -> float:
    """Return the pixel value of white.

    For bytes it is 255, whatever the brightest pixel. If all bytes are 0 or 1, the images are black
    and white, and white is 1: 1 of 255 would be black too.
    """
    dtype = images[0].dtype
    if dtype == np.uint8:
        return 1.0 if max(int(part.max()) for part in images) <= 1 else _WHITE_BYTE
    low = min(float(part.min()) for part in images)
    high = max(float(part.max()) for part in images)
    if low < 0 or (dtype.kind == "f" and high > _WHITE_BYTE):
        hint = "take back what normalised them" if low < 0 < high else "rescale them"
        raise DataError(
            f"{where}: pixels from {low:g} to {high:g}; expected 0 to 1 or 0 to 255; {hint}"
        )
    if dtype.kind == "f":
        return 1.0 if high <= 1 else _WHITE_BYTE
    return high or 1.0
