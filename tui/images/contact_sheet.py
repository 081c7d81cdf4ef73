"""Many small images at once, as many as fit, with a cursor on one of them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from textual.events import Click
from textual.message import Message

from mlpwatch.tui.images.renderers import Renderer, small_canvases
from mlpwatch.tui.kit.cells import Canvas, CellView
from mlpwatch.tui.kit.theme import Ink, Role

MOST_COLUMNS, FEWEST_COLUMNS = 14, 8
"""Columns of a small image: 28 pixels take 14 braille cells."""

MOST_ROWS = 10
"""Rows of a small image that is taller than wide."""

_GAP = 2
_CAPTION_ROWS = 1
_KEPT_PICTURES = 1_000
"""Small images that are cached as cells; a page of the largest screen has 80."""

Caption = Sequence[tuple[str, Ink]]


@dataclass(frozen=True, slots=True)
class SheetSource:
    """The source of a sheet's images."""

    rows: NDArray[np.intp]
    """The images of the list."""
    shape: tuple[int, int]
    """(height, width) of each, in pixels."""
    inks: Callable[[NDArray[np.intp]], NDArray[np.floating]]
    """Returns images (images, height, width) of ink from 0 to 1, by their rows."""
    caption: Callable[[int], Caption]
    """Returns the caption above an image, by its row."""
    split: str
    """The split that the rows refer to."""


class ContactSheet(CellView):
    """Shows the page of the list that contains the cursor."""

    class Picked(Message):
        """A small image was clicked."""

        def __init__(self, place: int, *, twice: bool) -> None:
            super().__init__()
            self.place, self.twice = place, twice

    def __init__(self, *, id: str) -> None:
        super().__init__(id=id)
        self._source: SheetSource | None = None
        self._cursor = 0
        self._renderer: Renderer = "ramp"
        self._absent = ""
        self._pictures: dict[tuple[str, int, Renderer], Canvas] = {}

    @property
    def across(self) -> int:
        """Images in a row."""
        return self._grid(self.size.width, self.size.height)[0]

    @property
    def per_page(self) -> int:
        """Images on a page."""
        across, down = self._grid(self.size.width, self.size.height)
        return across * down

    def update(
        self, source: SheetSource | None, cursor: int, renderer: Renderer, *, absent: str = ""
    ) -> None:
        """Show the page with the image at place `cursor` of a list; without a list, `absent`."""
        self._source, self._cursor, self._renderer = source, cursor, renderer
        self._absent = absent
        self.repaint()

    def paint(self, width: int, height: int) -> Canvas:
        """Return the page."""
        canvas = Canvas(width, height)
        source = self._source
        if source is None:
            x = max(0, (width - len(self._absent)) // 2)
            canvas.put(x, height // 2, self._absent, Role.DIM)
            return canvas
        across, down = self._grid(width, height)
        first = self._cursor // (across * down) * across * down
        columns, rows = self._tile()
        shown = source.rows[first : first + across * down].tolist()
        pictures = self._pictures_of(source, shown)
        for n, (row, picture) in enumerate(zip(shown, pictures, strict=True)):
            x, y = n % across * (columns + _GAP) + 1, n // across * (rows + _CAPTION_ROWS)
            self._put_caption(canvas, x, y, source.caption(row), first + n == self._cursor)
            canvas.paste(picture, x + (columns - picture.width) // 2, y + _CAPTION_ROWS)
        return canvas

    def on_click(self, event: Click) -> None:
        """Report which image was clicked."""
        place = event.get_content_offset(self)
        if place is None or self._source is None:
            return
        across, down = self._grid(*self.size)
        columns, rows = self._tile()
        x, y = (place.x - 1) // (columns + _GAP), place.y // (rows + _CAPTION_ROWS)
        first = self._cursor // (across * down) * across * down
        chosen = first + y * across + x
        if 0 <= x < across and y < down and chosen < len(self._source.rows):
            self.post_message(self.Picked(chosen, twice=event.chain == 2))  # noqa: PLR2004

    def _put_caption(
        self, canvas: Canvas, x: int, y: int, caption: Caption, is_cursor: bool
    ) -> None:
        end = x
        for text, ink in caption:
            end = canvas.put(end, y, text, Role.CURSOR if is_cursor else ink)
        if is_cursor:
            # As wide as the image: a short one would be overlooked.
            canvas.put(end, y, " " * (x + self._tile()[0] - end), Role.CURSOR)

    def _pictures_of(self, source: SheetSource, shown: list[int]) -> list[Canvas]:
        """Return the small images of these rows; those not cached are made in a single call."""
        keys = [(source.split, row, self._renderer) for row in shown]
        if len(self._pictures) + len(keys) > _KEPT_PICTURES:
            self._pictures.clear()
        missing = [key for key in keys if key not in self._pictures]
        if missing:
            inks = source.inks(np.array([row for _, row, _ in missing]))
            made = small_canvases(inks, *self._tile(), self._renderer)
            self._pictures.update(zip(missing, made, strict=True))
        return [self._pictures[key] for key in keys]

    def _tile(self) -> tuple[int, int]:
        """Return columns and rows of a small image, without its caption."""
        height, width = self._source.shape if self._source else (1, 1)
        columns = min(MOST_COLUMNS, max(FEWEST_COLUMNS, -(-width // 2)))
        return columns, min(MOST_ROWS, max(1, -(-columns * height // (2 * width))))

    def _grid(self, width: int, height: int) -> tuple[int, int]:
        """Return how many images fit across and down; at least one, cut if need be."""
        columns, rows = self._tile()
        across = (width - 1 + _GAP) // (columns + _GAP)
        return max(1, across), max(1, height // (rows + _CAPTION_ROWS))
