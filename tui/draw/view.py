"""The middle of the draw screen: paper and pen, the networks' view, bars, the user's own set."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from textual.events import MouseDown, MouseEvent, MouseMove, MouseUp
from textual.message import Message

from mlpwatch.core.config import EngineName
from mlpwatch.tui.draw.easel import Point
from mlpwatch.tui.draw.kept_drawings import OwnSet
from mlpwatch.tui.draw.panels import put_bars, put_own_set
from mlpwatch.tui.images.pixel_grid import (
    PixelGrid,
    grid_for,
    in_characters,
    put_frame,
    put_pixels,
)
from mlpwatch.tui.kit.cells import Canvas, CellView
from mlpwatch.tui.kit.theme import Role

_PANEL_COLUMNS = 44
"""Reserved beside the paper: bars of 9 columns for each of two models."""

_NARROW, _NARROW_PANEL_COLUMNS = 76, 36
"""Below 76 columns in total the paper takes more of them: bars of 5 columns for each model."""

_GAP = 2
_PAPER_FRAME = 2
_PEN_ROWS = 2
_FEWEST_COLUMNS = 14
"""Least columns of the paper."""

_FEWEST_ROWS = 8
"""Two bars below a title, and a picture below another."""

_RIGHT_BUTTON = 3
_SET_COLUMNS = 26
_ROOMY = 30
"""From this height on a blank row separates bars and pictures."""


@dataclass(frozen=True, slots=True)
class DrawScene:
    """Everything that the view shows."""

    pixels: NDArray[np.floating]
    """The drawing (height, width), ink from 0 to 1."""
    seen: NDArray[np.floating]
    """The image that the networks get, also as ink."""
    cursor: tuple[int, int] | None
    """The pixel (x, y) under the pen; None while the mouse draws."""
    pen: Sequence[str]
    """What the pen does, the longest version first."""
    hint: Sequence[str]
    """Lines of text on the blank paper; may be empty."""
    names: str
    """One character per class."""
    engines: Mapping[EngineName, str]
    """Left to right, with their titles."""
    probabilities: Mapping[EngineName, Sequence[float]] = field(default_factory=dict)
    own: OwnSet = field(default_factory=OwnSet)
    chosen: int | None = None
    """The chosen drawing of the set, counted from the newest."""


@dataclass(frozen=True, slots=True)
class _Places:
    """The layout, in cells."""

    paper: PixelGrid
    seen: PixelGrid
    right: int
    """First column beside the paper."""
    below_bars: int
    """First row below the bars."""


class DrawView(CellView):
    """Draws a scene, and turns the mouse into strokes."""

    class Stroke(Message):
        """The mouse was pressed or dragged from one point of the image to another."""

        def __init__(self, start: Point, end: Point, *, erases: bool) -> None:
            super().__init__()
            self.start, self.end, self.erases = start, end, erases

    _scene: DrawScene | None = None
    _last: Point | None = None
    _erases = False

    def update(self, scene: DrawScene) -> None:
        """Show a scene."""
        self._scene = scene
        self.repaint()

    def on_mouse_down(self, event: MouseDown) -> None:
        """Begin a stroke on the paper."""
        point = self._point(event, anywhere=False)
        if point is not None:
            self._last, self._erases = point, event.button == _RIGHT_BUTTON
            self.capture_mouse()
            self.post_message(self.Stroke(point, point, erases=self._erases))

    def on_mouse_move(self, event: MouseMove) -> None:
        """Continue the stroke, also outside the paper."""
        point = self._point(event, anywhere=True)
        if self._last is not None and point is not None:
            self.post_message(self.Stroke(self._last, point, erases=self._erases))
            self._last = point

    def on_mouse_up(self, _event: MouseUp) -> None:
        """End the stroke."""
        self._last = None
        self.release_mouse()

    def paint(self, width: int, height: int) -> Canvas:
        """Return the paper at the left; at the right the bars, and picture and set below them."""
        canvas, scene = Canvas(width, height), self._scene
        if scene is None:
            return canvas
        least = least_size(scene.pixels.shape)
        if width < least[0] or height < least[1]:
            self._put_refusal(canvas, least)
            return canvas
        places = _places(scene, width, height)
        self._put_paper(canvas, scene, places.paper)
        x, y = places.right, places.below_bars
        box = (x, 0, width - x, y)
        put_bars(canvas, box, scene.names, scene.engines, scene.probabilities, look=self.look)
        if height >= _ROOMY:
            y += 1
        canvas.put(x, y, "the networks see", Role.DIM)
        self._put_pixels(canvas, (x, y + 1), scene.seen, places.seen)
        set_left = x + max(places.seen.columns, len("the networks see")) + _GAP
        set_box = (set_left, y, width - set_left, height - y)
        put_own_set(canvas, set_box, scene.own, scene.names, scene.engines, chosen=scene.chosen)
        return canvas

    def _put_refusal(self, canvas: Canvas, least: tuple[int, int]) -> None:
        """Show the required terminal size, including the columns and rows around this view."""
        columns = max(least[0], canvas.width) + self.app.size.width - canvas.width
        rows = max(least[1], canvas.height) + self.app.size.height - canvas.height
        lines = ("too small to draw on", f"it takes a terminal of {columns}x{rows}")
        for y, line in enumerate(lines, start=max(0, canvas.height // 2 - 1)):
            canvas.put(max(0, (canvas.width - len(line)) // 2), y, line, Role.DIM)

    def _put_paper(self, canvas: Canvas, scene: DrawScene, grid: PixelGrid) -> None:
        put_frame(canvas, (0, 0), (grid.columns, grid.rows), self.look)
        self._put_pixels(canvas, (1, 1), scene.pixels, grid)
        for y, line in enumerate(scene.hint, start=1 + grid.rows // 3):
            if len(line) <= grid.columns:
                canvas.put(1 + (grid.columns - len(line)) // 2, y, line, Role.DIM)
        if scene.cursor is not None:
            column, row, columns, rows = grid.cells_of(*scene.cursor)
            # A reversed character is visible on ink too; a grey blank would not be.
            lines = in_characters(scene.pixels, grid, self.look)
            for y, line in enumerate(lines[row : row + rows], start=row + 1):
                canvas.put(1 + column, y, line[column : column + columns], Role.CURSOR)
        for words in scene.pen:
            if len(words) <= grid.columns:
                canvas.put(1, grid.rows + _PAPER_FRAME, words, Role.DIM)
                break

    def _put_pixels(
        self, canvas: Canvas, place: tuple[int, int], image: NDArray[np.floating], grid: PixelGrid
    ) -> None:
        put_pixels(canvas, place, image, grid, self.look)

    def _point(self, event: MouseEvent, *, anywhere: bool) -> Point | None:
        """Return the image's point at the centre of the cell under the mouse."""
        if self._scene is None:
            return None
        grid = _places(self._scene, *self.size).paper
        column, row = event.x - 1, event.y - 1
        if anywhere or (0 <= column < grid.columns and 0 <= row < grid.rows):
            return grid.point(column + 0.5, row + 0.5)
        return None


def least_size(shape: tuple[int, ...]) -> tuple[int, int]:
    """Return the least columns and rows in which an image (height, width) can be drawn on.

    MNIST's digits then take 14 columns and 7 rows; smaller images take a column per pixel.
    """
    height, width = shape
    across = max(-(-width // 2), min(width, _FEWEST_COLUMNS))
    down = -(-across * height // (2 * width))
    columns = across + _PAPER_FRAME + _GAP + _NARROW_PANEL_COLUMNS
    return columns, max(down + _PAPER_FRAME + _PEN_ROWS, _FEWEST_ROWS)


def _places(scene: DrawScene, width: int, height: int) -> _Places:
    shape = scene.pixels.shape
    size = (int(shape[0]), int(shape[1]))
    panel = _PANEL_COLUMNS if width >= _NARROW else _NARROW_PANEL_COLUMNS
    paper = grid_for(size, width - panel - _PAPER_FRAME, height - _PAPER_FRAME - _PEN_ROWS)
    right = paper.columns + _PAPER_FRAME + _GAP
    # At most 10 rows for picture and set, as for a small picture, whatever the number of classes.
    below = min(10, size[0] // 2 + 2)
    bars = min(len(scene.names) + 1, max(height - below, 2))
    columns = max((width - right) // 2, width - right - _GAP - _SET_COLUMNS)
    rows = height - bars - 1 - (height >= _ROOMY)
    return _Places(paper, grid_for(size, columns, rows, most_zoom=2), right, bars)
