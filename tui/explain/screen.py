"""The explanation: this run's two losses, then one training step, part by part."""

import asyncio
from time import monotonic
from typing import TYPE_CHECKING, ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType

from mlpwatch.core.errors import MlpwatchError
from mlpwatch.tui.charts.chart import AFTER_EPOCH, NONE_DONE, Chart
from mlpwatch.tui.charts.chart_data import ChartLimits, ChartOptions, accuracy_series
from mlpwatch.tui.explain.losses_text import losses_rows
from mlpwatch.tui.explain.tour import PAGE_COUNT, batch_strips, is_still, page_title, tour_rows
from mlpwatch.tui.explain.tour_formulas import ascii_rows
from mlpwatch.tui.images.image_rows import BatchStrips
from mlpwatch.tui.kit.base_screen import ClosesOnce, can_draw
from mlpwatch.tui.kit.keys import Where, bindings, footer_keys
from mlpwatch.tui.kit.lines import Footer, TextLine
from mlpwatch.tui.kit.look import look_of
from mlpwatch.tui.kit.run_text import header
from mlpwatch.tui.kit.text_block import TextBlock, squeezed, without_blanks
from mlpwatch.tui.state.run_state import RunState
from mlpwatch.tui.state.watch import Watch

if TYPE_CHECKING:
    from mlpwatch.core.analysis.gradient_comparison import GradientComparison
    from mlpwatch.core.analysis.step_trace import StepTrace


COMPARE_SECONDS = 1.0
"""Least time between two comparisons: each builds both engines again, for one batch."""

CHART_ROWS = 7
"""Of the first page's chart and its margin; with fewer it has no x axis."""


class ExplainScreen(ClosesOnce[None]):
    """A first page that follows the run, and four about one step of the paused run.

    Args:
        watch: of the run.
    """

    WHERE: ClassVar[Where] = "explain"
    BINDINGS: ClassVar[list[BindingType]] = bindings(WHERE)

    def __init__(self, watch: Watch) -> None:
        super().__init__()
        self._watch = watch
        self._limits = ChartLimits()
        self._comparison: GradientComparison | None = None
        self._compared_epoch: int | None = None
        self._compared_at = -COMPARE_SECONDS
        self._comparing = False
        self._page = 0
        self._trace: StepTrace | None = None
        self._traced_steps: list[int] = []
        self._tracing = False

    def compose(self) -> ComposeResult:
        """Make header, text, chart, pictures and footer."""
        yield TextLine(id="header")
        yield TextBlock(id="explain-text")
        yield Chart(id="explain-chart")
        yield BatchStrips(id="batch")
        yield Footer(footer_keys("explain", attached=self._watch.attached))

    def on_mount(self) -> None:
        """Draw once the size is known."""
        self.call_after_refresh(self.update, numbers=True)

    def update(self, *, numbers: bool = False) -> None:  # noqa: ARG002 - as on other screens
        """Draw, and compare again if an epoch has ended."""
        state, session = self._watch.state, self._watch.session
        if not can_draw(self) or state is None or session is None:
            return
        epoch = max((engine.epochs_done for engine in state.engines.values()), default=0)
        is_due = monotonic() - self._compared_at >= COMPARE_SECONDS
        if epoch != self._compared_epoch and is_due and not self._comparing:
            # One at a time: a slow comparison must not replace the result of a later one.
            self._comparing, self._compared_epoch = True, epoch
            self.run_worker(self._compare())
        self._follow_steps(state)
        self._draw()

    def action_turn(self, by: int) -> None:
        """Turn by so many pages, round the ends."""
        self._page = (self._page + by) % PAGE_COUNT
        self.update()

    def action_back(self) -> None:
        """Go back to the dashboard."""
        self.dismiss()

    async def _compare(self) -> None:
        session, state = self._watch.session, self._watch.state
        if session is None or state is None:
            return
        try:
            self._comparison = await asyncio.to_thread(session.compare_gradients)
        except (MemoryError, RuntimeError, MlpwatchError) as error:
            # PyTorch raises RuntimeError without memory. Training continues.
            state.say(f"the gradients could not be compared: {error or 'out of memory'}", bad=True)
        finally:
            self._comparing, self._compared_at = False, monotonic()
        self._draw()

    def _follow_steps(self, state: RunState) -> None:
        """Compute the next step if the run stands still at another one than before."""
        steps = [engine.step for engine in state.engines.values()]
        if self._page and is_still(state) and not self._tracing and steps != self._traced_steps:
            self._tracing, self._traced_steps = True, steps
            self.run_worker(self._trace_step())

    async def _trace_step(self) -> None:
        session, state = self._watch.session, self._watch.state
        if session is None or state is None:
            return
        try:
            self._trace = await asyncio.to_thread(session.trace_step, self._trace)
        except (MemoryError, RuntimeError, TimeoutError, MlpwatchError) as error:
            state.say(f"the step could not be computed: {error or 'out of memory'}", bad=True)
        finally:
            self._tracing = False
        # Another step may have been trained meanwhile.
        self.update()

    def _draw(self) -> None:
        state, session = self._watch.state, self._watch.session
        if not can_draw(self) or state is None or session is None:
            return
        self.query_one("#header", TextLine).update(*header(self._watch))
        self.query_one(Chart).display = self._page == 0
        self.query_one(BatchStrips).display = self._page > 0
        if self._page:
            strips = batch_strips(self._page, session.dataset, session.config, state, self._trace)
            self.query_one(BatchStrips).update(strips)
            rows = tour_rows(self._page, session.config, state, self._trace, look_of(self))
            # Header and footer take a row each, the margins a column each.
            fitting = squeezed(rows, self.size.width - 2, self.size.height - 2)
            self.query_one(TextBlock).update(fitting)
            return
        classes = session.dataset.classes
        rows = losses_rows(session.config, classes, state, self._comparison)
        look = look_of(self)
        rows = [page_title(0, look), *(ascii_rows(rows) if look.ascii_only else rows)]
        room = self.size.height - 2 - CHART_ROWS
        self.query_one(TextBlock).update(without_blanks(rows, self.size.width - 2, room))
        options = ChartOptions(overlay=len(state.engines) > 1)
        self.query_one(Chart).update(
            "accuracy %",
            accuracy_series(state.engines.values(), state, options),
            x_limits=self._limits.x(state, options),
            y_limits=self._limits.accuracy(state),
            x_label="epoch",
            empty=NONE_DONE if state.ended else AFTER_EPOCH,
        )
