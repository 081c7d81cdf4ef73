"""What goes out at an epoch's end: the validation images are read, and everyone is told."""

import math
from dataclasses import dataclass

from mlpwatch.core.analysis.gap import GapMeter, PublishedWeights
from mlpwatch.core.analysis.weight_store import WeightSnapshot, WeightStore
from mlpwatch.core.arrays import Tensors
from mlpwatch.core.config import RunConfig
from mlpwatch.core.data.dataset import Dataset, steps_per_epoch
from mlpwatch.core.epochs import EpochRecord, Evaluation
from mlpwatch.core.errors import DivergedError
from mlpwatch.core.evaluation import evaluate
from mlpwatch.core.events import EpochDone, Mailbox
from mlpwatch.core.network.engine import Engine
from mlpwatch.core.network.losses import loss_for
from mlpwatch.core.training.recorder import Recorder

_OUTPUT = "the output layer's sums"


@dataclass(frozen=True, slots=True)
class EndedEpoch:
    """One pass over the training images, before the validation images are read."""

    epoch: int
    """Epochs done so far, counted from 1."""
    step: int
    seconds: float
    """Training time so far."""
    train_loss: float
    samples_per_second: float
    weights: Tensors
    """A copy of the engine's weights after it."""


@dataclass(frozen=True, slots=True)
class Outlets:
    """Where a trainer's news go."""

    mailbox: Mailbox
    """Receives the events."""
    recorder: Recorder
    """Receives checkpoints and the lines of the logs."""
    gap_meter: GapMeter | None = None
    """Receives the weights at each epoch's end; None where one engine trains alone."""
    weight_store: WeightStore | None = None
    """Receives the weights then, at each checkpoint, and when the control asks."""


class EpochReporter:
    """Reads the validation images with an epoch's weights, and tells everyone.

    Args:
        engine: reads images with the weights that it is given.
        dataset: holds the validation images.
        config: its loss and batch size are used.
        outlets: who is told.
    """

    def __init__(
        self, engine: Engine, dataset: Dataset, config: RunConfig, outlets: Outlets
    ) -> None:
        self._engine, self._dataset, self._outlets = engine, dataset, outlets
        self._loss = loss_for(config, engine.name)
        self._epoch_steps = steps_per_epoch(dataset.train_count, config.batch_size)
        self.validation: Evaluation | None = None
        """Of the newest epoch reported."""

    def report(self, ended: EndedEpoch) -> None:
        """Read and tell; may run beside the training.

        Raises:
            DivergedError: the validation loss is not finite.
        """
        data = self._dataset
        logits = self._engine.logits(data.validation_images, ended.weights)
        validation = evaluate(logits, data.validation_labels, self._loss)
        if not math.isfinite(validation.loss):
            what = f"the validation loss is {validation.loss}"
            # Not in a weight: the trainer has looked.
            raise self.diverged(what, ended.step, None)
        self.validation = validation
        if self._outlets.weight_store is not None:
            # Before the event: who has read it finds the weights that it was made with.
            name = self._engine.name
            shown = WeightSnapshot(name, ended.epoch, ended.step, ended.weights)
            self._outlets.weight_store.publish(shown, evaluated=True)
        self._tell(ended, validation)

    def read_test(self) -> Evaluation:
        """Read the test images with the engine's own weights, while it does not train."""
        logits = self._engine.logits(self._dataset.test_images)
        return evaluate(logits, self._dataset.test_labels, self._loss)

    def diverged(self, what: str, step: int, tensor: str | None) -> DivergedError:
        """Make an error that says what is not finite, where and since when, and what to do."""
        epoch, batch = divmod(step - 1, self._epoch_steps)
        return DivergedError(
            f"{what} at step {step:,} (epoch {epoch + 1}, batch {batch + 1}), "
            f"first in {tensor or _OUTPUT}; try a lower --learning-rate"
        )

    def _tell(self, ended: EndedEpoch, validation: Evaluation) -> None:
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
            confusion=validation.confusion,
        )
        to.mailbox.put(EpochDone(record, validation))
        to.recorder.record(record)
        if to.gap_meter is None:
            return
        own = PublishedWeights(name, epoch, step, ended.train_loss, ended.weights)
        gap = to.gap_meter.publish(own)
        if gap is not None:
            to.mailbox.put(gap)
