"""The events of a trainer, and the mailbox that carries them.

`StepGroup`, `CheckpointEvaluated`, `LogRewritten` and `Notice` come from a run's folder, for a
screen in another process than the trainer.

Order per engine: first one `RunStarted`, then any number of other events, last one `RunEnded`, even
after an error.
"""

from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from math import nan
from threading import Lock
from typing import Literal, get_args

from mlpwatch.core.config import EngineName
from mlpwatch.core.epochs import EpochRecord, EqualWithNan, Evaluation, LayerRecord

EndReason = Literal["finished", "stopped", "diverged", "failed"]

END_REASONS: tuple[EndReason, ...] = get_args(EndReason)

STEP_LANE_CAPACITY = 65_536
"""Steps kept while the screen does not drain: 24 s at 2,700 steps/s, 6 MB."""


@dataclass(frozen=True, slots=True)
class RunStarted:
    """First event of an engine."""

    engine: EngineName
    parameters: int
    """Number of weights and biases."""
    threads: int
    """Number of BLAS or OpenMP threads of the engine."""
    first_step: int
    """Steps already done: 0, or more for a resumed run."""
    seconds: float
    """Training time already spent, for a resumed run."""


@dataclass(frozen=True, slots=True)
class StepDone:
    """One batch was trained on."""

    engine: EngineName
    step: int
    """Steps done so far, counted from 1 over the whole run."""
    seconds: float
    """Training time so far, pauses not counted."""
    loss: float
    """Loss of this batch, before its update."""


@dataclass(frozen=True, slots=True)
class StepGroup:
    """A summary of some consecutive steps, as stored in a run's event log."""

    engine: EngineName
    step: int
    """The last step of the group."""
    count: int
    seconds: float
    """Training time at the last step."""
    loss: float
    """Mean loss of the steps; NaN if a loss was not finite."""
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class EpochDone:
    """One pass over the training images ended, and the validation images were evaluated."""

    record: EpochRecord
    validation: Evaluation | None = None
    """The predictions for each image; None for an epoch from a log."""

    @property
    def engine(self) -> EngineName:
        """The engine of the record."""
        return self.record.engine

    @property
    def epoch(self) -> int:
        """Epochs done so far, counted from 1."""
        return self.record.epoch

    @property
    def step(self) -> int:
        """Updates done so far."""
        return self.record.step

    @property
    def seconds(self) -> float:
        """Training time so far."""
        return self.record.seconds


@dataclass(frozen=True, slots=True)
class CheckpointEvaluated:
    """The validation images were evaluated with a saved run's newest checkpoint."""

    engine: EngineName
    epoch: int
    """Whole epochs done at the checkpoint."""
    step: int
    validation: Evaluation


@dataclass(frozen=True, slots=True)
class GapMeasured:
    """Both engines have done the same epoch; sent by the engine that finished it last."""

    engine: EngineName
    epoch: int
    step: int
    weight_difference: float
    """Largest absolute difference of any weight or bias."""
    layer_differences: tuple[float, ...]
    """The largest difference per layer, input side first."""
    loss_difference: float
    """Absolute difference of the epoch's train losses."""


@dataclass(frozen=True, slots=True)
class StepCompared:
    """The other engine has repeated one step from the same weights, memory and batch."""

    engine: EngineName
    """Whose step it was."""
    step: int
    """Steps done after it."""
    seconds: float
    """Training time after it."""
    difference: float
    """Largest absolute difference of any weight or bias after the step."""
    rounding: float
    """Largest difference that would still be rounding: difference ÷ share. NaN if both engines have
    the same numbers to the bit."""
    share: float
    """Largest difference of any weight ÷ what rounding can make in that weight; NaN if one of them
    is not finite."""

    @property
    def is_outside(self) -> bool:
        """Whether rounding does not explain the difference."""
        return not self.share <= 1


@dataclass(frozen=True, slots=True)
class TensorPair:
    """One tensor of a step in both engines, at its entry that differs most."""

    name: str
    """As `mlpwatch check` names it: `outputs`, `loss`, `weight gradient 1`, `update of bias 0`."""
    place: tuple[int, ...]
    """Of the entry; empty for a single number."""
    numpy: float
    torch: float
    rounding: float
    """Largest difference that rounding can make in this entry."""
    passed: bool
    """Whether rounding explains the difference of all entries."""


@dataclass(frozen=True, slots=True)
class DifferenceFound:
    """The first step that rounding does not explain, and why it differs."""

    engine: EngineName
    """Whose step it was."""
    step: int
    """Steps done after it."""
    seconds: float
    differs: EngineName
    """The engine that differs from the reference."""
    tensor: str
    """The first that differs on the way back, the output side first."""
    code: str
    """Of the mistake, as `mlpwatch check` has it; `unknown` if the catalogue has none that fits."""
    factor: float
    """That engine's gradient ÷ the reference's; NaN if that is not one number."""
    text: str
    """Both formulas, and what follows."""
    tensors: tuple[TensorPair, ...]
    """All tensors of the step, in that order."""


@dataclass(frozen=True, slots=True)
class LayersMeasured:
    """The norms of a step were measured: the first, a few of each epoch, and single steps."""

    engine: EngineName
    step: int
    layers: tuple[LayerRecord, ...]
    """Input side first; without what is known of the units."""


@dataclass(frozen=True, slots=True)
class RanksMeasured:
    """How fast each process that trains the run was in the last second; tuples by rank."""

    engine: EngineName
    step: int
    transfer: float
    """Share of the time, 0 to 1, that the sum of the gradients takes once all are there."""
    samples_per_second: tuple[float, ...]
    """Of the rank's own computing: what it could do if it never waited."""
    waiting: tuple[float, ...]
    """Share of the time, 0 to 1, that it waited for slower ranks."""


@dataclass(frozen=True, slots=True)
class RateChanged:
    """The learning rate was changed while it trained, or such a change was made again."""

    engine: EngineName
    step: int
    """Steps done before: the change holds from the next one on."""
    seconds: float
    """Training time before."""
    learning_rate: float
    """η₀ of the schedule from now on."""
    before: float
    """η₀ until now; at first `RunConfig.learning_rate`."""


@dataclass(frozen=True, slots=True)
class Paused:
    """The engine is paused after `step` steps."""

    engine: EngineName
    step: int


@dataclass(frozen=True, slots=True)
class Resumed:
    """The engine trains again."""

    engine: EngineName
    step: int


@dataclass(frozen=True, slots=True)
class CheckpointSaved:
    """A complete checkpoint is on disk."""

    engine: EngineName
    step: int
    path: str


@dataclass(frozen=True, slots=True)
class SaveFailed:
    """A checkpoint or metrics line could not be written; training continues."""

    engine: EngineName
    step: int
    path: str
    detail: str
    """The reason, in one line."""


@dataclass(frozen=True, slots=True, eq=False)
class RunEnded(EqualWithNan):
    """Last event of an engine."""

    engine: EngineName
    reason: EndReason
    detail: str
    """The reason in one line; empty if finished."""
    step: int
    seconds: float
    test_loss: float = nan
    """Mean loss of the test images, evaluated once at the end; NaN unless finished or stopped."""
    test_accuracy: float = nan
    """0 to 1; NaN unless finished or stopped."""
    test: Evaluation | None = field(default=None, compare=False)
    """The predictions for each test image; None for an event from a log."""


@dataclass(frozen=True, slots=True)
class LogRewritten:
    """A saved run was resumed and its logs were rewritten: its earlier events are invalid."""

    epochs: int
    """Epochs planned now."""
    epoch_steps: int
    """Steps per epoch."""


@dataclass(frozen=True, slots=True)
class Notice:
    """A line for the screen."""

    text: str
    is_bad: bool = False


EngineEvent = (
    RunStarted
    | StepDone
    | StepGroup
    | EpochDone
    | CheckpointEvaluated
    | GapMeasured
    | StepCompared
    | DifferenceFound
    | LayersMeasured
    | RanksMeasured
    | RateChanged
    | Paused
    | Resumed
    | CheckpointSaved
    | SaveFailed
    | RunEnded
)
"""An event of one engine."""

Event = EngineEvent | LogRewritten | Notice

Listener = Callable[[tuple[Event, ...]], None]
"""Receives every event of a mailbox, in the thread that adds it; must return at once."""


@dataclass(frozen=True, slots=True)
class Mail:
    """The result of draining the mailbox."""

    events: tuple[Event, ...]
    """In the order in which each engine sent them."""
    steps_dropped: int
    """Number of steps dropped since the previous drain because the mailbox was full."""


class Mailbox:
    """Carries events from trainer threads to the screen; a trainer never waits for it.

    Steps have a queue of limited length, which drops the oldest and counts them. Other events are
    never dropped. The lock is held only for an append or a swap.

    Args:
        step_capacity: most steps kept between two drains, for all engines together.
        listener: receives every event too, even those that are dropped.
    """

    def __init__(
        self, step_capacity: int = STEP_LANE_CAPACITY, listener: Listener | None = None
    ) -> None:
        self._listener = listener
        self._lock = Lock()
        self._step_capacity = step_capacity
        self._arrivals = 0
        self._steps: deque[tuple[int, StepDone]] = deque(maxlen=step_capacity)
        self._lifecycle: list[tuple[int, Event]] = []
        self._steps_dropped = 0

    @property
    def waiting(self) -> int:
        """Number of events that have not been drained."""
        with self._lock:
            return len(self._lifecycle) + len(self._steps)

    def put(self, event: Event) -> None:
        """Add one event; returns at once."""
        if isinstance(event, StepDone):
            self.put_steps((event,))
            return
        with self._lock:
            self._lifecycle.append((self._arrivals, event))
            self._arrivals += 1
        if self._listener:
            self._listener((event,))

    def put_steps(self, steps: Iterable[StepDone]) -> None:
        """Add steps in order; if the queue is full, the oldest are dropped."""
        steps = tuple(steps)
        if self._listener and steps:
            self._listener(steps)
        with self._lock:
            for step in steps:
                if len(self._steps) == self._step_capacity:
                    self._steps_dropped += 1
                self._steps.append((self._arrivals, step))
                self._arrivals += 1

    def drain(self) -> Mail:
        """Return and remove all events; returns at once, possibly empty."""
        with self._lock:
            steps, self._steps = self._steps, deque(maxlen=self._step_capacity)
            lifecycle, self._lifecycle = self._lifecycle, []
            dropped, self._steps_dropped = self._steps_dropped, 0
        merged = sorted([*lifecycle, *steps], key=lambda arrival: arrival[0])
        return Mail(tuple(event for _, event in merged), dropped)
