"""The explanation: this run's two losses, then one training step, part by part."""

from collections.abc import Callable, Coroutine
from dataclasses import replace
from functools import partial
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType

from mlpwatch.core.analysis.gradient_comparison import GradientComparison
from mlpwatch.core.analysis.step_trace import StepTrace
from mlpwatch.core.config import EngineName
from mlpwatch.core.run_source import RunSource
from mlpwatch.tui.charts.chart import AFTER_EPOCH, NONE_DONE, Chart
from mlpwatch.tui.charts.chart_data import ChartLimits, ChartOptions, accuracy_series
from mlpwatch.tui.explain.choice import Chosen
from mlpwatch.tui.explain.computation import RETRY_SECONDS, Computation
from mlpwatch.tui.explain.difference_text import source_page
from mlpwatch.tui.explain.losses_text import losses_rows
from mlpwatch.tui.explain.source_lines import PageName
from mlpwatch.tui.explain.source_text import Extent, SourceOf, source_rows
from mlpwatch.tui.explain.tour import (
    PAGE_COUNT,
    UNIT_PAGE,
    code_rows,
    is_still,
    page_title,
    tour_rows,
    waiting_rows,
)
from mlpwatch.tui.explain.tour_formulas import ascii_rows
from mlpwatch.tui.explain.tour_pages import PAGES, ShownPage
from mlpwatch.tui.explain.tour_pictures import page_shelves
from mlpwatch.tui.images.shelf import ShelvesView
from mlpwatch.tui.kit.base_screen import ClosesOnce, can_draw
from mlpwatch.tui.kit.epoch_bar import EpochBar
from mlpwatch.tui.kit.keys import Where, bindings
from mlpwatch.tui.kit.lines import Footer, TextLine
from mlpwatch.tui.kit.look import look_of
from mlpwatch.tui.kit.run_text import header
from mlpwatch.tui.kit.text_block import Row, TextBlock, folded, squeezed, without_blanks
from mlpwatch.tui.kit.theme import Role
from mlpwatch.tui.state.run_state import RunState
from mlpwatch.tui.state.watch import Watch

COMPARE_SECONDS = 1.0
"""Least time between two comparisons: each creates both engines again, for one batch."""

CHART_ROWS, ROOMY_CHART_ROWS = 7, 14
"""Of the first page's chart and its margin; with fewer than the first it has no x axis, and with
fewer than the second whole functions are not shown above it."""


CHOOSING: tuple[PageName, ...] = ("unit", "update")
"""The pages that show a single unit, or one of its weights."""


class ExplainScreen(ClosesOnce[None]):
    """A first page that is updated during the run, and five about one step of the paused run.

    Args:
        watch: of the run.
        unit: of the first layer, whose page is shown; None for the first page.
    """

    WHERE: ClassVar[Where] = "explain"
    BINDINGS: ClassVar[list[BindingType]] = bindings(WHERE)

    def __init__(self, watch: Watch, unit: int | None = None) -> None:
        super().__init__()
        self._watch = watch
        self._limits = ChartLimits()
        self._comparison: Computation[GradientComparison] = Computation(COMPARE_SECONDS)
        self._trace: Computation[StepTrace] = Computation()
        self._past_comparison: Computation[GradientComparison] = Computation()
        self._past_trace: Computation[StepTrace] = Computation()
        self._page = 0 if unit is None else UNIT_PAGE
        self._chosen = Chosen(unit)
        self._shows_code = False

    def compose(self) -> ComposeResult:
        """Make header, text, chart, pictures and footer."""
        yield TextLine(id="header")
        yield EpochBar(self._watch)
        yield TextBlock(id="explain-text")
        yield Chart(id="explain-chart")
        yield ShelvesView(id="batch")
        yield Footer("explain", self._watch)

    def on_mount(self) -> None:
        """Draw once the size is known."""
        self._watch.show_kept(self.WHERE)
        self.call_after_refresh(self.update, numbers=True)

    def update(self, *, numbers: bool = False) -> None:  # noqa: ARG002 - as on other screens
        """Draw; compare again after an epoch, and while the run is paused compute its next step."""
        state, session = self._watch.state, self._watch.session
        if not can_draw(self) or state is None or session is None:
            return
        if self._watch.shown.epoch is not None:
            self._look_back(session)
        else:
            self._look_at_now(state, session)
        self._draw()

    def _look_at_now(self, state: RunState, session: RunSource) -> None:
        engines = state.engines.values()
        epoch = max((engine.epochs_done for engine in engines), default=0)
        if self._comparison.is_due(epoch):
            self._work(self._comparison.start(epoch, session.compare_gradients))
        steps = [engine.step for engine in engines]
        if self._page and is_still(state) and self._trace.is_due(steps):
            previous = self._trace.result
            self._work(self._trace.start(steps, lambda: session.trace_step(previous)))

    def _look_back(self, session: RunSource) -> None:
        """Compare at the weights of the epoch shown, and compute the step that came after it."""
        past, epochs, data = self._watch.shown.past, self._watch.shown.epochs, session.dataset
        if past is None or epochs is None:
            return
        if self._past_comparison.is_due(past):
            compare = partial(epochs.compare_gradients, past, data)
            self._work(self._past_comparison.start(past, compare))
        if self._page and self._past_trace.is_due(past):
            trace = partial(epochs.trace_step, past, data)
            self._work(self._past_trace.start(past, trace))

    @property
    def _shown_trace(self) -> Computation[StepTrace]:
        return self._trace if self._watch.shown.epoch is None else self._past_trace

    @property
    def _shown_comparison(self) -> Computation[GradientComparison]:
        is_now = self._watch.shown.epoch is None
        return self._comparison if is_now else self._past_comparison

    def action_turn(self, by: int) -> None:
        """Turn by some pages; after the last comes the first."""
        self._page = (self._page + by) % PAGE_COUNT
        self.update()

    def action_unit(self, by: int) -> None:
        """Choose another unit of the layer, on the pages that show one."""
        self._choose(lambda trace: self._chosen.move_unit(trace, by))

    def action_layer(self, by: int) -> None:
        """Choose another layer."""
        self._choose(lambda trace: self._chosen.move_layer(trace, by))

    def action_item(self, by: int) -> None:
        """Choose another image, or on the update's page another weight of the unit."""
        move = self._chosen.move_weight if self._page_name == "update" else self._chosen.move_image
        self._choose(lambda trace: move(trace, by))

    def action_toggle_code(self) -> None:
        """Show the source of this page alone, or the numbers again."""
        self._shows_code = not self._shows_code
        self._draw()

    @property
    def _page_name(self) -> PageName:
        return PAGES[self._page - 1].name if self._page else "losses"

    def _choose(self, move: Callable[[StepTrace], None]) -> None:
        if (
            self._page_name in CHOOSING
            and not self._shows_code
            and self._shown_trace.result is not None
        ):
            move(self._shown_trace.result)
            self._draw()

    def action_back(self) -> None:
        """Go back to the dashboard."""
        self.dismiss()

    def _work(self, computing: Coroutine[None, None, None]) -> None:
        async def worked() -> None:
            await computing
            # Another step may have been trained in the meantime.
            self.update()
            if self._shown_comparison.fault or self._shown_trace.fault:
                self.set_timer(RETRY_SECONDS, self.update)

        self.run_worker(worked())

    def _draw(self) -> None:
        state, session = self._watch.state, self._watch.session
        if not can_draw(self) or state is None or session is None:
            return
        self.query_one("#header", TextLine).update(*header(self._watch))
        self.query_one(EpochBar).update()
        chart, shelves = self.query_one(Chart), self.query_one(ShelvesView)
        if self._page or self._shows_code:
            chart.display = False
        shelves.display = self._page > 0 and not self._shows_code
        self.query_one(Footer).update(self._dead_keys())
        if self._shows_code:
            of = self._source_of(state, session)
            self._show_rows(code_rows(self._page, of, look_of(self), *self._room()), state)
        elif self._page:
            self._draw_step(state, session)
        else:
            self._draw_losses(state, session)

    def _source_of(self, state: RunState, session: RunSource) -> SourceOf:
        """Return the page's source; on the first, that of the first step that differs."""
        page = self._page_name
        if page == "losses" and state.difference:
            page = source_page(state.difference, session.config)
        return SourceOf(page, session.config, session.run.path)

    def _room(self) -> tuple[int, int]:
        """Return columns and rows: header and footer take a row each, the margins a column each."""
        return self.size.width - 2, self.size.height - 2 - self.query_one(EpochBar).rows

    def _dead_keys(self) -> set[str]:
        """Return the actions that have no effect on this page."""
        if self._page_name in CHOOSING and not self._shows_code:
            return set()
        return {"unit(1)", "layer(1)", "item(1)"}

    def _draw_step(self, state: RunState, session: RunSource) -> None:
        look, shelves = look_of(self), self.query_one(ShelvesView)
        computed, epoch = self._shown_trace, self._watch.shown.epoch
        trace = None if computed.fault else computed.result
        is_known = epoch is not None or is_still(state)
        if trace is None or not is_known:
            fault = computed.fault and f"the step could not be computed: {computed.fault}"
            shelves.update([])
            rows = waiting_rows(self._page, look, fault, must_pause=not is_known)
            self._show_rows(rows, state)
            return
        step = self._chosen.shown(trace, session.config, session.dataset)
        step = replace(step, folder=session.run.path, past_epoch=epoch)
        rows = tour_rows(self._page, ShownPage(step, *self._room(), look), state)
        self._show_rows(rows, state)
        shelves.update(page_shelves(self._page_name, step, look))

    def _show_rows(self, rows: list[Row], state: RunState) -> None:
        rows = squeezed(self._with_message(rows, state), *self._room())
        self.query_one(TextBlock).update(rows)

    def _draw_losses(self, state: RunState, session: RunSource) -> None:
        look, (width, room) = look_of(self), self._room()
        rows = losses_rows(
            session.config,
            state,
            self._shown_comparison.result,
            self._shown_comparison.fault,
            data=session.dataset,
        )
        rows = [page_title(0, look), *rows]
        of = self._source_of(state, session)
        tries: list[tuple[Extent, int, EngineName | None]] = [
            ("whole", ROOMY_CHART_ROWS, None),
            ("short", CHART_ROWS, None),
        ]
        if state.difference:
            # The lines that differ say more than the curves.
            tries += [("short", 0, None), ("first", 0, None)]
            tries.append(("first", 0, state.difference.differs))
        chart_rows = CHART_ROWS
        for extent, least, only in tries:
            both = [*rows, [], *source_rows(of, width, extent, only=only)]
            if len(folded(without_blanks(both, width, 0), width)) <= room - least:
                rows, chart_rows = both, min(least, CHART_ROWS)
                break
        rows = self._with_message(ascii_rows(rows) if look.ascii_only else rows, state)
        self.query_one(TextBlock).update(without_blanks(rows, width, room - chart_rows))
        self.query_one(Chart).display = chart_rows > 0
        options = ChartOptions(overlay=len(state.engines) > 1)
        self.query_one(Chart).update(
            "accuracy %",
            accuracy_series(state.engines.values(), state, options),
            x_limits=self._limits.x(state, options),
            y_limits=self._limits.accuracy(state),
            x_label="epoch",
            crosshair=self._watch.shown.epoch and float(self._watch.shown.epoch),
            empty=NONE_DONE if state.ended else AFTER_EPOCH,
        )

    def _with_message(self, rows: list[Row], state: RunState) -> list[Row]:
        """Return rows in which the answer to the last key, or a fault, replaces the first blank.

        Without a blank it replaces the last row, which says what to do next.
        """
        text = state.message_on(self.WHERE)
        if not text or not (state.message_where or state.message_is_bad):
            return rows
        blank = rows.index([]) if [] in rows else len(rows) - 1
        message: Row = [(text, Role.BAD if state.message_is_bad else Role.WARNING)]
        return [*rows[:blank], message, *rows[blank + 1 :]]
