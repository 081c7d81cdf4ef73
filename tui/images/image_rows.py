"""Images in rows: a title, the images, and text below each."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from mlpwatch.tui.images.pixel_grid import PixelGrid, grid_for, put_pixels
from mlpwatch.tui.images.renderers import Renderer, line_canvases
from mlpwatch.tui.images.tiles import TileSize
from mlpwatch.tui.kit.cells import Canvas, CellView
from mlpwatch.tui.kit.theme import Ink, Role

_GAP = 1
_TEXT_ROWS = 2
_MOST_ROWS, _FEWEST_ROWS = 7, 3

_STRIP_GAP = 2
_FEWEST_STRIP_ROWS = 9
"""With fewer rows nothing is recognisable: 7 rows of 28 pixels, and two of text."""
_RECOGNISED_ROWS = 10
"""Rows, of two pixels each, in which a digit is still easy to recognise."""

_SMALLEST_SHARE = 16
"""Least columns per image; a caption takes 13."""


@dataclass(frozen=True, slots=True)
class ImageRow:
    """A row of images."""

    title: Sequence[tuple[str, Ink]]
    images: NDArray[np.floating]
    """(images, height, width) of ink from 0 to 1."""
    words: Sequence[str]
    """The text below each image."""
    measure: str = ""
    """The unit of the words; shown with the first of them, if there is room."""


def image_size(shape: tuple[int, int], height: int, rows: int) -> TileSize:
    """Return the cells of an image (height, width) if this many rows of images share a height.

    Larger images are averaged down; smaller ones are drawn pixel by pixel.
    """
    room = min(_MOST_ROWS, max(_FEWEST_ROWS, height // max(1, rows) - _TEXT_ROWS))
    columns = min(shape[1], round(2 * room * shape[1] / shape[0]))
    return TileSize(columns, max(1, round(columns * shape[0] / shape[1] / 2)))


class ImageRowsView(CellView):
    """Shows rows of images, as many of each as fit, or a text instead."""

    _rows: Sequence[ImageRow] = ()
    _renderer: Renderer = "ramp"
    _instead = _note = ""

    def update(
        self, rows: Sequence[ImageRow], renderer: Renderer, *, instead: str = "", note: str = ""
    ) -> None:
        """Show a note above rows; without rows, the text `instead`."""
        self._rows, self._renderer, self._instead, self._note = rows, renderer, instead, note
        self.repaint()

    def paint(self, width: int, height: int) -> Canvas:
        """Return the rows below a line for the note, which is usually blank."""
        canvas = Canvas(width, height)
        canvas.put(0, 0, self._note, Role.DIM)
        y = 1
        if not self._rows:
            canvas.put(0, y, self._instead, Role.DIM)
        for row in self._rows:
            x = 0
            for text, ink in row.title:
                x = canvas.put(x, y, text, ink)
            if len(row.images):
                shape = row.images.shape[1], row.images.shape[2]
                size = image_size(shape, height - 1, len(self._rows))
                self._put_images(canvas, y + 1, row, size)
                y += size.rows
            y += _TEXT_ROWS
        return canvas

    def _put_images(self, canvas: Canvas, y: int, row: ImageRow, size: TileSize) -> None:
        columns = size.columns + _GAP
        fitting = max(0, (canvas.width + _GAP) // columns)
        pictures = line_canvases(row.images[:fitting], *size, self._renderer)
        for n, (picture, word) in enumerate(zip(pictures, row.words, strict=False)):
            x = n * columns
            canvas.paste(picture, x + (size.columns - picture.width) // 2, y)
            measured = f"{row.measure} {word}" if n == 0 and row.measure else word
            caption = measured if len(measured) <= size.columns else word[: size.columns]
            canvas.put(x, y + size.rows, caption.rjust(size.columns), Role.DIM)


class Strip(NamedTuple):
    """The images of one model."""

    title: str
    images: NDArray[np.floating]
    """(count, height, width), ink from 0 to 1."""
    captions: Sequence[str]
    """One per image."""


class BatchStrips(CellView):
    """Fills the remaining room with images; stays empty if it is too small."""

    _by_model: Sequence[Strip] = ()

    def update(self, strips: Sequence[Strip]) -> None:
        """Show as many strips below each other as fit."""
        self._by_model = strips
        self.repaint()

    def paint(self, width: int, height: int) -> Canvas:
        """Return as many images of each strip as fit, at least four if there is room.

        Two models share the height if each image is then still recognised.
        """
        canvas = Canvas(width, height)
        if height < _FEWEST_STRIP_ROWS or not self._by_model:
            return canvas
        shape = self._by_model[0].images.shape
        share = height // len(self._by_model) - 3
        rows = share if share >= min(shape[1], _RECOGNISED_ROWS) else height - 2
        grid = grid_for((shape[1], shape[2]), width // 4 - _STRIP_GAP, rows, most_zoom=4)
        step = grid.rows + 3
        for top, strip in zip(range(0, height - step + 2, step), self._by_model, strict=False):
            self._put_strip(canvas, top, strip, grid)
        return canvas

    def _put_strip(self, canvas: Canvas, top: int, strip: Strip, grid: PixelGrid) -> None:
        share = max(grid.columns, _SMALLEST_SHARE) + _STRIP_GAP
        canvas.put(0, top, strip.title, Role.DIM)
        for n in range(min(len(strip.images), (canvas.width + _STRIP_GAP) // share)):
            place, image = (n * share, top + 1), strip.images[n]
            put_pixels(canvas, place, image, grid, self.look)
            canvas.put(n * share, top + 1 + grid.rows, strip.captions[n])
