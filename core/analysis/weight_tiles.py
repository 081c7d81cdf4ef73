"""The first layer as pictures: a unit's weights as an image, or its activation over the plane."""

import math
from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray

from mlpwatch.core.analysis.features import dead_units
from mlpwatch.core.analysis.plane.window import window_for
from mlpwatch.core.analysis.weight_store import WeightSnapshot
from mlpwatch.core.arrays import Floats
from mlpwatch.core.config import RunConfig
from mlpwatch.core.network.activations import ACTIVATIONS

FULL_SHARE = 0.98
"""Share of the weights that lie within the scale; the few outside are drawn at its end."""


TILE_SIDE = 28
"""Pixels of a tile over the plane of points."""


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


def units_over_plane(shown: WeightSnapshot, config: RunConfig) -> FirstLayer:
    """Return a = f(W x + b) of the first layer's units as tiles (units, rows, columns).

    Without a hidden layer they are the sums of the output units.

    Args:
        shown: of a network with two inputs.
        config: of the run.
    """
    w, b = shown.weights["layers.0.weight"], shown.weights["layers.0.bias"]
    x = window_for(config.pixel_range, TILE_SIDE, TILE_SIDE).centres()
    with np.errstate(over="ignore", invalid="ignore"):
        z = np.ascontiguousarray(x.astype(w.dtype) @ w.T + b)
        if config.hidden:
            rule = ACTIVATIONS[config.activation]
            rule.forward(z, np.empty((rule.arrays_kept * len(z), len(w)), z.dtype))
    tiles = z.T.reshape(len(w), TILE_SIDE, TILE_SIDE)
    return FirstLayer(shown, tiles, float(np.quantile(np.abs(z), FULL_SHARE)))


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
