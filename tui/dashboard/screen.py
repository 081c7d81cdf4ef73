"""The dashboard: both models side by side, as they train."""

from collections.abc import Callable
from time import monotonic
from typing import TYPE_CHECKING, ClassVar, Literal

from textual import work
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal
from textual.events import Resize
from textual.message import Message
from textual.timer import Timer

from mlpwatch.core.config import EngineName
from mlpwatch.tui.charts.chart import Chart
from mlpwatch.tui.dashboard.chart_rows import ChartRows, Row, panel_title
from mlpwatch.tui.dashboard.confusion import ConfusionMatrix
from mlpwatch.tui.dashboard.confusion_layout import HEAD_ROWS
from mlpwatch.tui.dashboard.crosshair import Stride
from mlpwatch.tui.dashboard.matrices import Matrices, cell_text
from mlpwatch.tui.dashboard.ranks import RankRow
from mlpwatch.tui.dashboard.text import before_spike, message
from mlpwatch.tui.kit.base_screen import ClosesOnce, can_draw
from mlpwatch.tui.kit.epoch_bar import EpochBar
from mlpwatch.tui.kit.keys import Where, bindings
from mlpwatch.tui.kit.lines import Footer, Speed, StatusPanel, TextLine
from mlpwatch.tui.kit.look import look_of
from mlpwatch.tui.kit.pace import LATE_SECONDS, MATRICES_SECONDS, NUMBERS_SECONDS, Pace
from mlpwatch.tui.kit.run_text import header
from mlpwatch.tui.state.watch import Watch
from mlpwatch.tui.terminal.cost import CostMeter

if TYPE_CHECKING:
    from mlpwatch.tui.state.run_state import Phase, RunState

Panel = Literal["loss", "accuracy", "confusion"]
PANELS: tuple[Panel, ...] = ("loss", "accuracy", "confusion")

COLUMN_CLASSES = (None, "second")
"""Classes of the widgets in the first and in the second model's column."""

WITHOUT_OVERLAY = ("next_gap",)
"""Actions that the footer leaves out while there is no chart of the gap."""

ALL_PANELS_HEIGHT = 36
"""All three panels are shown from this height on: two charts of nine rows and a matrix."""

PARENT_SECONDS = 2.0
"""Time between two looks at what the parent of a branch does."""

CHARTS_HEIGHT = 24
"""Of the screen without the plane: two charts of nine rows, and six rows around them."""

TWO_PANELS_HEIGHT = 28
"""Two panels are shown from this height on: the loss, and below it accuracy or matrix."""


class Dashboard(ClosesOnce[None]):
    """Status, loss, accuracy and confusion matrix of both models.

    Args:
        watch: the run that is followed.
        names: the engines that train, left to right.
        cost: what drawing the screen costs.
        branch: asks for a branch from an epoch, with a learning rate or None, and why.
    """

    WHERE: ClassVar[Where] = "dashboard"
    BINDINGS: ClassVar[list[BindingType]] = bindings(WHERE)
    # A focused matrix takes the arrow keys, also those that are meant for a chart.
    AUTO_FOCUS = ""

    class CellOpened(Message):
        """Asks to show the digits of a confusion cell."""

        def __init__(self, true: int, predicted: int, engine: EngineName) -> None:
            super().__init__()
            self.true, self.predicted, self.engine = true, predicted, engine

    def __init__(
        self,
        watch: Watch,
        names: tuple[EngineName, ...],
        cost: CostMeter,
        branch: Callable[[int | None, float | None, str], None],
    ) -> None:
        super().__init__()
        self._watch, self._names, self._cost, self._branch = watch, names, cost, branch
        self.charts = ChartRows(self._chart)
        self._zoomed, self._panel = False, PANELS[0]
        self._matrix_row = Matrices(self._matrix, watch)
        self._numbers, self._matrices = Pace(NUMBERS_SECONDS), Pace(MATRICES_SECONDS)
        self._phases: list[Phase] = []
        self._late: Timer | None = None

    def compose(self) -> ComposeResult:
        """Make header, one row of panels after another, message and footer."""
        watch = self._watch
        yield (line := TextLine(id="header"))
        # In the first frame: the update after it competes with torch's import for the interpreter.
        line.update(*header(watch))
        with Horizontal(id="status"):
            for name, classes in zip(self._names, COLUMN_CLASSES, strict=False):
                yield StatusPanel(name, watch.title(name), id=f"{name}-status", classes=classes)
        yield RankRow(self._names)
        for panel in PANELS:
            with Horizontal(id=panel, classes="panel") as row:
                row.visible = False
                for name, classes in zip(self._names, COLUMN_CLASSES, strict=False):
                    widget = ConfusionMatrix if panel == "confusion" else Chart
                    yield widget(id=f"{name}-{panel}", classes=classes)
        yield EpochBar(watch)
        yield TextLine(id="message")
        yield (footer := Footer("dashboard", watch))
        footer.update(WITHOUT_OVERLAY)

    def on_mount(self) -> None:
        """Arrange for the terminal's size."""
        self._arrange()
        self.set_interval(PARENT_SECONDS, self._look_at_parent)

    def on_resize(self, _event: Resize) -> None:
        """Arrange for the new size."""
        self._arrange()

    def update(self, *, numbers: bool = False) -> None:
        """Draw what has changed; numbers and matrices less often, unless asked for."""
        if not can_draw(self):
            return
        if state := self._watch.state:
            self._follow_epoch(state)
            if not self.query_one("#loss").visible:
                self.query(".panel").set(visible=True)  # axes without a scale would say nothing
                if self._watch.are_points:
                    self._matrix_row.begin_with_plane()
                    self._panel = "confusion"
                self._arrange()
            phases = [engine.phase for engine in state.engines.values()]
            numbers, self._phases = numbers or phases != self._phases, phases
            self.charts.draw(state, self._panel, at_once=numbers or "training" not in phases)
        self._draw_seldom(at_once=numbers)

    def _follow_epoch(self, state: "RunState") -> None:
        """Show the run's epoch, in charts and matrices together."""
        shown, row = self._watch.shown, self._matrix_row
        row.is_kept = shown.epoch in shown.kept
        if shown.epoch != row.epoch:
            row.epoch = shown.epoch
            self.charts.step = shown.epoch and shown.epoch * state.epoch_steps
            self._mark_read()
        self.query_one(EpochBar).update()

    def _draw_seldom(self, *, at_once: bool) -> None:
        """Draw numbers and matrices if they are due; otherwise set a timer."""
        # Half of the wait too early is better than a whole frame too late.
        now = monotonic() + LATE_SECONDS / 2
        if self._numbers.allows(now, at_once=at_once):
            self._draw_lines()
        if self._matrices.allows(now, at_once=at_once):
            self._draw_matrices()
        if self._late:
            self._late.stop()
            self._late = None
        # After a pause or the end no event arrives that would draw the last ones.
        paces = self._numbers, self._matrices, self.charts.recent_pace
        if due := [pace.due for pace in paces if pace.is_late]:
            self._late = self.set_timer(min(due) - now + LATE_SECONDS, self.update)

    def action_next_panel(self) -> None:
        """Select the next panel."""
        self._go_to(PANELS[(PANELS.index(self._panel) + 1) % len(PANELS)])

    def action_previous_panel(self) -> None:
        """Select the previous panel."""
        self._go_to(PANELS[(PANELS.index(self._panel) - 1) % len(PANELS)])

    def action_move(self, down: int, right: int) -> None:
        """Move in the panel: the matrix's cursor, or the charts' shared crosshair."""
        if self._shows_plane:
            self._say("the arrows move in the matrix; {c} shows it")
        elif self._panel == "confusion":
            self._matrix(self._names[0]).action_move(down, right)
        elif right:
            self.action_crosshair("column", right)
        else:
            self._say("{↑} and {↓} move in the matrix; {tab} goes there")

    def action_crosshair(self, stride: Stride, right: int) -> None:
        """Move the crosshair by a column, a point or an epoch."""
        if state := self._watch.state:
            had_none = self.charts.step is None
            self.charts.move(state, stride, right)
            self._mark_read()
            if had_none and self.charts.step is None:
                self._say("{←} brings the crosshair in, at the newest step")
            self.update(numbers=True)

    def action_open(self) -> None:
        """Show the digits of the confusion cell under the cursor."""
        if self._shows_plane:
            self._say("{enter} opens a cell of the matrix; {c} shows it, {m} the mistakes")
        elif self._panel == "confusion":
            self._matrix(self._names[0]).action_open()
        else:
            self._say("{enter} opens a cell of the matrix; {tab} goes there")

    def action_toggle_overlay(self) -> None:
        """Draw both models in one chart with their gap beside it, or side by side."""
        self.charts.options.overlay = not self.charts.options.overlay
        self._arrange()

    def action_next_gap(self) -> None:
        """Chart how far one step is apart, what training made of it, or both."""
        if state := self._watch.state:
            if len(state.engines) == 1:
                state.say("a gap needs both models; this run trains one", where=self.WHERE)
            else:
                self.charts.next_gap()
            self._arrange()

    def action_toggle_log(self) -> None:
        """Switch the loss between a linear and a logarithmic axis."""
        self.charts.options.log_loss = not self.charts.options.log_loss
        self.update(numbers=True)

    def action_toggle_seconds(self) -> None:
        """Switch the x axis between steps and seconds."""
        self.charts.options.by_seconds = not self.charts.options.by_seconds
        self.update(numbers=True)

    def action_toggle_recent(self) -> None:
        """Switch the loss between the whole run and its last 1,000 steps in full."""
        self.charts.options.recent = not self.charts.options.recent
        self.update(numbers=True)

    def action_toggle_zoom(self) -> None:
        """Show one panel alone, or all of them."""
        self._zoomed = not self._zoomed
        if self.size.height < TWO_PANELS_HEIGHT:
            self._say("one panel fills this screen; {tab} shows the next")
        self._arrange()

    def action_next_matrix(self) -> None:
        """Show counts, shares of rows, the difference of both models, or scores."""
        if state := self._watch.state:
            self._matrix_row.next_mode(state)
            self._arrange()

    def action_branch(self) -> None:
        """Ask for a branch of this run, from the epoch shown."""
        self._branch(self._watch.shown.epoch, None, "")

    def action_go_back(self) -> None:
        """Ask for a branch from before a loss spike, with half the learning rate."""
        if proposal := before_spike(self._watch):
            self._branch(*proposal)
        else:
            self._say("no loss has jumped up; {b} branches from any epoch")

    def action_back(self) -> None:
        """Leave the past epoch, cell, crosshair, zoom, overlay and a saved run, one at a time."""
        if self._watch.shown.epoch is not None:
            self._watch.shown.leave()
        elif self._matrix_row.cell is not None and self._panel == "confusion":
            self._matrix_row.cell = None
            for name in self._names:
                self._matrix(name).leave()
        elif self.charts.step is not None:
            self.charts.step = None
        elif self._zoomed:
            self._zoomed = False
        elif self.charts.options.overlay:
            self.charts.options.overlay = False
        elif self._watch.is_view:
            self.dismiss()
            return
        self._arrange()

    def on_confusion_matrix_cursor_moved(self, event: ConfusionMatrix.CursorMoved) -> None:
        """Keep both cursors on the same cell, and show its counts."""
        self._panel = "confusion"
        self._matrix_row.cell = (event.true, event.predicted)
        self._mark_read()
        self.update(numbers=True)

    def on_confusion_matrix_opened(self, event: ConfusionMatrix.Opened) -> None:
        """Ask to show the digits of the cell."""
        if (state := self._watch.state) is None:
            return
        # The cursor is in both matrices: if this model has no such digits, the other may.
        own: EngineName = "torch" if event.matrix.id == "torch-confusion" else self._names[0]
        name = self._matrix_row.reader_of(event.true, event.predicted, (own, *self._names), state)
        if name is not None:
            self.post_message(self.CellOpened(event.true, event.predicted, name))
        self.update(numbers=True)

    @property
    def _shows_plane(self) -> bool:
        return self._panel == "confusion" and self._matrix_row.mode == "plane"

    def _say(self, text: str) -> None:
        if state := self._watch.state:
            state.hint(text, where=self.WHERE)
            self.update(numbers=True)

    def _mark_read(self) -> None:
        """Let values that are looked up now replace the newest message."""
        if state := self._watch.state:
            state.message_is_new = False

    def _go_to(self, panel: Panel) -> None:
        self._panel = panel
        self.set_focus(None)
        self._arrange()

    def _arrange(self) -> None:
        """Show all panels, or only one if zoomed or on a small terminal."""
        shown = self._shown_panels()
        for panel in PANELS:
            self.query_one(f"#{panel}").display = panel in shown
        rows = "1fr" if len(shown) == 1 else self._matrix_rows()
        self.query_one("#confusion").styles.height = rows
        self.query_one(Footer).update(() if self.charts.options.overlay else WITHOUT_OVERLAY)
        self.set_class(self.size.width < 120, "-narrow")  # noqa: PLR2004 - see mlpwatch.tcss
        self.call_after_refresh(self.update, numbers=True)

    def _shown_panels(self) -> tuple[Panel, ...]:
        """Return the panels that fit, including the current one."""
        if self._zoomed or self.size.height < TWO_PANELS_HEIGHT:
            return (self._panel,)
        if self.size.height < ALL_PANELS_HEIGHT:
            return ("loss", "confusion" if self._panel == "confusion" else "accuracy")
        return PANELS

    def _matrix_rows(self) -> int:
        """Return the height of the matrices; the two rows of charts share the rest equally."""
        session = self._watch.session
        if self._matrix_row.mode == "plane":
            return max(HEAD_ROWS + 10, min(self.size.height - CHARTS_HEIGHT, self.size.height // 2))
        classes = session.dataset.classes if session else 10
        return min(HEAD_ROWS + classes, max(HEAD_ROWS + 10, self.size.height // 3))

    def _draw_lines(self) -> None:
        self.query_one("#header", TextLine).update(*header(self._watch, self._cost.text))
        is_shown, width = self._panel == "confusion", self.size.width
        cell = cell_text(self._matrix_row, self._watch, width) if is_shown else []
        text = message(self._watch, cell, self.charts.options, self.charts.step)
        self.query_one("#message", TextLine).update(text)
        state, session = self._watch.state, self._watch.session
        if state and session:
            for name, engine in state.engines.items():
                speed = Speed(session.config.batch_size, session.threads(name))
                self.query_one(f"#{name}-status", StatusPanel).update(engine, state.epochs, speed)
            self.query_one(RankRow).update(state, self.size.height)

    def _draw_matrices(self) -> None:
        state, session = self._watch.state, self._watch.session
        if state is None or session is None:
            return
        self._paint_matrices()
        if self._matrix_row.mode == "plane":
            self._read_planes()
        self._matrices.seconds = self._matrix_row.seconds_between(state)
        if self._matrix_row.wants_scores(state):
            self._score()

    def _look_at_parent(self) -> None:
        if self._watch.parent:
            self._follow_parent()

    @work(group="parent", exclusive=True)
    async def _follow_parent(self) -> None:
        if await self._watch.read_parent():
            self.update()

    def _paint_matrices(self) -> None:
        if (state := self._watch.state) and (session := self._watch.session) and can_draw(self):
            title = panel_title("confusion", self._panel)
            if self._matrix_row.mode == "plane":
                title = title.replace("confusion", "plane")
            self._matrix_row.draw(state, session.dataset.class_names, title)

    @work(group="planes")
    async def _read_planes(self) -> None:
        if state := self._watch.state:
            await self._matrix_row.read_planes(state, look_of(self), self._paint_matrices)

    @work(group="scores", exclusive=True)
    async def _score(self) -> None:
        if state := self._watch.state:
            await self._matrix_row.score(state)
        if can_draw(self):
            self._draw_matrices()

    def _chart(self, name: EngineName, row: Row) -> Chart:
        return self.query_one(f"#{name}-{row}", Chart)

    def _matrix(self, name: EngineName) -> ConfusionMatrix:
        return self.query_one(f"#{name}-confusion", ConfusionMatrix)
