"""The worst images of a batch, side by side, with a line under each."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from mlpwatch.tui.images.pixel_grid import PixelGrid, grid_for, put_pixels
from mlpwatch.tui.kit.cells import Canvas, CellView
from mlpwatch.tui.kit.theme import Role

_GAP = 2
_LEAST_ROWS = 9
"""Below that nothing would be recognised: 7 rows of 28 pixels, and two of text."""
_MOST = 8
_SMALLEST = 16
"""Columns per image at least; a caption takes 13."""


class Strip(NamedTuple):
    """One model's images."""

    title: str
    images: NDArray[np.floating]
    """(count, height, width), ink from 0 to 1."""
    captions: Sequence[str]
    """One for each."""


class BatchStrips(CellView):
    """Take the room that is left, and stay empty where there is too little."""

    _by_model: Sequence[Strip] = ()

    def update(self, strips: Sequence[Strip]) -> None:
        """Show as many strips as there is room for below each other."""
        self._by_model = strips
        self.repaint()

    def paint(self, width: int, height: int) -> Canvas:
        """Return as many images of each as fit, at least four where they do."""
        canvas = Canvas(width, height)
        if height < _LEAST_ROWS or not self._by_model:
            return canvas
        shape = self._by_model[0].images.shape
        grid = grid_for((shape[1], shape[2]), width // 4 - _GAP, height - 2, most_zoom=2)
        step = grid.rows + 3
        for top, strip in zip(range(0, height - step + 2, step), self._by_model, strict=False):
            self._put_strip(canvas, top, strip, grid)
        return canvas

    def _put_strip(self, canvas: Canvas, top: int, strip: Strip, grid: PixelGrid) -> None:
        share = max(grid.columns, _SMALLEST) + _GAP
        canvas.put(0, top, strip.title, Role.DIM)
        for n in range(min(_MOST, len(strip.images), (canvas.width + _GAP) // share)):
            place, image = (n * share, top + 1), strip.images[n]
            put_pixels(canvas, place, image, grid, self.look)
            canvas.put(n * share, top + 1 + grid.rows, strip.captions[n])
