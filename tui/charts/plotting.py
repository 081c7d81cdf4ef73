"""Curves as characters: dots are packed into cells, and only changed columns are drawn."""

from collections.abc import Sequence

from mlpwatch.tui.charts.axes import draw_axes
from mlpwatch.tui.charts.dots import DOTS_ACROSS, DOTS_DOWN, Frame, Marker, Series
from mlpwatch.tui.charts.traces import Trace
from mlpwatch.tui.kit.cells import BRAILLE_DOTS, Canvas, braille

_GLYPHS: dict[Marker, tuple[str, str]] = {
    "braille": ("", "*"),
    "dashed": ("", "+"),
    "dot": ("•", "o"),
    "circle": ("◦", "x"),
    "band": ("", ":"),
}
"""A marker's character with and without Unicode; empty for braille dots."""


class Plot:
    """A plot that remembers what it drew, and redraws only the changed columns."""

    def __init__(self) -> None:
        self._looks: tuple[object, ...] = ()
        self._traces: list[Trace] = []
        self._axes = Canvas(0, 0)
        self._curves = Canvas(0, 0)

    def update(self, frame: Frame, series: Sequence[Series]) -> Canvas:
        """Return the curves with their labels, `frame.width` by `frame.height`."""
        looks = (frame, [(one.role, one.marker) for one in series])
        if looks != self._looks:
            self._looks, self._traces = looks, [Trace(frame) for _ in series]
            self._axes = draw_axes(frame)
            self._curves = Canvas(frame.columns, frame.rows)
        traces = self._traces
        updates = [trace.update(one) for trace, one in zip(traces, series, strict=True)]
        changed = {column for columns in updates for column in columns}
        if changed:
            columns = range(min(changed), max(changed) + 1)
            drawn = _draw_curves(frame, series, traces, columns)
            self._curves.paste(drawn, columns.start, 0)
        canvas = Canvas(frame.width, frame.height)
        canvas.paste(self._axes, 0, 0)
        canvas.paste(self._curves, frame.width - frame.columns, 0)
        return canvas


def _draw_curves(
    frame: Frame, series: Sequence[Series], traces: Sequence[Trace], columns: range
) -> Canvas:
    """Return these columns of the plot. A cell has one colour: later curves cover earlier ones."""
    canvas = Canvas(len(columns), frame.rows)
    pairs = list(zip(series, traces, strict=True))
    # Bands come last: they only fill blank cells.
    for one, trace in sorted(pairs, key=lambda pair: pair[0].marker == "band"):
        glyph = _GLYPHS[one.marker][frame.look.ascii_only]
        for x, column in enumerate(columns):
            for row, mask in _packed(trace.cells.get(column, ())).items():
                y = frame.rows - 1 - row
                if one.marker != "band" or canvas.cell(x, y)[0] == " ":
                    canvas.put(x, y, glyph or braille(mask), one.role)
    return canvas


def _packed(dots: Sequence[tuple[int, int]]) -> dict[int, int]:
    """Return the braille mask of each row of one column of cells; rows count from below."""
    masks: dict[int, int] = {}
    for x, y in dots:
        row = y // DOTS_DOWN
        masks[row] = masks.get(row, 0) | BRAILLE_DOTS[-1 - y % DOTS_DOWN][x % DOTS_ACROSS]
    return masks
