"""The first images of a batch, side by side, with a line under each."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from tui.palette import Role
from tui.widgets.cells import Canvas, CellView
from tui.widgets.pixel_grid import grid_for, put_pixels

_GAP = 2
_LEAST_ROWS = 9
"""Below that nothing would be recognised: 7 rows of 28 pixels, and two of text."""
_MOST = 8
_SMALLEST = 16
"""Columns per image at least; a caption takes 13."""


class BatchStrip(CellView):
    """Takes the room that is left, and stays empty where there is too little."""

    def __init__(self, *, id: str, ascii_only: bool) -> None:
        super().__init__(id=id)
        self._ascii = ascii_only
        self._title = ""
        self._images: NDArray[np.floating] = np.zeros((0, 1, 1))
        self._captions: Sequence[str] = ()

    def draw(self, title: str, images: NDArray[np.floating], captions: Sequence[str]) -> None:
        """Show images (count, height, width) of ink from 0 to 1, and a caption under each."""
        self._title, self._images, self._captions = title, images, captions
        self.repaint()

    def paint(self, width: int, height: int) -> Canvas:
        """Return as many images as fit, at least four where they do."""
        canvas = Canvas(width, height)
        if height < _LEAST_ROWS or not len(self._images):
            return canvas
        shape = (int(self._images.shape[1]), int(self._images.shape[2]))
        grid = grid_for(shape, width // 4 - _GAP, height - 2, most_zoom=2)
        share = max(grid.columns, _SMALLEST) + _GAP
        canvas.put(0, 0, self._title, Role.DIM)
        for n in range(min(_MOST, len(self._images), (width + _GAP) // share)):
            place = (n * share, 1)
            put_pixels(canvas, place, self._images[n], grid, ascii_only=self._ascii)
            canvas.put(n * share, 1 + grid.rows, self._captions[n])
        return canvas
