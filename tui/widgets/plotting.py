"""Dots as characters with labelled axes, by plotext, and only where something changed."""

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from tui.palette import Role
from tui.widgets.cells import Canvas
from tui.widgets.dots import DOTS_ACROSS, DOTS_DOWN, Frame, Marker, Series
from tui.widgets.scales import LABEL_COLUMNS, nice_ticks, tick_label
from tui.widgets.traces import Cells, Trace

if TYPE_CHECKING:
    from plotext._figure import _figure_class as Figure  # noqa: N812

_GLYPHS: dict[Marker, tuple[str, str]] = {
    "braille": ("braille", "*"),
    "dashed": ("braille", "+"),
    "dot": ("•", "o"),
    "circle": ("◦", "x"),
}
"""plotext's marker with and without Unicode."""

_BRAILLE = 0x2800
_DOT_BITS = ((0x40, 0x04, 0x02, 0x01), (0x80, 0x20, 0x10, 0x08))
"""The bit of a braille dot by column and row, from the lower left one (Unicode, 15.6)."""

_ROWS_PER_TICK = 2
_COLUMNS_PER_TICK = 10
_SERIES_COLOUR = 16
"""plotext's colour number of the first series; it says whose a character is."""

_ESCAPE = re.compile(r"\x1b\[([\d;]*)m")
_TO_ASCII = str.maketrans("┤│", "+|")


class Plot:
    """A plot that remembers what it drew, and has plotext draw the changed columns anew."""

    def __init__(self) -> None:
        self._looks: tuple[object, ...] = ()
        self._traces: list[Trace] = []
        self._labels = Canvas(0, 0)
        self._curves = Canvas(0, 0)

    def update(self, frame: Frame, series: Sequence[Series]) -> Canvas:
        """Return the curves with their labels, `frame.width` by `frame.height`."""
        looks = (frame, [(one.role, one.marker) for one in series])
        if looks != self._looks:
            self._looks, self._traces = looks, [Trace(frame) for _ in series]
            self._labels = _draw_labels(frame)
            self._curves = Canvas(frame.columns, frame.rows)
        traces = self._traces
        updates = [trace.update(one) for trace, one in zip(traces, series, strict=True)]
        changed = {column for columns in updates for column in columns}
        if changed:
            columns = range(min(changed), max(changed) + 1)
            cells = [trace.cells for trace in traces]
            self._curves.paste(_draw_curves(frame, series, cells, columns), columns.start, 0)
        canvas = Canvas(frame.width, frame.height)
        canvas.paste(self._labels, 0, 0)
        canvas.paste(self._curves, frame.width - frame.columns, 0)
        return canvas


def _figure(width: int, height: int) -> "Figure":
    # Not at the top: there is nothing to plot in the first frame. The class is the one behind
    # the figure that plotext's functions share; every plot here has its own.
    from plotext._figure import _figure_class  # noqa: PLC0415

    figure = _figure_class()
    figure._limit_size(False, False)  # plotext would cut the plot to its idea of the terminal
    figure.plot_size(width, height)
    figure.theme("clear")
    figure.frame(False)
    figure.xlim(0, 1)
    figure.ylim(0, 1)
    figure.xfrequency(0)  # no ticks but those that are asked for
    figure.yfrequency(0)
    return figure


def _draw_labels(frame: Frame) -> Canvas:
    figure = _figure(frame.width, frame.height)
    # plotext draws ticks only where there is data; this point is blank.
    figure.scatter([0], [0], marker=" ", color=0)
    if frame.has_y_labels:
        up = frame.up()
        ticks = nice_ticks(frame.y_limits, max(2, frame.rows // _ROWS_PER_TICK), frame.log_y)
        rows = [_share(round(up(tick)) // DOTS_DOWN, frame.rows) for tick in ticks]
        figure.yaxes(True, False)
        figure.yticks(rows, [f"{tick_label(tick):>{LABEL_COLUMNS}}" for tick in ticks])
    if frame.has_x_labels:
        across = frame.across()
        ticks = nice_ticks(frame.x_limits, max(2, frame.columns // _COLUMNS_PER_TICK))
        columns = [_share(across(tick) // DOTS_ACROSS, frame.columns) for tick in ticks]
        figure.xticks(columns, [tick_label(tick) for tick in ticks])
    canvas = _parsed(figure, frame, ())
    if frame.has_x_labels and frame.has_y_labels:
        # In the corner below the y labels; behind the last tick it would push that one aside.
        _put_unit(canvas, frame.x_label[:LABEL_COLUMNS])
    return canvas


def _put_unit(canvas: Canvas, unit: str) -> None:
    """Write the unit before the first tick's label, which makes room where it is wide: -1000."""
    y, start = canvas.height - 1, LABEL_COLUMNS + 1
    labels = canvas.row(y)
    first = labels.split(maxsplit=1)[0] if labels.strip() else ""
    if first and labels.index(first) < start:
        canvas.put(0, y, " " * (labels.index(first) + len(first)))
        canvas.put(start, y, first, Role.DIM)
    canvas.put(0, y, f"{unit:>{LABEL_COLUMNS}}", Role.DIM)


def _draw_curves(
    frame: Frame, series: Sequence[Series], cells: Sequence[Cells], columns: range
) -> Canvas:
    """Return these columns of the plot, without labels."""
    figure = _figure(len(columns), frame.rows)
    for number, (one, its_cells) in enumerate(zip(series, cells, strict=True)):
        if one.marker == "band":
            continue
        glyph = _GLYPHS[one.marker][frame.ascii_only]
        across, down = (1, 1) if glyph == "braille" else (DOTS_ACROSS, DOTS_DOWN)
        bins = len(columns) * DOTS_ACROSS // across, frame.rows * DOTS_DOWN // down
        dots = [dot for column in columns for dot in its_cells.get(column, ())]
        x = [_share((dot[0] - columns.start * DOTS_ACROSS) // across, bins[0]) for dot in dots]
        y = [_share(dot[1] // down, bins[1]) for dot in dots]
        figure.scatter(x, y, marker=glyph, color=_SERIES_COLOUR + number)
    canvas = _parsed(figure, frame, series)
    for one, its_cells in zip(series, cells, strict=True):
        if one.marker == "band":
            _put_band(canvas, frame, one.role, its_cells, columns)
    return canvas


def _put_band(canvas: Canvas, frame: Frame, role: Role, cells: Cells, columns: range) -> None:
    """Draw a band's dots in the cells that are blank: a cell has one colour.

    Not through plotext, which takes 14 ms for the thousand dots of a band.
    """
    for column in columns:
        bits: dict[int, int] = {}
        for x, y in cells.get(column, ()):
            row = y // DOTS_DOWN
            bits[row] = bits.get(row, 0) | _DOT_BITS[x % DOTS_ACROSS][y % DOTS_DOWN]
        for row, mask in bits.items():
            place = column - columns.start, frame.rows - 1 - row
            if canvas.cell(*place)[0] == " ":
                canvas.put(*place, ":" if frame.ascii_only else chr(_BRAILLE + mask), role)


def _share(place: int, bins: int) -> float:
    """Return where plotext, with limits 0 and 1, draws in exactly this bin."""
    return place / (bins - 1) if bins > 1 else 0.0


def _parsed(figure: "Figure", frame: Frame, series: Sequence[Series]) -> Canvas:
    """Turn plotext's text and escape sequences into cells: a colour is a series, none an axis."""
    text: str = figure.build()
    if frame.ascii_only:
        text = text.translate(_TO_ASCII)
    width, height = figure.plot_size()
    canvas = Canvas(width, height)
    for y, line in enumerate(text.split("\n")):
        x, role = 0, Role.DIM
        for n, part in enumerate(_ESCAPE.split(line)):
            if n % 2 == 0:
                x = canvas.put(x, y, part, role)
            else:
                number = int(part.rsplit(";", 1)[-1] or 0) - _SERIES_COLOUR
                role = series[number].role if 0 <= number < len(series) else Role.DIM
    return canvas
