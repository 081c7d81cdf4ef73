"""The layers of both models over time: a table, what is wrong, and charts over the epochs."""

from time import monotonic
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal
from textual.events import Resize
from textual.timer import Timer

from mlpwatch.core.analysis.layer_faults import faults_now, newest_layers
from mlpwatch.core.config import EngineName
from mlpwatch.core.network.activations import ACTIVATIONS
from mlpwatch.core.network.build import layer_sizes
from mlpwatch.core.run_source import RunSource
from mlpwatch.tui.charts.chart import AFTER_EPOCH, NONE_DONE, Chart
from mlpwatch.tui.charts.chart_data import ChartOptions, rate_marks
from mlpwatch.tui.formatting import clipped
from mlpwatch.tui.kit.base_screen import ClosesOnce, can_draw
from mlpwatch.tui.kit.epoch_bar import EpochBar
from mlpwatch.tui.kit.hints import message_text
from mlpwatch.tui.kit.keys import Where, bindings
from mlpwatch.tui.kit.lines import Footer, TextLine
from mlpwatch.tui.kit.look import look_of
from mlpwatch.tui.kit.pace import LATE_SECONDS, NUMBERS_SECONDS, Pace
from mlpwatch.tui.kit.run_text import header
from mlpwatch.tui.kit.text_block import Row, TextBlock
from mlpwatch.tui.kit.theme import Role
from mlpwatch.tui.layers.curves import (
    MOST_CURVES,
    QUANTITIES,
    LayerLimits,
    Quantity,
    is_closed,
    is_log,
    layer_series,
    title_of,
)
from mlpwatch.tui.layers.text import (
    OLD_RUN,
    OWN_NETWORK,
    SOUND,
    UNTRAINED,
    WAITING,
    ShownLayers,
    failure_rows,
    fault_rows,
    table_rows,
)
from mlpwatch.tui.state.run_state import EngineView, RunState
from mlpwatch.tui.state.watch import Watch
from mlpwatch.tui.terminal.textual_internals import is_being_removed

CHART_ROWS = 7
"""Least rows of a chart, with title and x axis."""

LINE_ROWS = 3
"""Header, message and footer."""

ROWS_PER_LAYER = 6
"""Rows of the screen per row of the table; the rest is for the charts."""

ROWS_PER_FAULT = 12

ROOMY = 36
"""From this height on blank rows part the words from table and charts."""


class LayersScreen(ClosesOnce[None]):
    """Shows the numbers that trainers measure at some steps of each epoch.

    Args:
        watch: of the run.
        names: the engines that train, left to right.
    """

    WHERE: ClassVar[Where] = "layers"
    BINDINGS: ClassVar[list[BindingType]] = bindings(WHERE)

    def __init__(self, watch: Watch, names: tuple[EngineName, ...]) -> None:
        super().__init__()
        self._watch, self._names = watch, names
        self._limits = LayerLimits()
        self._first = self._chart = 0
        self._note = ""
        """The answer to the last key."""
        self._text_rows = 0
        self._pace = Pace(NUMBERS_SECONDS)
        self._late: Timer | None = None

    def compose(self) -> ComposeResult:
        """Make header, text, a row of charts per quantity, message and footer."""
        yield TextLine(id="header")
        yield TextBlock(id="layers-text")
        for quantity in QUANTITIES:
            with Horizontal(id=f"{quantity}-row", classes="panel"):
                for name, classes in zip(self._names, (None, "second"), strict=False):
                    yield Chart(id=f"{name}-{quantity}", classes=classes)
        yield EpochBar(self._watch)
        yield TextLine(id="message")
        yield Footer("layers", self._watch)

    def on_mount(self) -> None:
        """Draw once the size is known."""
        if is_being_removed(self):
            return  # closed before it was mounted
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

    def action_page(self, by: int) -> None:
        """Show the layers after or before these; the last page is full."""
        depth, page = self._depth(), self._page_size()
        last = max(0, depth - page)
        self._first = min(max(0, self._first + by * page), last)
        self._answer("" if last else "all layers are shown")

    def action_next_chart(self) -> None:
        """Show the next chart, if there is no room for all."""
        known = self._quantities()
        fits = self._rows_of_charts() >= len(known)
        self._chart = 0 if fits else (self._chart + 1) % len(known)
        self._answer("all charts are shown" if fits else "")

    def action_back(self) -> None:
        """Go back to the dashboard."""
        self.dismiss()

    def _answer(self, note: str) -> None:
        self._note = note
        self.update(numbers=True)

    def _engines(self) -> list[EngineView]:
        state = self._watch.state
        return list(state.engines.values()) if state else []

    def _sizes(self, session: RunSource) -> tuple[int, ...]:
        data = session.dataset
        return layer_sizes(data.features, session.config.hidden, data.classes)

    def _depth(self) -> int:
        session = self._watch.session
        return len(session.config.hidden) + 1 if session else 0

    def _page_size(self) -> int:
        return min(MOST_CURVES, max(1, self.size.height // ROWS_PER_LAYER))

    def _flat_word(self) -> str:
        session = self._watch.session
        has_units = session is not None and bool(session.config.hidden)
        return ACTIVATIONS[session.config.activation].flat_word if session and has_units else ""

    def _quantities(self) -> tuple[Quantity, ...]:
        return QUANTITIES if self._flat_word() else QUANTITIES[:2]

    def _rows_of_charts(self) -> int:
        """Return how many charts fit below each other."""
        rows = self.size.height - LINE_ROWS - self.query_one(EpochBar).rows - self._text_rows
        return max(1, rows // CHART_ROWS)

    def _draw(self) -> None:
        state, session = self._watch.state, self._watch.session
        self.query_one("#header", TextLine).update(*header(self._watch))
        text = message_text(self._watch, self.WHERE, self._note, "")
        self.query_one("#message", TextLine).update(text)
        self.query_one(EpochBar).update()
        if state is None or session is None:
            return
        page, depth, sizes = self._page_size(), self._depth(), self._sizes(session)
        self._first = min(self._first, max(0, depth - page))
        layers = range(self._first, min(self._first + page, depth))
        shown = {engine.name: self._shown(engine) for engine in state.engines.values()}
        word, width = self._flat_word(), self.size.width
        rows = table_rows(
            shown, sizes, layers, word, look=look_of(self), width=width, titles=state.titles
        )
        if depth > page:
            more = f" layers {layers[0]}–{layers[-1]} of {depth}; ↓ shows the next"
            rows.append([(more, Role.DIM)])
        words = self._words(state, shown, sizes)
        gap: list[Row] = [[]] if self.size.height >= ROOMY else []
        rows += [*gap, *words, *gap]
        self._text_rows = len(rows)
        self.query_one(TextBlock).update(rows)
        self._draw_charts(state, layers)
        without = [] if depth > page else ["page(1)"]
        if self._rows_of_charts() >= len(self._quantities()):
            without.append("next_chart")
        self.query_one(Footer).update(without)

    def _shown(self, engine: EngineView) -> ShownLayers:
        """Return one model's numbers of the chosen epoch, or the newest."""
        epochs = engine.epochs
        ended = epochs[-1].step if epochs else 0
        live = next((one for one in reversed(engine.measured) if one.step > ended), None)
        past = self._watch.shown.epoch
        if past is not None:
            epochs = [one for one in epochs if one.epoch <= past]
            live = None
        measured = [one for one in epochs if one.layers] or epochs
        if live is not None:
            title = f"step {live.step:,}"
        else:
            title = f"epoch {measured[-1].epoch}" if measured else ""
        norms = live.layers if live else ()
        return ShownLayers(title, newest_layers(epochs, norms), faults_now(epochs, norms))

    def _words(
        self, state: RunState, shown: dict[EngineName, ShownLayers], sizes: tuple[int, ...]
    ) -> list[Row]:
        """Return what is wrong, or that nothing is."""
        width = self.size.width
        ends = failure_rows(state.engines.values(), width)
        if not any(one.layers for one in shown.values()):
            has_epochs = any(engine.epochs for engine in state.engines.values())
            why = OLD_RUN if has_epochs else NONE_DONE if state.ended else WAITING
            if self._watch.shown.epoch == 0:
                why = UNTRAINED
            return ends or [[(f" {why}", Role.DIM)]]
        faults = {name: one.faults for name, one in shown.items()}
        most = max(2, self.size.height // ROWS_PER_FAULT)
        rows = fault_rows(faults, sizes, self._flat_word(), width, most, titles=state.titles)
        if not rows and not ends:
            rows = [[(f" {SOUND}", Role.DIM)]]
        rows = [*ends, *rows]
        closed = [engine.title for engine in state.engines.values() if is_closed(engine)]
        if self._flat_word() and closed:
            text = OWN_NETWORK.format(" and ".join(clipped(title, 18) for title in closed))
            rows.append([(f" {text}", Role.DIM)])
        return rows

    def _draw_charts(self, state: RunState, layers: range) -> None:
        known, fitting = self._quantities(), self._rows_of_charts()
        past = self._watch.shown.epoch
        self._chart %= len(known)
        turned = (*known[self._chart :], *known[: self._chart])[:fitting]
        for quantity in QUANTITIES:
            self.query_one(f"#{quantity}-row").display = quantity in turned
        for quantity in turned:
            # The output layer has no activation, whose units could be flat.
            depth = self._depth() - (quantity == "flat_share")
            everywhere = [
                series
                for engine in state.engines.values()
                for series in layer_series(state, engine, quantity, range(depth))
            ]
            limits = self._limits.of(quantity, everywhere)
            for engine in state.engines.values():
                drawn = range(layers.start, min(layers.stop, depth))
                series = layer_series(state, engine, quantity, drawn)
                place = 0.0 if quantity == "flat_share" else 0.5
                self.query_one(f"#{engine.name}-{quantity}", Chart).update(
                    f" {title_of(quantity, self._flat_word())}",
                    series,
                    x_limits=(0.0, float(state.epochs)),
                    y_limits=limits,
                    log_y=is_log(quantity),
                    x_label="epoch",
                    crosshair=None if past is None else past - place,
                    changes=rate_marks([engine], state, ChartOptions()),
                    empty=NONE_DONE if engine.ended else AFTER_EPOCH,
                )
