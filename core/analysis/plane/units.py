"""The first layer's units over the plane: each one's activation at every pixel."""

import numpy as np

from mlpwatch.core.analysis.plane.window import window_for
from mlpwatch.core.analysis.weight_store import WeightSnapshot
from mlpwatch.core.analysis.weight_tiles import FULL_SHARE, FirstLayer
from mlpwatch.core.config import RunConfig
from mlpwatch.core.network.activations import ACTIVATIONS

TILE_SIDE = 28
"""Pixels of a tile."""


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
