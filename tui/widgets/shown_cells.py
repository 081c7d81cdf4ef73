"""What the terminal shows, as far as it has been sent; frames are cut to what differs from it.

Textual 8.2 sends the whole screen with each pass of the layout, three of them when a screen opens:
74 kB each with 600 pictures of weights on it, where nothing or a few rows have changed.
"""

import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from textual.geometry import Size

Codes = tuple[str, str, str]
"""SGR parameters of the attributes, the foreground and the background; "" for the default."""

PLAIN: Codes = ("", "", "")

BRIDGED_CELLS = 3
"""So many cells as before are sent again between changed ones: a movement takes 4 to 8 bytes."""

_ONE_COLUMN = re.compile(r"[ -~\u00a1-\u00ac\u00ae-\u02ff\u2010-\u2027\u2190-\u21ff\u2500-\u28ff]*")
"""Characters that are surely one cell each: Latin, punctuation, arrows, blocks, braille. Among
the others are some of no column, and some of two."""

_UNSEEN_ON_BLANKS = ("", "1", "2")
"""Attributes that leave no trace on a blank: none, bold, dim. Nor does its foreground."""


class Run(NamedTuple):
    """Text of one style in one row."""

    x: int
    y: int
    end: int
    """The column after it."""
    text: str
    codes: Codes


class ShownCells:
    """Remembers every cell that was sent."""

    def __init__(self) -> None:
        self._rows: dict[int, list[tuple[str, Codes] | None]] = {}
        """None for a cell of which it is not known what it shows."""
        self._size: Size | None = None

    def fit(self, size: Size) -> None:
        """Forget what was shown if the screen had another size.

        What was drawn for that one, after the terminal had changed already, lies anywhere.
        """
        if size != self._size:
            self.forget()
        self._size = size

    def forget(self) -> None:
        """Take nothing for shown: the terminal may have lost it."""
        self._rows.clear()

    def news(self, runs: Iterable[Run]) -> Iterator[Run]:
        """Yield the parts of runs that the terminal does not show yet, and note them as shown."""
        for run in runs:
            row = self._rows.setdefault(run.y, [])
            row.extend([None] * (run.end - len(row)))
            before, after = row[run.x : run.end], _cells(run)
            if before == after and None not in after:
                continue
            row[run.x : run.end] = after
            if None in after:
                yield run
            else:
                yield from _changed(run, before, after)


def _cells(run: Run) -> list[tuple[str, Codes] | None]:
    """Return what each cell of a run shows."""
    if len(run.text) != run.end - run.x or not _ONE_COLUMN.fullmatch(run.text):
        return [None] * (run.end - run.x)
    codes = run.codes
    cells: list[tuple[str, Codes] | None] = [(character, codes) for character in run.text]
    if " " in run.text and codes[0] in _UNSEEN_ON_BLANKS:
        blank = (" ", ("", "", codes[2]))
        cells = [blank if cell == (" ", codes) else cell for cell in cells]
    return cells


def _changed(
    run: Run, before: list[tuple[str, Codes] | None], after: list[tuple[str, Codes] | None]
) -> Iterator[Run]:
    """Yield the parts of a run whose cells differ; parts near each other as one."""
    differ = [n for n, (old, new) in enumerate(zip(before, after, strict=True)) if old != new]
    start = differ[0]
    for last, following in zip(differ, [*differ[1:], None], strict=True):
        if following is None or following - last > BRIDGED_CELLS + 1:
            part = slice(start, last + 1)
            yield run._replace(x=run.x + start, end=run.x + last + 1, text=run.text[part])
            start = following or 0
