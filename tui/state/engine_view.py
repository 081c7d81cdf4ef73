"""What the screen knows about an engine, from its events alone. Does not depend on Textual."""

from bisect import bisect_left, bisect_right
from collections import deque
from dataclasses import dataclass, field
from math import nan
from typing import Literal, assert_never

from mlpwatch.core.config import TITLES, EngineName
from mlpwatch.core.epochs import EpochRecord, Evaluation, Matrix
from mlpwatch.core.events import (
    CheckpointEvaluated,
    CheckpointSaved,
    DifferenceFound,
    EngineEvent,
    EpochDone,
    GapMeasured,
    LayersMeasured,
    Paused,
    RanksMeasured,
    RateChanged,
    Resumed,
    RunEnded,
    RunStarted,
    SaveFailed,
    StepCompared,
    StepDone,
    StepGroup,
)
from mlpwatch.tui.state.curves import Curve, Point
from mlpwatch.tui.state.epoch_curves import MOST_EPOCHS, EpochCurves, is_kept
from mlpwatch.tui.state.loss_spike import LossSpikes

Phase = Literal["waiting", "training", "paused", "finished", "stopped", "diverged", "failed"]

ENDED: tuple[Phase, ...] = ("finished", "stopped", "diverged", "failed")

RATE_WINDOW_SECONDS = 3.0
"""Training time over which the speed is averaged."""

RATE_SAMPLE_SECONDS = 0.1
"""Least time between two samples of the window: 30 samples at any training speed."""

WARM_UP_SECONDS = 1.0
"""Training time before the remaining time is shown; the first steps load libraries and caches."""

MOST_MEASURED = 64
"""Measured steps that are kept: an epoch has 16 at most, and single steps are measured too."""

MOST_CHANGES = 256
"""Changes of the learning rate that are kept: as many as a chart has columns."""

LOSS_WINDOW = 20
"""Number of batches in the status's mean loss: the loss of one batch changes too much to read."""


@dataclass(slots=True)
class EngineView:
    """An engine's state, built from its events."""

    name: EngineName
    planned_steps: int
    title: str = ""
    """Its name on the screen; by default mlpwatch's own."""
    phase: Phase = "waiting"
    step: int = 0
    seconds: float = 0.0
    parameters: int = 0
    detail: str = ""
    """Why the engine ended, if not as planned."""
    epochs: list[EpochRecord] = field(default_factory=list)
    """The kept epochs, always including the newest."""
    best: EpochRecord | None = None
    """The first epoch with the highest validation accuracy so far."""
    validation: Evaluation | None = None
    validation_step: int = 0
    """Step of the weights of `validation`."""
    validation_before: Evaluation | None = None
    """Of the epoch before the newest, if this process saw it."""
    confusion: "Matrix | None" = None
    """Of the newest epoch; the prediction for each image may be of an older one, or missing."""
    matrices: dict[int, Matrix] = field(default_factory=dict)
    """The kept confusion matrices by epoch; 800 bytes each for ten classes."""
    measured: list[LayersMeasured] = field(default_factory=list)
    """The measured steps of the newest epoch, until the next one's first; a log has none."""
    rate_changes: list[RateChanged] = field(default_factory=list)
    """The newest changes of the learning rate, one per step."""
    spikes: LossSpikes = field(default_factory=LossSpikes)
    """When the training loss jumped up."""
    test: Evaluation | None = None
    """The predictions for each test image; None if the end is known only from a log."""
    test_accuracy: float = nan
    loss_by_step: Curve = field(init=False)
    loss_by_second: Curve = field(init=False)
    epochs_by_step: EpochCurves = field(init=False)
    epochs_by_second: EpochCurves = field(init=False)
    _losses: deque[float] = field(default_factory=lambda: deque(maxlen=LOSS_WINDOW))
    _readings: deque[tuple[float, int]] = field(default_factory=deque)
    _first_reading: tuple[float, int] = (0.0, 0)

    def __post_init__(self) -> None:
        """Make the curves."""
        self.title = self.title or TITLES[self.name]
        self.loss_by_step = Curve(planned=self.planned_steps)
        self.loss_by_second = Curve()
        self.epochs_by_step = EpochCurves(planned=self.planned_steps)
        self.epochs_by_second = EpochCurves()

    @property
    def epochs_done(self) -> int:
        """Completed epochs."""
        return self.epochs[-1].epoch if self.epochs else 0

    @property
    def ended(self) -> bool:
        """Whether no more events will come."""
        return self.phase in ENDED

    @property
    def loss(self) -> float | None:
        """Mean over the last batches; None before the first."""
        return sum(self._losses) / len(self._losses) if self._losses else None

    @property
    def steps_per_second(self) -> float | None:
        """Over the last seconds of training; None before two samples."""
        if len(self._readings) < 2:  # noqa: PLR2004 - a rate needs two
            return None
        (t0, s0), (t1, s1) = self._readings[0], self._readings[-1]
        return (s1 - s0) / (t1 - t0) if t1 > t0 else None

    @property
    def seconds_left(self) -> float | None:
        """At the current speed; None during warm-up and after the end."""
        rate = self.steps_per_second
        if self.ended or not rate or self.seconds - self._first_reading[0] < WARM_UP_SECONDS:
            return None
        return (self.planned_steps - self.step) / rate

    def last_epoch(self, step: int) -> EpochRecord | None:
        """Return the newest epoch that ended at or before a step; None before the first."""
        ended = bisect_right(self.epochs, step, key=lambda point: point.step)
        return self.epochs[ended - 1] if ended else None

    def epochs_from(self, step: float) -> list[EpochRecord]:
        """Return the epochs that ended at or after a step."""
        return self.epochs[bisect_left(self.epochs, step, key=lambda point: point.step) :]

    def learning_rate_at(self, step: int, usual: float) -> float:
        """Return η₀ after a step.

        Args:
            step: steps done.
            usual: η₀ of the config.
        """
        earlier = [change for change in self.rate_changes if change.step <= step]
        if earlier:
            return earlier[-1].learning_rate
        return self.rate_changes[0].before if self.rate_changes else usual

    def apply(self, event: EngineEvent) -> None:
        """Apply one event."""
        match event:
            case StepDone():
                self._add_step(event)
            case StepGroup():
                self._add_steps(event)
            case EpochDone():
                self._add_epoch(event)
            case CheckpointEvaluated():
                self._add_evaluation(event)
            case LayersMeasured():
                self._add_layers(event)
            case RateChanged():
                self._add_rate(event)
            case RunStarted():
                self._start(event)
            case Paused() | Resumed():
                self.phase = "paused" if isinstance(event, Paused) else "training"
            case RunEnded():
                self._end(event)
            case GapMeasured() | StepCompared() | DifferenceFound() | RanksMeasured():
                pass  # of the run, see `RunState`
            case CheckpointSaved() | SaveFailed():
                pass  # likewise
            case _:
                assert_never(event)

    def _start(self, event: RunStarted) -> None:
        self.phase = "training"
        self.parameters = event.parameters
        self.step, self.seconds = event.first_step, event.seconds
        self._first_reading = (event.seconds, event.first_step)
        self._readings.append(self._first_reading)

    def _add_step(self, event: StepDone) -> None:
        self.loss_by_step.add(event.step, event.loss)
        self.loss_by_second.add(event.seconds, event.loss)
        self._losses.append(event.loss)
        self.spikes.add(event.step, event.loss)
        self._advance(event)

    def _add_steps(self, event: StepGroup) -> None:
        sums = (event.loss, event.low, event.high)
        middle = event.step - (event.count - 1) / 2
        self.loss_by_step.add_sum(event.count, Point(middle, *sums))
        self.loss_by_second.add_sum(event.count, Point(event.seconds, *sums))
        self._losses.extend([event.loss] * min(event.count, LOSS_WINDOW))
        self.spikes.add(event.step, event.loss, event.count)
        self._advance(event)

    def _advance(self, event: StepDone | StepGroup) -> None:
        self.step, self.seconds = event.step, event.seconds
        readings = self._readings
        if not readings or event.seconds - readings[-1][0] >= RATE_SAMPLE_SECONDS:
            readings.append((event.seconds, event.step))
            while event.seconds - readings[0][0] > RATE_WINDOW_SECONDS and len(readings) > 2:  # noqa: PLR2004
                readings.popleft()

    def _add_epoch(self, event: EpochDone) -> None:
        self.step, self.seconds = max(self.step, event.step), max(self.seconds, event.seconds)
        if event.validation is not None:
            self.validation_before, self.validation = self.validation, event.validation
            self.validation_step = event.step
        epoch = event.record
        if epoch.val_accuracy > (self.best.val_accuracy if self.best else -1):
            self.best = epoch
        if epoch.confusion is not None:
            self.confusion = self.matrices[epoch.epoch] = epoch.confusion
        self.epochs.append(epoch)
        self.epochs_by_step.add(epoch.step, epoch)
        self.epochs_by_second.add(epoch.seconds, epoch)
        if len(self.epochs) > MOST_EPOCHS:
            newest = epoch.epoch
            self.epochs = [old for old in self.epochs if is_kept(old.epoch, newest)]
            kept = self.matrices.items()
            self.matrices = {epoch: old for epoch, old in kept if is_kept(epoch, newest)}

    def _add_layers(self, event: LayersMeasured) -> None:
        ended = self.epochs[-1].step if self.epochs else 0
        current = [old for old in self.measured if old.step > ended]
        self.measured = [*current, event][-MOST_MEASURED:]

    def _add_rate(self, event: RateChanged) -> None:
        before = [old for old in self.rate_changes if old.step < event.step]
        self.rate_changes = [*before, event][-MOST_CHANGES:]

    def _add_evaluation(self, event: CheckpointEvaluated) -> None:
        self.validation, self.validation_step = event.validation, event.step
        if self.confusion is None or not self.epochs or event.epoch >= self.epochs[-1].epoch:
            self.confusion = event.validation.confusion

    def _end(self, event: RunEnded) -> None:
        self.phase, self.detail, self.test = event.reason, event.detail, event.test
        self.test_accuracy = event.test_accuracy
        if event.reason == "diverged":
            self.spikes.end(event.step)
        self.step, self.seconds = event.step, event.seconds
