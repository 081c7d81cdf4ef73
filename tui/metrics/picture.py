"""One chart's content from the series of a log: curves, limits, title."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mlpwatch.core.scalars.curves import averaged, smoothed
from mlpwatch.core.scalars.store import ScalarSeries
from mlpwatch.tui.charts.chart import Limits, Marker, Series, nice_limits
from mlpwatch.tui.formatting import clipped
from mlpwatch.tui.kit.theme import Role
from mlpwatch.tui.metrics.axes import is_short, whole_limits
from mlpwatch.tui.metrics.following import FollowedMetrics
from mlpwatch.tui.metrics.grouping import MetricChart

_ROLES = (Role.TORCH, Role.NUMPY, Role.RUN_2, Role.RUN_3, Role.RUN_4, Role.RUN_1)
_BANDS = {Role.TORCH: Role.TORCH_BAND, Role.NUMPY: Role.NUMPY_BAND}
_MARKERS: tuple[Marker, ...] = ("braille", "dot", "dashed", "circle")
"""By the curve's number, so that curves also differ without colours."""

_OVERLAID: tuple[tuple[Marker, ...], ...] = (("braille", "dot"), ("dashed", "circle"))
"""Of two logs in one chart, each of which has a colour."""

_MOST_VALUES = 2
"""Values in a title; of more curves only the crosshair's are shown, the legend comes first."""

_LABEL_COLUMNS = 18

_DOTS = 2


@dataclass(slots=True)
class MetricOptions:
    """What keys switch."""

    log_y: bool = False
    weight: float = 0.0
    """Of the past in smoothed curves."""
    halvings: int = 0
    """Of the x axis."""
    crosshair: float | None = None
    """A step."""


@dataclass(frozen=True, slots=True)
class ChartCurves:
    """A chart without what a crosshair changes."""

    series: tuple[Series, ...]
    x_limits: Limits
    read: tuple[tuple[ScalarSeries, float], ...]
    """What was read of each curve, and its newest value."""
    own_axis: bool
    """Whether it ends long before the others: then its x axis is its own, without a crosshair."""


@dataclass(frozen=True, slots=True)
class ChartPicture:
    """What `Chart.update` takes."""

    title: tuple[str, ...]
    series: tuple[Series, ...]
    x_limits: Limits
    crosshair: float | None


@dataclass(frozen=True, slots=True)
class ShownMetrics:
    """A log's part of a chart."""

    followed: FollowedMetrics
    chart: MetricChart | None
    """None if the log has no such metric."""
    title: str = ""
    """Begins the labels, where two logs share a chart."""


def curves_of(
    parts: Sequence[ShownMetrics],
    x_limits: Limits,
    newest: float,
    options: MetricOptions,
    *,
    columns: int,
) -> ChartCurves:
    """Return a chart's curves as far as they have been read.

    Args:
        parts: one log, or two that share the chart.
        x_limits: that all charts share.
        newest: the last step of all charts.
        options: of the screen.
        columns: of the plot, in cells.
    """
    curves = [
        (label, part, part.followed.series(name), part.followed.last(name))
        for part in parts
        if part.chart
        for name, label in part.chart.curves
    ]
    last = max((float(one.steps[-1]) for _, _, one, _ in curves if len(one.steps)), default=0.0)
    own_axis = bool(curves) and is_short(last, newest)
    if own_axis:
        first = min(float(one.steps[0]) for _, _, one, _ in curves if len(one.steps))
        x_limits = whole_limits(first, last)
    series: list[Series] = []
    bands: list[Series] = []
    for number, (label, part, own, _) in enumerate(curves):
        role, marker = _style(parts, part, number)
        values = smoothed(own.values, options.weight)
        points = averaged(own.steps, values, *x_limits, _DOTS * columns)
        shown = clipped(" ".join(filter(None, (part.title, label))), _LABEL_COLUMNS)
        series.append(Series(shown if len(curves) > 1 else "", role, points, marker))
        if options.weight and len(curves) <= len(_BANDS):
            raw = averaged(own.steps, own.values, *x_limits, _DOTS * columns)
            bands.append(Series("", _BANDS[role], raw, "band"))
    values_read = tuple((own, last) for _, _, own, last in curves)
    return ChartCurves((*bands, *series), x_limits, values_read, own_axis=own_axis)


def picture_of(title: str, curves: ChartCurves, crosshair: float | None) -> ChartPicture:
    """Return a chart.

    Args:
        title: of the metric.
        curves: of the chart.
        crosshair: a step; None for the newest.
    """
    values_text = "  ".join(
        metric_text(last if crosshair is None else value_at(own, crosshair))
        for own, last in curves.read
    )
    if len(curves.read) > _MOST_VALUES and crosshair is None:
        values_text = ""
    line = None if curves.own_axis else crosshair
    return ChartPicture((title, f"  {values_text}"), curves.series, curves.x_limits, line)


def _style(parts: Sequence[ShownMetrics], part: ShownMetrics, number: int) -> tuple[Role, Marker]:
    """Return colour and marker of a curve by its number; of two logs each has a colour."""
    if len(parts) == 1:
        return _ROLES[number % len(_ROLES)], _MARKERS[number % len(_MARKERS)]
    log = parts.index(part)
    before = sum(len(one.chart.curves) for one in parts[:log] if one.chart)
    return _ROLES[log], _OVERLAID[log][(number - before) % len(_OVERLAID[log])]


def shared_limits(charts: Sequence[ChartCurves], kept: Limits | None, *, log: bool) -> Limits:
    """Return the y limits of charts that are drawn to one scale.

    They widen, and are fitted again if more than half of the height is empty.
    """
    values = [y for one in charts for series in one.series for _, y in series.points]
    fresh = nice_limits(values, log)
    if kept is None or (log and kept[0] <= 0):
        return fresh
    widened = nice_limits(values, log, kept)
    return fresh if _height(fresh, log) < _height(widened, log) / 2 else widened


def value_at(series: ScalarSeries, step: float) -> float:
    """Return the value of the last point at or before a step; NaN before the first."""
    place = int(np.searchsorted(series.steps, step, side="right")) - 1
    return float(series.values[place]) if place >= 0 else math.nan


def metric_text(value: float) -> str:
    """Return a number in about six columns: `0.1823`, `12.35`, `9.1e+08`, `nan`."""
    return f"{value:.4g}"


def _height(limits: Limits, log: bool) -> float:
    low, high = map(math.log10, limits) if log else limits
    return high - low
