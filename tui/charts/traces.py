"""A curve's dots from frame to frame; only those that a new point can change are computed again."""

from collections.abc import Sequence
from itertools import zip_longest

from mlpwatch.tui.charts.dots import (
    DOTS_ACROSS,
    LINES,
    XY,
    Dots,
    Frame,
    Marker,
    Series,
    dashed,
    enlarged,
    group_starts,
    is_crowded,
    series_dots,
)

DotsByColumn = dict[int, Dots]
"""Dots by the column of their cell."""


class Trace:
    """The dots of one series in one frame.

    A run adds points at the right end of its curves. Drawing all points of a long run in each
    frame would make a frame cost 1.2 times as much as at the start of the run.

    Args:
        frame: where and how the curve is drawn.
    """

    def __init__(self, frame: Frame) -> None:
        self._frame = frame
        self._series: Series | None = None
        self._raw: DotsByColumn = {}
        self.cells: DotsByColumn = {}
        """What to draw."""

    def update(self, series: Series) -> set[int]:
        """Update to the current series; return the columns of cells that have changed."""
        before, self._series = self._series, series
        if before == series:
            return set()
        first = self._first_changed(before, series)
        fresh = _by_cell(series_dots(series, self._frame, first * DOTS_ACROSS))
        self._raw = {x: dots for x, dots in self._raw.items() if x < first} | fresh
        drawn, self.cells = self.cells, self._styled(series.marker)
        columns = drawn.keys() | self.cells.keys()
        return {x for x in columns if drawn.get(x) != self.cells.get(x)}

    def _styled(self, marker: Marker) -> DotsByColumn:
        """Return the dots in the marker's style."""
        cells = self._raw
        if marker == "dashed":
            dashes = {x: kept for x, dots in cells.items() if (kept := dashed(dots))}
            # A curve so short that it falls into the gap between two dashes is drawn whole.
            cells = dashes or cells
        if marker in LINES and sum(map(len, cells.values())) == 1:
            cells = {x: enlarged(dots) for x, dots in cells.items()}
        return cells

    def _first_changed(self, before: Series | None, after: Series) -> int:
        """Return the first column of cells that can differ, 0 if it is unknown."""
        if before is None or _crowds(before, after, self._frame):
            return 0
        starts = group_starts(after, self._frame)
        kept = after.points[: _common(before.points, after.points)]
        # The mean of the last group may have changed, which bends the line from the group before.
        changing = starts(kept[-1][0]) if kept else 0
        groups = (starts(x) for x, _ in reversed(kept))
        before_it = next((group for group in groups if group < changing), 0)
        return max(0, before_it // DOTS_ACROSS)


def _crowds(before: Series, after: Series, frame: Frame) -> bool:
    """Return whether marks have begun to touch, so that they are drawn further apart."""
    return is_crowded(before, frame) != is_crowded(after, frame)


def _common(before: Sequence[XY], after: Sequence[XY]) -> int:
    """Return how many leading points are the same."""
    pairs = enumerate(zip_longest(before, after))
    return next((n for n, (old, new) in pairs if old != new), len(after))


def _by_cell(dots: Dots) -> DotsByColumn:
    cells: DotsByColumn = {}
    for dot in dots:
        cells.setdefault(dot[0] // DOTS_ACROSS, []).append(dot)
    return cells
