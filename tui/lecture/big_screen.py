"""The lecture mode: accuracy and loss of each model in large digits, and one chart if it fits."""

from math import isfinite, nan
from time import monotonic
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.events import Resize
from textual.timer import Timer

from mlpwatch.tui.charts.chart import AFTER_EPOCH, Chart
from mlpwatch.tui.charts.chart_data import ChartLimits, ChartOptions, accuracy_series
from mlpwatch.tui.kit.base_screen import ClosesOnce, can_draw
from mlpwatch.tui.kit.cells import Canvas, CellView, cut_to
from mlpwatch.tui.kit.hints import message_text
from mlpwatch.tui.kit.keys import Where, bindings
from mlpwatch.tui.kit.lines import ACCENTS, Footer, TextLine
from mlpwatch.tui.kit.pace import LATE_SECONDS, NUMBERS_SECONDS, Pace
from mlpwatch.tui.kit.run_text import header
from mlpwatch.tui.kit.theme import Role
from mlpwatch.tui.lecture.big_digits import (
    GLYPH_ROWS,
    accuracy_digits,
    columns_of_digits,
    largest_scale,
    loss_digits,
    put_digits,
)
from mlpwatch.tui.state.engine_view import EngineView
from mlpwatch.tui.state.watch import Watch

_TEXT_ROWS = 5
"""Of the numbers' panel: each model's name, a label under each number, a blank, the difference."""

_LINE_ROWS = 3
"""Header, message and footer."""

_LEAST_CHART_ROWS = 6

_FOUR_FIGURES = "0.000"
"""The widest number: the digits keep their size while numbers change."""


def shown_accuracy(engine: EngineView) -> tuple[float, str]:
    """Return a model's accuracy as a share, NaN if unknown, and what it is of."""
    if isfinite(engine.test_accuracy):
        return engine.test_accuracy, "test accuracy %"
    newest = engine.epochs[-1] if engine.epochs else None
    return (newest.val_accuracy if newest else nan), "validation accuracy %"


class BigNumbers(CellView):
    """Each model's name, progress, accuracy and loss, and the difference between both."""

    def __init__(self, *, id: str) -> None:
        super().__init__(id=id)
        self._engines: tuple[EngineView, ...] = ()
        self._epochs = 0
        self._drawn: tuple[object, ...] = ()

    def update(self, engines: tuple[EngineView, ...], epochs: int) -> None:
        """Show these models.

        Args:
            engines: left to right.
            epochs: planned.
        """
        self._engines, self._epochs = engines, epochs
        drawn = tuple(
            (*shown_accuracy(one), one.loss, one.epochs_done, one.phase) for one in engines
        )
        if drawn != self._drawn:
            self._drawn = drawn
            self.repaint()

    def paint(self, width: int, height: int) -> Canvas:
        """Return the numbers, as large as fits."""
        canvas = Canvas(width, height)
        count = max(1, len(self._engines))
        column = width // count
        scale = scale_for(width, height, count)
        for place, engine in enumerate(self._engines):
            self._put_engine(canvas, place * column + 1, column - 2, scale, engine)
        if len(self._engines) == 2:  # noqa: PLR2004 - the difference of two
            canvas.put(1, height - 1, points_apart(*self._engines), Role.STRONG)
        return canvas

    def _put_engine(
        self, canvas: Canvas, x: int, columns: int, scale: int, engine: EngineView
    ) -> None:
        accent = ACCENTS[engine.name]
        end = canvas.put(x, 0, cut_to(engine.title, columns), accent) + 2
        progress = f"epoch {engine.epochs_done}/{self._epochs}  {engine.phase}"
        canvas.put(end, 0, cut_to(progress, x + columns - end))
        share, what = shown_accuracy(engine)
        y = 1
        loss = nan if engine.loss is None else engine.loss
        for text, label in ((accuracy_digits(share), what), (loss_digits(loss), "training loss")):
            if not scale:
                canvas.put(x, y, cut_to(f"{text}  {label}", columns), Role.STRONG)
                y += 1
                continue
            inset = max(0, columns - columns_of_digits(_FOUR_FIGURES, scale)) // 2
            plain = self.look.ascii_only
            put_digits(canvas, x + inset, y, text, scale=scale, role=accent, ascii_only=plain)
            y += GLYPH_ROWS * scale
            canvas.put(x + inset, y, label, Role.DIM)
            y += 1


def scale_for(width: int, height: int, models: int) -> int:
    """Return the size of the digits: 1 at 80x24, 0 where plain letters are all that fits."""
    return largest_scale([_FOUR_FIGURES] * 2, width // max(1, models) - 2, height - _TEXT_ROWS)


def points_apart(first: EngineView, second: EngineView) -> str:
    """Return how far the accuracies are apart, in points."""
    (one, of_one), (other, of_other) = shown_accuracy(first), shown_accuracy(second)
    if not (isfinite(one) and isfinite(other)) or of_one != of_other:
        return ""
    return f"{second.title} - {first.title}: {100 * (other - one):+.2f} points"


class BigScreen(ClosesOnce[None]):
    """Shows what matters from the back of a room; the dashboard's keys on the run work here too.

    Args:
        watch: of the run.
    """

    WHERE: ClassVar[Where] = "big"
    BINDINGS: ClassVar[list[BindingType]] = bindings(WHERE)

    def __init__(self, watch: Watch) -> None:
        super().__init__()
        self._watch = watch
        self._limits, self._options = ChartLimits(), ChartOptions(overlay=True)
        self._pace = Pace(NUMBERS_SECONDS)
        self._late: Timer | None = None

    def compose(self) -> ComposeResult:
        """Make header, numbers, chart, message and footer."""
        yield TextLine(id="header")
        yield BigNumbers(id="big-numbers")
        yield Chart(id="big-chart")
        yield TextLine(id="message")
        yield Footer("big", self._watch)

    def on_mount(self) -> None:
        """Draw once the size is known."""
        self._watch.mark_read()
        self.call_after_refresh(self.update, numbers=True)

    def on_resize(self, _event: Resize) -> None:
        """Arrange for the new size."""
        self.call_after_refresh(self.update, numbers=True)

    def update(self, *, numbers: bool = False) -> None:
        """Draw what has changed, at most twice a second unless asked for."""
        if not can_draw(self):
            return
        now = monotonic()
        if self._pace.allows(now, at_once=numbers):
            self._draw()
        if self._late:
            self._late.stop()
            self._late = None
        # After a pause or the end no event arrives that would draw the last numbers.
        if self._pace.is_late:
            self._late = self.set_timer(self._pace.due - now + LATE_SECONDS, self.update)

    def action_back(self) -> None:
        """Go back to the dashboard."""
        self.dismiss()

    def _draw(self) -> None:
        self.query_one("#header", TextLine).update(*header(self._watch))
        state = self._watch.state
        text = message_text(self._watch, self.WHERE, "", "")
        self.query_one("#message", TextLine).update(text)
        if state is None:
            return
        engines = tuple(state.engines.values())
        rows = self.size.height - _LINE_ROWS
        scale = scale_for(self.size.width, rows, len(engines))
        needed = 2 * GLYPH_ROWS * scale + _TEXT_ROWS
        has_chart = rows - needed >= _LEAST_CHART_ROWS
        numbers, chart = self.query_one(BigNumbers), self.query_one(Chart)
        numbers.styles.height = needed if has_chart else rows
        chart.display = has_chart
        numbers.update(engines, state.epochs)
        if has_chart:
            chart.update(
                "accuracy %",
                accuracy_series(engines, state, self._options),
                x_limits=self._limits.x(state, self._options),
                y_limits=self._limits.accuracy(state),
                x_label="epoch",
                labels_top=True,
                empty=AFTER_EPOCH,
            )
