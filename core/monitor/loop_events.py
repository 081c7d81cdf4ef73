"""A watched loop's log as the events of one engine, so that the dashboard shows it like a run."""

import math
from collections.abc import Iterator, Mapping

from mlpwatch.core.config import EngineName
from mlpwatch.core.epochs import EpochRecord, Matrix, accuracy_of
from mlpwatch.core.events import (
    CheckpointSaved,
    EpochDone,
    Event,
    Notice,
    Paused,
    RateChanged,
    Resumed,
    RunEnded,
    RunStarted,
    StepGroup,
)
from mlpwatch.core.monitor.follower import NO_END
from mlpwatch.core.monitor.records import LoopLine

LOOP_ENGINE: EngineName = "numpy"
"""The engine in whose place a loop is shown; its title is the loop's program."""

TRAIN_LOSSES = ("loss", "train_loss", "train/loss", "training_loss", "train_loss_step")
VAL_LOSSES = ("val_loss", "val/loss", "validation_loss", "valid_loss", "test_loss", "eval_loss")
VAL_ACCURACIES = (
    "val_accuracy", "val_acc", "val/accuracy", "val/acc", "validation_accuracy", "valid_accuracy",
    "valid_acc", "test_accuracy", "test_acc", "eval_accuracy",
)  # fmt: skip
TRAIN_ACCURACIES = ("accuracy", "acc", "train_accuracy", "train_acc", "train/accuracy", "train/acc")

_KNOWN = frozenset((*TRAIN_LOSSES, *VAL_LOSSES, *VAL_ACCURACIES, *TRAIN_ACCURACIES))


class LoopEvents:
    """Turns lines into events, in order.

    Args:
        began: Unix time of the loop's start.
        classes: of every matrix; smaller ones get zeros.
    """

    def __init__(self, began: float, classes: int = 0) -> None:
        self._began, self._classes = began, classes
        self.has_started = False
        """Whether the first event has been returned."""
        self._waited, self._paused_at = 0.0, math.nan
        self._step = 0
        self._losses = _Mean()
        self.has_numbers = self.has_known = False
        """Whether the loop logs numbers, and whether the dashboard has a place for one of them."""
        self.rate = math.nan
        """The learning rate as logged or set last; NaN if neither."""
        self.seconds = 0.0
        """Of the last line, pauses not counted."""

    def started(self) -> RunStarted:
        """Return the first event."""
        self.has_started = True
        return RunStarted(LOOP_ENGINE, 0, 1, 0, 0.0)

    def of(self, line: LoopLine) -> Iterator[Event]:
        """Yield the events of one more line."""
        if line.kind == "resumed" and not math.isnan(self._paused_at):
            self._waited += max(0.0, line.time - self._paused_at)
            self._paused_at = math.nan
        now = line.time if math.isnan(self._paused_at) else self._paused_at
        self.seconds = max(self.seconds, now - self._began - self._waited)
        step, seconds, engine = line.step, self.seconds, LOOP_ENGINE
        if not self.has_known and line.kind in ("scalars", "epoch"):
            self.has_numbers |= bool(line.values)
            self.has_known = line.confusion is not None or not _KNOWN.isdisjoint(line.values)
        match line.kind:
            case "scalars":
                self.rate = line.values.get("learning_rate", line.values.get("lr", self.rate))
                yield from self._steps(line)
            case "epoch":
                yield EpochDone(self._record(line))
            case "paused":
                self._paused_at = line.time
                yield Paused(engine, step)
            case "resumed":
                yield Resumed(engine, step)
            case "rate":
                rate = line.values.get("learning_rate", math.nan)
                yield RateChanged(engine, step, seconds, rate, self.rate)
                self.rate = rate
            case "saved":
                yield CheckpointSaved(engine, step, line.text)
            case "unwritten":
                yield Notice(f"not written: {line.text}", is_bad=True)
            case "ended":
                detail = "" if line.end == "finished" else line.text
                yield RunEnded(engine, line.end or "finished", detail, step, seconds)

    def lost(self) -> RunEnded:
        """Return the end of a loop that has not written one."""
        return RunEnded(LOOP_ENGINE, "failed", NO_END, self._step, self.seconds)

    def _steps(self, line: LoopLine) -> Iterator[Event]:
        loss = first_of(line.values, TRAIN_LOSSES)
        if loss is None or line.step <= self._step:
            return
        count, self._step = line.step - self._step, line.step
        self._losses.add(loss)
        yield StepGroup(LOOP_ENGINE, line.step, count, self.seconds, loss, loss, loss)

    def _record(self, line: LoopLine) -> EpochRecord:
        train_loss = first_of(line.values, TRAIN_LOSSES)
        accuracy = accuracy_share(first_of(line.values, VAL_ACCURACIES))
        if line.confusion is not None and math.isnan(accuracy):
            accuracy = accuracy_of(line.confusion)
        record = EpochRecord(
            LOOP_ENGINE,
            epoch=line.epoch,
            step=line.step,
            seconds=self.seconds,
            train_loss=self._losses.value if train_loss is None else train_loss,
            val_loss=_known(first_of(line.values, VAL_LOSSES)),
            val_accuracy=accuracy,
            samples_per_second=math.nan,
            train_accuracy=accuracy_share(first_of(line.values, TRAIN_ACCURACIES)),
            confusion=self._widened(line.confusion),
        )
        self._losses = _Mean()
        return record

    def _widened(self, counts: "Matrix | None") -> "Matrix | None":
        if counts is None or len(counts) >= self._classes:
            return counts
        # Where there is a matrix, NumPy has been imported.
        import numpy as np  # noqa: PLC0415

        wide = np.zeros((self._classes, self._classes), np.int64)
        wide[: len(counts), : len(counts)] = counts
        wide.flags.writeable = False
        return wide


class _Mean:
    def __init__(self) -> None:
        self._sum, self._count = 0.0, 0

    def add(self, value: float) -> None:
        self._sum, self._count = self._sum + value, self._count + 1

    @property
    def value(self) -> float:
        return self._sum / self._count if self._count else math.nan


def first_of(values: Mapping[str, float], names: tuple[str, ...]) -> float | None:
    """Return the first of these numbers that is there."""
    return next((values[name] for name in names if name in values), None)


def _known(value: float | None) -> float:
    return math.nan if value is None else value


def accuracy_share(value: float | None) -> float:
    """Return an accuracy as a share; one above 1 is in percent."""
    if value is None:
        return math.nan
    share = value / 100 if 1 < value <= 100 else value  # noqa: PLR2004 - percent
    return share if 0 <= share <= 1 else math.nan
