"""One image as characters, two columns and one row per pixel; and how images are resized."""

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

RAMP = " .:-=+*#%@"
"""From no ink to full ink; plain ASCII on every terminal."""

COLUMNS_PER_PIXEL = 2
"""A terminal's cell is about twice as high as wide."""


def digit_rows(image: NDArray[np.floating], columns: int, rows: int) -> list[str]:
    """Return an image as text, as large as fits with square pixels.

    Images that fit are enlarged by a whole factor; larger ones are averaged down by exact
    area, so that the mean stays.

    Args:
        image: (height, width) ink from 0 to 1; NaN counts as 0, beyond 1 as 1.
        columns: columns at most; below 2 nothing fits.
        rows: rows at most.

    Raises:
        ValueError: the image is not two-dimensional or has no pixels.
    """
    if image.ndim != 2 or 0 in image.shape:  # noqa: PLR2004
        raise ValueError(f"image {image.shape}: expected (height, width), both above 0")
    pixels = resample(image, columns // COLUMNS_PER_PIXEL, rows)
    levels = np.rint(pixels * (len(RAMP) - 1)).astype(int)
    return ["".join(RAMP[level] * COLUMNS_PER_PIXEL for level in row) for row in levels]


def resample(image: NDArray[np.floating], width: int, height: int) -> NDArray[np.float64]:
    """Return the image (rows, columns) at the largest size within width and height.

    Args:
        image: (height, width), or (images, height, width) for as many at once. NumPy gives the
            interpreter away for each operation on more than 500 numbers, and while both engines
            train it takes 0.1 ms to get it back: a page of 32 one by one, 25 ms.
        width: columns of pixels at most.
        height: rows of pixels at most.
    """
    ink = np.clip(np.nan_to_num(image.astype(np.float64)), 0.0, 1.0)
    if width < 1 or height < 1:
        return np.zeros((*ink.shape[:-2], 0, 0))
    rows, columns = ink.shape[-2:]
    scale = min(width / columns, height / rows)
    if scale >= 1:
        factor = int(scale)
        return ink.repeat(factor, axis=-2).repeat(factor, axis=-1)
    down = area_weights(rows, max(1, int(rows * scale + 1e-9)))
    across = area_weights(columns, max(1, int(columns * scale + 1e-9)))
    averaged: NDArray[np.float64] = down @ ink @ across.T
    return averaged


@lru_cache(64)
def area_weights(source: int, target: int) -> NDArray[np.float64]:
    """Return (target, source): the share of each source pixel in each target pixel; rows sum to 1.

    Target pixel i covers the stretch from i * source / target to (i + 1) * source / target.
    """
    edges = np.arange(target + 1) * (source / target)
    starts = np.arange(source)
    overlap = np.minimum(edges[1:, None], starts + 1) - np.maximum(edges[:-1, None], starts)
    weights: NDArray[np.float64] = np.clip(overlap, 0.0, None) * (target / source)
    weights.flags.writeable = False
    return weights
