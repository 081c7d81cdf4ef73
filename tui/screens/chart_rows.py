"""Draws the two rows of charts: side by side, or both models in one with the gap beside it."""

from collections.abc import Callable
from typing import Literal, NamedTuple

from core.config import EngineName
from tui.run_state import EngineState, RunState
from tui.screens.chart_data import (
    RECENT_X,
    ChartLimits,
    ChartOptions,
    accuracy_series,
    crosshair_x,
    gap_series,
    layer_gap_series,
    loss_series,
    read_out,
    recent_loss_series,
)
from tui.widgets.chart import Chart, Limits, Series

Row = Literal["loss", "accuracy"]
Find = Callable[[EngineName, Row], Chart]
"""Returns the chart of a model's column in a row."""


class ChartRows:
    """Both rows of charts of one dashboard.

    Args:
        find: returns the chart widgets.
        ascii_only: write no character above U+007E.
    """

    def __init__(self, find: Find, *, ascii_only: bool) -> None:
        self._find, self._ascii = find, ascii_only
        self._limits = ChartLimits()
        self.options = ChartOptions()
        self.epoch: int | None = None
        """The epoch that the titles read out, if any."""

    def draw(self, state: RunState, marked: str) -> None:
        """Draw what has changed; the title of the row `marked` says that keys go there."""
        names = list(state.engines)
        compared = self.options.overlay and len(names) > 1
        draw_loss = self._draw_recent_loss if self.options.recent else self._draw_loss
        for name in names[:1] if compared else names:
            engines = list(state.engines.values()) if compared else [state.engines[name]]
            draw_loss(engines, state, marked)
            self._draw_accuracy(engines, state, marked)
        if compared:
            self._draw_gap(names[1], state)

    def _draw_loss(self, engines: list[EngineState], state: RunState, marked: str) -> None:
        self._put(
            self._find(engines[0].name, "loss"),
            self._title("loss", engines, marked),
            loss_series(engines, state, self.options),
            self._run_axis(state, engines[0]),
            self._limits.loss(state, self.options),
            log_y=self.options.log_loss,
        )

    def _draw_recent_loss(self, engines: list[EngineState], state: RunState, marked: str) -> None:
        first = engines[0]
        crosshair = None if self.epoch is None else self.epoch * state.epoch_steps - first.step
        self._put(
            self._find(first.name, "loss"),
            self._title("loss", engines, marked, "" if self.epoch else " of the last steps"),
            recent_loss_series(engines, self.options),
            _Axis(RECENT_X, "steps", crosshair),
            self._limits.recent_loss(state, self.options),
            log_y=self.options.log_loss,
        )

    def _draw_accuracy(self, engines: list[EngineState], state: RunState, marked: str) -> None:
        self._put(
            self._find(engines[0].name, "accuracy"),
            self._title("accuracy", engines, marked, " %"),
            accuracy_series(engines, state, self.options),
            self._run_axis(state, engines[0]),
            self._limits.accuracy(state),
        )

    def _draw_gap(self, name: EngineName, state: RunState) -> None:
        axis = self._run_axis(state, state.engines[name])
        gap = next((gap for gap in state.gaps if gap.epoch == self.epoch), None)
        series = gap_series(state, self.options)
        limits = self._limits.gap("gap", series)
        told = ""
        if gap:
            told = f" · weights {gap.weight_difference:.1e}, loss {gap.loss_difference:.1e}"
        self._put(self._find(name, "loss"), "  gap" + told, series, axis, limits, log_y=True)
        series = layer_gap_series(state, self.options)
        limits = self._limits.gap("layers", series)
        told = " · " + ", ".join(f"{d:.1e}" for d in gap.layer_differences) if gap else ""
        title = "  gap by layer" + told
        self._put(self._find(name, "accuracy"), title, series, axis, limits, log_y=True)

    def _run_axis(self, state: RunState, engine: EngineState) -> "_Axis":
        return _Axis(
            self._limits.x(state, self.options),
            "sec" if self.options.by_seconds else "epoch",
            crosshair_x(engine, self.options, self.epoch),
        )

    def _put(
        self,
        chart: Chart,
        title: str,
        series: list[Series],
        x: "_Axis",
        y: Limits,
        *,
        log_y: bool = False,
    ) -> None:
        chart.draw(
            title,
            series,
            x_limits=x.limits,
            y_limits=y,
            log_y=log_y,
            x_label=x.label,
            crosshair=x.crosshair,
            ascii_only=self._ascii,
        )

    def _title(self, row: Row, engines: list[EngineState], marked: str, what: str = "") -> str:
        title = panel_title(row, marked) + what
        if self.epoch is None:
            return title
        values = [read_out(row, engine, self.epoch) for engine in engines]
        return f"{title} · epoch {self.epoch}: {' and '.join(values)}"


class _Axis(NamedTuple):
    """The x axis of a chart."""

    limits: Limits
    label: str
    crosshair: float | None


def panel_title(panel: str, marked: str) -> str:
    """Return a panel's title, with a mark where the keys go to it."""
    return ("▸ " if panel == marked else "  ") + panel
