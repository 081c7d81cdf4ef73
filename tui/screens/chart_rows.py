"""Draws the two rows of charts: side by side, or both models in one with the gap beside it."""

from collections.abc import Callable
from typing import Literal

from core.config import EngineName
from tui.run_state import EngineState, RunState
from tui.screens.chart_data import (
    ChartLimits,
    ChartOptions,
    accuracy_series,
    gap_series,
    layer_gap_series,
    loss_series,
    read_out,
)
from tui.widgets.chart import Chart, Limits, Series

Row = Literal["loss", "accuracy"]
Find = Callable[[EngineName, Row], Chart]
"""Returns the chart of a model's column in a row."""

_UNITS: dict[Row, str] = {"loss": "", "accuracy": " %"}


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
        x = self._limits.x(state, self.options)
        names = list(state.engines)
        compared = self.options.overlay and len(names) > 1
        for name in names[:1] if compared else names:
            engines = list(state.engines.values()) if compared else [state.engines[name]]
            self._draw_loss(name, engines, state, x, marked)
            self._draw_accuracy(name, engines, state, x, marked)
        if compared:
            self._draw_gap(names[1], state, x)

    def _draw_loss(
        self, name: EngineName, engines: list[EngineState], state: RunState, x: Limits, marked: str
    ) -> None:
        self._put(
            self._find(name, "loss"),
            self._title("loss", engines, marked),
            loss_series(engines, state, self.options),
            x,
            self._limits.loss(state, self.options),
            log_y=self.options.log_loss,
        )

    def _draw_accuracy(
        self, name: EngineName, engines: list[EngineState], state: RunState, x: Limits, marked: str
    ) -> None:
        self._put(
            self._find(name, "accuracy"),
            self._title("accuracy", engines, marked),
            accuracy_series(engines, state, self.options),
            x,
            self._limits.accuracy(state),
        )

    def _draw_gap(self, name: EngineName, state: RunState, x: Limits) -> None:
        series = gap_series(state, self.options)
        limits = self._limits.gap("gap", series)
        self._put(self._find(name, "loss"), "  gap", series, x, limits, log_y=True)
        series = layer_gap_series(state, self.options)
        limits = self._limits.gap("layers", series)
        self._put(self._find(name, "accuracy"), "  gap by layer", series, x, limits, log_y=True)

    def _put(
        self,
        chart: Chart,
        title: str,
        series: list[Series],
        x: Limits,
        y: Limits,
        *,
        log_y: bool = False,
    ) -> None:
        chart.draw(
            title,
            series,
            x_limits=x,
            y_limits=y,
            log_y=log_y,
            x_label="seconds" if self.options.by_seconds else "epochs",
            ascii_only=self._ascii,
        )

    def _title(self, row: Row, engines: list[EngineState], marked: str) -> str:
        title = panel_title(row, marked) + _UNITS[row]
        if self.epoch is None:
            return title
        values = [read_out(row, engine, self.epoch) for engine in engines]
        return f"{title} · epoch {self.epoch}: {' and '.join(values)}"


def panel_title(panel: str, marked: str) -> str:
    """Return a panel's title, with a mark where the keys go to it."""
    return ("▸ " if panel == marked else "  ") + panel
