"""Maps an image's pixels to a terminal's cells, and cells back to pixels."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mlpwatch.tui.images.renderers import grey_canvases, line_canvases
from mlpwatch.tui.kit.cells import Canvas
from mlpwatch.tui.kit.look import Look
from mlpwatch.tui.kit.theme import Role

RAMPS = {False: " ░▒▓█", True: " .:-=+*#%@"}
"""From no ink to full ink, by `Look.ascii_only`."""


@dataclass(frozen=True, slots=True)
class PixelGrid:
    """Maps pixels to cells. A cell is assumed to be twice as high as wide.

    Either a pixel takes `2 * zoom` columns and `zoom` rows, or a cell takes `shrink` pixels
    across and `2 * shrink` down.
    """

    shape: tuple[int, int]
    """(height, width) in pixels."""
    zoom: int
    """0 if pixels are smaller than a cell."""
    shrink: int
    """0 if they are not."""

    @property
    def columns(self) -> int:
        """Columns that the image takes."""
        width = self.shape[1]
        return 2 * self.zoom * width if self.zoom else -(-width // self.shrink)

    @property
    def rows(self) -> int:
        """Rows that the image takes."""
        height = self.shape[0]
        return self.zoom * height if self.zoom else -(-height // (2 * self.shrink))

    def point(self, column: float, row: float) -> tuple[float, float]:
        """Return the image's point (x, y), in pixels, at a position in cells."""
        if self.zoom:
            return column / (2 * self.zoom), row / self.zoom
        return column * self.shrink, row * 2 * self.shrink

    def cells_of(self, x: int, y: int) -> tuple[int, int, int, int]:
        """Return first column, first row, columns and rows of the cells that show a pixel."""
        if self.zoom:
            return 2 * self.zoom * x, self.zoom * y, 2 * self.zoom, self.zoom
        return x // self.shrink, y // (2 * self.shrink), 1, 1


def grid_for(shape: tuple[int, int], columns: int, rows: int, *, most_zoom: int = 8) -> PixelGrid:
    """Return the grid on which an image (height, width) is largest within columns and rows."""
    height, width = shape
    zoom = min(columns // (2 * width), rows // height, most_zoom)
    if zoom >= 1:
        return PixelGrid(shape, zoom, 0)
    shrink = max(-(-width // max(1, columns)), -(-height // (2 * max(1, rows))))
    return PixelGrid(shape, 0, shrink)


def put_pixels(
    canvas: Canvas,
    place: tuple[int, int],
    image: NDArray[np.floating],
    grid: PixelGrid,
    look: Look,
) -> None:
    """Draw an image (height, width) of ink from 0 to 1 with its corner at (column, row).

    Args:
        canvas: to draw on.
        place: of the upper left corner.
        image: to draw.
        grid: its pixels' cells.
        look: what the terminal can show; if it has greys, each cell shows two pixels.
    """
    if look.has_greys:
        canvas.paste(grey_canvases(_on_squares(image, grid)[np.newaxis])[0], *place)
        return
    for y, row in enumerate(in_characters(image, grid, look), start=place[1]):
        canvas.put(place[0], y, row)


def in_characters(image: NDArray[np.floating], grid: PixelGrid, look: Look) -> list[str]:
    """Return rows of characters by ink; half blocks if a cell is two pixels high."""
    if grid.shrink == 1 and not look.ascii_only:
        [halves] = line_canvases(image[np.newaxis], grid.columns, grid.rows, "half blocks")
        return [halves.row(y) for y in range(halves.height)]
    ramp = RAMPS[look.ascii_only]
    levels = np.rint(_on_cells(image, grid) * (len(ramp) - 1)).astype(int)
    return ["".join(ramp[level] for level in row) for row in levels]


def put_frame(canvas: Canvas, place: tuple[int, int], size: tuple[int, int], look: Look) -> None:
    """Draw a thin frame with its corner at (column, row) around (columns, rows) of cells."""
    (x, y), (columns, rows) = place, size
    line, side, corners = ("-", "|", "++++") if look.ascii_only else ("─", "│", "┌┐└┘")
    canvas.put(x, y, corners[0] + line * columns + corners[1], Role.DIM)
    for row in range(y + 1, y + 1 + rows):
        canvas.put(x, row, side, Role.DIM)
        canvas.put(x + columns + 1, row, side, Role.DIM)
    canvas.put(x, y + rows + 1, corners[2] + line * columns + corners[3], Role.DIM)


def _on_cells(image: NDArray[np.floating], grid: PixelGrid) -> NDArray[np.floating]:
    """Return each cell's ink (rows, columns): the mean of its upper and lower half."""
    means: NDArray[np.floating] = _on_squares(image, grid).reshape(-1, 2, grid.columns).mean(axis=1)
    return means


def _on_squares(image: NDArray[np.floating], grid: PixelGrid) -> NDArray[np.floating]:
    """Return each half cell's ink (2 * rows, columns): its pixel, or the mean of its pixels."""
    if grid.zoom:
        return image.repeat(2 * grid.zoom, axis=0).repeat(2 * grid.zoom, axis=1)
    side = grid.shrink
    height, width = 2 * grid.rows * side, grid.columns * side
    padded = np.pad(image, ((0, height - image.shape[0]), (0, width - image.shape[1])))
    means: NDArray[np.floating] = padded.reshape(-1, side, grid.columns, side).mean(axis=(1, 3))
    return means
