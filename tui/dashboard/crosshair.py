"""The crosshair: one step of both models, where it lies on every chart, and what is read there."""

import math
from bisect import bisect_right
from typing import TYPE_CHECKING, Literal, NamedTuple

from mlpwatch.tui.charts.chart_data import ChartOptions
from mlpwatch.tui.state.curves import RECENT_CAPACITY

if TYPE_CHECKING:
    from mlpwatch.core.epochs import EpochRecord
    from mlpwatch.core.events import GapMeasured
    from mlpwatch.tui.state.run_state import EngineView, Phase, RunState

BROKEN: tuple["Phase", ...] = ("diverged", "failed")

_SAME_STEP = 0.25
"""Half of the least distance between the means of two ranges of steps of one length."""

Stride = Literal["column", "point", "epoch"]
"""What one key press moves by: a column of the chart, the next point of its curve, an epoch."""


class Reading(NamedTuple):
    """What one model's curves hold at a step."""

    loss: float | None
    """Of the step itself, or the mean of the bucket of steps that it fell into; None where
    nothing is known of it."""
    spread: tuple[float, float] | None
    """The lowest and the highest batch of that bucket, if it holds several."""
    epoch: "EpochRecord | None"
    """The newest epoch then; None before the first."""
    steps: int = 1
    """Steps that the loss is a mean of."""
    middle: float = 0.0
    """The mean of their numbers."""


def moved(state: "RunState", at: int | None, stride: int, right: int) -> int | None:
    """Return the step that the crosshair moves to; None where it leaves the charts.

    Args:
        state: the run.
        at: where it stands; None for nowhere: it enters at the newest step that both have done,
            where there is something of each to read.
        stride: steps, as `steps_of` tells them; the ends of epochs are not stepped over.
        right: 1 or -1.
    """
    newest = max(engine.step for engine in state.engines.values())
    # One that has not begun, or broke off after ten steps, is not waited for.
    going = [e.step for e in state.engines.values() if e.step and e.phase not in BROKEN]
    shared = min(going, default=newest)
    if newest == 0 or (at is None and right > 0):
        return None
    if stride == state.epoch_steps:
        before = shared if at is None else at - 1
        step = (before // stride if right < 0 else (at or 0) // stride + 1) * stride
    else:
        step = shared if at is None else at + right * stride
    return None if step > newest else max(1, step)


def steps_of(state: "RunState", options: ChartOptions, stride: Stride, columns: int) -> int:
    """Return the steps of a stride, on a plot of so many columns."""
    if stride == "epoch":
        return state.epoch_steps
    if options.recent:
        return 1 if stride == "point" else max(1, RECENT_CAPACITY // max(1, columns))
    if stride == "column":
        return max(1, round(state.planned_steps / max(1, columns)))
    return max(1, round(next(iter(state.engines.values())).loss_by_step.stride))


def reading_at(engine: "EngineView", options: ChartOptions, step: int) -> Reading | None:
    """Return what a model's curves hold at a step; None where it has not come so far."""
    if step > engine.step:
        return None
    epoch = engine.last_epoch(step)
    own = engine.loss_by_step.exact(step) if options.recent else None
    if own is not None:
        return Reading(own, None, epoch, middle=step)
    if point := engine.loss_by_step.at(step):
        spread = (point.low, point.high) if point.low < point.high else None
        return Reading(point.mean, spread, epoch, point.size, point.x)
    # Epochs of a run before it was resumed are known by their means alone.
    if later := engine.epochs_from(step):
        before = engine.last_epoch(step - 1)
        first = before.step if before else 0
        steps, middle = later[0].step - first, (later[0].step + first + 1) / 2
        return Reading(later[0].train_loss, None, epoch, steps, middle)
    return Reading(None, None, epoch, 0)


def loss_difference(
    first: "EngineView", second: "EngineView", options: ChartOptions, step: int
) -> tuple[float, int] | None:
    """Return the difference of both models' losses over the same steps, and how many these are.

    Of the step itself where both still have it; else of its bucket, if both have the same steps in
    it. None where they have not: in the newest bucket one may have 20 batches and the other 3, and
    the means of unlike batches differ where the models do not.
    """
    exact = [engine.loss_by_step.exact(step) for engine in (first, second)]
    if exact[0] is not None and exact[1] is not None:
        return exact[0] - exact[1], 1
    one, other = (reading_at(engine, options, step) for engine in (first, second))
    if one is None or other is None or one.loss is None or other.loss is None:
        return None
    # Steps in a bucket follow each other: their number and their mean say which they are.
    if one.steps != other.steps or abs(one.middle - other.middle) > _SAME_STEP:
        return None
    return one.loss - other.loss, one.steps


def read_out(
    panel: str, engine: "EngineView", options: ChartOptions, step: int
) -> tuple[str, str, str]:
    """Return what the `loss` or `accuracy` chart shows of a step: value, validation, spread.

    The value says how many steps it is a mean of, if several; the spread is that of their batches.
    """
    read = reading_at(engine, options, step)
    if read is None:
        return "not yet", "", ""
    if panel == "accuracy":
        return *_accuracies(read.epoch), ""
    validation = f", val {read.epoch.val_loss:.4f}" if read.epoch else ""
    spread = ", batches {:.4f} to {:.4f}".format(*read.spread) if read.spread else ""
    loss = "no batch" if read.loss is None else f"{read.loss:.4f}"
    return loss + (f" ({read.steps:,} steps)" if read.steps > 1 else ""), validation, spread


def _accuracies(epoch: "EpochRecord | None") -> tuple[str, str]:
    """Return the accuracy on validation images, and that on training images if it is known."""
    if epoch is None:
        return "no epoch yet", ""
    known = math.isfinite(epoch.train_accuracy)
    train = f", train {100 * epoch.train_accuracy:.2f} %" if known else ""
    return f"{100 * epoch.val_accuracy:.2f} %", train


def place(step: int, state: "RunState") -> str:
    """Return a step as a person reads it: `step 1,690`, or `epoch 2` where one ends with it."""
    epoch, rest = divmod(step, state.epoch_steps)
    return f"step {step:,}" if rest else f"epoch {epoch}"


def gap_at(state: "RunState", step: int | None) -> "GapMeasured | None":
    """Return the newest gap measured at a step or before it; None without a step."""
    if step is None:
        return None
    measured = bisect_right(state.gaps, step, key=lambda gap: gap.step)
    return state.gaps[measured - 1] if measured else None


def crosshair_x(
    engine: "EngineView", state: "RunState", options: ChartOptions, step: int | None
) -> float | None:
    """Return where a step lies on the run's x axis; None for no step, or one to come."""
    if step is None:
        return None
    if not options.by_seconds:
        return step / state.epoch_steps
    return None if step > engine.step else _seconds(engine, step)


def _seconds(engine: "EngineView", step: int) -> float:
    """Return the training time at a step, in proportion between the epochs' ends around it."""
    before, later = engine.last_epoch(step), engine.epochs_from(step)
    s0, t0 = (before.step, before.seconds) if before else (0, 0.0)
    s1, t1 = (later[0].step, later[0].seconds) if later else (engine.step, engine.seconds)
    return t0 if s1 <= s0 else t0 + (t1 - t0) * (step - s0) / (s1 - s0)
