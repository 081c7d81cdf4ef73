"""The numbers of layers as curves over the epochs, one per layer."""

from collections.abc import Iterable, Sequence
from math import isfinite, isnan
from statistics import fmean
from typing import Literal, get_args

from mlpwatch.core.analysis.layer_faults import RULE_OF_THUMB
from mlpwatch.core.config import EngineName
from mlpwatch.core.epochs import LayerRecord
from mlpwatch.tui.charts.chart import Limits, Marker, Series, nice_limits
from mlpwatch.tui.charts.chart_data import CURVES, SOFT_CURVES
from mlpwatch.tui.kit.theme import Role
from mlpwatch.tui.state.run_state import EngineView, RunState

Quantity = Literal["gradient_norm", "update_ratio", "flat_share"]
"""A field of `LayerRecord`."""

QUANTITIES: tuple[Quantity, ...] = get_args(Quantity)

_MARKERS: tuple[Marker, ...] = ("braille", "dot", "circle", "dashed")
"""By layer; dashes come last, because the rule of thumb is a dashed line."""

MOST_CURVES = 2 * len(_MARKERS)
"""Layers that can be distinguished in one chart: each marker in two tones."""

FEW_EPOCHS = 3
"""Planned epochs up to which each measured step of the newest epoch is shown."""


def marker_of(layer: int) -> Marker:
    """Return the marker of a layer's curve."""
    return _MARKERS[layer % len(_MARKERS)]


def layer_role(layer: int, engine: EngineName) -> Role:
    """Return the colour of a layer's curve."""
    roles = CURVES if layer // len(_MARKERS) % 2 == 0 else SOFT_CURVES
    return roles[engine]


def title_of(quantity: Quantity, flat_word: str) -> str:
    """Return the title of a quantity's chart."""
    if quantity == "flat_share":
        return f"{flat_word} units %"
    return "gradient norm" if quantity == "gradient_norm" else "update / weight of a step"


def is_closed(engine: EngineView) -> bool:
    """Return whether the hidden units of a trained network can't be looked into."""
    deep = [epoch.layers for epoch in engine.epochs if len(epoch.layers) > 1]
    return bool(deep) and all(isnan(one.flat_share) for layers in deep for one in layers)


def is_log(quantity: Quantity) -> bool:
    """Return whether a quantity has a log axis: gradients and updates differ by powers of ten."""
    return quantity != "flat_share"


def layer_series(
    state: RunState, engine: EngineView, quantity: Quantity, layers: range
) -> list[Series]:
    """Return one curve per layer: the means of epochs, then the newest measured steps.

    Args:
        state: of the run.
        engine: one of the run's.
        quantity: to show.
        layers: to show. Among the updates a horizontal line marks the rule of thumb.
    """
    name = engine.name
    series = [
        Series(str(k), layer_role(k, name), _points(state, engine, quantity, k), marker_of(k))
        for k in layers
    ]
    if quantity != "update_ratio" or not any(one.points for one in series):
        return series
    line = [(0.0, RULE_OF_THUMB), (float(state.epochs), RULE_OF_THUMB)]
    return [Series("1e-3", Role.DIM, line, "dashed"), *series]


def _points(
    state: RunState, engine: EngineView, quantity: Quantity, layer: int
) -> list[tuple[float, float]]:
    if quantity == "flat_share":
        # In percent, after the epoch.
        return [
            (float(epoch.epoch), 100 * value)
            for epoch in engine.epochs
            for value in _value(epoch.layers, layer, quantity)
            if not isnan(value)
        ]
    # The mean of an epoch stands in its middle.
    past = [
        (epoch.step, epoch.epoch - 0.5, value)
        for epoch in engine.epochs
        for value in _value(epoch.layers, layer, quantity)
    ]
    steps = [
        (one.step / state.epoch_steps, value)
        for one in engine.measured
        for value in _value(one.layers, layer, quantity)
    ]
    if state.epochs <= FEW_EPOCHS and engine.measured:
        first = engine.measured[0].step
        return [(x, value) for step, x, value in past if step < first] + steps
    ended = engine.epochs[-1].step if engine.epochs else 0
    live = [point for point in steps if point[0] * state.epoch_steps > ended]
    means = [(x, value) for _, x, value in past]
    # The mean of this epoch's steps so far: single steps would cross other curves.
    return [*means, (live[-1][0], fmean(value for _, value in live))] if live else means


def _value(layers: Sequence[LayerRecord], layer: int, quantity: Quantity) -> Iterable[float]:
    """Return a layer's number, or nothing if it is unknown."""
    return (getattr(layers[layer], quantity),) if layer < len(layers) else ()


class LayerLimits:
    """The y limits that both models' charts share; they only widen, so old curves stay in place."""

    def __init__(self) -> None:
        self._kept: dict[Quantity, Limits] = {}

    def of(self, quantity: Quantity, series: Iterable[Series]) -> Limits:
        """Return the limits of a quantity around all curves of both models."""
        values = [y for one in series for _, y in one.points if isfinite(y)]
        if quantity == "flat_share":
            values += [0.0, 10.0]
        limits = nice_limits(values, is_log(quantity), self._kept.get(quantity))
        self._kept[quantity] = limits
        return limits
