"""Axes and their labels, drawn by plotext.

plotext stays at 5.3 and is called through its public names. 6.1, with its compiled kernel, was
measured against it (60 x 10 cells, two curves of 120 dots): 4.0 ms instead of 2.7 for a whole plot
and 0.54 instead of 0.44 for two of its columns, most of it spent in ctypes calls; its import takes
0.26 s instead of 0.08; its matrix has no public way to read a character, so that the text and its
escape sequences would have to be parsed; and it has no wheel for musl and none for Intel Macs.

Curves are packed by `plotting`: plotext draws all points of a series again to add one.
"""

from mlpwatch.tui.charts.dots import DOTS_ACROSS, DOTS_DOWN, Frame
from mlpwatch.tui.charts.scales import LABEL_COLUMNS, nice_ticks, tick_label
from mlpwatch.tui.kit.cells import Canvas
from mlpwatch.tui.kit.theme import Role

_COLUMNS_PER_TICK = 10

_TO_ASCII = str.maketrans("┤│", "+|")


def draw_axes(frame: Frame) -> Canvas:
    """Return the labels at the left and below, on a canvas as large as the frame.

    What lies between them is not built: plotext goes through all cells of a figure in Python,
    which is 3 ms for one of 70 x 10.
    """
    canvas = Canvas(frame.width, frame.height)
    if frame.has_x_labels:
        canvas.paste(_x_labels(frame), 0, frame.rows - 1)
    if frame.has_y_labels:
        canvas.paste(_y_labels(frame), 0, 0)
    if frame.has_x_labels and frame.has_y_labels:
        # In the corner below the y labels; behind the last tick it would push that one aside.
        _put_unit(canvas, frame.x_label[:LABEL_COLUMNS])
    return canvas


def _y_labels(frame: Frame) -> Canvas:
    """Return the labels, the axis, and one blank column of the plot."""
    up = frame.up()
    labels = {tick: f"{tick_label(tick):>{LABEL_COLUMNS}}" for tick in frame.y_ticks}
    rows = {round(up(tick)) // DOTS_DOWN: label for tick, label in labels.items()}
    return _build(LABEL_COLUMNS + 2, frame.rows, {}, rows, ascii_only=frame.look.ascii_only)


def _x_labels(frame: Frame) -> Canvas:
    """Return one blank row of the plot, and the labels; as wide as the chart."""
    across = frame.across()
    ticks = nice_ticks(frame.x_limits, max(2, frame.columns // _COLUMNS_PER_TICK))
    columns = {across(tick) // DOTS_ACROSS: tick_label(tick) for tick in ticks}
    rows = {0: " " * LABEL_COLUMNS} if frame.has_y_labels else {}
    return _build(frame.width, 2, columns, rows, ascii_only=frame.look.ascii_only)


def _build(
    width: int, height: int, columns: dict[int, str], rows: dict[int, str], *, ascii_only: bool
) -> Canvas:
    """Return a blank plot with these labels at these columns and rows, and a y axis if rows."""
    # Not at the top: there is nothing to plot in the first frame.
    import plotext  # noqa: PLC0415

    plotext.clear_figure()
    plotext.limit_size(False, False)
    plotext.plot_size(width, height)
    plotext.theme("clear")
    plotext.frame(False)
    # So that labels are placed by column and row; the rows of a plot count from below.
    plotext.xlim(0, max(1, width - (LABEL_COLUMNS + 1 if rows else 0) - 1))
    plotext.ylim(0, max(1, height - (1 if columns else 0) - 1))
    plotext.yaxes(bool(rows), False)
    plotext.xticks(list(columns), list(columns.values()))
    plotext.yticks(list(rows), list(rows.values()))
    # plotext draws ticks only where there is data; this point is blank.
    plotext.scatter([0], [0], marker=" ")
    text = plotext.uncolorize(plotext.build())
    canvas = Canvas(width, height)
    for y, line in enumerate(text.split("\n")):
        canvas.put(0, y, line.translate(_TO_ASCII) if ascii_only else line, Role.DIM)
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
