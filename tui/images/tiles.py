"""Pictures of signed numbers, as many as fit, each below its name."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from textual.events import Click
from textual.message import Message

from mlpwatch.core.data.pixels import area_average
from mlpwatch.tui.images.signed import pixels_per_cell, put_levels, signed_levels, signed_style
from mlpwatch.tui.kit.cells import Canvas, CellView
from mlpwatch.tui.kit.theme import Role

SMALL_COLUMNS, LARGE_COLUMNS = 14, 28
"""Approximate columns of a tile; smaller ones are enlarged by an integer factor."""

_GAP = 2
_MARGIN = 4
"""Kept free at the right, before the other model's tiles, if tiles can be spread apart."""

_NAME_ROWS = 1


class TileSize(NamedTuple):
    """Size of a tile, in the terminal's cells."""

    columns: int
    rows: int


class Grid(NamedTuple):
    """How many tiles fit, and their spacing."""

    across: int
    down: int
    row_height: int
    """Rows from a name to the next one below."""
    column_width: int
    """Columns from a tile to the next one at its right."""

    @property
    def tiles(self) -> int:
        """Tiles on one page."""
        return self.across * self.down


@dataclass(frozen=True, slots=True)
class Tile:
    """A picture with its name."""

    name: str
    role: Role
    pixels: NDArray[np.floating]
    """(height, width); NaN for missing pixels."""


def tile_size(shape: tuple[int, int], wanted: int) -> TileSize:
    """Return the cells of a tile of `shape` pixels (height, width), close to the wanted columns.

    A cell shows pixels in an area twice as high as wide, like the cell itself.
    """
    height, width = shape
    columns = width * max(1, round(wanted / width)) if width < wanted else wanted
    return TileSize(columns, max(1, round(height * columns / width / 2)))


def grid(size: TileSize, width: int, height: int) -> Grid:
    """Return how many tiles of a size fit; always at least one, cut if necessary.

    Spare columns separate the tiles, but by less than the space between the models.
    """
    across = max(1, (width + _GAP) // (size.columns + _GAP))
    spread = (width - _MARGIN - size.columns) // max(1, across - 1)
    column_width = max(size.columns + _GAP, min(spread, size.columns + 2 * _GAP))
    tight = size.rows + _NAME_ROWS
    # A blank row between tiles, unless without it one more row of tiles fits.
    row_height = tight if height // tight > (height + 1) // (tight + 1) else tight + 1
    down = max(1, (height + row_height - tight) // row_height)
    return Grid(across, down, row_height, column_width)


def shrink(pixels: NDArray[np.floating], rows: int, columns: int) -> NDArray[np.float64]:
    """Return (rows, columns): the mean of the pixels that each covers, with NaN as 0."""
    with np.errstate(invalid="ignore", over="ignore"):
        return area_average(np.nan_to_num(pixels), rows, columns)


class TilesView(CellView):
    """Shows tiles row by row; those that do not fit are left out."""

    class Picked(Message):
        """A tile was clicked."""

        def __init__(self, place: int, *, twice: bool) -> None:
            super().__init__()
            self.place, self.twice = place, twice

    _tiles: Sequence[Tile] = ()
    _tile_size = TileSize(SMALL_COLUMNS, SMALL_COLUMNS // 2)
    _full = 1.0

    def update(self, tiles: Sequence[Tile], size: TileSize, full: float) -> None:
        """Show tiles.

        Args:
            tiles: in order.
            size: of each, in cells.
            full: pixels from this number on have the strongest colour.
        """
        self._tiles, self._tile_size, self._full = tiles, size, full
        self.repaint()

    def on_click(self, event: Click) -> None:
        """Report which tile was clicked."""
        offset = event.get_content_offset(self)
        if offset is None:
            return
        fitting = grid(self._tile_size, *self.size)
        across, down = offset.x // fitting.column_width, offset.y // fitting.row_height
        place = down * fitting.across + across
        if across < fitting.across and down < fitting.down and place < len(self._tiles):
            self.post_message(self.Picked(place, twice=event.chain == 2))  # noqa: PLR2004

    def paint(self, width: int, height: int) -> Canvas:
        """Return the tiles."""
        canvas = Canvas(width, height)
        fitting, style = grid(self._tile_size, width, height), signed_style(self.look)
        for n, tile in enumerate(self._tiles[: fitting.tiles]):
            down, across = divmod(n, fitting.across)
            x = across * fitting.column_width
            y = down * fitting.row_height
            name = tile.name[: self._tile_size.columns]
            if tile.role == Role.CURSOR:
                # As wide as the tile: a short name would be overlooked.
                name = name.ljust(self._tile_size.columns)
            canvas.put(x, y, name, tile.role)
            rows = self._tile_size.rows * pixels_per_cell(style)
            shrunk = shrink(tile.pixels, rows, self._tile_size.columns)
            put_levels(canvas, x, y + _NAME_ROWS, signed_levels(shrunk, self._full), style)
        return canvas
