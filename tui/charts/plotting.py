"""Dots as characters with labelled axes, by plotext, and only where something changed."""

from collections.abc import Sequence
from itertools import groupby
from typing import TYPE_CHECKING

from mlpwatch.tui.charts.dots import DOTS_ACROSS, DOTS_DOWN, Frame, Marker, Series
from mlpwatch.tui.charts.scales import LABEL_COLUMNS, nice_ticks, tick_label
from mlpwatch.tui.charts.traces import Cells, Trace
from mlpwatch.tui.kit.cells import Canvas
from mlpwatch.tui.kit.theme import Role

if TYPE_CHECKING:
    from plotext._monitor import monitor_class as PlotextPlot  # noqa: N812

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


def _plot(width: int, height: int) -> "PlotextPlot":
    # Not at the top: there is nothing to plot in the first frame. The class is the one inside
    # plotext's figures, which take 0.3 ms to make and ask for the terminal's size.
    from plotext._date import date_class  # noqa: PLC0415
    from plotext._monitor import monitor_class  # noqa: PLC0415

    plot = monitor_class()
    plot.set_date(date_class())
    plot.set_size((width, height))
    plot.set_theme("clear")
    plot.set_frame(False)
    plot.set_xlim(0, 1)
    plot.set_ylim(0, 1)
    plot.set_xfrequency(0)  # no ticks but those that are asked for
    plot.set_yfrequency(0)
    return plot


def _draw_labels(frame: Frame) -> Canvas:
    """Return the labels at the left and below; what lies between is not asked of plotext.

    It goes through all cells of a figure in Python, which is 3 ms for one of 70 x 10.
    """
    canvas = Canvas(frame.width, frame.height)
    if frame.has_x_labels:
        canvas.paste(_draw_x_labels(frame), 0, frame.rows - 1)
    if frame.has_y_labels:
        canvas.paste(_draw_y_labels(frame), 0, 0)
    if frame.has_x_labels and frame.has_y_labels:
        # In the corner below the y labels; behind the last tick it would push that one aside.
        _put_unit(canvas, frame.x_label[:LABEL_COLUMNS])
    return canvas


def _draw_y_labels(frame: Frame) -> Canvas:
    """Return the labels, the axis, and one blank column of the plot."""
    up = frame.up()
    ticks = nice_ticks(frame.y_limits, max(2, frame.rows // _ROWS_PER_TICK), frame.log_y)
    rows = [_share(round(up(tick)) // DOTS_DOWN, frame.rows) for tick in ticks]
    plot = _axes(LABEL_COLUMNS + 2, frame.rows)
    plot.set_yaxes(True, False)
    plot.set_yticks(rows, [f"{tick_label(tick):>{LABEL_COLUMNS}}" for tick in ticks])
    return _cells_of(plot, frame, ())


def _draw_x_labels(frame: Frame) -> Canvas:
    """Return one blank row of the plot, and the labels; as wide as the chart."""
    across = frame.across()
    ticks = nice_ticks(frame.x_limits, max(2, frame.columns // _COLUMNS_PER_TICK))
    columns = [_share(across(tick) // DOTS_ACROSS, frame.columns) for tick in ticks]
    plot = _axes(frame.width, 2)
    if frame.has_y_labels:
        plot.set_yaxes(True, False)
        plot.set_yticks([0], [" " * LABEL_COLUMNS])
    plot.set_xticks(columns, [tick_label(tick) for tick in ticks])
    return _cells_of(plot, frame, ())


def _axes(width: int, height: int) -> "PlotextPlot":
    plot = _plot(width, height)
    # plotext draws ticks only where there is data; this point is blank.
    plot.draw([0], [0], lines=False, marker=" ", color=0)
    return plot


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
    plot = _plot(len(columns), frame.rows)
    for number, (one, its_cells) in enumerate(zip(series, cells, strict=True)):
        if one.marker == "band":
            continue
        glyph = _GLYPHS[one.marker][frame.look.ascii_only]
        across, down = (1, 1) if glyph == "braille" else (DOTS_ACROSS, DOTS_DOWN)
        bins = len(columns) * DOTS_ACROSS // across, frame.rows * DOTS_DOWN // down
        dots = [dot for column in columns for dot in its_cells.get(column, ())]
        x = [_share((dot[0] - columns.start * DOTS_ACROSS) // across, bins[0]) for dot in dots]
        y = [_share(dot[1] // down, bins[1]) for dot in dots]
        plot.draw(x, y, lines=False, marker=glyph, color=_SERIES_COLOUR + number)
    canvas = _cells_of(plot, frame, series)
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
                canvas.put(*place, ":" if frame.look.ascii_only else chr(_BRAILLE + mask), role)


def _share(place: int, bins: int) -> float:
    """Return where plotext, with limits 0 and 1, draws in exactly this bin."""
    return place / (bins - 1) if bins > 1 else 0.0


def _cells_of(plot: "PlotextPlot", frame: Frame, series: Sequence[Series]) -> Canvas:
    """Have plotext draw, and take its cells: a colour is a series, none an axis."""
    plot.build_plot()
    matrix = plot.matrix
    canvas = Canvas(matrix.cols, matrix.rows)
    # plotext counts rows from below.
    rows = zip(matrix.marker[::-1], matrix.fullground[::-1], strict=True)
    for y, (marks, colours) in enumerate(rows):
        x, text = 0, "".join(marks)
        if frame.look.ascii_only:
            text = text.translate(_TO_ASCII)
        for colour, run in groupby(colours):
            number = colour - _SERIES_COLOUR if isinstance(colour, int) else -1
            role = series[number].role if 0 <= number < len(series) else Role.DIM
            end = x + len(list(run))
            x = canvas.put(x, y, text[x:end], role)
    return canvas
