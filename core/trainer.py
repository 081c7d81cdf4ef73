"""Training one engine: one step loop that obeys a `Control` and tells a `Mailbox`."""

import math

from core.checkpoints import Checkpoint, Position
from core.config import RunConfig
from core.control import Control
from core.data import Dataset, batch_order, steps_per_epoch
from core.engine import Engine, Floats, Labels, Rows, Tensors, layer_sizes, parameter_count
from core.epoch_report import report_epoch
from core.errors import DivergedError, one_line
from core.evaluation import Evaluation, evaluate
from core.gap import GapMeter
from core.losses import loss_for
from core.optimizers import learning_rate_at
from core.outcome import Outcome
from core.recorder import Recorder
from core.stopwatch import StepPacer, TrainingClocks
from core.telemetry import (
    EndReason,
    EpochDone,
    Mailbox,
    Paused,
    Resumed,
    RunEnded,
    RunStarted,
    StepDone,
)
from core.weights_board import WeightsBoard, WeightsShown

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
    board: WeightsBoard | None = None,
    start: Position | None = None,
) -> Outcome:
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
        board: receives the weights then, at each checkpoint, and when the control asks.
        start: where to go on; None for the beginning.
    """
    training = _Training(engine, dataset, config, start or Position())
    training.control, training.mailbox, training.recorder = control, mailbox, recorder
    training.gap_meter, training.board = gap_meter, board
    return training.run()


class _Training:
    """The loop's variables; used for one run by one thread."""

    control: Control
    mailbox: Mailbox
    recorder: Recorder
    gap_meter: GapMeter | None
    board: WeightsBoard | None

    def __init__(
        self, engine: Engine, dataset: Dataset, config: RunConfig, start: Position
    ) -> None:
        self.engine, self.dataset, self.config = engine, dataset, config
        self.epoch, self.batch, self.step = start.epoch, start.batch, start.step
        self.epoch_loss_sum = start.epoch_loss_sum
        self.clocks = TrainingClocks(start.seconds, start.epoch_seconds)
        self.samples = dataset.train_count
        self.epoch_steps = steps_per_epoch(self.samples, config.batch_size)
        self.loss = loss_for(config, engine.name)
        self.validation: Evaluation | None = None
        self.unreported: list[tuple[int, int, float]] = []
        self.reported_at = self.saved_at = start.seconds
        self.pacer = StepPacer()
        self.own_samples = 0
        self.weights: Tensors | None = None
        self.waiting = False

    def run(self) -> Outcome:
        """See `train`."""
        reason: EndReason = "failed"
        detail, test = "", None
        self._say_started()
        try:
            reached = self._train_epochs()
            self._check_sound()
            self.clocks.stop_steps()
            self._save()
            test = self._evaluate(self.dataset.test_images, self.dataset.test_labels)
            reason = reached
        except DivergedError as error:
            reason, detail = "diverged", str(error)
        except Exception as error:  # the other engine goes on, and the screen says why
            detail = one_line(error)
        self.clocks.stop()
        self.recorder.flush()
        self.mailbox.put(
            RunEnded(self.engine.name, reason, detail, self.step, self.clocks.total.seconds, test)
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
                raise DivergedError(self._why_diverged(f"the loss is {loss}", step))
        self.mailbox.put_steps(events)

    def _end_epoch(self) -> None:
        self.clocks.stop_steps()
        self._check_sound()
        self.epoch += 1
        self.batch = 0
        validation = self._evaluate(self.dataset.validation_images, self.dataset.validation_labels)
        if not math.isfinite(validation.loss):
            what = f"the validation loss is {validation.loss}"
            raise DivergedError(self._why_diverged(what, self.step))
        self.validation = validation
        self._publish_epoch(validation)
        self.epoch_loss_sum = 0.0
        self.clocks.next_epoch()
        if self.clocks.total.seconds - self.saved_at >= SAVE_SECONDS:
            self._save()

    def _check_sound(self) -> None:
        self._report_steps()
        if self.engine.first_unsound_tensor():
            raise DivergedError(self._why_diverged("a weight is not finite", self.step))

    def _publish_epoch(self, validation: Evaluation) -> None:
        event = EpochDone(
            engine=self.engine.name,
            epoch=self.epoch,
            step=self.step,
            seconds=self.clocks.total.seconds,
            train_loss=self.epoch_loss_sum / self.samples,
            samples_per_second=self.samples / max(self.clocks.epoch.seconds, 1e-9),
            validation=validation,
        )
        weights = self.engine.weights()
        # Before the event: who has read it finds the weights that it was made with.
        self._show(weights, evaluated=True)
        report_epoch(event, weights, self.mailbox, self.recorder, self.gap_meter)

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

    def _show(self, weights: Tensors, *, evaluated: bool = False) -> None:
        if self.board is not None:
            shown = WeightsShown(self.engine.name, self.epoch, self.step, weights)
            self.board.show(shown, evaluated=evaluated)

    def _save(self) -> None:
        self._report_steps()
        self.saved_at = self.clocks.total.seconds
        state = self.engine.state()
        self.weights = state.weights
        self._show(state.weights)
        self.recorder.save(Checkpoint(self.engine.name, state, self._position()))

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

    def _evaluate(self, images: Floats, labels: Labels) -> Evaluation:
        return evaluate(self.engine.logits(images), labels, self.loss)

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

    def _why_diverged(self, what: str, step: int) -> str:
        layer = self.engine.first_unsound_tensor() or "the output layer's sums"
        epoch, batch = divmod(step - 1, self.epoch_steps)
        return (
            f"{what} at step {step:,} (epoch {epoch + 1}, batch {batch + 1}), "
            f"first in {layer}; try a lower --learning-rate"
        )

    def _outcome(self, reason: EndReason, detail: str, test: Evaluation | None) -> Outcome:
        sound = reason in ("finished", "stopped")
        return Outcome(
            reason=reason,
            detail=detail,
            position=self._position(),
            samples_per_second=self.own_samples / max(self.clocks.steps.seconds, 1e-9),
            weights=self.weights if sound else None,
            test=test,
            validation=self.validation,
        )
