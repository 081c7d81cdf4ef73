"""The end of an epoch: evaluates the validation images, reports to the logs and the screen."""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from math import nan
from threading import Condition, Thread
from time import thread_time

from mlpwatch.core.analysis.features import PROBE_IMAGES, HiddenUnits, UnitProbe
from mlpwatch.core.analysis.gap import GapMeter, PublishedWeights
from mlpwatch.core.analysis.inference import evaluate
from mlpwatch.core.analysis.weight_store import WeightSnapshot, WeightStore
from mlpwatch.core.arrays import Tensors
from mlpwatch.core.config import RunConfig
from mlpwatch.core.data.dataset import Dataset, steps_per_epoch
from mlpwatch.core.epochs import EpochRecord, Evaluation, LayerRecord
from mlpwatch.core.errors import DivergedError
from mlpwatch.core.events import EpochDone, Mailbox
from mlpwatch.core.network.engine import Engine
from mlpwatch.core.network.losses import loss_for
from mlpwatch.core.runs.checkpoints import Checkpoint
from mlpwatch.core.scheduling import stand_back
from mlpwatch.core.training.history_writer import HistoryWriter
from mlpwatch.core.training.layer_samples import UNITS_SHARE, MeasurementPace, with_units
from mlpwatch.core.training.recorder import Recorder

_OUTPUT = "the output layer's sums"


TRAIN_SAMPLE = 1_000
"""Training images whose accuracy is measured after each epoch: a standard error of 0.5 points at
98 %, for a fifth of the time of MNIST's validation."""


FIRST_LOOKS = 3
"""Epochs of a run after each of which the hidden units are looked at."""

LOOK_STEPS, LOOK_IMAGES = 256, 20_000
"""Steps and images after which the hidden units are looked at again: with the bundled digits 16
epochs. A look at 256 images takes as long as training on about 85."""


@dataclass(frozen=True, slots=True)
class EndedEpoch:
    """One pass over the training images, before the validation."""

    epoch: int
    """Epochs done so far, counted from 1."""
    step: int
    seconds: float
    """Training time so far."""
    train_loss: float
    samples_per_second: float
    weights: Tensors
    """A copy of the engine's weights after the epoch."""
    layers: tuple[LayerRecord, ...] = ()
    """Means of the measured steps, without what is known of the units."""


@dataclass(frozen=True, slots=True)
class Outlets:
    """The receivers of a trainer's output."""

    mailbox: Mailbox
    """Receives the events."""
    recorder: Recorder
    """Receives checkpoints and the lines of the metrics."""
    gap_meter: GapMeter | None = None
    """Receives the weights at each epoch's end; None if one engine trains alone."""
    weight_store: WeightStore | None = None
    """Receives the weights at each epoch's end, at checkpoints, and on request."""
    history: HistoryWriter | None = None
    """Keeps some epochs' checkpoints."""


class Background:
    """Does one job after the other in its own thread; an error is raised at the next `submit`.

    The thread starts with the first job. It is a daemon, so that the exit need not wait for it.

    Args:
        name: of the thread.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._changed = Condition()
        self._job: Callable[[], None] | None = None
        self._error: BaseException | None = None
        self._thread: Thread | None = None
        self._closing = False

    def submit(self, job: Callable[[], None]) -> None:
        """Wait for the previous job, then start this one.

        Raises:
            Exception: the error of the previous job; then this job is not done.
        """
        self.wait()
        with self._changed:
            self._job = job
            self._changed.notify_all()
        if self._thread is None:
            self._thread = Thread(target=self._work, name=self._name, daemon=True)
            self._thread.start()

    def wait(self) -> None:
        """Wait until no job is left.

        Raises:
            Exception: the error of the last job; raised once.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._job is None)
            error, self._error = self._error, None
        if error is not None:
            raise error

    def close(self) -> None:
        """Finish the current job, then end the thread; an error of the job is dropped."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        if self._thread is not None:
            self._thread.join()

    def _work(self) -> None:
        stand_back()
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._job is not None or self._closing)
                job = self._job
            if job is None:
                return
            error: BaseException | None = None
            try:
                job()
            except Exception as raised:  # raised again by `wait`
                error = raised
            with self._changed:
                self._job, self._error = None, error
                self._changed.notify_all()


class EpochReporter:
    """Evaluates the validation images with an epoch's weights, and sends the results.

    Args:
        engine: evaluates with the weights of the epoch.
        dataset: has the validation images.
        config: its loss and batch size are used.
        outlets: receive the results.
    """

    def __init__(
        self, engine: Engine, dataset: Dataset, config: RunConfig, outlets: Outlets
    ) -> None:
        self._engine, self._dataset, self._outlets = engine, dataset, outlets
        self._loss = loss_for(config, engine.name)
        self._epoch_steps = steps_per_epoch(dataset.train_count, config.batch_size)
        # The split shuffles the images, so the first ones are a random sample.
        probed = dataset.train_images[:PROBE_IMAGES]
        self._probe = UnitProbe(engine.activation, probed) if engine.activation else None
        self._units: tuple[HiddenUnits, ...] = ()
        self._looked_at: int | None = None
        self._look_steps = max(LOOK_STEPS, LOOK_IMAGES // config.batch_size)
        self._pace = MeasurementPace(UNITS_SHARE)
        self.background = Background(f"report-{engine.name}")
        self.validation: Evaluation | None = None
        """The record of the newest epoch reported."""
        self.best: EpochRecord | None = None
        """The first epoch with the lowest validation loss."""
        self._patience = config.patience

    def submit(
        self, ended: EndedEpoch, checkpoint: Checkpoint | None, past: Checkpoint | None = None
    ) -> None:
        """Report an epoch in the background; wait for the previous report.

        Raises:
            DivergedError: the validation loss of the previous epoch is not finite.
        """
        self.background.submit(partial(self._report, ended, checkpoint, past))

    def _report(
        self, ended: EndedEpoch, checkpoint: Checkpoint | None, past: Checkpoint | None
    ) -> None:
        data = self._dataset
        logits = self._engine.logits(data.validation_images, ended.weights)
        validation = evaluate(logits, data.validation_labels, self._loss)
        if not math.isfinite(validation.loss):
            what = f"the validation loss is {validation.loss}"
            # Without a tensor's name: the trainer has checked that all weights are finite.
            raise self.diverged(what, ended.step, None)
        self.validation = validation
        if self._outlets.weight_store is not None:
            # Before the event, so that its reader finds the weights of this evaluation.
            snapshot = WeightSnapshot(self._engine.name, ended.epoch, ended.step, ended.weights)
            self._outlets.weight_store.publish(snapshot, evaluated=True)
        self._send(ended, validation)
        if checkpoint is not None:
            # After the epoch's line is in the log, or a resumed run would lack this line.
            self._outlets.recorder.save(checkpoint)
        if past is not None and self._outlets.history is not None:
            self._outlets.history.put(past)

    def first_divergence(self, found: DivergedError) -> DivergedError:
        """Return the first cause: the validation of the previous epoch may have failed earlier."""
        try:
            self.background.wait()
        except Exception as earlier:  # an error of another kind is not the cause of the end
            return earlier if isinstance(earlier, DivergedError) else found
        return found

    def _train_accuracy(self, ended: EndedEpoch) -> float:
        """Return the share of training images that are predicted correctly, without dropout.

        It uses at most `TRAIN_SAMPLE` images, and no more than there are validation images. All
        training images of MNIST would cost eleven times as much as the validation. The split
        shuffles the images, so the first ones are a random sample, the same in each epoch.
        """
        data = self._dataset
        count = min(data.train_count, len(data.validation_labels), TRAIN_SAMPLE)
        if not count:
            return nan
        logits = self._engine.logits(data.train_images[:count], ended.weights)
        return float((logits.argmax(axis=1) == data.train_labels[:count]).mean())

    def _layers(self, ended: EndedEpoch) -> tuple[LayerRecord, ...]:
        if self._probe is None or not ended.layers:
            return ended.layers
        every, before = self._look_steps, self._looked_at
        is_first = before is None or ended.epoch <= FIRST_LOOKS
        is_due = is_first or ended.step // every > (before or 0) // every
        if is_due and self._pace.allows(ended.seconds):
            began = thread_time()
            self._units, self._looked_at = self._probe.look(ended.weights), ended.step
            self._pace.spent += thread_time() - began
            return with_units(ended.layers, self._units)
        # Units stay uniform; how many are flat was not looked at.
        return with_units(ended.layers, [replace(one, flat_share=nan) for one in self._units])

    def out_of_patience(self, epoch: int) -> str:
        """Return why training ends after an epoch, in one line; empty if it continues."""
        best, patience = self.best, self._patience
        if best is None or patience is None or epoch - best.epoch < patience:
            return ""
        return (
            f"no lower validation loss for {patience} epoch{'s' * (patience != 1)}; "
            f"best {best.val_loss:.4f} after epoch {best.epoch}"
        )

    def evaluate_test(self) -> Evaluation:
        """Evaluate the test images with the engine's own weights, while it does not train."""
        logits = self._engine.logits(self._dataset.test_images)
        return evaluate(logits, self._dataset.test_labels, self._loss)

    def diverged(self, what: str, step: int, tensor: str | None) -> DivergedError:
        """Return an error that says what is not finite, where, since which step, and what to do."""
        epoch, batch = divmod(step - 1, self._epoch_steps)
        return DivergedError(
            f"{what} at step {step:,} (epoch {epoch + 1}, batch {batch + 1}), "
            f"first in {tensor or _OUTPUT}; try a lower --learning-rate"
        )

    def _send(self, ended: EndedEpoch, validation: Evaluation) -> None:
        to, name, epoch, step = self._outlets, self._engine.name, ended.epoch, ended.step
        record = EpochRecord(
            engine=name,
            epoch=epoch,
            step=step,
            seconds=ended.seconds,
            train_loss=ended.train_loss,
            val_loss=validation.loss,
            val_accuracy=validation.accuracy,
            samples_per_second=ended.samples_per_second,
            train_accuracy=self._train_accuracy(ended),
            confusion=validation.confusion,
            layers=self._layers(ended),
        )
        if self.best is None or not record.val_loss >= self.best.val_loss:
            self.best = record
        to.mailbox.put(EpochDone(record, validation))
        to.recorder.record(record)
        if to.gap_meter is None:
            return
        own = PublishedWeights(name, epoch, step, ended.train_loss, ended.weights)
        gap = to.gap_meter.publish(own)
        if gap is not None:
            to.mailbox.put(gap)
