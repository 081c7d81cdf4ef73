"""Shelves of small pictures that fill their room: images as ink, numbers by sign and size."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mlpwatch.tui.images.pixel_grid import PixelGrid, grid_for, put_pixels
from mlpwatch.tui.images.signed import (
    legend,
    pixels_per_cell,
    put_levels,
    signed_levels,
    signed_style,
)
from mlpwatch.tui.images.tiles import shrink
from mlpwatch.tui.kit.cells import Canvas, CellView, columns_of, cut_to
from mlpwatch.tui.kit.theme import Ink, Role

_GAP = 2
_NAME_ROWS = 1
_FEWEST_ROWS = 3
"""Rows of a picture; with fewer nothing is recognisable."""
_RECOGNISED_ROWS = 7
"""Rows in which 28 pixels, averaged two by two, are still recognised."""
_NARROWEST = 34
"""Columns of a shelf that shares the width with others; with fewer they take turns downwards."""
_MOST_ZOOM = 4


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture with its name."""

    name: str
    pixels: NDArray[np.floating]
    """(height, width); NaN for missing numbers."""
    full: float | None = None
    """The number with the strongest colour; None for ink from 0 to 1."""
    role: Role = Role.DIM
    """Of the name."""


@dataclass(frozen=True, slots=True)
class Shelf:
    """The pictures of one model."""

    title: Sequence[tuple[str, Ink]]
    pictures: Sequence[Picture]
    together: int = 1
    """Pictures that belong together and stay in one row."""
    wanted: int = 1
    """Pictures to find room for by making all smaller; the others come if there is room."""


def near_square(values: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return numbers (n,) in the rows of the smallest near-square, the rest NaN."""
    width = max(1, int(np.ceil(np.sqrt(len(values)))))
    height = max(1, -(-len(values) // width))
    tile = np.full(height * width, np.nan)
    tile[: len(values)] = values
    return tile.reshape(height, width)


class ShelvesView(CellView):
    """Fills the remaining room with a shelf for each model, beside each other if there is room."""

    _shelves: Sequence[Shelf] = ()

    def update(self, shelves: Sequence[Shelf]) -> None:
        """Show shelves."""
        self._shelves = shelves
        self.repaint()

    def paint(self, width: int, height: int) -> Canvas:
        """Return the shelves; empty if there is no room for a picture."""
        canvas = Canvas(width, height)
        count = len(self._shelves)
        if not count or height < _NAME_ROWS + _FEWEST_ROWS:
            return canvas
        share = (width + _GAP) // count - _GAP
        beside = count == 1 or share >= _NARROWEST
        down = 1 if beside else min(count, max(1, height // (2 + _NAME_ROWS + _FEWEST_ROWS)))
        for n, shelf in enumerate(self._shelves[: count if beside else down]):
            part = Canvas(share if beside else width, height // down)
            self._put_shelf(part, shelf)
            x, y = (n * (share + _GAP), 0) if beside else (0, n * (height // down))
            canvas.paste(part, x, y)
        return canvas

    def _put_shelf(self, canvas: Canvas, shelf: Shelf) -> None:
        x = 0
        for text, ink in shelf.title:
            x = canvas.put(x, 0, cut_to(text, canvas.width - x), ink)
        self._put_legend(canvas, shelf, x)
        top = 1 if shelf.title else 0
        if not shelf.pictures or canvas.height - top < _NAME_ROWS + _FEWEST_ROWS:
            return
        box = _largest_box(shelf, canvas.width, canvas.height - top)
        across, down = _capacity(box, shelf, canvas.width, canvas.height - top)
        columns, rows = box
        for n, picture in enumerate(shelf.pictures[: across * down]):
            place = n % across * (columns + _GAP), top + n // across * (rows + _NAME_ROWS)
            self._put_picture(canvas, place, picture, box)

    def _put_legend(self, canvas: Canvas, shelf: Shelf, start: int) -> None:
        scales = {picture.full for picture in shelf.pictures if picture.full is not None}
        if len(scales) != 1:
            return
        pieces = legend(signed_style(self.look), f"{scales.pop():g}")
        columns = sum(columns_of(text) for text, _ in pieces)
        x = canvas.width - columns
        if x > start:
            for text, ink in pieces:
                x = canvas.put(x, 0, text, ink)

    def _put_picture(
        self, canvas: Canvas, place: tuple[int, int], picture: Picture, box: tuple[int, int]
    ) -> None:
        x, y = place
        canvas.put(x, y, cut_to(picture.name, box[0]), picture.role)
        grid = _grid_in(picture, box)
        if picture.full is None:
            put_pixels(canvas, (x, y + _NAME_ROWS), picture.pixels, grid, self.look)
            return
        style = signed_style(self.look)
        shown = shrink(picture.pixels, grid.rows * pixels_per_cell(style), grid.columns)
        put_levels(canvas, x, y + _NAME_ROWS, signed_levels(shown, picture.full), style)


def _grid_in(picture: Picture, box: tuple[int, int]) -> PixelGrid:
    height, width = picture.pixels.shape
    return grid_for((height, width), *box, most_zoom=_MOST_ZOOM)


def _capacity(box: tuple[int, int], shelf: Shelf, width: int, height: int) -> tuple[int, int]:
    """Return how many pictures fit across and down."""
    columns, rows = box
    across = (width + _GAP) // (columns + _GAP)
    if across > shelf.together:
        across -= across % shelf.together
    return max(1, across), height // (rows + _NAME_ROWS)


def _largest_box(shelf: Shelf, width: int, height: int) -> tuple[int, int]:
    """Return columns and rows of the largest pictures of which as many as wanted fit.

    If they would become too small to recognise, fewer are shown.
    """
    names = max(columns_of(picture.name) for picture in shelf.pictures)
    boxes = []
    for rows in range(height - _NAME_ROWS, _FEWEST_ROWS - 1, -1):
        grid = _grid_in(shelf.pictures[0], (2 * rows, rows))
        boxes.append((max(names, grid.columns), grid.rows))

    def holds(box: tuple[int, int], count: int) -> bool:
        across, down = _capacity(box, shelf, width, height)
        fits = box[0] <= width and across >= min(shelf.together, count)
        return fits and across * down >= count

    pixels = shelf.pictures[0].pixels.shape[0]
    recognised = [box for box in boxes if box[1] >= min(-(-pixels // 2), _RECOGNISED_ROWS)]
    wanted = min(shelf.wanted, len(shelf.pictures))
    fewest = min(shelf.together, wanted)
    tries = [(box, wanted) for box in recognised]
    tries += [(box, fewest) for box in [*reversed(recognised), *boxes]]
    return next((box for box, count in tries if holds(box, count)), boxes[-1])
