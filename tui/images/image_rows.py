"""Images in rows: a title, the images, and text below each."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mlpwatch.tui.images.renderers import Renderer, line_canvases, small_canvases
from mlpwatch.tui.images.tiles import TileSize
from mlpwatch.tui.kit.cells import Canvas, CellView
from mlpwatch.tui.kit.theme import Ink, Role

_GAP = 1
_TEXT_ROWS = 2
_MOST_ROWS, _FEWEST_ROWS = 7, 3


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
    _shades = False

    def update(
        self,
        rows: Sequence[ImageRow],
        renderer: Renderer,
        *,
        instead: str = "",
        note: str = "",
        shades: bool = False,
    ) -> None:
        """Show a note above rows, with or without shades; without rows, the text `instead`."""
        self._rows, self._renderer, self._instead, self._note = rows, renderer, instead, note
        self._shades = shades
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
        drawn = small_canvases if self._shades else line_canvases
        pictures = drawn(row.images[:fitting], *size, self._renderer)
        for n, (picture, word) in enumerate(zip(pictures, row.words, strict=False)):
            x = n * columns
            canvas.paste(picture, x + (size.columns - picture.width) // 2, y)
            measured = f"{row.measure} {word}" if n == 0 and row.measure else word
            caption = measured if len(measured) <= size.columns else word[: size.columns]
            canvas.put(x, y + size.rows, caption.rjust(size.columns), Role.DIM)
