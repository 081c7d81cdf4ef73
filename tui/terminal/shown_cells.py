"""The cells that have been sent to the terminal; frames are reduced to the differences.

Textual 8.2 sends the whole screen in each pass of the layout, three times when a screen opens:
74 kB each with 600 pictures of weights on it, even if no or few rows have changed.
"""

import re
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import NamedTuple

from textual.geometry import Size

Codes = tuple[str, str, str]
"""SGR parameters of the attributes, the foreground and the background; "" for the default."""

PLAIN: Codes = ("", "", "")

BRIDGED_CELLS = 3
"""Up to this many unchanged cells between changed ones are sent again: a movement takes 4 to 8
bytes."""

_ONE_COLUMN = re.compile(r"[ -~\u00a1-\u00ac\u00ae-\u02ff\u2010-\u2027\u2190-\u21ff\u2500-\u28ff]*")
"""Characters that surely take one cell each: Latin, punctuation, arrows, blocks, braille. Some
of the others take no cell, and some take two."""

_UNSEEN_ON_BLANKS = ("", "1", "2")
"""Attributes that are invisible on a blank: none, bold, dim. Its foreground is invisible too."""


class StyledRun(NamedTuple):
    """Text of one style in a row."""

    x: int
    y: int
    end: int
    """The column after it."""
    text: str
    codes: Codes


class _Row(NamedTuple):
    """The contents of the cells of a row, column by column."""

    characters: list[str | None]
    """None for a cell whose contents are unknown."""
    codes: list[Codes]

    def widen(self, width: int) -> None:
        """Extend the row to at least this many cells."""
        missing = width - len(self.codes)
        if missing > 0:
            self.characters.extend([None] * missing)
            self.codes.extend([PLAIN] * missing)


class ShownCells:
    """Remembers every cell that was sent."""

    def __init__(self) -> None:
        self._rows: dict[int, _Row] = {}
        self._size: Size | None = None

    def fit(self, size: Size) -> None:
        """Forget all cells if the screen had another size.

        Frames that were drawn for the old size after the terminal had changed may be anywhere.
        """
        if size != self._size:
            self.forget()
        self._size = size

    def forget(self) -> None:
        """Forget all cells: the terminal may have lost them."""
        self._rows.clear()

    def news(self, runs: Iterable[StyledRun]) -> Iterator[StyledRun]:
        """Yield the parts of runs that the terminal does not show yet, and record them as shown."""
        for run in runs:
            if run.end == run.x:  # Textual cuts rows into segments that may be empty
                continue
            row = self._rows.get(run.y)
            if row is None:
                row = self._rows[run.y] = _Row([], [])
            row.widen(run.end)
            place = slice(run.x, run.end)
            characters, codes = _cells(run)
            before, codes_before = row.characters[place], row.codes[place]
            is_sure = characters[0] is not None
            if is_sure and before == characters and codes_before == codes:
                continue
            row.characters[place], row.codes[place] = characters, codes
            # Most runs of a picture are single cells, which need no comparison here.
            if not is_sure or len(codes) == 1:
                yield run
            else:
                cells = zip(before, characters, codes_before, codes, strict=True)
                yield from _changed(
                    run, [n for n, (a, b, c, d) in enumerate(cells) if a != b or c != d]
                )


def _cells(run: StyledRun) -> tuple[list[str | None], list[Codes]]:
    """Return the contents of each cell of a run."""
    width, text, codes = run.end - run.x, run.text, run.codes
    if len(text) != width or not _ONE_COLUMN.fullmatch(text):
        return [None] * width, [codes] * width
    if " " not in text or codes[0] not in _UNSEEN_ON_BLANKS:
        return list(text), [codes] * width
    blank = _on_blanks(codes)
    return list(text), [blank if character == " " else codes for character in text]


@lru_cache(1024)
def _on_blanks(codes: Codes) -> Codes:
    """Return the visible part of a style on a blank: only the background."""
    return "", "", codes[2]


def _changed(run: StyledRun, differ: list[int]) -> Iterator[StyledRun]:
    """Yield the parts of a run around these cells; nearby parts are joined."""
    start = differ[0]
    for last, following in zip(differ, [*differ[1:], None], strict=True):
        if following is None or following - last > BRIDGED_CELLS + 1:
            part = slice(start, last + 1)
            yield run._replace(x=run.x + start, end=run.x + last + 1, text=run.text[part])
            start = following or 0
