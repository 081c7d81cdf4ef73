"""Training one engine: one step loop that obeys a `Control` and tells a `Mailbox`."""

import math
from functools import partial

from mlpwatch.core.analysis.gap import GapMeter
from mlpwatch.core.analysis.weight_store import WeightSnapshot, WeightStore
from mlpwatch.core.arrays import Rows, Tensors
from mlpwatch.core.config import RunConfig
from mlpwatch.core.data.dataset import Dataset, batch_order, steps_per_epoch
from mlpwatch.core.epochs import Evaluation
from mlpwatch.core.errors import DivergedError, error_text
from mlpwatch.core.events import (
    EndReason,
    Mailbox,
    Paused,
    Resumed,
    RunEnded,
    RunStarted,
    StepDone,
)
from mlpwatch.core.network.engine import Engine, layer_sizes, parameter_count
from mlpwatch.core.network.optimizers import learning_rate_at
from mlpwatch.core.runs.checkpoints import Checkpoint, Position
from mlpwatch.core.training.background import Background
from mlpwatch.core.training.clocks import StepPacer, TrainingClocks
from mlpwatch.core.training.control import Control
from mlpwatch.core.training.epoch_report import EndedEpoch, EpochReporter, Outlets
from mlpwatch.core.training.recorder import Recorder
from mlpwatch.core.training.result import EngineResult

REPORT_SECONDS = 0.01
"""Time between two reports of steps. One lock per step would cost 1 µs of a 300 µs step, but
reading a loss from a GPU waits for the device: 100 times a second that can't be seen."""

SAVE_SECONDS = 30.0
"""Automatic checkpoints: at the first epoch end after so many seconds."""


def train(
    engine: Engine,
    dataset: Dataset,
    config: RunConfig,
    control: Control,
    mailbox: Mailbox,
    *,
    recorder: Recorder,
    gap_meter: GapMeter | None = None,
    weight_store: WeightStore | None = None,
    start: Position | None = None,
) -> EngineResult:
    """Train until the planned epochs are done, a stop, or a failure. Never raises.

    Sends `RunStarted` first and `RunEnded` last. A run that finishes or is stopped is saved
    and read on the test images; one that diverged or failed keeps its last checkpoint.

    Args:
        engine: fresh, or loaded with the state that belongs to `start`.
        dataset: the same for both engines.
        config: epochs, batch size, seed, loss and schedule are used.
        control: orders, read once per step.
        mailbox: receives the events.
        recorder: receives checkpoints and metrics.
        gap_meter: receives the weights at each epoch's end, if both engines train.
        weight_store: receives the weights then, at each checkpoint, and when the control asks.
        start: where to go on; None for the beginning.
    """
    outlets = Outlets(mailbox, recorder, gap_meter, weight_store)
    return _Training(engine, dataset, config, outlets, start or Position()).run(control)


class _Training:
    """The loop's variables; used for one run by one thread."""

    control: Control

    def __init__(
        self,
        engine: Engine,
        dataset: Dataset,
        config: RunConfig,
        outlets: Outlets,
        start: Position,
    ) -> None:
        self.engine, self.dataset, self.config = engine, dataset, config
        self.mailbox, self.recorder, self.weight_store = (
            outlets.mailbox,
            outlets.recorder,
            outlets.weight_store,
        )
        self.reporter = EpochReporter(engine, dataset, config, outlets)
        self.background = Background(f"report-{engine.name}")
        self.epoch, self.batch, self.step = start.epoch, start.batch, start.step
        self.epoch_loss_sum = start.epoch_loss_sum
        self.clocks = TrainingClocks(start.seconds, start.epoch_seconds)
        self.samples = dataset.train_count
        self.epoch_steps = steps_per_epoch(self.samples, config.batch_size)
        self.unreported: list[tuple[int, int, float]] = []
        self.reported_at = self.saved_at = start.seconds
        self.pacer = StepPacer()
        self.own_samples = 0
        self.weights: Tensors | None = None
        self.waiting = False

    def run(self, control: Control) -> EngineResult:
        """See `train`."""
        self.control = control
        reason: EndReason = "failed"
        detail, test = "", None
        self._say_started()
        try:
            reached = self._train_epochs()
            self._check_sound()
            self.clocks.stop_steps()
            if reached == "finished":
                self.background.wait()
            # Who is asked to stop saves first: an evaluation may take longer than is waited.
            self._save(after_reports=False)
            self.background.wait()
            test = self.reporter.read_test()
            reason = reached
        except DivergedError as error:
            reason, detail = "diverged", str(self._first_divergence(error))
        except Exception as error:  # the other engine goes on, and the screen says why
            detail = error_text(error)
        self.clocks.stop()
        self.background.close()
        self.recorder.flush()
        scores = (test.loss, test.accuracy) if test else (math.nan, math.nan)
        self.mailbox.put(
            RunEnded(
                self.engine.name,
                reason,
                detail,
                self.step,
                self.clocks.total.seconds,
                *scores,
                test=test,
            )
        )
        return self._outcome(reason, detail, test)

    def _train_epochs(self) -> EndReason:
        config = self.config
        while self.epoch < config.epochs:
            order = batch_order(config.seed, self.epoch, self.samples)
            while self.batch < self.epoch_steps:
                if not self._may_step():
                    return "stopped"
                first = self.batch * config.batch_size
                self._train_batch(order[first : first + config.batch_size])
            self._end_epoch()
        return "finished"

    def _train_batch(self, rows: Rows) -> None:
        total_steps = self.config.epochs * self.epoch_steps
        self.engine.set_learning_rate(learning_rate_at(self.step, total_steps, self.config))
        self.engine.train_batch(rows)
        self.step += 1
        self.batch += 1
        seconds = self.clocks.total.seconds
        self.unreported.append((self.step, len(rows), seconds))
        if seconds - self.reported_at >= REPORT_SECONDS:
            self._report_steps()

    def _report_steps(self) -> None:
        losses = self.engine.take_losses()
        steps, self.unreported = self.unreported, []
        self.reported_at = self.clocks.total.seconds
        events = []
        for (step, images, seconds), loss in zip(steps, losses, strict=True):
            events.append(StepDone(self.engine.name, step, seconds, loss))
            self.epoch_loss_sum += loss * images
            self.own_samples += images
            if not math.isfinite(loss):
                self.mailbox.put_steps(events)
                what = f"the loss is {loss}"
                raise self.reporter.diverged(what, step, self.engine.first_nonfinite_tensor())
        self.mailbox.put_steps(events)

    def _end_epoch(self) -> None:
        """Hand over what is to be read, reported and saved beside the training."""
        self.clocks.stop_steps()
        self._check_sound()
        self.epoch += 1
        self.batch = 0
        ended = EndedEpoch(
            epoch=self.epoch,
            step=self.step,
            seconds=self.clocks.total.seconds,
            train_loss=self.epoch_loss_sum / self.samples,
            samples_per_second=self.samples / max(self.clocks.epoch.seconds, 1e-9),
            weights=self.engine.weights(),
        )
        self.epoch_loss_sum = 0.0
        self.clocks.next_epoch()
        due = self.clocks.total.seconds - self.saved_at >= SAVE_SECONDS
        checkpoint = self._checkpoint() if due else None
        self.background.submit(partial(self._report_epoch, ended, checkpoint))

    def _report_epoch(self, ended: EndedEpoch, checkpoint: Checkpoint | None) -> None:
        self.reporter.report(ended)
        if checkpoint is not None:
            # Not before the epoch's line is in the log: a resumed run would lack it.
            self.recorder.save(checkpoint)

    def _check_sound(self) -> None:
        self._report_steps()
        if tensor := self.engine.first_nonfinite_tensor():
            raise self.reporter.diverged("a weight is not finite", self.step, tensor)

    def _may_step(self) -> bool:
        """Obey orders until the next batch may be trained on; False to end."""
        while True:
            match self.control.take():
                case "run" if self._is_due():
                    self._go_on()
                    return True
                case "step":
                    self.clocks.start()
                    return True
                case "save":
                    self._save()
                case "show":
                    self._show(self.engine.weights())
                case "threads":
                    self.engine.use_threads(self.control.threads)
                case "wait":
                    self._wait()
                case "stop":
                    return False

    def _is_due(self) -> bool:
        """Hold the speed limit: wait a moment, and say whether the next step may come."""
        limit = self.control.steps_per_second
        if limit is None or self.waiting:
            return True
        if seconds := self.pacer.wait_seconds(limit):
            self._report_steps()
            self.control.wait(seconds)
        return not seconds

    def _wait(self) -> None:
        self._report_steps()
        self.clocks.stop()
        if not self.waiting:
            self.waiting = True
            self.mailbox.put(Paused(self.engine.name, self.step))
        self.control.wait()

    def _go_on(self) -> None:
        self.clocks.start()
        if self.waiting:
            self.waiting = False
            self.mailbox.put(Resumed(self.engine.name, self.step))

    def _show(self, weights: Tensors) -> None:
        if self.weight_store is not None:
            self.weight_store.publish(
                WeightSnapshot(self.engine.name, self.epoch, self.step, weights)
            )

    def _save(self, *, after_reports: bool = True) -> None:
        """Hand a checkpoint over; the lines of the epochs before it go first, if wanted."""
        checkpoint = self._checkpoint()
        if after_reports:
            self.background.wait()
        self.recorder.save(checkpoint)

    def _checkpoint(self) -> Checkpoint:
        self._report_steps()
        self.saved_at = self.clocks.total.seconds
        state = self.engine.state()
        self.weights = state.weights
        self._show(state.weights)
        return Checkpoint(self.engine.name, state, self._position())

    def _position(self) -> Position:
        return Position(
            epoch=self.epoch,
            batch=self.batch,
            step=self.step,
            seconds=self.clocks.total.seconds,
            epoch_loss_sum=self.epoch_loss_sum,
            epoch_seconds=self.clocks.epoch.seconds,
            planned_epochs=self.config.epochs,
        )

    def _say_started(self) -> None:
        data = self.dataset
        sizes = layer_sizes(data.features, self.config.hidden, data.classes)
        self.mailbox.put(
            RunStarted(
                engine=self.engine.name,
                parameters=parameter_count(sizes),
                threads=self.control.threads,
                first_step=self.step,
                seconds=self.clocks.total.seconds,
            )
        )

    def _first_divergence(self, found: DivergedError) -> DivergedError:
        """Return the cause: the epoch before may be read only now, and tell of an earlier one."""
        try:
            self.background.wait()
        except Exception as earlier:  # of another kind, it is not why the run ends
            return earlier if isinstance(earlier, DivergedError) else found
        return found

    def _outcome(self, reason: EndReason, detail: str, test: Evaluation | None) -> EngineResult:
        sound = reason in ("finished", "stopped")
        return EngineResult(
            reason=reason,
            detail=detail,
            position=self._position(),
            samples_per_second=self.own_samples / max(self.clocks.steps.seconds, 1e-9),
            weights=self.weights if sound else None,
            test=test,
            validation=self.reporter.validation,
        )
