"""From a file's grey levels to the input of a network."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from mlpwatch.core.config import ENDS_OF_RANGE, PixelRange


class PixelScale:
    """Scales float32 grey levels: black to the lower end of the range, `white` to the upper.

    It multiplies by 1 / white, like scikit-image's `img_as_float32`: 78,400 pixels take 5 µs, with
    a division 9 µs. The results differ by at most one unit in the last place.

    Args:
        white: the level that is scaled to the upper end.
        pixel_range: the values for black and white.
    """

    def __init__(self, white: float, pixel_range: PixelRange) -> None:
        low, high = ENDS_OF_RANGE[pixel_range]
        self._reaches_below_0 = low < 0
        # Arrays, because an operation with a NumPy scalar takes 1 µs longer.
        self._factor = np.array((high - low) / white, np.float32)
        self._below = np.array(-low, np.float32)

    def apply(self, pixels: NDArray[np.floating]) -> None:
        """Scale the levels in a float32 array, in place."""
        np.multiply(pixels, self._factor, out=pixels)
        if self._reaches_below_0:
            np.subtract(pixels, self._below, out=pixels)


def scale_points(
    points: NDArray[np.generic], bounds: Sequence[tuple[float, float]], pixel_range: PixelRange
) -> NDArray[np.float32]:
    """Return points as float32, each feature from the lower to the upper end of the range.

    Args:
        points: (samples, features), of any numbers.
        bounds: the values of each feature that are scaled to the ends.
        pixel_range: the ends.
    """
    low, high = np.array(bounds, np.float64).T
    # In float64: a time of 1e9 seconds in float32 has steps of 64.
    shares: NDArray[np.float64] = (points.astype(np.float64) - low) / (high - low)
    first, last = ENDS_OF_RANGE[pixel_range]
    return (shares * (last - first) + first).astype(np.float32)


@dataclass(frozen=True, slots=True)
class GreyLevels:
    """Training images as bytes, a quarter of the memory of float32.

    Gathering 100 rows of 784 from 172 MB of float32 takes 48 µs, most of it waiting for memory.
    From bytes, with conversion and scaling, it takes 23 µs. The numbers are the same to the last
    bit, because both use the same scale.
    """

    levels: NDArray[np.uint8]
    """(samples, features), read-only; the rows of `Dataset.train_images`."""

    scale: PixelScale


def ink_of(pixels: NDArray[np.floating], pixel_range: PixelRange) -> NDArray[np.floating]:
    """Return ink from 0 to 1 for pixels in the networks' range."""
    if pixel_range == "0..1":
        return pixels
    low, high = ENDS_OF_RANGE[pixel_range]
    return (pixels - low) / (high - low)


def area_average(images: NDArray[np.floating], rows: int, columns: int) -> NDArray[np.float64]:
    """Return images (…, height, width) averaged by exact area to (…, rows, columns).

    Output row i covers the input from i * height / rows to (i + 1) * height / rows; columns
    likewise. The mean is preserved. With 0 rows or columns the result is empty.
    """
    if rows < 1 or columns < 1:
        return np.zeros((*images.shape[:-2], max(0, rows), max(0, columns)))
    down, across = _area_weights(images.shape[-2], rows), _area_weights(images.shape[-1], columns)
    averaged: NDArray[np.float64] = down @ images.astype(np.float64) @ across.T
    return averaged


@lru_cache(64)
def _area_weights(source: int, target: int) -> NDArray[np.float64]:
    """Return (target, source): each source pixel's share in each target pixel; rows sum to 1."""
    edges = np.arange(target + 1) * (source / max(1, target))
    starts = np.arange(source)
    overlap = np.minimum(edges[1:, None], starts + 1) - np.maximum(edges[:-1, None], starts)
    weights: NDArray[np.float64] = np.clip(overlap, 0.0, None) * (target / source)
    weights.flags.writeable = False
    return weights
