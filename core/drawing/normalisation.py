"""From a drawing to a network's input: scaled and centred like the images of its data set."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import get_args

import numpy as np
from numpy.typing import NDArray

from mlpwatch.core.config import PixelRange
from mlpwatch.core.data.pixels import PixelScale, area_average
from mlpwatch.core.data.source import NormalisationName
from mlpwatch.core.drawing.sketch import FINE, Ink, block_means

MNIST_SIDE, MNIST_BOX = 28, 20
"""LeCun, Cortes, Burges, "The MNIST database of handwritten digits" (yann.lecun.com/exdb/mnist):
scaled to fit a box of 20 x 20 pixels with unchanged proportions, then moved so that the centre of
mass of the pixels is in the centre of the 28 x 28 field."""

DIGITS_WIDTH_SHARE = 20 / 32
"""The bundled digits (Alpaydin and Kaynak 1998) were made by NIST's programs (Garris et al. 1994,
NISTIR 5469) as bitmaps of 32 x 32; the set pixels of each 4 x 4 block were counted. Each digit is
as high as the field, at most about 20 / 32 as wide, and in the middle."""

_FULL_INK = 0.5
"""A fine cell with more ink than this is a set pixel of the bitmap."""


@dataclass(frozen=True, slots=True)
class Centring:
    """How one data set scales and centres."""

    says: str
    """A few words for the screen."""

    apply: Callable[[Ink, tuple[int, int]], Ink]
    """Takes fine ink, cut to its edges, and (height, width) in pixels; returns that image."""


def centre(fine: Ink, shape: tuple[int, int], centring: Centring) -> Ink:
    """Return a drawing, scaled and centred like the images of the data set.

    Args:
        fine: (height * FINE, width * FINE), see `Sketch.fine`.
        shape: (height, width) of the image in pixels.
        centring: the recipe.

    Returns:
        Ink (height, width) from 0 to 1; a blank drawing stays blank.
    """
    if not fine.any():
        return np.zeros(shape, np.float32)
    rows, columns = (np.flatnonzero(fine.any(axis=axis)) for axis in (1, 0))
    return centring.apply(fine[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1], shape)


def network_input(ink: Ink, pixel_range: PixelRange) -> NDArray[np.float32]:
    """Return an image (height, width) as a network's input: (1, features) in the run's range."""
    pixels = ink.reshape(1, -1).astype(np.float32)
    PixelScale(1.0, pixel_range).apply(pixels)
    return pixels


def _centre_mass(cut: Ink, shape: tuple[int, int]) -> Ink:
    box = max(1, round(max(shape) * MNIST_BOX / MNIST_SIDE))
    height, width = (max(1, round(box * n / max(cut.shape))) for n in cut.shape)
    scaled = area_average(cut, height, width).astype(np.float32)
    mass = scaled.sum(dtype=np.float64)
    # The centre of pixel i is at i + 1/2, the centre of the field at half its size.
    y = float((scaled.sum(axis=1) @ (np.arange(height) + 0.5)) / mass)
    x = float((scaled.sum(axis=0) @ (np.arange(width) + 0.5)) / mass)
    return _place(scaled, round(shape[0] / 2 - y), round(shape[1] / 2 - x), shape)


def _fill_height(cut: Ink, shape: tuple[int, int]) -> Ink:
    field = (shape[0] * FINE, shape[1] * FINE)
    height = field[0]
    width = round(min(field[1] * DIGITS_WIDTH_SHARE, cut.shape[1] * height / cut.shape[0]))
    bitmap = area_average(cut, height, max(1, width)) > _FULL_INK
    left = (field[1] - bitmap.shape[1]) // 2
    return block_means(_place(bitmap.astype(np.float32), 0, left, field), FINE)


def _place(ink: Ink, top: int, left: int, shape: tuple[int, int]) -> Ink:
    """Return a field (height, width) with the ink at a position; ink outside is cut off."""
    field = np.zeros(shape, np.float32)
    rows = slice(max(0, top), min(shape[0], top + ink.shape[0]))
    columns = slice(max(0, left), min(shape[1], left + ink.shape[1]))
    field[rows, columns] = ink[
        rows.start - top : rows.stop - top, columns.start - left : columns.stop - left
    ]
    return field


CENTRINGS: Mapping[NormalisationName, Centring] = MappingProxyType(
    {
        "full-height": Centring("as high as the field, like the bundled digits", _fill_height),
        "centre-of-mass": Centring(
            "in a 20/28 box by its centre of mass, like MNIST", _centre_mass
        ),
    }
)
if missing := set(get_args(NormalisationName)) - set(CENTRINGS):
    raise TypeError(f"no way to scale and centre a drawing as {sorted(missing)} have it")
