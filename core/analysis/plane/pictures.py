"""Samples as pictures: an image is its own, a point is a mark at its place among others."""

import numpy as np
from numpy.typing import NDArray

from mlpwatch.core.analysis.plane.regions import sample_of
from mlpwatch.core.analysis.plane.window import window_for
from mlpwatch.core.arrays import Floats
from mlpwatch.core.config import ENDS_OF_RANGE, PixelRange
from mlpwatch.core.data.dataset import Dataset
from mlpwatch.core.data.pixels import ink_of

POINT_SIDE = 28
"""Pixels of a point's picture, across and down."""

_OTHERS, _OTHERS_INK = 120, 0.35
"""Training points around it, and their ink."""


def picture_shape(data: Dataset) -> tuple[int, int]:
    """Return (height, width) of a sample's picture."""
    return (POINT_SIDE, POINT_SIDE) if data.are_points else data.image_shape


def sample_inks(data: Dataset, samples: Floats, pixel_range: PixelRange) -> NDArray[np.floating]:
    """Return pictures (samples, height, width) of ink from 0 to 1.

    Args:
        data: whose training points are shown around a point.
        samples: (samples, features), scaled as in training.
        pixel_range: of the run.
    """
    if not data.are_points:
        return ink_of(samples.reshape(-1, *data.image_shape), pixel_range)
    window = window_for(pixel_range, POINT_SIDE, POINT_SIDE)
    around = np.zeros((POINT_SIDE, POINT_SIDE))
    around[window.places(data.train_images[sample_of(data.train_count, _OTHERS)])] = _OTHERS_INK
    pictures = np.repeat(around[np.newaxis], len(samples), axis=0)
    for picture, point in zip(pictures, samples, strict=True):
        for row, column in zip(*window.places(point[np.newaxis]), strict=True):
            picture[max(0, row - 1) : row + 2, max(0, column - 1) : column + 2] = 1.0
    return pictures


def source_numbers(data: Dataset, point: Floats, pixel_range: PixelRange) -> tuple[float, ...]:
    """Return a point (features,) in its source's own numbers."""
    low, high = ENDS_OF_RANGE[pixel_range]
    bounds = data.bounds or ((low, high),) * data.features
    return tuple(
        least + (float(value) - low) / (high - low) * (most - least)
        for value, (least, most) in zip(point, bounds, strict=True)
    )
