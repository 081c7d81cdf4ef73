"""The crosshair: one step of both models, its place on every chart, and its values there."""

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
"""Half the least distance between the means of two step ranges of the same length."""

Stride = Literal["column", "point", "epoch"]
"""The stride of a key: a column of the chart, the next point of its curve, an epoch."""


class Reading(NamedTuple):
    """The values of one model's curves at a step."""

    loss: float | None
    """Of the step itself, or the mean of its bucket of steps; None if unknown."""
    spread: tuple[float, float] | None
    """The lowest and the highest batch of that bucket, if it holds several."""
    epoch: "EpochRecord | None"
    """The newest epoch at that step; None before the first."""
    steps: int = 1
    """Number of steps in the mean loss."""
    middle: float = 0.0
    """Mean of their step numbers."""


def moved(state: "RunState", at: int | None, stride: int, right: int) -> int | None:
    """Return the step that the crosshair moves to; None if it leaves the charts.

    Args:
        state: the run.
        at: the crosshair's step; without one it starts at the newest step that both models have
            done, so that both have values.
        stride: steps, as returned by `steps_of`; that of an epoch leads to an end of an epoch.
        right: 1 or -1.
    """
    newest = max(engine.step for engine in state.engines.values())
    # Ignore a model that has not begun, or that failed after ten steps.
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
    """Return the steps of a stride, on a plot of this many columns."""
    if stride == "epoch":
        return state.epoch_steps
    if options.recent:
        return 1 if stride == "point" else max(1, RECENT_CAPACITY // max(1, columns))
    if stride == "column":
        return max(1, round(state.planned_steps / max(1, columns)))
    return max(1, round(next(iter(state.engines.values())).loss_by_step.stride))


def reading_at(engine: "EngineView", options: ChartOptions, step: int) -> Reading | None:
    """Return the values of a model's curves at a step; None if it has not reached the step."""
    if step > engine.step:
        return None
    epoch = engine.last_epoch(step)
    own = engine.loss_by_step.exact(step) if options.recent else None
    if own is not None:
        return Reading(own, None, epoch, middle=step)
    if point := engine.loss_by_step.at(step):
        spread = (point.low, point.high) if point.low < point.high else None
        return Reading(point.mean, spread, epoch, point.size, point.x)
    # Epochs from before a resume are known only by their means.
    if later := engine.epochs_from(step):
        before = engine.last_epoch(step - 1)
        first = before.step if before else 0
        steps, middle = later[0].step - first, (later[0].step + first + 1) / 2
        return Reading(later[0].train_loss, None, epoch, steps, middle)
    return Reading(None, None, epoch, 0)


def loss_difference(
    first: "EngineView", second: "EngineView", options: ChartOptions, step: int
) -> tuple[float, int] | None:
    """Return the difference of both models' losses over the same steps, and their number.

    The loss is that of the step itself if both still have it; otherwise the mean of its bucket, if
    both have the same steps in it. Otherwise None: in the newest bucket one model may have 20
    batches and the other 3, and means of different batches differ even if the models do not.
    """
    exact = [engine.loss_by_step.exact(step) for engine in (first, second)]
    if exact[0] is not None and exact[1] is not None:
        return exact[0] - exact[1], 1
    one, other = (reading_at(engine, options, step) for engine in (first, second))
    if one is None or other is None or one.loss is None or other.loss is None:
        return None
    # Steps in a bucket are consecutive: their number and their mean identify them.
    if one.steps != other.steps or abs(one.middle - other.middle) > _SAME_STEP:
        return None
    return one.loss - other.loss, one.steps


def read_out(
    panel: str, engine: "EngineView", options: ChartOptions, step: int
) -> tuple[str, str, str]:
    """Return the `loss` or `accuracy` chart's values at a step: value, validation, spread.

    The value includes the number of averaged steps, if several; the spread is over their batches.
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


def table_at(state: "RunState", options: ChartOptions, step: int) -> str:
    """Return both models' values at a step as a table for a spreadsheet, tabs between its cells.

    Losses and accuracies (0 to 1) are not rounded; a cell is empty where there is no value.
    """
    rows: list[list[object]] = [
        ["model", "step", "loss", "epoch", "train_loss", "val_loss", "train_accuracy",
         "val_accuracy", "samples_per_second"],
    ]  # fmt: skip
    for engine in state.engines.values():
        if (read := reading_at(engine, options, step)) is None:
            continue
        at: list[object] = [""] * 6
        if (epoch := read.epoch) is not None:
            at = [
                epoch.epoch, epoch.train_loss, epoch.val_loss, epoch.train_accuracy,
                epoch.val_accuracy, round(epoch.samples_per_second),
            ]  # fmt: skip
        rows.append([engine.title, step, "" if read.loss is None else read.loss, *at])
    return "".join("\t".join(_cell(one) for one in row) + "\n" for row in rows)


def _accuracies(epoch: "EpochRecord | None") -> tuple[str, str]:
    """Return the accuracy on validation images, and on training images if known."""
    if epoch is None:
        return "no epoch yet", ""
    known = math.isfinite(epoch.train_accuracy)
    train = f", train {100 * epoch.train_accuracy:.2f} %" if known else ""
    return f"{100 * epoch.val_accuracy:.2f} %", train


def place(step: int, state: "RunState") -> str:
    """Return a step for display: `step 1,690`, or `epoch 2` if one ends with it."""
    epoch, rest = divmod(step, state.epoch_steps)
    return f"step {step:,}" if rest else f"epoch {epoch}"


def gap_at(state: "RunState", step: int | None) -> "GapMeasured | None":
    """Return the newest gap measured at or before a step; None without a step."""
    if step is None:
        return None
    measured = bisect_right(state.gaps, step, key=lambda gap: gap.step)
    return state.gaps[measured - 1] if measured else None


def crosshair_x(
    engine: "EngineView", state: "RunState", options: ChartOptions, step: int | None
) -> float | None:
    """Return a step's place on the run's x axis; None for no step, or a future one."""
    if step is None:
        return None
    if not options.by_seconds:
        return step / state.epoch_steps
    return None if step > engine.step else _seconds(engine, step)


def _seconds(engine: "EngineView", step: int) -> float:
    """Return the training time at a step, interpolated between the ends of epochs around it."""
    before, later = engine.last_epoch(step), engine.epochs_from(step)
    s0, t0 = (before.step, before.seconds) if before else (0, 0.0)
    s1, t1 = (later[0].step, later[0].seconds) if later else (engine.step, engine.seconds)
    return t0 if s1 <= s0 else t0 + (t1 - t0) * (step - s0) / (s1 - s0)


def _cell(value: object) -> str:
    return "" if isinstance(value, float) and math.isnan(value) else str(value)
