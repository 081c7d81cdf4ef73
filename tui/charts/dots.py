"""Curves as dots: series thinned to the chart's resolution, and lines as braille dots."""

import math
from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from typing import Literal, NamedTuple

from mlpwatch.tui.charts.scales import LABEL_COLUMNS, Limits
from mlpwatch.tui.kit.look import SHOWS_ALL, Look
from mlpwatch.tui.kit.theme import Role

Marker = Literal["braille", "dashed", "dot", "circle", "band"]
"""Two kinds of line, `braille` and `dashed`; two marks, one per point if there is room; and a
band from the lowest to the highest point of each column, drawn behind lines and marks."""

LINES: tuple[Marker, ...] = ("braille", "dashed")
MARKS: tuple[Marker, ...] = ("dot", "circle")

DOTS_ACROSS, DOTS_DOWN = 2, 4
"""Braille dots in a cell."""

_DASH, _DASH_PERIOD = 2 * DOTS_ACROSS, 3 * DOTS_ACROSS
"""Dots of a dash, and of a dash with its gap."""

_MARK_SPACING = 2 * DOTS_ACROSS
"""Least distance of two marks in dots; crowded points become a dotted line."""

_ROUNDING = 1e-6
"""Added to a height in dots, so that a tick on the edge of a row is not rounded down."""

_ROWS_FOR_X_LABELS = 5
"""With fewer rows than this, the x labels are left out."""
_COLUMNS_FOR_Y_LABELS = 24

XY = tuple[float, float]
"""(x, y); a y that is NaN or infinite makes a gap."""

Dots = list[tuple[int, int]]
"""(column, row) in dots from the lower left corner."""


class Series(NamedTuple):
    """A curve."""

    label: str
    """For the legend; empty to leave it out there."""
    role: Role
    points: Sequence[XY]
    """In ascending order of x."""
    marker: Marker = "braille"
    in_full: bool = False
    """Draw a line through every point; otherwise the points of a dot column are averaged."""
    is_aside: bool = False
    """Whether the legend names it last, because the other curves matter more."""


class Frame(NamedTuple):
    """Where and how curves are drawn."""

    width: int
    """Columns, labels included."""
    height: int
    """Rows, labels included."""
    x_limits: Limits
    y_limits: Limits
    log_y: bool = False
    x_label: str = ""
    """Unit of x, written after the last label."""
    look: Look = SHOWS_ALL
    y_ticks: tuple[float, ...] = ()

    @property
    def columns(self) -> int:
        """Columns of the plot without its labels."""
        return self.width - (LABEL_COLUMNS + 1 if self.has_y_labels else 0)

    @property
    def rows(self) -> int:
        """Rows of the plot without its labels."""
        return self.height - (1 if self.has_x_labels else 0)

    @property
    def has_y_labels(self) -> bool:
        """Whether there is room for labels at the left."""
        return self.width >= _COLUMNS_FOR_Y_LABELS

    @property
    def has_x_labels(self) -> bool:
        """Whether there is room for labels below."""
        return self.height >= _ROWS_FOR_X_LABELS

    def across(self) -> Callable[[float], int]:
        """Return the function from x to its dot column, 0 at the left; only for x within limits."""
        low, high = self.x_limits
        scale = (DOTS_ACROSS * self.columns - 1) / (high - low)
        return lambda x: math.floor((x - low) * scale + 0.5)

    def up(self) -> Callable[[float], float]:
        """Return the function from y to its dot row, not rounded, 0 at the bottom, NaN for a gap.

        A y outside the limits is kept within one plot height of them: the line leaves the plot
        without drawing a million dots.
        """
        dots = DOTS_DOWN * self.rows
        low, high = map(math.log10, self.y_limits) if self.log_y else self.y_limits

        def height(y: float) -> float:
            if not math.isfinite(y) or (self.log_y and y <= 0):
                return math.nan
            share = ((math.log10(y) if self.log_y else y) - low) / (high - low)
            if share <= 1:
                # The dot whose range contains it; the upper limit belongs to the highest.
                return min(max(-1.0, share) * dots - 0.5 + _ROUNDING, dots - 1.0)
            return min(2.0, share) * dots

        return height


def series_dots(series: Series, frame: Frame, first: int = 0) -> Dots:
    """Return the dots that show a series, each once, from dot column `first` on.

    Points are averaged per dot column (crowded marks: per few columns), in fixed columns, so
    that a new point changes only the end of the curve.
    """
    points = _points_from(series, frame, first)
    if series.marker == "band" or series.in_full:
        drawn = _strokes(points, frame, joined=series.in_full)
    else:
        drawn = _joined(points, frame, _spacing(series, frame), series.marker in LINES)
    top = DOTS_DOWN * frame.rows
    return [dot for dot in dict.fromkeys(drawn) if 0 <= dot[1] < top and dot[0] >= first]


def dashed(dots: Dots) -> Dots:
    """Return the dots that are inside a dash."""
    return [dot for dot in dots if dot[0] % _DASH_PERIOD < _DASH]


def enlarged(dots: Dots) -> Dots:
    """Return two by two dots within the cell: a single dot is too small to see."""
    return [(x ^ across, y ^ up) for x, y in dots for across in (0, 1) for up in (0, 1)]


def is_crowded(series: Series, frame: Frame) -> bool:
    """Return whether marks would touch. Epochs are evenly spaced, so the answer stays the same."""
    if len(series.points) <= 1 or series.marker not in MARKS:
        return False
    column = frame.across()
    first, last = (column(series.points[n][0]) for n in (0, -1))
    return last - first < _MARK_SPACING * (len(series.points) - 1)


def group_starts(series: Series, frame: Frame) -> Callable[[float], int]:
    """Return the function from x to the first dot column of its group of averaged columns."""
    column, spacing = frame.across(), _spacing(series, frame)
    return lambda x: column(x) // spacing * spacing


def _spacing(series: Series, frame: Frame) -> int:
    return _MARK_SPACING if is_crowded(series, frame) else 1


def _points_from(series: Series, frame: Frame, first: int) -> Sequence[XY]:
    """Return the points that decide what is drawn from dot column `first` on."""
    if first <= 0:
        return series.points
    start, points = group_starts(series, frame), series.points

    def begin(column: int) -> int:
        return bisect_left(points, column, key=lambda point: start(point[0]))

    # A line that ends there began in the group before.
    place = begin(first)
    return points[begin(start(points[place - 1][0])) :] if place else points


def _joined(
    points: Sequence[XY], frame: Frame, spacing: int, is_line: bool
) -> Iterator[tuple[int, int]]:
    """Yield the dots of the averages; a line's dots are joined, except over a gap."""
    before: tuple[int, int] | None = None
    for column, height in _averages(points, frame, spacing):
        dot = None if math.isnan(height) else (column, round(height))
        if dot is not None:
            yield from _line(before, dot) if before and is_line else [dot]
        before = dot


def _strokes(points: Sequence[XY], frame: Frame, *, joined: bool) -> Iterator[tuple[int, int]]:
    """Yield each column's stroke from its lowest to its highest point.

    Joined strokes close the gap of one row between neighbours.
    """
    before: tuple[float, float] | None = None
    for column, heights in _by_column(points, frame, 1).items():
        known = [height for height in heights if not math.isnan(height)]
        if not known:
            before = None
            continue
        low, high = min(known), max(known)
        if before is not None and joined:
            low, high = min(low, before[1]), max(high, before[0])
        before = (min(known), max(known))
        if 0 <= column < DOTS_ACROSS * frame.columns:
            yield from ((column, row) for row in range(round(low), round(high) + 1))


def _line(start: tuple[int, int], end: tuple[int, int]) -> Iterator[tuple[int, int]]:
    """Yield the dots of a straight line, both ends included."""
    (x, y), across, up = start, end[0] - start[0], end[1] - start[1]
    steps = max(abs(across), abs(up), 1)
    for n in range(steps + 1):
        # Whole numbers, so that a line does not depend on where its drawing began.
        yield (
            x + (2 * across * n + steps) // (2 * steps),
            y + (2 * up * n + steps) // (2 * steps),
        )


def _averages(points: Sequence[XY], frame: Frame, spacing: int) -> Iterator[tuple[int, float]]:
    """Yield the first column and the mean height of each group of columns; NaN for a gap."""
    for group, heights in _by_column(points, frame, spacing).items():
        if 0 <= group * spacing < DOTS_ACROSS * frame.columns:
            known = [height for height in heights if not math.isnan(height)]
            yield group * spacing, sum(known) / len(known) if known else math.nan


def _by_column(points: Sequence[XY], frame: Frame, spacing: int) -> dict[int, list[float]]:
    """Return the heights in each group of columns, from left to right."""
    groups: dict[int, list[float]] = {}
    column, height = frame.across(), frame.up()
    for x, y in points:
        groups.setdefault(column(x) // spacing, []).append(height(y))
    return groups
