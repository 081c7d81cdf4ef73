"""What goes out at an epoch's end: the event, a line of each log, the weights."""

from core.confusion_log import ConfusionLine
from core.engine import Tensors
from core.gap import GapMeter, PublishedWeights
from core.recorder import Recorder
from core.runs import MetricsLine
from core.telemetry import EpochDone, Mailbox


def report_epoch(
    event: EpochDone,
    weights: Tensors,
    mailbox: Mailbox,
    recorder: Recorder,
    gap_meter: GapMeter | None,
) -> None:
    """Tell the mailbox, the logs and the other engine of a finished epoch.

    Args:
        event: the epoch.
        weights: a copy of the engine's weights after it.
        mailbox: receives the event and, once both engines are there, the gap.
        recorder: receives the lines.
        gap_meter: receives the weights; None where one engine trains alone.
    """
    mailbox.put(event)
    recorder.record(
        MetricsLine(
            engine=event.engine,
            epoch=event.epoch,
            step=event.step,
            seconds=event.seconds,
            train_loss=event.train_loss,
            val_loss=event.validation.loss,
            val_accuracy=event.validation.accuracy,
            samples_per_second=event.samples_per_second,
        )
    )
    counts = event.validation.confusion
    recorder.record(ConfusionLine(event.engine, event.epoch, event.step, counts))
    if gap_meter is None:
        return
    gap = gap_meter.publish(
        PublishedWeights(event.engine, event.epoch, event.step, event.train_loss, weights)
    )
    if gap is not None:
        mailbox.put(gap)
