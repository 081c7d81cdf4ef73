"""The explanation: this run's two losses, then one training step, part by part."""

from collections.abc import Coroutine
from typing import TYPE_CHECKING, ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType

from mlpwatch.tui.charts.chart import AFTER_EPOCH, NONE_DONE, Chart
from mlpwatch.tui.charts.chart_data import ChartLimits, ChartOptions, accuracy_series
from mlpwatch.tui.explain.computation import RETRY_SECONDS, Computation
from mlpwatch.tui.explain.losses_text import losses_rows
from mlpwatch.tui.explain.tour import (
    PAGE_COUNT,
    batch_strips,
    is_still,
    page_title,
    tour_rows,
)
from mlpwatch.tui.explain.tour_formulas import ascii_rows
from mlpwatch.tui.explain.tour_pages import ShownPage
from mlpwatch.tui.images.image_rows import BatchStrips
from mlpwatch.tui.kit.base_screen import ClosesOnce, can_draw
from mlpwatch.tui.kit.keys import Where, bindings
from mlpwatch.tui.kit.lines import Footer, TextLine
from mlpwatch.tui.kit.look import look_of
from mlpwatch.tui.kit.run_text import header
from mlpwatch.tui.kit.text_block import Row, TextBlock, squeezed, without_blanks
from mlpwatch.tui.kit.theme import Role
from mlpwatch.tui.state.run_state import RunState
from mlpwatch.tui.state.watch import Watch

if TYPE_CHECKING:
    from mlpwatch.core.analysis.gradient_comparison import GradientComparison
    from mlpwatch.core.analysis.step_trace import StepTrace

COMPARE_SECONDS = 1.0
"""Least time between two comparisons: each creates both engines again, for one batch."""

CHART_ROWS = 7
"""Of the first page's chart and its margin; with fewer rows it has no x axis."""


class ExplainScreen(ClosesOnce[None]):
    """A first page that is updated during the run, and four about one step of the paused run.

    Args:
        watch: of the run.
    """

    WHERE: ClassVar[Where] = "explain"
    BINDINGS: ClassVar[list[BindingType]] = bindings(WHERE)

    def __init__(self, watch: Watch) -> None:
        super().__init__()
        self._watch = watch
        self._limits = ChartLimits()
        self._comparison: Computation[GradientComparison] = Computation(COMPARE_SECONDS)
        self._trace: Computation[StepTrace] = Computation()
        self._page = 0

    def compose(self) -> ComposeResult:
        """Make header, text, chart, pictures and footer."""
        yield TextLine(id="header")
        yield TextBlock(id="explain-text")
        yield Chart(id="explain-chart")
        yield BatchStrips(id="batch")
        yield Footer("explain", self._watch)

    def on_mount(self) -> None:
        """Draw once the size is known."""
        self.call_after_refresh(self.update, numbers=True)

    def update(self, *, numbers: bool = False) -> None:  # noqa: ARG002 - as on other screens
        """Draw; compare again after an epoch, and while the run is paused compute its next step."""
        state, session = self._watch.state, self._watch.session
        if not can_draw(self) or state is None or session is None:
            return
        engines = state.engines.values()
        epoch = max((engine.epochs_done for engine in engines), default=0)
        if self._comparison.is_due(epoch):
            self._work(self._comparison.start(epoch, session.compare_gradients))
        steps = [engine.step for engine in engines]
        if self._page and is_still(state) and self._trace.is_due(steps):
            previous = self._trace.result
            self._work(self._trace.start(steps, lambda: session.trace_step(previous)))
        self._draw()

    def action_turn(self, by: int) -> None:
        """Turn by some pages; after the last comes the first."""
        self._page = (self._page + by) % PAGE_COUNT
        self.update()

    def action_back(self) -> None:
        """Go back to the dashboard."""
        self.dismiss()

    def _work(self, computing: Coroutine[None, None, None]) -> None:
        async def worked() -> None:
            await computing
            # Another step may have been trained in the meantime.
            self.update()
            if self._comparison.fault or self._trace.fault:
                self.set_timer(RETRY_SECONDS, self.update)

        self.run_worker(worked())

    def _draw(self) -> None:
        state, session = self._watch.state, self._watch.session
        if not can_draw(self) or state is None or session is None:
            return
        self.query_one("#header", TextLine).update(*header(self._watch))
        self.query_one(Chart).display = self._page == 0
        self.query_one(BatchStrips).display = self._page > 0
        look, width = look_of(self), self.size.width - 2
        # Header and footer take a row each, the margins a column each.
        room = self.size.height - 2
        if self._page:
            trace = None if self._trace.fault else self._trace.result
            strips = batch_strips(session.dataset, session.config, state, trace)
            self.query_one(BatchStrips).update(strips)
            waiting = self._trace.fault and f"the step could not be computed: {self._trace.fault}"
            page = ShownPage(self._page, session.dataset.classes, width, look)
            rows = tour_rows(page, session.config, state, trace, waiting)
            rows = self._with_message(rows, state)
            self.query_one(TextBlock).update(squeezed(rows, width, room))
            return
        rows = losses_rows(
            session.config,
            state,
            self._comparison.result,
            self._comparison.fault,
        )
        rows = [page_title(0, look), *(ascii_rows(rows) if look.ascii_only else rows)]
        rows = self._with_message(rows, state)
        self.query_one(TextBlock).update(without_blanks(rows, width, room - CHART_ROWS))
        options = ChartOptions(overlay=len(state.engines) > 1)
        self.query_one(Chart).update(
            "accuracy %",
            accuracy_series(state.engines.values(), state, options),
            x_limits=self._limits.x(state, options),
            y_limits=self._limits.accuracy(state),
            x_label="epoch",
            empty=NONE_DONE if state.ended else AFTER_EPOCH,
        )

    def _with_message(self, rows: list[Row], state: RunState) -> list[Row]:
        """Return rows in which the answer to the last key, or a fault, replaces the first blank."""
        text = state.message_on(self.WHERE)
        if not text or not (state.message_where or state.message_is_bad) or [] not in rows:
            return rows
        blank = rows.index([])
        message: Row = [(text, Role.BAD if state.message_is_bad else Role.WARNING)]
        return [*rows[:blank], message, *rows[blank + 1 :]]
