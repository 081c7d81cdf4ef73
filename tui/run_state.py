"""What the screen knows of a run: a pure reducer over the trainers' events. No Textual here."""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import PurePath
from typing import TYPE_CHECKING, Literal

from core.config import EngineName
from core.telemetry import (
    CheckpointSaved,
    EpochDone,
    Event,
    GapMeasured,
    Paused,
    Resumed,
    RunEnded,
    RunStarted,
    SaveFailed,
    StepDone,
)
from tui.curves import Curve
from tui.epoch_curves import EpochCurves
from tui.formatting import TITLES

if TYPE_CHECKING:
    from core.evaluation import Evaluation

Phase = Literal["waiting", "training", "paused", "finished", "stopped", "diverged", "failed"]

ENDED: tuple[Phase, ...] = ("finished", "stopped", "diverged", "failed")

RATE_WINDOW_SECONDS = 3.0
"""Training time over which the speed is averaged."""

RATE_SAMPLE_SECONDS = 0.1
"""Least time between two readings of the window: 30 readings, however fast the steps come."""

WARM_UP_SECONDS = 1.0
"""Training time before a remaining time is told; first steps load libraries and caches."""

LOSS_WINDOW = 20
"""Batches that the status's loss is a mean of: one batch alone jumps too much to read."""


@dataclass(frozen=True, slots=True)
class EpochPoint:
    """What one epoch left for the charts."""

    epoch: int
    step: int
    seconds: float
    train_loss: float
    validation_loss: float
    validation_accuracy: float
    """0 to 1."""


@dataclass(slots=True)
class EngineState:
    """One engine, as far as its events have told."""

    name: EngineName
    planned_steps: int
    phase: Phase = "waiting"
    step: int = 0
    seconds: float = 0.0
    parameters: int = 0
    detail: str = ""
    """Why the engine ended, if not as planned."""
    epochs: list[EpochPoint] = field(default_factory=list)
    validation: "Evaluation | None" = None
    test: "Evaluation | None" = None
    loss_by_step: Curve = field(init=False)
    loss_by_second: Curve = field(init=False)
    epochs_by_step: EpochCurves = field(init=False)
    epochs_by_second: EpochCurves = field(init=False)
    _losses: deque[float] = field(default_factory=lambda: deque(maxlen=LOSS_WINDOW))
    _readings: deque[tuple[float, int]] = field(default_factory=deque)
    _first_reading: tuple[float, int] = (0.0, 0)

    def __post_init__(self) -> None:
        """Make the curves."""
        self.loss_by_step = Curve(planned=self.planned_steps)
        self.loss_by_second = Curve()
        self.epochs_by_step = EpochCurves(planned=self.planned_steps)
        self.epochs_by_second = EpochCurves()

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
        """Over the last seconds of training; None until two readings are there."""
        if len(self._readings) < 2:  # noqa: PLR2004 - a rate needs two
            return None
        (t0, s0), (t1, s1) = self._readings[0], self._readings[-1]
        return (s1 - s0) / (t1 - t0) if t1 > t0 else None

    @property
    def seconds_left(self) -> float | None:
        """At the present speed; None during warm-up and after the end."""
        rate = self.steps_per_second
        if self.ended or not rate or self.seconds - self._first_reading[0] < WARM_UP_SECONDS:
            return None
        return (self.planned_steps - self.step) / rate

    def start(self, event: RunStarted) -> None:
        """Take in the first event."""
        self.phase = "training"
        self.parameters = event.parameters
        self.step, self.seconds = event.first_step, event.seconds
        self._first_reading = (event.seconds, event.first_step)
        self._readings.append(self._first_reading)

    def add_step(self, event: StepDone) -> None:
        """Take in one step."""
        self.step, self.seconds = event.step, event.seconds
        self._losses.append(event.loss)
        self.loss_by_step.add(event.step, event.loss)
        self.loss_by_second.add(event.seconds, event.loss)
        readings = self._readings
        if not readings or event.seconds - readings[-1][0] >= RATE_SAMPLE_SECONDS:
            readings.append((event.seconds, event.step))
            while event.seconds - readings[0][0] > RATE_WINDOW_SECONDS and len(readings) > 2:  # noqa: PLR2004
                readings.popleft()

    def add_epoch(self, event: EpochDone) -> None:
        """Take in one epoch."""
        self.validation = event.validation
        self.add_point(
            EpochPoint(
                epoch=event.epoch,
                step=event.step,
                seconds=event.seconds,
                train_loss=event.train_loss,
                validation_loss=event.validation.loss,
                validation_accuracy=event.validation.accuracy,
            )
        )

    def add_point(self, point: EpochPoint) -> None:
        """Take in an epoch's point, live or from a saved run's log."""
        self.epochs.append(point)
        self.epochs_by_step.add(point.step, point)
        self.epochs_by_second.add(point.seconds, point)

    def end(self, event: RunEnded) -> None:
        """Take in the last event."""
        self.phase, self.detail, self.test = event.reason, event.detail, event.test
        self.step, self.seconds = event.step, event.seconds


@dataclass(slots=True)
class RunState:
    """The whole run as the panels read it.

    Args:
        epochs: planned.
        epoch_steps: steps per epoch.
        names: the engines that train.
    """

    epochs: int
    epoch_steps: int
    names: tuple[EngineName, ...]
    engines: dict[EngineName, EngineState] = field(init=False)
    gaps: list[GapMeasured] = field(default_factory=list)
    """One per epoch that both engines have done."""
    saved: dict[EngineName, int] = field(default_factory=dict)
    """Steps of each engine's newest checkpoint on disk."""
    message: str = ""
    """The newest thing worth a line: what was saved where, what failed."""
    message_is_bad: bool = False
    message_is_new: bool = False
    """Nothing has been looked up on the screen since it came."""

    def __post_init__(self) -> None:
        """Make one state per engine."""
        self.engines = {name: EngineState(name, self.planned_steps) for name in self.names}

    @property
    def planned_steps(self) -> int:
        """Steps of the whole run."""
        return self.epochs * self.epoch_steps

    @property
    def ended(self) -> bool:
        """Whether every engine has ended."""
        return all(engine.ended for engine in self.engines.values())

    @property
    def seconds(self) -> float:
        """Training time of the slower engine."""
        return max(engine.seconds for engine in self.engines.values())

    @property
    def seconds_left(self) -> float | None:
        """Until both have ended; None while it can't be told."""
        left = [engine.seconds_left for engine in self.engines.values() if not engine.ended]
        known = [seconds for seconds in left if seconds is not None]
        return max(known) if known and len(known) == len(left) else None

    def apply_all(self, events: Iterable[Event]) -> None:
        """Take in events in order."""
        for event in events:
            self.apply(event)

    def apply(self, event: Event) -> None:
        """Take in one event."""
        engine = self.engines[event.engine]
        match event:
            case StepDone():
                engine.add_step(event)
            case EpochDone():
                engine.add_epoch(event)
            case GapMeasured():
                self.gaps.append(event)
            case RunStarted():
                engine.start(event)
            case Paused():
                engine.phase = "paused"
            case Resumed():
                engine.phase = "training"
            case CheckpointSaved():
                self.saved[event.engine] = event.step
                self.say(self._where_saved(event.path))
            case SaveFailed():
                self.say(f"not saved at {event.path}: {event.detail}", bad=True)
            case RunEnded():
                engine.end(event)
                if event.detail:
                    # In the model's own half the reason is cut; this line is the widest.
                    self.say(f"{TITLES[event.engine]} {event.reason}: {event.detail}", bad=True)

    def _where_saved(self, path: str) -> str:
        steps = [
            f"{TITLES[name]} at step {self.saved[name]:,}"
            for name in self.names
            if name in self.saved
        ]
        return f"saved in {PurePath(path).parent}: {', '.join(steps)}"

    def say(self, message: str, *, bad: bool = False) -> None:
        """Put a line where the screen shows the newest thing."""
        self.message, self.message_is_bad, self.message_is_new = message, bad, True
