"""Pictures of signed numbers, as many as fit, each under its name."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tui.palette import Role
from tui.widgets.cells import Canvas, CellView
from tui.widgets.digit import area_weights
from tui.widgets.signed import Ramps, signed_levels, signed_runs

SMALL_COLUMNS, LARGE_COLUMNS = 14, 28
"""Columns of a tile that it is brought near to, by a whole factor if it is smaller."""

_GAP = 2
_NAME_ROWS = 1


class TileSize(NamedTuple):
    """Of a tile, in the terminal's cells."""

    columns: int
    rows: int


class Grid(NamedTuple):
    """How many tiles there is room for."""

    across: int
    down: int

    @property
    def tiles(self) -> int:
        """On one page."""
        return self.across * self.down


@dataclass(frozen=True, slots=True)
class Tile:
    """One picture."""

    name: str
    role: Role
    pixels: NDArray[np.floating]
    """(height, width); NaN for a pixel that is none."""


def tile_size(shape: tuple[int, int], wanted: int) -> TileSize:
    """Return the cells of a tile of `shape` pixels (height, width), near to the wanted columns.

    A cell stands for pixels twice as high as wide, as a terminal's cell is.
    """
    height, width = shape
    columns = width * max(1, wanted // width) if width < wanted else wanted
    return TileSize(columns, max(1, round(height * columns / width / 2)))


def grid(size: TileSize, width: int, height: int) -> Grid:
    """Return how many tiles of a size fit; always at least one, cut if need be."""
    across = (width + _GAP) // (size.columns + _GAP)
    down = (height + 1) // (size.rows + _NAME_ROWS + 1)
    return Grid(max(1, across), max(1, down))


def shrink(pixels: NDArray[np.floating], size: TileSize) -> NDArray[np.float64]:
    """Return (rows, columns): the mean of the pixels that each cell covers, NaN counted as 0."""
    with np.errstate(invalid="ignore", over="ignore"):
        down = area_weights(pixels.shape[0], size.rows)
        across = area_weights(pixels.shape[1], size.columns)
        shrunk: NDArray[np.float64] = down @ np.nan_to_num(pixels.astype(np.float64)) @ across.T
    return shrunk


class TilesView(CellView):
    """Shows tiles row by row; those that do not fit are left out."""

    _tiles: Sequence[Tile] = ()
    _tile_size = TileSize(SMALL_COLUMNS, SMALL_COLUMNS // 2)
    _full = 1.0
    _ramps = Ramps(" ", " ")
    _absent = ""

    def draw(
        self, tiles: Sequence[Tile], size: TileSize, full: float, ramps: Ramps, *, absent: str = ""
    ) -> None:
        """Show tiles, or the words `absent` without one.

        Args:
            tiles: in order.
            size: of each, in cells.
            full: the number that is drawn with the last character of a ramp.
            ramps: the characters.
            absent: said where there is no tile.
        """
        self._tiles, self._tile_size, self._full, self._ramps = tiles, size, full, ramps
        self._absent = absent
        self.repaint()

    def paint(self, width: int, height: int) -> Canvas:
        """Return the tiles."""
        canvas = Canvas(width, height)
        if not self._tiles:
            canvas.put(0, 0, self._absent, Role.DIM)
        fitting = grid(self._tile_size, width, height)
        for n, tile in enumerate(self._tiles[: fitting.tiles]):
            down, across = divmod(n, fitting.across)
            x = across * (self._tile_size.columns + _GAP)
            y = down * (self._tile_size.rows + _NAME_ROWS + 1)
            canvas.put(x, y, tile.name[: self._tile_size.columns], tile.role)
            levels = signed_levels(shrink(tile.pixels, self._tile_size), self._full)
            for row, line in enumerate(levels, start=y + _NAME_ROWS):
                for column, text, role in signed_runs(line, self._ramps):
                    canvas.put(x + column, row, text, role)
        return canvas
