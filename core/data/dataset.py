"""The data set of both networks: split, scaled, read-only; and the seeded batch order."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlpwatch.core.arrays import Labels, Rows
from mlpwatch.core.config import PixelRange, RunConfig
from mlpwatch.core.data.labels import class_names, names_of
from mlpwatch.core.data.pixels import GreyLevels, PixelScale, scale_points
from mlpwatch.core.data.raw_data import POINT_FEATURES, Bounds, RawData, RawPart
from mlpwatch.core.data.readers.loaders import load_source
from mlpwatch.core.data.source import FILES_NORMALISATION, MAX_CLASSES, NormalisationName
from mlpwatch.core.data.splits import ALL_IMAGES, SplitSizes, split_rows
from mlpwatch.core.errors import DataError

_SCALE_ROWS = 512


@dataclass(frozen=True, slots=True)
class Dataset:
    """Images and labels of one run. All arrays are read-only and C-contiguous."""

    name: str
    """`digits`, `mnist`, `spiral` or so, or the stem of the file or folder."""

    image_shape: tuple[int, int]
    """(side, side) in pixels; (1, 2) of points."""

    classes: int
    """Number of classes that occur, 2 to 62."""

    images: NDArray[np.float32]
    """(train + validation, features), scaled; the training rows first."""

    labels: Labels
    """(train + validation,)"""

    train_count: int
    """Number of training rows in `images`; the others are for validation."""

    source_rows: NDArray[np.intp]
    """(train + validation,) the row of the source's training part that each row came from."""

    test_images: NDArray[np.float32]
    """(test, features), scaled; the same for every seed."""

    test_labels: Labels
    """(test,)"""

    sha256: str
    """Hash of the source's content before scaling and splitting; the same for every seed."""

    grey_levels: GreyLevels | None = None
    """The training images as bytes, if the source has bytes."""

    normalisation: NormalisationName = FILES_NORMALISATION
    """How a drawing is scaled and centred to match these images."""

    names: str = ""
    """One character per class, if they are not 0-9, A-Z."""

    bounds: Bounds | None = None
    """Of points, the source's values that are scaled to the ends of the range, by feature."""

    @property
    def are_points(self) -> bool:
        """Whether the samples have two features: points of a plane, not images."""
        return self.features == POINT_FEATURES

    def words(self, text: str) -> str:
        """Return a text about digits or images; of points it says points."""
        if not self.are_points:
            return text
        return text.replace("digit", "point").replace("image", "point")

    @property
    def features(self) -> int:
        """Pixels per image."""
        return int(self.images.shape[1])

    @property
    def class_names(self) -> str:
        """One character per class."""
        return self.names or class_names(self.classes)

    @property
    def train_images(self) -> NDArray[np.float32]:
        """(train, features), a view."""
        return self.images[: self.train_count]

    @property
    def train_labels(self) -> Labels:
        """(train,), a view."""
        return self.labels[: self.train_count]

    @property
    def validation_images(self) -> NDArray[np.float32]:
        """(validation, features), a view."""
        return self.images[self.train_count :]

    @property
    def validation_labels(self) -> Labels:
        """(validation,), a view."""
        return self.labels[self.train_count :]


def dataset_for(config: RunConfig, classes: int | None = None) -> Dataset:
    """Load the images that a config names; see `load_dataset`.

    Raises:
        DataError: see `load_dataset`.
    """
    sizes = SplitSizes(config.validation, config.train_size)
    return load_dataset(config.data, config.seed, config.pixel_range, classes, sizes)


def load_dataset(
    data: str,
    seed: int,
    pixel_range: PixelRange,
    classes: int | None = None,
    sizes: SplitSizes = ALL_IMAGES,
) -> Dataset:
    """Read, check, split and scale the images that `data` names.

    Args:
        data: a name in the registry of sources, or a path.
        seed: selects the training images that are held out for validation; makes points.
        pixel_range: the values for black and white, or for a feature's least and greatest.
        classes: of a saved run; None for a new run, which has a class for each label that occurs.
            Runs of an earlier version had a class for each number up to the largest label.
        sizes: how many images to use.

    Raises:
        DataError: the data is missing, damaged or unusable for training, in one line.
    """
    try:
        raw = load_source(data, seed)
        values = raw.values
        if classes is not None and classes != len(values) and classes == values[-1] + 1:
            values = tuple(range(classes))
        return _build_dataset(raw, values, split_rows(raw, seed, sizes), pixel_range)
    except MemoryError as error:
        raise DataError(f"data {data!r}: does not fit in memory; use fewer images") from error


def batch_order(seed: int, epoch: int, samples: int) -> Rows:
    """Return the order (samples,) of the training images in an epoch.

    It depends only on the arguments, so a resumed run continues in the same order.

    Args:
        seed: of the run.
        epoch: counted from 0.
        samples: number of training images.
    """
    # Stream 2 of the seed; the initial weights use stream 1, the split uses stream 0.
    order = np.random.default_rng([seed, 2, epoch]).permutation(samples)
    return order.astype(np.intp, copy=False)


def steps_per_epoch(samples: int, batch_size: int) -> int:
    """Return the number of batches in an epoch; the last one may be shorter."""
    return -(-samples // batch_size)


def _build_dataset(
    raw: RawData,
    values: tuple[int, ...],
    split: tuple[Rows, Rows, Rows],
    pixel_range: PixelRange,
) -> Dataset:
    train, validation, test = split
    rows = np.concatenate([train, validation])
    test_part = raw.train if raw.test is None else raw.test
    classes = np.zeros(MAX_CLASSES, np.int64)
    classes[list(values)] = np.arange(len(values))
    names = names_of(values)
    dataset = Dataset(
        name=raw.name,
        image_shape=raw.shape,
        classes=len(values),
        images=_scaled(raw, raw.train, rows, pixel_range),
        labels=classes[raw.train.labels[rows]],
        train_count=len(train),
        source_rows=rows,
        test_images=_scaled(raw, test_part, test, pixel_range),
        test_labels=classes[test_part.labels[test]],
        sha256=raw.sha256,
        grey_levels=_grey_levels(raw, train, pixel_range),
        normalisation=raw.normalisation,
        names="" if names == class_names(len(values)) else names,
        bounds=raw.bounds,
    )
    arrays = (dataset.images, dataset.labels, rows, dataset.test_images, dataset.test_labels)
    for array in arrays:
        array.flags.writeable = False
    return dataset


def _scaled(
    raw: RawData, part: RawPart, rows: Rows, pixel_range: PixelRange
) -> NDArray[np.float32]:
    """Return the images of `rows` as (rows, features), scaled a few hundred at a time."""
    if raw.bounds is not None:
        return scale_points(part.images[rows, 0], raw.bounds, pixel_range)
    scale = PixelScale(raw.white, pixel_range)
    scaled = np.empty((len(rows), part.images[0].size), np.float32)
    for start in range(0, len(rows), _SCALE_ROWS):
        chunk = scaled[start : start + _SCALE_ROWS]
        pixels: NDArray[Any] = part.images[rows[start : start + _SCALE_ROWS]]
        np.copyto(chunk, pixels.reshape(chunk.shape), casting="same_kind")
        scale.apply(chunk)
    return scaled


def _grey_levels(raw: RawData, rows: Rows, pixel_range: PixelRange) -> GreyLevels | None:
    """Return the training images of `rows` as bytes; None of points, and without bytes.

    Always a new array: the system backs a large NumPy array with huge pages, and gathering the
    rows of a batch takes 13.5 µs instead of 15.2 µs.
    """
    images = raw.train.images
    if images.dtype != np.uint8 or raw.bounds is not None:
        return None
    levels: NDArray[np.uint8] = images.reshape(len(images), -1)[rows]
    levels.flags.writeable = False
    return GreyLevels(levels, PixelScale(raw.white, pixel_range))
