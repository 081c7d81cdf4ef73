"""Draws the two rows of charts: side by side, or both models in one with the gap beside it."""

from collections.abc import Callable, Sequence
from time import monotonic
from typing import TYPE_CHECKING, Literal, NamedTuple

from mlpwatch.core.config import EngineName
from mlpwatch.core.limits import MOST_COMPARED
from mlpwatch.tui.charts.chart import (
    AFTER_EPOCH,
    NONE_DONE,
    WAITING,
    Chart,
    Limits,
    RateMark,
    Series,
)
from mlpwatch.tui.charts.chart_data import (
    GAP_VIEWS,
    RECENT_X,
    ChartLimits,
    ChartOptions,
    accuracy_series,
    best_marks,
    gap_series,
    layer_gap_series,
    loss_series,
    rate_marks,
    recent_loss_series,
)
from mlpwatch.tui.dashboard.crosshair import (
    Stride,
    crosshair_x,
    gap_at,
    moved,
    place,
    read_out,
    steps_of,
)
from mlpwatch.tui.kit.pace import RECENT_SECONDS, Pace
from mlpwatch.tui.kit.theme import Role

if TYPE_CHECKING:
    from mlpwatch.tui.state.run_state import EngineView, RunState

AFTER_COMPARISON = "no step has been compared yet"
TOO_LARGE = f"not measured: more than {MOST_COMPARED:,} weights"

Row = Literal["loss", "accuracy"]
Find = Callable[[EngineName, Row], Chart]
"""Returns the chart of a model in a row."""


class ChartRows:
    """Both rows of charts of one dashboard.

    Args:
        find: returns the chart widgets.
    """

    def __init__(self, find: Find) -> None:
        self._find = find
        self._limits = ChartLimits()
        self.options = ChartOptions()
        self.recent_pace = Pace(RECENT_SECONDS)
        self.step: int | None = None
        """The crosshair's step, which the titles show; None without a crosshair."""

    def draw(self, state: "RunState", marked: str, *, at_once: bool) -> None:
        """Draw what has changed; the last steps are drawn less often, unless `at_once`.

        Args:
            state: of the run.
            marked: the row that has the keys, marked in its title.
            at_once: draw everything now.
        """
        names = list(state.engines)
        compared = self.options.overlay and len(names) > 1
        recent = self.options.recent
        is_due = self.recent_pace.allows(monotonic(), at_once=at_once or not recent)
        draw_loss = self._draw_recent_loss if recent else self._draw_loss
        for name in names[:1] if compared else names:
            engines = list(state.engines.values()) if compared else [state.engines[name]]
            if is_due:
                draw_loss(engines, state, marked)
            self._draw_accuracy(engines, state, marked)
        if compared:
            self._draw_gap(names[1], state)

    def next_gap(self) -> None:
        """Show the gap's chart, or its next view if it is shown."""
        if self.options.overlay:
            view = GAP_VIEWS.index(self.options.gap)
            self.options.gap = GAP_VIEWS[(view + 1) % len(GAP_VIEWS)]
        self.options.overlay = True

    def move(self, state: "RunState", stride: Stride, right: int) -> None:
        """Move the crosshair to the left (-1) or to the right (1)."""
        columns = self._find(next(iter(state.engines)), "loss").plot_columns
        steps = steps_of(state, self.options, stride, columns)
        self.step = moved(state, self.step, steps, right)

    def _draw_loss(self, engines: list["EngineView"], state: "RunState", marked: str) -> None:
        self._put(
            self._find(engines[0].name, "loss"),
            self._title("loss", engines, state, marked, ""),
            loss_series(engines, state, self.options),
            self._run_axis(state, engines),
            self._limits.loss(state, self.options),
            log_y=self.options.log_loss,
            empty=_unless_ended(engines, WAITING),
        )

    def _draw_recent_loss(
        self, engines: list["EngineView"], state: "RunState", marked: str
    ) -> None:
        first = engines[0]
        crosshair = None if self.step is None else float(self.step - first.step)
        self._put(
            self._find(first.name, "loss"),
            self._title("loss", engines, state, marked, "" if self.step else " of the last steps"),
            recent_loss_series(engines, self.options),
            _Axis(RECENT_X, "steps", crosshair, changes=_recent_changes(engines)),
            self._limits.recent_loss(state, self.options),
            log_y=self.options.log_loss,
            empty=_unless_ended(engines, WAITING),
        )

    def _draw_accuracy(self, engines: list["EngineView"], state: "RunState", marked: str) -> None:
        self._put(
            self._find(engines[0].name, "accuracy"),
            self._title("accuracy", engines, state, marked, " %"),
            accuracy_series(engines, state, self.options),
            self._run_axis(state, engines),
            self._limits.accuracy(state),
            labels_top=True,
            best=best_marks(engines, state, self.options),
            empty=_unless_ended(engines, AFTER_EPOCH),
        )

    def _draw_gap(self, name: EngineName, state: "RunState") -> None:
        axis = self._run_axis(
            state, sorted(state.engines.values(), key=lambda one: one.name != name)
        )
        gap = gap_at(state, self.step)
        series = gap_series(state, self.options)
        view = self.options.gap
        limits = self._limits.gap(f"gap {view}", series)
        facts = ""
        if gap:
            facts = f" · weights {gap.weight_difference:.1e}, loss {gap.loss_difference:.1e}"
        if self.step is not None and (one := state.steps_by_step.weights.at(self.step)):
            facts += f" · one step {one.mean:.1e}"
        title = "  gap" if view == "both" else f"  {view}"
        empty = AFTER_EPOCH
        if view == "one step apart":
            is_large = state.engines[name].parameters > MOST_COMPARED
            empty = TOO_LARGE if is_large else AFTER_COMPARISON
        chart = self._find(name, "loss")
        self._put(chart, (title, facts), series, axis, limits, log_y=True, empty=empty)
        series = layer_gap_series(state, self.options)
        limits = self._limits.gap("layers", series)
        facts = " · " + ", ".join(f"{d:.1e}" for d in gap.layer_differences) if gap else ""
        title = "  gap by layer"
        self._put(self._find(name, "accuracy"), (title, facts), series, axis, limits, log_y=True)

    def _run_axis(self, state: "RunState", engines: list["EngineView"]) -> "_Axis":
        engine = engines[0]
        return _Axis(
            self._limits.x(state, self.options),
            "sec" if self.options.by_seconds else "epoch",
            crosshair_x(engine, state, self.options, self.step),
            crosshair_x(engine, state, self.options, state.outside.step if state.outside else None),
            rate_marks(engines, state, self.options),
        )

    def _put(
        self,
        chart: Chart,
        title: tuple[str, ...],
        series: list[Series],
        x: "_Axis",
        y: Limits,
        *,
        log_y: bool = False,
        labels_top: bool = False,
        best: list[tuple[float, Role]] | None = None,
        empty: str = AFTER_EPOCH,
    ) -> None:
        chart.update(
            title,
            series,
            x_limits=x.limits,
            y_limits=y,
            log_y=log_y,
            x_label=x.label,
            crosshair=x.crosshair,
            mark=x.mark,
            labels_top=labels_top,
            best=best or (),
            changes=x.changes,
            empty=empty,
        )

    def _title(
        self, row: Row, engines: list["EngineView"], state: "RunState", marked: str, what: str
    ) -> tuple[str, ...]:
        """Return the title in pieces; if there is no room, the last are left out."""
        title = panel_title(row, marked) + what
        if self.step is None:
            return (title,)
        read = [read_out(row, engine, self.options, self.step) for engine in engines]
        head = f" · {place(self.step, state)}: "
        if len(read) > 1:
            return title, head + " and ".join(value + validation for value, validation, _ in read)
        [(value, validation, spread)] = read
        return title, head + value, validation, spread


def _unless_ended(engines: list["EngineView"], to_come: str) -> str:
    """Return an empty chart's text: what will come, or that it won't."""
    return NONE_DONE if all(engine.ended for engine in engines) else to_come


class _Axis(NamedTuple):
    """The x axis of a chart."""

    limits: Limits
    label: str
    crosshair: float | None
    mark: float | None = None
    """Where the first difference is."""
    changes: Sequence[RateMark] = ()
    """Where the learning rate was changed."""


def _recent_changes(engines: list["EngineView"]) -> list[RateMark]:
    """Return where the learning rate was changed among the last steps."""
    return [
        RateMark(float(change.step - engine.step), change.learning_rate > change.before)
        for engine in engines
        for change in engine.rate_changes
    ]


def panel_title(panel: str, marked: str) -> str:
    """Return a panel's title, with a mark if it has the keys."""
    return ("▸ " if panel == marked else "  ") + panel
