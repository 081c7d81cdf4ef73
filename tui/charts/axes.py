"""Axes and their labels, drawn by plotext.

plotext is pinned to 5.3 and called through its public names only. 6.1, with its compiled kernel,
was measured against it (60 x 10 cells, two curves of 120 dots): 4.0 ms instead of 2.7 for a whole
plot and 0.54 instead of 0.44 for two of its columns, mostly in ctypes calls; its import takes
0.26 s instead of 0.08; its matrix has no public way to read a character, so the text and its
escape sequences would have to be parsed; and it has no wheel for musl or Intel Macs.

Curves are drawn by `plotting`: to add a point, plotext draws the whole series again.
"""

from mlpwatch.tui.charts.dots import DOTS_ACROSS, DOTS_DOWN, Frame
from mlpwatch.tui.charts.scales import LABEL_COLUMNS, nice_ticks, tick_label, tick_labels
from mlpwatch.tui.kit.cells import Canvas
from mlpwatch.tui.kit.theme import Role

_COLUMNS_PER_TICK = 10

_TO_ASCII = str.maketrans("┤│", "+|")


def draw_axes(frame: Frame) -> Canvas:
    """Return the labels at the left and below, on a canvas as large as the frame.

    The plot area is left blank: plotext loops over all cells of a figure in Python, which takes
    3 ms for 70 x 10.
    """
    canvas = Canvas(frame.width, frame.height)
    if frame.has_x_labels:
        canvas.paste(_x_labels(frame), 0, frame.rows - 1)
    if frame.has_y_labels:
        canvas.paste(_y_labels(frame), 0, 0)
    if frame.has_x_labels and frame.has_y_labels:
        # In the corner below the y labels; after the last tick it would push that aside.
        _put_unit(canvas, frame.x_label[:LABEL_COLUMNS])
    return canvas


def _y_labels(frame: Frame) -> Canvas:
    """Return the labels, the axis, and one blank column of the plot."""
    up = frame.up()
    ticks = list(frame.y_ticks)
    texts = [tick_label(tick) for tick in ticks] if frame.log_y else tick_labels(ticks)
    labels = {tick: f"{text:>{LABEL_COLUMNS}}" for tick, text in zip(ticks, texts, strict=True)}
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
    """Return a blank plot with these labels at these columns and rows; a y axis if `rows`."""
    # Not at the top: the first frame has nothing to plot.
    import plotext  # noqa: PLC0415

    plotext.clear_figure()
    plotext.limit_size(False, False)
    plotext.plot_size(width, height)
    plotext.theme("clear")
    plotext.frame(False)
    # Labels are placed by column and row; the rows of a plot count from below.
    plotext.xlim(0, max(1, width - (LABEL_COLUMNS + 1 if rows else 0) - 1))
    plotext.ylim(0, max(1, height - (1 if columns else 0) - 1))
    plotext.yaxes(bool(rows), False)
    plotext.xticks(list(columns), list(columns.values()))
    plotext.yticks(list(rows), list(rows.values()))
    # plotext draws ticks only if there is data; this point is blank.
    plotext.scatter([0], [0], marker=" ")
    text = plotext.uncolorize(plotext.build())
    canvas = Canvas(width, height)
    for y, line in enumerate(text.split("\n")):
        canvas.put(0, y, line.translate(_TO_ASCII) if ascii_only else line, Role.DIM)
    return canvas


def _put_unit(canvas: Canvas, unit: str) -> None:
    """Write the unit before the first tick's label, which moves right if it is wide: -1000."""
    y, start = canvas.height - 1, LABEL_COLUMNS + 1
    labels = canvas.row(y)
    first = labels.split(maxsplit=1)[0] if labels.strip() else ""
    if first and labels.index(first) < start:
        canvas.put(0, y, " " * (labels.index(first) + len(first)))
        canvas.put(start, y, first, Role.DIM)
    canvas.put(0, y, f"{unit:>{LABEL_COLUMNS}}", Role.DIM)
