"""What the tour looks at closely: a unit, an image of the batch, a weight."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mlpwatch.core.analysis.one_unit.unit_trace import UnitChoice, busiest_unit, unit_counts
from mlpwatch.core.analysis.step_trace import StepTrace
from mlpwatch.core.config import RunConfig
from mlpwatch.core.data.dataset import Dataset


@dataclass(frozen=True, slots=True)
class ShownStep:
    """A step, and what the tour looks at closely in it."""

    trace: StepTrace
    config: RunConfig
    dataset: Dataset
    choice: UnitChoice
    weight: int | None
    """A weight of the unit, by its input; None for the bias."""
    weight_rank: int
    """Its place by the size of its gradient, from 0."""
    folder: Path | None = None
    """Of the run, which has a copy of a user's own network."""
    past_epoch: int | None = None
    """The past epoch that the step came after; None for the next step."""


class Chosen:
    """Moves through layers, units, images and weights; each goes round at its ends.

    Args:
        unit: of the first layer; None for the one with the greatest gradient.
    """

    def __init__(self, unit: int | None = None) -> None:
        self._layer, self._unit = 0, unit
        self._image = self._weight = 0
        self._has_bias = True

    def move_unit(self, trace: StepTrace, by: int) -> None:
        """Go some units on in the layer."""
        choice = self.choice(trace)
        self._unit = (choice.unit + by) % _widths(trace)[choice.layer]
        self._weight = 0

    def move_layer(self, trace: StepTrace, by: int) -> None:
        """Go some layers on, to the unit with the greatest gradient there."""
        self._layer = (self._layer + by) % len(_widths(trace))
        self._unit, self._weight = None, 0

    def move_image(self, trace: StepTrace, by: int) -> None:
        """Go some images on, from the worst to the best."""
        self._image = (self._image + by) % _images(trace)

    def move_weight(self, trace: StepTrace, by: int) -> None:
        """Go some weights of the unit on, from the greatest gradient to the smallest."""
        self._weight = (self._weight + by) % (len(self._gradient(trace)) + self._has_bias)

    def choice(self, trace: StepTrace) -> UnitChoice:
        """Return unit and image; a free choice of the unit is made now, and then kept."""
        widths = _widths(trace)
        self._layer = min(self._layer, len(widths) - 1)
        if self._unit is None:
            self._unit = busiest_unit(trace, self._layer)
        self._unit = min(self._unit, widths[self._layer] - 1)
        return UnitChoice(self._layer, self._unit, min(self._image, _images(trace) - 1))

    def shown(self, trace: StepTrace, config: RunConfig, dataset: Dataset) -> ShownStep:
        """Return a step with what is chosen in it; the bias comes after all weights."""
        magnitudes, self._has_bias = abs(self._gradient(trace)), config.bias
        self._weight = min(self._weight, len(magnitudes))
        order = (-magnitudes).argsort(kind="stable")
        weight = None if self._weight == len(order) else int(order[self._weight])
        return ShownStep(trace, config, dataset, self.choice(trace), weight, self._weight)

    def _gradient(self, trace: StepTrace) -> NDArray[np.floating]:
        choice, first = self.choice(trace), next(iter(trace.engines.values()))
        gradient: NDArray[np.floating] = first.before.gradient[f"layers.{choice.layer}.weight"]
        return np.asarray(gradient[choice.unit])


def _widths(trace: StepTrace) -> list[int]:
    return unit_counts(next(iter(trace.engines.values())))


def _images(trace: StepTrace) -> int:
    return min(len(one.rows) for one in trace.engines.values())
