"""The first layer's weights as pictures: one per unit, in the image's shape, on a shared scale."""

import math
from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray

from mlpwatch.core.analysis.features import dead_units
from mlpwatch.core.analysis.weight_store import WeightSnapshot
from mlpwatch.core.arrays import Floats

FULL_SHARE = 0.98
"""Share of the weights that lie within the scale; the few outside are drawn at its end."""


@dataclass(frozen=True, slots=True)
class FirstLayer:
    """One network's first layer at one step."""

    shown: WeightSnapshot
    tiles: Floats
    """(units, height, width); NaN for a pixel without an input."""
    reach: float
    """`FULL_SHARE` of the absolute weights lie below this; NaN if a weight is not finite."""


def first_layer(shown: WeightSnapshot, image_shape: tuple[int, int]) -> FirstLayer:
    """Arrange the first layer's weights (units, features) like the pixels of an image.

    Features that are not an image of this shape fill the rows of the smallest near-square.
    """
    w = shown.weights["layers.0.weight"]
    units, features = w.shape
    height, width = image_shape
    if height * width != features:
        width = math.ceil(math.sqrt(features))
        height = math.ceil(features / width)
    tiles = np.full((units, height * width), np.nan, w.dtype)
    tiles[:, :features] = w
    reach = float(np.quantile(np.abs(w), FULL_SHARE))
    return FirstLayer(shown, tiles.reshape(units, height, width), reach)


def shared_scale(*layers: FirstLayer) -> float:
    """Return the end of a scale for all layers; diverged layers are ignored."""
    return round_scale(max((x.reach for x in layers if math.isfinite(x.reach)), default=0.0))


def round_scale(reach: float) -> float:
    """Return the next 1, 2, 3 or 5 times a power of ten; 1 if `reach` is not finite or not above 0.

    In such steps the scale changes rarely during training, so a weight keeps its colour.
    """
    if not 0 < reach < math.inf:
        return 1.0
    power = math.floor(math.log10(reach))
    steps = (round(m * 10.0**p, -p) for p, m in product((power, power + 1), (1, 2, 3, 5)))
    return next(step for step in steps if step >= reach)


@dataclass(frozen=True, slots=True)
class DeadCount:
    """The hidden units that are always 0."""

    step: int
    """Step of the weights."""
    layers: tuple[NDArray[np.bool_], ...]
    """(width,) per hidden layer."""

    @property
    def counts(self) -> tuple[tuple[int, int], ...]:
        """(dead, all) units per hidden layer."""
        return tuple((int(dead.sum()), len(dead)) for dead in self.layers)


def count_dead(shown: WeightSnapshot, images: Floats) -> DeadCount:
    """Find the ReLU units that are 0 on all images (samples, features).

    5,000 of MNIST take 15 ms at 128 units.
    """
    return DeadCount(shown.step, tuple(dead_units(shown.weights, images)))
