"""What the charts show: a run's state as series and limits."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, get_args

from mlpwatch.core.config import EngineName
from mlpwatch.tui.charts.chart import Limits, Marker, RateMark, Series, nice_limits
from mlpwatch.tui.formatting import clipped
from mlpwatch.tui.kit.theme import Role
from mlpwatch.tui.state.curves import RECENT_CAPACITY, Curve

if TYPE_CHECKING:
    from mlpwatch.tui.state.epoch_curves import GapCurves
    from mlpwatch.tui.state.run_state import EngineView, RunState

BANDS: dict[EngineName, Role] = {"numpy": Role.NUMPY_BAND, "torch": Role.TORCH_BAND}
CURVES: dict[EngineName, Role] = {"numpy": Role.NUMPY, "torch": Role.TORCH}
SOFT_CURVES: dict[EngineName, Role] = {"numpy": Role.NUMPY_SOFT, "torch": Role.TORCH_SOFT}

# In one chart the models also differ by marker: a line and dots, or dashes and circles.
_LINE_OF: dict[EngineName, Marker] = {"numpy": "braille", "torch": "dashed"}
_MARK_OF: dict[EngineName, Marker] = {"numpy": "dot", "torch": "circle"}


RECENT_X: Limits = (-float(RECENT_CAPACITY), 0.0)
"""`recent` shows this many steps before the newest."""


GhostNumber = Literal["train_loss", "val_accuracy"]

GapView = Literal["both", "one step apart", "grown apart"]
"""What the gap's chart shows: the difference of one step from the same weights, that of the two
trainings, or both."""

GAP_VIEWS: tuple[GapView, ...] = get_args(GapView)


@dataclass(slots=True)
class ChartOptions:
    """Chart options that keys switch."""

    overlay: bool = False
    log_loss: bool = False
    by_seconds: bool = False
    recent: bool = False
    """Show the loss of the last steps in full instead of the whole run."""
    gap: GapView = "both"


class ChartLimits:
    """The limits that both models' charts share; they only widen, so old curves stay in place."""

    def __init__(self) -> None:
        self._kept: dict[tuple[str, bool], Limits] = {}

    def x(self, state: "RunState", options: ChartOptions) -> Limits:
        """Return the x limits: the planned epochs, or their expected seconds."""
        if not options.by_seconds:
            return 0.0, float(state.epochs)
        left = max((e.seconds_left or 0.0) for e in state.engines.values())
        return self._widened("seconds", [0.0, state.seconds + left, 1.0], log=False)

    def loss(self, state: "RunState", options: ChartOptions) -> Limits:
        """Return the y limits of the loss, over both models."""
        values = [
            value
            for engine in state.engines.values()
            for value in (
                *(point.mean for point in engine.loss_by_step.points()),
                engine.epochs_by_step.train_loss.low,
                engine.epochs_by_step.train_loss.high,
                engine.epochs_by_step.validation_loss.low,
                engine.epochs_by_step.validation_loss.high,
            )
        ]
        values += _ghost_values(state, "train_loss")
        return self._widened("loss", values, log=options.log_loss)

    def recent_loss(self, state: "RunState", options: ChartOptions) -> Limits:
        """Return the y limits of the last steps' loss; refitted if half the height is unused."""
        series = recent_loss_series(state.engines.values(), options)
        values = [y for one in series for _, y in one.points]
        log = options.log_loss
        fresh = nice_limits(values, log)
        kept = nice_limits(values, log, self._kept.get(("recent", log)))
        limits = fresh if _height(fresh, log) < _height(kept, log) / 2 else kept
        self._kept["recent", log] = limits
        return limits

    def accuracy(self, state: "RunState") -> Limits:
        """Return the y limits of the accuracy in percent, over both models; 100 is at the top."""
        epochs = [engine.epochs_by_step for engine in state.engines.values()]
        curves = [
            curve for one in epochs for curve in (one.validation_accuracy, one.train_accuracy)
        ]
        values = [
            100 * share for curve in curves if curve.count for share in (curve.low, curve.high)
        ]
        if not values:
            return 0.0, 100.0
        values += [100 * share for share in _ghost_values(state, "val_accuracy")]
        low, _ = self._widened("accuracy", [*values, 100.0], log=False)
        return low, 100.0

    def gap(self, name: str, series: Iterable[Series]) -> Limits:
        """Return the y limits of a gap chart on a log axis; without gaps the float32 scale."""
        values = [y for one in series for _, y in one.points]
        if not any(value > 0 for value in values):
            return 1e-8, 1e-5
        return self._widened(name, values, log=True)

    def _widened(self, name: str, values: Iterable[float], *, log: bool) -> Limits:
        limits = nice_limits(values, log, self._kept.get((name, log)))
        self._kept[name, log] = limits
        return limits


LABEL_COLUMNS = 14
"""Most of a model's name in a legend: two of them and two words must fit beside the title."""


def _label(engine: "EngineView") -> str:
    return clipped(engine.title, LABEL_COLUMNS)


def loss_series(
    engines: Iterable["EngineView"], state: "RunState", options: ChartOptions
) -> list[Series]:
    """Return train and validation loss of the given engines."""
    series = []
    for engine in engines:
        # Four labels of two models must fit beside the title.
        labels = (_label(engine), "val") if options.overlay else ("train", "validation")
        line = _LINE_OF[engine.name] if options.overlay else "braille"
        mark = _MARK_OF[engine.name] if options.overlay else "dot"
        train = Series(labels[0], CURVES[engine.name], _train(engine, state, options), line)
        points = _by_epoch(engine, state, options, "validation_loss")
        validation = Series(labels[1], SOFT_CURVES[engine.name], points, mark)
        # Two overlapping bands could not be distinguished.
        if not options.overlay and (spread := _spread(engine, state, options)):
            series.append(Series("batches", BANDS[engine.name], spread, "band"))
        series += [*_ghost(engine, state, options, "train_loss"), train, validation]
    return series


def recent_loss_series(engines: Iterable["EngineView"], options: ChartOptions) -> list[Series]:
    """Return the loss of the last 1,000 steps of the given engines, each counted from its newest.

    The axis does not move, and engines of different speed overlap.
    """
    series = []
    for engine in engines:
        # Four labels of two models must fit beside the title.
        labels = (_label(engine), "val") if options.overlay else ("train", "validation")
        last, _ = engine.loss_by_step.last or (0.0, 0.0)
        train = [(x - last, y) for x, y in engine.loss_by_step.recent()]
        newest = engine.epochs_from(last + RECENT_X[0])
        validation = [(p.step - last, p.val_loss) for p in newest]
        line = _LINE_OF[engine.name] if options.overlay else "braille"
        mark = _MARK_OF[engine.name] if options.overlay else "dot"
        series += [
            Series(labels[0], CURVES[engine.name], train, line, in_full=True),
            Series(labels[1], SOFT_CURVES[engine.name], validation, mark),
        ]
    return series


def accuracy_series(
    engines: Iterable["EngineView"], state: "RunState", options: ChartOptions
) -> list[Series]:
    """Return validation accuracy, and training accuracy if known, of the engines, in %."""
    series = []
    for engine in engines:
        series += _ghost(engine, state, options, "val_accuracy")
        # Validation accuracy is drawn over training accuracy.
        if train := _percent(engine, state, options, "train_accuracy"):
            mark = _MARK_OF[engine.name] if options.overlay else "dot"
            series.append(Series("train", SOFT_CURVES[engine.name], train, mark))
        label = _label(engine) if options.overlay else "validation"
        line = _LINE_OF[engine.name] if options.overlay else "braille"
        points = _percent(engine, state, options, "validation_accuracy")
        series.append(Series(label, CURVES[engine.name], points, line))
    return series


def _ghost(
    engine: "EngineView", state: "RunState", options: ChartOptions, what: GhostNumber
) -> list[Series]:
    """Return what a branch's parent did from there on."""
    future = state.parent_future.of(engine.name)
    if not future:
        return []
    points = []
    for record in future:
        y = record.train_loss if what == "train_loss" else 100 * record.val_accuracy
        # The mean of an epoch's batches stands in its middle, as before a resume.
        x = record.epoch - 0.5 * (what == "train_loss")
        points.append((record.seconds if options.by_seconds else x, y))
    # In one chart each model's parent has a dark tone of the model's colour.
    role = BANDS[engine.name] if options.overlay else Role.DIM
    return [Series("parent", role, points, "dashed", is_aside=True)]


def _ghost_values(state: "RunState", what: GhostNumber) -> list[float]:
    return [getattr(record, what) for record in state.parent_future.all()]


def best_marks(
    engines: Iterable["EngineView"], state: "RunState", options: ChartOptions
) -> list[tuple[float, Role]]:
    """Return where each engine's best epoch by validation accuracy ended, from the second on."""
    return [
        (best.seconds if options.by_seconds else best.step / state.epoch_steps, CURVES[engine.name])
        for engine in engines
        if (best := engine.best) is not None and engine.epochs_done > 1
    ]


def rate_marks(
    engines: Iterable["EngineView"], state: "RunState", options: ChartOptions
) -> list[RateMark]:
    """Return where the learning rate was changed, on the chart's x axis."""
    marks: dict[float, RateMark] = {}
    for engine in engines:
        for change in engine.rate_changes:
            x = change.seconds if options.by_seconds else change.step / state.epoch_steps
            marks[x] = RateMark(x, change.learning_rate > change.before)
    return sorted(marks.values())


def _percent(
    engine: "EngineView", state: "RunState", options: ChartOptions, what: str
) -> list[tuple[float, float]]:
    points = _by_epoch(engine, state, options, what)
    percent = [(x, 100 * y) for x, y in points]
    return percent if any(math.isfinite(y) for _, y in percent) else []


LAYER_MARKERS: tuple[Marker, ...] = ("braille", "dashed", "dot", "circle")


def gap_series(state: "RunState", options: ChartOptions) -> list[Series]:
    """Return how far both models are apart: grown apart by epoch, and after one step.

    A run whose steps were not compared has the weights' and the loss' difference by epoch.
    """
    curves, scale = _gap_curves(state, options)
    steps = state.steps_by_second if options.by_seconds else state.steps_by_step
    grown = Series("grown apart", Role.TEXT, _means(curves.weights, scale), "braille")
    one_step = Series("one step apart", Role.STRONG, _means(steps.weights, scale), "dot")
    rounding = Series("rounding", Role.DIM, _means(steps.rounding, scale), "dashed")
    if options.gap == "one step apart":
        return [one_step, rounding]
    if options.gap == "both" and steps.weights.count:
        return [grown, one_step, rounding]
    return [
        grown._replace(label="largest weight"),
        Series("loss", Role.DIM, _means(curves.losses, scale), "dot"),
    ]


def layer_gap_series(state: "RunState", options: ChartOptions) -> list[Series]:
    """Return the largest weight difference of each layer by epoch, from the input side."""
    curves, scale = _gap_curves(state, options)
    return [
        Series(
            f"layer {k}",
            Role.TEXT if k % 2 == 0 else Role.DIM,
            _means(curve, scale),
            LAYER_MARKERS[k % len(LAYER_MARKERS)],
        )
        for k, curve in enumerate(curves.layers)
    ]


def _height(limits: Limits, log: bool) -> float:
    low, high = map(math.log10, limits) if log else limits
    return high - low


def _gap_curves(state: "RunState", options: ChartOptions) -> tuple["GapCurves", float]:
    """Return the gaps over the chosen axis, and the divisor of their x."""
    if options.by_seconds:
        return state.gaps_by_second, 1
    return state.gaps_by_step, state.epoch_steps


def _means(curve: Curve, scale: float) -> list[tuple[float, float]]:
    return [(point.x / scale, point.mean) for point in curve.points()]


def _train(
    engine: "EngineView", state: "RunState", options: ChartOptions
) -> list[tuple[float, float]]:
    if options.by_seconds:
        live = [(point.x, point.mean) for point in engine.loss_by_second.points()]
        first = live[0][0] if live else float("inf")
        epochs = engine.epochs_by_second.train_loss.points()
        past = [(p.x, p.mean) for p in epochs if p.x < first]
        return past + live
    live = [(p.x / state.epoch_steps, p.mean) for p in engine.loss_by_step.points()]
    first = live[0][0] if live else float("inf")
    # Epochs from before a resume are known only by their means.
    ends = engine.epochs_by_step.train_loss.points()
    past = [
        (p.x / state.epoch_steps - 0.5, p.mean) for p in ends if p.x / state.epoch_steps <= first
    ]
    return past + live


def _spread(
    engine: "EngineView", state: "RunState", options: ChartOptions
) -> list[tuple[float, float]]:
    """Return the lowest and the highest loss of each full bucket that holds several steps."""
    curve, scale = engine.loss_by_step, float(state.epoch_steps)
    if options.by_seconds:
        curve, scale = engine.loss_by_second, 1.0
    # The last bucket changes in every frame, and would cost bytes on the link.
    full = curve.points()[:-1]
    several = (point for point in full if point.low < point.high)
    return [(point.x / scale, y) for point in several for y in (point.low, point.high)]


def _by_epoch(
    engine: "EngineView", state: "RunState", options: ChartOptions, what: str
) -> list[tuple[float, float]]:
    curves = engine.epochs_by_second if options.by_seconds else engine.epochs_by_step
    scale = 1 if options.by_seconds else state.epoch_steps
    curve: Curve = getattr(curves, what)
    return _means(curve, scale)
