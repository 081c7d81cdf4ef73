"""Curves as characters: thinned to the dots of the screen, drawn by plotext."""

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise
from typing import Literal, NamedTuple

# The class behind the figure that plotext's functions share; every plot here has its own.
from plotext._figure import _figure_class as Figure  # noqa: N812

from tui.palette import Role
from tui.widgets.cells import Canvas
from tui.widgets.scales import LABEL_COLUMNS, Limits, nice_ticks, tick_label

Marker = Literal["braille", "dashed", "dot", "circle"]
"""Two kinds of line, `braille` and `dashed`, and two marks, one per point where there is room."""

DOTS_ACROSS, DOTS_DOWN = 2, 4
"""Braille dots in a cell."""

_DASH, _DASH_PERIOD = 2 * DOTS_ACROSS, 3 * DOTS_ACROSS
"""Dots of a dash, and of a dash with the gap after it."""

_MARK_SPACING = 2 * DOTS_ACROSS
"""Dots between two marks at least: a dotted line where there are more points than room."""

_GLYPHS: dict[Marker, tuple[str, str]] = {
    "braille": ("braille", "*"),
    "dashed": ("braille", "+"),
    "dot": ("•", "o"),
    "circle": ("◦", "x"),
}
"""plotext's marker with and without Unicode."""

_LONE_POINT = "⠶"
"""A point without neighbours: a single braille dot is too small to see."""

_ROWS_PER_TICK = 2
_COLUMNS_PER_TICK = 10
_ROWS_FOR_X_LABELS = 5
"""Rows below which the x labels make room for the curve."""
_COLUMNS_FOR_Y_LABELS = 24
_SERIES_COLOUR = 16
"""plotext's colour number of the first series; it says whose a character is."""

_ESCAPE = re.compile(r"\x1b\[([\d;]*)m")
_TO_ASCII = str.maketrans("┤│─", "+|-")


@dataclass(frozen=True, slots=True)
class Series:
    """One curve."""

    label: str
    """For the legend."""
    role: Role
    points: Sequence[tuple[float, float]]
    """(x, y) by ascending x; a y that is NaN or infinite is a gap."""
    marker: Marker = "braille"


class Frame(NamedTuple):
    """Where and how curves are drawn."""

    width: int
    """Columns, labels included."""
    height: int
    x_limits: Limits
    y_limits: Limits
    log_y: bool = False
    x_label: str = ""
    """Unit of x, written behind the last label."""
    ascii_only: bool = False

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

    def dot_column(self, x: float) -> int:
        """Return the dot column of x, counted from 0 at the left; outside may be anything."""
        return _place(x, self.x_limits, DOTS_ACROSS * self.columns)

    def height_of(self, y: float) -> float:
        """Return y's dot row, not rounded, counted from 0 at the bottom; NaN if there is none.

        A y outside the limits is kept within one plot height of them: the line leaves the plot,
        and plotext has no million dots to draw.
        """
        if not math.isfinite(y) or (self.log_y and y <= 0):
            return math.nan
        low, high = self.y_limits
        if self.log_y:
            y, low, high = math.log10(y), math.log10(low), math.log10(high)
        share = min(2.0, max(-1.0, (y - low) / (high - low)))
        return share * (DOTS_DOWN * self.rows - 1)


Dots = list[tuple[int, int]]
"""(column, row) in dots from the lower left corner, by ascending column."""


def _place(value: float, limits: Limits, bins: int) -> int:
    low, high = limits
    return math.floor(0.5 + (bins - 1) * (value - low) / (high - low))


def dot_strokes(series: Series, frame: Frame) -> list[Dots]:
    """Return the dots of a series, in strokes between its gaps.

    Points are averaged per dot column (marks: per few), in fixed columns, so that a new point
    changes the end of the curve only.
    """
    spacing = _MARK_SPACING if series.marker in ("dot", "circle") else 1
    strokes: list[Dots] = [[]]
    for column, height in _averages(series, frame, spacing):
        if math.isnan(height):
            strokes.append([])
        else:
            strokes[-1].append((column, round(height)))
    strokes = [stroke for stroke in strokes if stroke]
    return list(_dashes(strokes)) if series.marker == "dashed" else strokes


def _averages(series: Series, frame: Frame, spacing: int) -> Iterator[tuple[int, float]]:
    """Yield the first column and the mean height of each group of columns; NaN for a gap."""
    last_column = DOTS_ACROSS * frame.columns - 1
    first, total, size = -1, 0.0, 0
    for x, y in series.points:
        column = frame.dot_column(x)
        if not 0 <= column <= last_column:
            continue
        if first < 0 or column // spacing != first // spacing:
            if first >= 0:
                yield first, total / size if size else math.nan
            first, total, size = column, 0.0, 0
        height = frame.height_of(y)
        if not math.isnan(height):
            total, size = total + height, size + 1
    if first >= 0:
        yield first, total / size if size else math.nan


def _dashes(strokes: list[Dots]) -> Iterator[Dots]:
    """Yield the parts of each stroke in fixed dashes of columns; where none is, the stroke."""
    for stroke in strokes:
        stretches = groupby(_every_column(stroke), key=lambda dot: dot[0] // _DASH_PERIOD)
        parts = [[dot for dot in dots if dot[0] % _DASH_PERIOD < _DASH] for _, dots in stretches]
        yield from [part for part in parts if part] or [stroke]


def _every_column(stroke: Dots) -> Iterator[tuple[int, int]]:
    for (left, low), (right, high) in pairwise(stroke):
        for column in range(left, right):
            yield column, round(low + (high - low) * (column - left) / (right - left))
    yield stroke[-1]


def plot(frame: Frame, series: Sequence[Series], strokes: Sequence[list[Dots]]) -> Canvas:
    """Draw the strokes of each series, with labels, as `frame` says."""
    figure = Figure()
    figure._limit_size(False, False)  # plotext would cut the plot to its idea of the terminal
    figure.plot_size(frame.width, frame.height)
    figure.theme("clear")
    figure.xaxes(False, False)
    figure.yaxes(frame.has_y_labels, False)
    figure.xlim(0, 1)
    figure.ylim(0, 1)
    # plotext draws ticks only where there is data; this point is blank.
    figure.scatter([0], [0], marker=" ", color=0)
    _draw_ticks(figure, frame)
    for number, (one, its_strokes) in enumerate(zip(series, strokes, strict=True)):
        for stroke in its_strokes:
            _draw_stroke(figure, frame, one.marker, _SERIES_COLOUR + number, stroke)
    text = figure.build()
    return _parse(text.translate(_TO_ASCII) if frame.ascii_only else text, frame, series)


def _draw_ticks(figure: Figure, frame: Frame) -> None:
    if frame.has_y_labels:
        ticks = nice_ticks(frame.y_limits, max(2, frame.rows // _ROWS_PER_TICK), frame.log_y)
        rows = [round(frame.height_of(tick)) // DOTS_DOWN for tick in ticks]
        labels = [f"{tick_label(tick):>{LABEL_COLUMNS}}" for tick in ticks]
        figure.yticks([_share(row, frame.rows) for row in rows], labels)
    if frame.has_x_labels:
        ticks = nice_ticks(frame.x_limits, max(2, frame.columns // _COLUMNS_PER_TICK))
        columns = [frame.dot_column(tick) // DOTS_ACROSS for tick in ticks]
        labels = [tick_label(tick) for tick in ticks]
        labels[-1:] = [f"{label} {frame.x_label}".rstrip() for label in labels[-1:]]
        figure.xticks([_share(column, frame.columns) for column in columns], labels)


def _draw_stroke(figure: Figure, frame: Frame, marker: Marker, colour: int, stroke: Dots) -> None:
    glyph = _GLYPHS[marker][frame.ascii_only]
    if len(stroke) == 1 and glyph == "braille":
        glyph = _LONE_POINT
    across, down = (1, 1) if glyph == "braille" else (DOTS_ACROSS, DOTS_DOWN)
    columns = [_share(c // across, DOTS_ACROSS * frame.columns // across) for c, _ in stroke]
    rows = [_share(r // down, DOTS_DOWN * frame.rows // down) for _, r in stroke]
    draw = figure.plot if marker in ("braille", "dashed") else figure.scatter
    draw(columns, rows, marker=glyph, color=colour)


def _share(place: int, bins: int) -> float:
    """Return where plotext, with limits 0 and 1, draws in exactly this bin."""
    return place / (bins - 1) if bins > 1 else 0.0


def _parse(text: str, frame: Frame, series: Sequence[Series]) -> Canvas:
    """Turn plotext's text and escape sequences into cells: a colour is a series, none an axis."""
    canvas = Canvas(frame.width, frame.height)
    for y, line in enumerate(text.split("\n")):
        x, role = 0, Role.DIM
        for n, part in enumerate(_ESCAPE.split(line)):
            if n % 2 == 0:
                x = canvas.put(x, y, part, role)
            else:
                number = int(part.rsplit(";", 1)[-1] or 0) - _SERIES_COLOUR
                role = series[number].role if 0 <= number < len(series) else Role.DIM
    return canvas
