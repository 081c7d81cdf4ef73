"""Live line charts that send only what a new point changes."""

import math
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from mlpwatch.tui.charts.dots import DOTS_ACROSS, Frame, Marker, Series
from mlpwatch.tui.charts.plotting import Plot
from mlpwatch.tui.charts.scales import Limits, nice_limits, ruler
from mlpwatch.tui.kit.cells import Canvas, CellView
from mlpwatch.tui.kit.look import Look
from mlpwatch.tui.kit.theme import Role

__all__ = [
    "AFTER_EPOCH",
    "NONE_DONE",
    "WAITING",
    "Chart",
    "Limits",
    "Marker",
    "RateMark",
    "Series",
    "nice_limits",
]

_SMALLEST_WIDTH, _SMALLEST_HEIGHT = 12, 4
"""Below this size only the title and the last value are shown."""

_LARGEST_WIDTH, _LARGEST_HEIGHT = 1_000, 300
"""A plot never grows beyond this: at 2,500 x 1,700 cells the first frame takes 6 s."""

WAITING = "waiting for the first step"
AFTER_EPOCH = "after the first epoch"
NONE_DONE = "it ended before its first epoch was done"
_NOTHING_POSITIVE = "nothing above 0 to show on a log axis"

_SAMPLES: dict[Marker, tuple[str, str]] = {
    "braille": ("─", "*"),
    "dashed": ("╌", "+"),
    "dot": ("•", "o"),
    "circle": ("◦", "x"),
    "band": ("⣿", ":"),
}
"""A marker's sample in the legend, with and without Unicode."""


class RateMark(NamedTuple):
    """A change of the learning rate, marked at the head of a plot."""

    x: float
    is_raised: bool
    role: Role = Role.DIM


def marker_sample(marker: Marker, look: Look) -> str:
    """Return the character that represents a curve in a legend."""
    return _SAMPLES[marker][look.ascii_only]


class Chart(CellView):
    """Curves of one quantity over a run: title and legend in the first row, the plot below.

    Two charts with equal sizes and limits are drawn to the same scale, column for column.
    """

    def __init__(
        self, *, name: str | None = None, id: str | None = None, classes: str | None = None
    ) -> None:
        super().__init__(name=name, id=id, classes=classes)
        self._title: tuple[str, ...] = ()
        self._series: tuple[Series, ...] = ()
        self._frame = Frame(0, 0, (0.0, 1.0), (0.0, 1.0))
        self._crosshair: float | None = None
        self._mark: float | None = None
        self._empty = WAITING
        self._labels_top = False
        self._best: tuple[tuple[float, Role], ...] = ()
        self._changes: tuple[RateMark, ...] = ()
        self._plot = Plot()
        self._plotted_last: tuple[object, Canvas] = (None, Canvas(0, 0))

    def update(
        self,
        title: str | tuple[str, ...],
        series: Sequence[Series],
        *,
        x_limits: Limits,
        y_limits: Limits,
        log_y: bool = False,
        x_label: str = "",
        crosshair: float | None = None,
        mark: float | None = None,
        labels_top: bool = False,
        best: Sequence[tuple[float, Role]] = (),
        changes: Sequence[RateMark] = (),
        empty: str = WAITING,
    ) -> None:
        """Show these curves.

        Args:
            title: what the y axis shows; if there is no room, pieces after the second are left
                out.
            series: later ones are drawn over earlier ones.
            x_limits: from the start to the planned end of the run, so that curves grow to the
                right and old cells stay.
            y_limits: from `nice_limits`; for a log axis above 0.
            log_y: logarithmic y axis.
            x_label: unit of x, written after the last tick.
            crosshair: the x of a vertical line behind the curves, if any.
            mark: the x of a second such line, which stays: where the first difference is.
            labels_top: put a tick at the upper limit, a round number.
            best: x and role of each curve's best point, marked at the foot of the plot.
            changes: of the learning rate; the marks of each role have a row of their own.
            empty: shown while there is nothing to draw.

        Raises:
            ValueError: limits that are not ascending, or a log axis that begins at or below 0.
        """
        _check_limits(x_limits, y_limits, log_y=log_y)
        frame = Frame(0, 0, x_limits, y_limits, log_y, x_label)
        shown = self._look()
        self._title = (title,) if isinstance(title, str) else title
        self._series, self._frame = tuple(series), frame
        self._crosshair, self._mark, self._best = crosshair, mark, tuple(best)
        self._empty, self._labels_top, self._changes = empty, labels_top, tuple(changes)
        if shown != self._look():
            self.repaint()

    def _look(self) -> tuple[object, ...]:
        """Return everything that the picture depends on."""
        picture = self._title, self._series, self._frame, self._crosshair, self._mark
        return *picture, self._empty, self._labels_top, self._best, self._changes

    @property
    def plot_columns(self) -> int:
        """Columns of the plot as it was last drawn, without its labels."""
        return self._frame._replace(width=min(self.size.width, _LARGEST_WIDTH)).columns

    def paint(self, width: int, height: int) -> Canvas:
        """Return title, legend and plot, or if there is no room title and last value."""
        if width > _LARGEST_WIDTH or height > _LARGEST_HEIGHT:
            canvas = Canvas(width, height)
            part = self.paint(min(width, _LARGEST_WIDTH), min(height, _LARGEST_HEIGHT))
            canvas.paste(part, 0, 0)
            return canvas
        if width < _SMALLEST_WIDTH or height < _SMALLEST_HEIGHT:
            canvas = Canvas(width, height)
            self._put_last_value(canvas, self._put_title(canvas) + 1)
            return canvas
        frame = self._ruled(self._frame._replace(width=width, height=height - 1, look=self.look))
        canvas = self._plotted(frame).copy()
        self._put_legend(canvas, self._put_title(canvas) + 2)
        self._put_line(canvas, frame, self._crosshair, Role.DIM)
        self._put_line(canvas, frame, self._mark, Role.WARNING)
        for x, role in self._best:
            _put_in_column(canvas, frame, x, (self._best_sign, role), rows=[frame.rows])
        rows = dict.fromkeys(one.role for one in self._changes)
        for row, role in enumerate(rows, start=1):
            for x, is_raised, _ in (one for one in self._changes if one.role == role):
                _put_in_column(canvas, frame, x, (self._rate_sign(is_raised), role), rows=[row])
        self._put_note(canvas, frame)
        return canvas

    def _put_title(self, canvas: Canvas) -> int:
        """Write the title into the first row; return the column after it."""
        end = 0
        for n, piece in enumerate(self._title):
            if n < 2 or end + len(piece) <= canvas.width:  # noqa: PLR2004 - name and value always
                end = canvas.put(end, 0, piece)
        canvas.mark_cut(end, 0)
        return end

    def _plotted(self, frame: Frame) -> Canvas:
        """Return the plot below a blank row; a crosshair changes nothing in it."""
        shown, canvas = self._plotted_last
        if shown != (frame, self._series):
            canvas = Canvas(frame.width, frame.height + 1)
            canvas.paste(self._plot.update(frame, self._series), 0, 1)
            self._plotted_last = (frame, self._series), canvas
        return canvas

    def _ruled(self, frame: Frame) -> Frame:
        """Return the frame with its limits extended so that ticks are evenly spaced."""
        axis = ruler(frame.y_limits, frame.rows, frame.log_y, labels_top=self._labels_top)
        return frame._replace(y_limits=axis.limits, y_ticks=axis.ticks)

    def _put_legend(self, canvas: Canvas, start: int) -> None:
        """Write the legend at the right end of the first row; what does not fit is left out."""
        # What is drawn behind the curves comes last and is left out first, bands before all.
        labelled = [one for one in self._series if one.label]
        named = sorted(labelled, key=lambda one: (one.marker == "band", one.is_aside))
        entries = [(marker_sample(one.marker, self.look), one.label, one.role) for one in named]
        entries += [(self._best_sign, "best", role) for _, role in self._best[:1]]
        signs = [(self._rate_sign(one.is_raised), "rate", one.role) for one in self._changes[-1:]]
        entries += signs
        widths = [len(label) + 2 for _, label, _ in entries]
        while widths and sum(widths) + 2 * (len(widths) - 1) > canvas.width - start:
            widths.pop()
        x = canvas.width - sum(widths) - 2 * (len(widths) - 1)
        for (sample, label, role), width in zip(entries, widths, strict=False):
            canvas.put(x, 0, sample, role)
            canvas.put(x + 2, 0, label, Role.DIM)
            x += width + 2

    def _rate_sign(self, is_raised: bool) -> str:
        return ("v^" if self.look.ascii_only else "↓↑")[is_raised]

    @property
    def _best_sign(self) -> str:
        return "^" if self.look.ascii_only else "▴"

    def _put_line(self, canvas: Canvas, frame: Frame, at: float | None, role: Role) -> None:
        """Draw a vertical line, if its x is within the limits."""
        if at is not None:
            sign = "|" if frame.look.ascii_only else "│"
            _put_in_column(canvas, frame, at, (sign, role), rows=range(1, 1 + frame.rows))

    def _put_note(self, canvas: Canvas, frame: Frame) -> None:
        if self._has_value(above=0.0 if frame.log_y else -math.inf):
            return
        note = _NOTHING_POSITIVE if self._has_value(above=-math.inf) else self._empty
        left = canvas.width - frame.columns
        x = max(left + 1, left + (frame.columns - len(note)) // 2)
        canvas.put(x, 1 + frame.rows // 2, note, Role.DIM)

    def _has_value(self, *, above: float) -> bool:
        points = (y for series in self._series for _, y in series.points)
        return any(above < y < math.inf for y in points)

    def _put_last_value(self, canvas: Canvas, x: int) -> None:
        for series in self._series:
            values = [y for _, y in series.points if math.isfinite(y)]
            if values:
                x = canvas.put(x, 0, f"{values[-1]:.3g}", series.role) + 1


def _put_in_column(
    canvas: Canvas, frame: Frame, at: float, cell: tuple[str, Role], *, rows: Iterable[int]
) -> None:
    """Write a cell in the column of an x, if that is within the limits, where a row is blank."""
    low, high = frame.x_limits
    if not low <= at <= high:
        return
    column = min(frame.across()(at) // DOTS_ACROSS, frame.columns - 1)
    x = canvas.width - frame.columns + column
    for y in rows:
        if canvas.cell(x, y)[0] == " ":
            canvas.put(x, y, *cell)


def _check_limits(x_limits: Limits, y_limits: Limits, *, log_y: bool) -> None:
    for name, (low, high) in (("x", x_limits), ("y", y_limits)):
        if not low < high:
            raise ValueError(f"{name} limits {low} to {high}: expected ascending numbers")
    if log_y and y_limits[0] <= 0:
        raise ValueError(f"log y from {y_limits[0]}: expected limits above 0")
