"""Which steps of an epoch are measured layer by layer, and what becomes of their norms."""

import math
from collections.abc import Sequence
from statistics import fmean
from time import thread_time

from mlpwatch.core.analysis.features import HiddenUnits
from mlpwatch.core.epochs import LayerRecord
from mlpwatch.core.network.step_norms import LayerNorms

STEPS_PER_SAMPLE = 128
"""Least steps per measured step, which takes about as long as half a step: 0.4 % of training."""

MOST_SAMPLES = 16
"""Most measured steps of an epoch; their mean then has a quarter of a step's deviation."""

FIRST_EPOCHS = 8
"""Epochs of a run that are all measured, however short they are."""

NORMS_SHARE, UNITS_SHARE = 0.005, 0.004
"""Most of the training time for the norms, and for looks at the units: together less than 1 %."""

FREE_SECONDS = 0.002
"""Cost up to which measurements need not wait: all those of a small network in a short run."""

DIGITS = 6
"""Significant digits that are kept, almost all that float32 has; more would lengthen the logs."""


def sampled_batches(epoch_steps: int) -> tuple[int, ...]:
    """Return the batches of an epoch, from 0, whose step is measured: one or more, evenly spaced.

    They are the same in every epoch, so a repeated or resumed run measures the same steps; only
    what costs too much is left out, see `MeasurementPace`.
    """
    count = min(MOST_SAMPLES, max(1, epoch_steps // STEPS_PER_SAMPLE))
    return tuple((2 * n + 1) * epoch_steps // (2 * count) for n in range(count))


def is_sampled(epoch: int, epoch_steps: int) -> bool:
    """Return whether an epoch, from 0, has measured steps: after the first ones not all short ones.

    An epoch of 23 steps has one in every sixth; between two are `STEPS_PER_SAMPLE` steps or more.
    """
    return epoch < FIRST_EPOCHS or epoch % -(-STEPS_PER_SAMPLE // epoch_steps) == 0


class MeasurementPace:
    """Keeps the cost of measurements below a share of the training time, whatever they cost.

    Before any time t they have cost at most `share` t, what is free, and the newest one.

    Args:
        share: of the training time.
    """

    def __init__(self, share: float) -> None:
        self._share = share
        self._began: float | None = None
        self.spent = 0.0
        """Seconds of processor time."""

    def allows(self, seconds: float) -> bool:
        """Return whether one more may be made at this training time."""
        if self._began is None:
            self._began = seconds
        return self.spent <= max(FREE_SECONDS, self._share * (seconds - self._began))


class LayerSampler:
    """Chooses the measured steps of one engine, and averages their norms over an epoch.

    Args:
        epoch_steps: steps per epoch.
    """

    def __init__(self, epoch_steps: int) -> None:
        self._batches = frozenset(sampled_batches(epoch_steps))
        self._last, self._epoch_steps = epoch_steps - 1, epoch_steps
        self._samples: list[tuple[LayerNorms, ...]] = []
        self.pace = MeasurementPace(NORMS_SHARE)
        self._steps = 0
        self._first = self._started = 0.0
        """Processor time of the trainer's thread before its first step, and before this one."""

    def is_due(self, epoch: int, batch: int, seconds: float) -> bool:
        """Return whether to measure a step; the last of an epoch if a resumed one has no other.

        Args:
            epoch: from 0.
            batch: from 0.
            seconds: of training so far.
        """
        if not self._steps:
            self._first = thread_time()
        self._steps += 1
        if batch not in self._batches and (batch != self._last or self._samples):
            return False
        self._started = thread_time()
        return is_sampled(epoch, self._epoch_steps) and self.pace.allows(seconds)

    def add(self, norms: tuple[LayerNorms, ...]) -> None:
        """Add a measured step to the epoch; its cost is what it took more than the others did."""
        self._samples.append(norms)
        before = self._steps - 1
        usual = (self._started - self._first) / before if before else math.inf
        self.pace.spent += max(0.0, thread_time() - self._started - usual)

    def take(self) -> tuple[LayerRecord, ...]:
        """Return the means of the epoch, and begin the next one; empty if nothing was measured."""
        samples, self._samples = self._samples, []
        return tuple(_mean(steps) for steps in zip(*samples, strict=True))


def layers_of(norms: Sequence[LayerNorms]) -> tuple[LayerRecord, ...]:
    """Return the layers of one measured step."""
    return tuple(_mean([layer]) for layer in norms)


def with_units(
    layers: Sequence[LayerRecord], hidden: Sequence[HiddenUnits]
) -> tuple[LayerRecord, ...]:
    """Return layers with what is known of the hidden units; the output layer has none."""
    known = [
        LayerRecord(layer.gradient_norm, layer.update_ratio, _rounded(of.flat_share), of.is_uniform)
        for layer, of in zip(layers, hidden, strict=False)
    ]
    return (*known, *layers[len(known) :])


def _mean(steps: Sequence[LayerNorms]) -> LayerRecord:
    return LayerRecord(
        gradient_norm=_rounded(fmean(step.gradient for step in steps)),
        update_ratio=_rounded(fmean(step.update_ratio for step in steps)),
    )


def _rounded(value: float) -> float:
    return float(f"{value:.{DIGITS}g}")
