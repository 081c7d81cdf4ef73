"""The part of the plane that is shown, and the places of points in its pixels."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mlpwatch.core.arrays import Floats
from mlpwatch.core.config import ENDS_OF_RANGE, PixelRange
from mlpwatch.core.data.raw_data import Bounds

_MARGIN = 0.05
"""Of the training points' range, around it at each side."""


@dataclass(frozen=True, slots=True)
class Window:
    """A square of the plane in the networks' inputs, and the pixels that show it."""

    low: float
    """Of both features."""
    high: float
    columns: int
    rows: int

    def centres(self) -> NDArray[np.float32]:
        """Return the middles (rows * columns, 2) of the pixels, row by row, the top row first."""
        width = self.high - self.low
        across = self.low + width * (np.arange(self.columns) + 0.5) / self.columns
        up = self.high - width * (np.arange(self.rows) + 0.5) / self.rows
        x, y = np.meshgrid(across, up)
        return np.stack([x.ravel(), y.ravel()], axis=1).astype(np.float32)

    def places(self, points: Floats) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """Return the rows and columns of the pixels of points (n, 2); those outside are dropped."""
        shares = (points.astype(np.float64) - self.low) / (self.high - self.low)
        inside = shares[((shares >= 0) & (shares < 1)).all(axis=1)]
        columns = (inside[:, 0] * self.columns).astype(np.intp)
        rows = ((1 - inside[:, 1]) * self.rows).astype(np.intp)
        return np.minimum(rows, self.rows - 1), columns


def window_for(pixel_range: PixelRange, columns: int, rows: int) -> Window:
    """Return the window with all training points, and a margin around them."""
    low, high = ENDS_OF_RANGE[pixel_range]
    margin = _MARGIN * (high - low)
    return Window(low - margin, high + margin, columns, rows)


def edges(bounds: Bounds) -> Bounds:
    """Return what the edges of a window are in the source's own numbers, by feature."""
    return tuple(
        (low - _MARGIN * (high - low), high + _MARGIN * (high - low)) for low, high in bounds
    )
