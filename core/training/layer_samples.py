"""Which steps of an epoch are measured layer by layer, and what becomes of their norms."""

from collections.abc import Sequence
from statistics import fmean

from mlpwatch.core.analysis.features import HiddenUnits
from mlpwatch.core.epochs import LayerRecord
from mlpwatch.core.network.step_norms import LayerNorms

STEPS_PER_SAMPLE = 128
"""Least steps per measured step, which takes about as long as half a step: 0.4 % of training."""

MOST_SAMPLES = 16
"""Most measured steps of an epoch; their mean then has a quarter of a step's deviation."""

DIGITS = 6
"""Significant digits that are kept, almost all that float32 has; more would lengthen the logs."""


def sampled_batches(epoch_steps: int) -> tuple[int, ...]:
    """Return the batches of an epoch, from 0, whose step is measured: one or more, evenly spaced.

    They are the same in every epoch, so a repeated or resumed run measures the same steps.
    """
    count = min(MOST_SAMPLES, max(1, epoch_steps // STEPS_PER_SAMPLE))
    return tuple((2 * n + 1) * epoch_steps // (2 * count) for n in range(count))


class LayerSampler:
    """Chooses the measured steps of one engine, and averages their norms over an epoch.

    Args:
        epoch_steps: steps per epoch.
    """

    def __init__(self, epoch_steps: int) -> None:
        self._batches = frozenset(sampled_batches(epoch_steps))
        self._last = epoch_steps - 1
        self._samples: list[tuple[LayerNorms, ...]] = []

    def is_due(self, batch: int) -> bool:
        """Return whether to measure a batch; the last one if a resumed epoch has no other."""
        return batch in self._batches or (batch == self._last and not self._samples)

    def add(self, norms: tuple[LayerNorms, ...]) -> None:
        """Add a measured step to the epoch."""
        self._samples.append(norms)

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
