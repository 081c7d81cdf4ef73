"""How a confusion matrix fits its pane: cell widths, the visible part, and each cell's role."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from mlpwatch.tui.kit.theme import HEAT, Role

if TYPE_CHECKING:
    # The first frame comes before there are counts, and importing NumPy takes 0.1 s.
    import numpy as np
    from numpy.typing import NDArray

HEAD_ROWS = 2
"""Title and predicted classes."""

LONGEST_NAME = 8
"""Most columns of a class name."""

_NARROWEST_CELL, _NARROW_CELL, _WIDEST_CELL = 2, 3, 6
_NARROWEST_DIGITS = 2
"""The narrowest cells are used if the largest possible count has at most this many digits."""


class Layout(NamedTuple):
    """The visible part of a matrix, and its widths."""

    label: int
    """Columns of the true classes' names, with a blank after them."""
    cell: int
    """Columns of a count."""
    rows: range
    """True classes in view."""
    columns: range
    """Predicted classes in view."""
    spare: int = 0
    """Cells that are one column wider because a count may fill them; evenly spread."""

    def edge(self, n: int) -> int:
        """Return the first column of the n-th cell of a row, where the one before it ends."""
        wider = -(-n * self.spare // max(1, len(self.columns)))
        return self.label + n * self.cell + wider

    def column_at(self, x: int) -> int | None:
        """Return the cell of a row at column `x`; None beside the cells."""
        cells = range(len(self.columns))
        return next((n for n in cells if self.edge(n) <= x < self.edge(n + 1)), None)


def fit(
    names: Sequence[str],
    most: int,
    width: int,
    height: int,
    *,
    first: tuple[int, int],
    at: tuple[int, int],
) -> Layout:
    """Choose the widest cells that show all classes; if none do, a part that contains `at`.

    Args:
        names: one per class, at least one.
        most: images of the largest class. It decides the width, not the present counts, so
            that numbers never move.
        width: columns of the pane.
        height: rows of the pane, title and header included.
        first: the present true and predicted class at the upper left.
        at: true and predicted class that must be in view.
    """
    classes, digits = len(names), len(str(most))
    longest_name = max(map(len, names))
    label = min(longest_name, LONGEST_NAME) + 1
    is_short = digits <= _NARROWEST_DIGITS and longest_name < _NARROWEST_CELL
    narrowest = _NARROWEST_CELL if is_short else _NARROW_CELL
    cell = max(narrowest, min(_WIDEST_CELL, (width - label) // classes))
    rows = min(classes, max(1, height - HEAD_ROWS))
    columns = min(classes, max(1, (width - label) // cell))
    top, left = _follow(first[0], at[0], rows, classes), _follow(first[1], at[1], columns, classes)
    spare = min(columns, max(0, width - label - columns * cell)) if cell <= digits else 0
    return Layout(label, cell, range(top, top + rows), range(left, left + columns), spare)


def _follow(first: int, at: int, seen: int, total: int) -> int:
    """Return the first visible of `total`, moved no further than needed to show `at`."""
    return max(0, min(max(min(first, at), at - seen + 1), total - seen))


def most_per_class(counts: "NDArray[np.int64]") -> int:
    """Return the number of images of the largest class: the largest row sum."""
    return int(counts.sum(axis=1).max())


def mistakes(counts: "NDArray[np.int64]") -> "NDArray[np.int64]":
    """Return (classes, classes) counts with zeros on the diagonal."""
    wrong = counts.copy()
    wrong.flat[:: len(wrong) + 1] = 0
    return wrong


def count_text(count: int, width: int, zero: str) -> str:
    """Return a count in at most `width` columns (2 or more): 1,135 in three is `1k`."""
    if count == 0:
        return zero
    if len(str(count)) <= width:
        return str(count)
    for size, suffix in ((1_000, "k"), (1_000_000, "M"), (1_000_000_000, "G")):
        if count >= size and len(text := f"{count // size}{suffix}") <= width:
            return text
    return ">" * width


def count_role(count: int, diagonal: bool, largest: int) -> Role:
    """Return a cell's role: a mistake's heat grows with its logarithm, up to the largest."""
    if count == 0:
        return Role.DIM
    if diagonal:
        return Role.DIAGONAL
    share = math.log1p(count) / math.log1p(max(largest, count))
    return HEAT[math.ceil(share * len(HEAT) - 1e-9) - 1]


def places(texts: Sequence[str], layout: Layout, gap: int) -> list[int]:
    """Return the first column of each text of a row.

    Numbers are right-aligned in their cells; one that would touch the next moves left.
    A row adds up to the images of its class, so only few of its numbers are long and move.
    If they are too long for the row, the first begins left of the cells.

    Args:
        texts: of the cells in view.
        layout: of the matrix.
        gap: blanks between two texts.
    """
    starts: list[int] = []
    free = layout.edge(len(texts)) + gap
    for n in reversed(range(len(texts))):
        free = min(layout.edge(n + 1), free - gap) - len(texts[n])
        starts.append(free)
    return starts[::-1]
