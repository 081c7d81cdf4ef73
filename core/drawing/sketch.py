"""A drawing: the ink of a soft pen on a grid that is finer than the final image."""

import numpy as np
from numpy.typing import NDArray

Ink = NDArray[np.float32]
"""(height, width), 0 for paper to 1 for full ink."""

FINE = 4
"""Fine cells per pixel in each direction, as in the bitmaps of the bundled digits."""

PEN_SHARE = 0.05
"""Pen radius as a share of the image's side: a stroke of 2.8 of 28 pixels, as thick as MNIST's."""

LEAST_PEN = 0.7
"""Least pen radius in pixels: a stroke of 1.4 of 8 pixels, as thick as the bundled digits'."""

ERASER_TIMES = 1.5
"""The eraser is this much wider than the pen, so that it need not hit a stroke exactly."""


class Sketch:
    """The drawing so far. Points are (x, y) in pixels from the top left corner.

    Args:
        shape: (height, width) of the image in pixels.
    """

    def __init__(self, shape: tuple[int, int]) -> None:
        self.shape = shape
        height, width = shape
        self._ink: Ink = np.zeros((height * FINE, width * FINE), np.float32)
        self._radius = max(LEAST_PEN, PEN_SHARE * max(shape))

    @property
    def is_blank(self) -> bool:
        """Whether there is no ink at all."""
        return not self._ink.any()

    @property
    def fine(self) -> Ink:
        """A copy of the ink, (height * FINE, width * FINE)."""
        return self._ink.copy()

    @property
    def pixels(self) -> Ink:
        """The ink of each pixel (height, width): the mean of its fine cells."""
        return block_means(self._ink, FINE)

    def draw(self, start: tuple[float, float], end: tuple[float, float]) -> None:
        """Draw a line with round ends; a dot if both points are equal."""
        window, coverage = self._coverage(start, end, self._radius)
        np.maximum(self._ink[window], coverage, out=self._ink[window])

    def erase(self, start: tuple[float, float], end: tuple[float, float]) -> None:
        """Erase the ink along a line."""
        window, coverage = self._coverage(start, end, self._radius * ERASER_TIMES)
        np.minimum(self._ink[window], 1 - coverage, out=self._ink[window])

    def clear(self) -> None:
        """Erase all ink."""
        self._ink[:] = 0

    def shift(self, right: int, down: int) -> None:
        """Move the drawing by whole pixels; ink outside the image is lost."""
        height, width = self._ink.shape
        dx = min(max(right * FINE, -width), width)
        dy = min(max(down * FINE, -height), height)
        kept = self._ink[max(0, -dy) : height - max(0, dy), max(0, -dx) : width - max(0, dx)]
        margins = ((max(0, dy), max(0, -dy)), (max(0, dx), max(0, -dx)))
        self._ink = np.pad(kept, margins)

    def _coverage(
        self, start: tuple[float, float], end: tuple[float, float], radius: float
    ) -> tuple[tuple[slice, slice], Ink]:
        """Return the fine cells that a line may touch, and how much it covers each of them.

        The coverage is 1 if a cell's centre is half a cell inside the edge, 0 if it is half a cell
        outside, and linear between: the edge is soft, like a scanned pen stroke.
        """
        (x0, y0), (x1, y1), r = (
            (start[0] * FINE, start[1] * FINE),
            (end[0] * FINE, end[1] * FINE),
            radius * FINE,
        )
        rows = _reach(min(y0, y1) - r, max(y0, y1) + r, self._ink.shape[0])
        columns = _reach(min(x0, x1) - r, max(x0, x1) + r, self._ink.shape[1])
        y = np.arange(rows.start, rows.stop)[:, None] + 0.5
        x = np.arange(columns.start, columns.stop)[None, :] + 0.5
        length = (x1 - x0) ** 2 + (y1 - y0) ** 2
        # Nearest point of the line: start + t (end - start) with t clipped to 0..1.
        t = ((x - x0) * (x1 - x0) + (y - y0) * (y1 - y0)) / length if length else 0.0
        t = np.clip(t, 0.0, 1.0)
        distance = np.hypot(x - x0 - t * (x1 - x0), y - y0 - t * (y1 - y0))
        return (rows, columns), np.clip(r + 0.5 - distance, 0.0, 1.0).astype(np.float32)


def block_means(ink: Ink, size: int) -> Ink:
    """Return the means (height / size, width / size) of square blocks of this size."""
    height, width = ink.shape
    blocks = ink.reshape(height // size, size, width // size, size)
    means: Ink = blocks.mean(axis=(1, 3), dtype=np.float32)
    return means


def _reach(low: float, high: float, size: int) -> slice:
    """Return the existing cells whose centres may be between low - 1 and high + 1."""
    start = min(max(0, int(np.floor(low)) - 1), size)
    return slice(start, max(start, min(size, int(np.ceil(high)) + 1)))
