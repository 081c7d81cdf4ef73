"""Series as they are drawn: smoothed, and averaged per dot column."""

import math

import numpy as np
from numpy.typing import NDArray

SMOOTHINGS = (0.0, 0.6, 0.9)
"""Weights of the past in a smoothed curve; TensorBoard begins with 0.6."""


def smoothed(values: NDArray[np.float64], weight: float) -> NDArray[np.float64]:
    """Return the exponential mean s_n = w s_{n-1} + (1 - w) v_n, divided by 1 - w^n.

    The division removes the pull of s_0 = 0, as in Adam (Kingma and Ba 2015, section 3).

    Args:
        values: (points,); NaN and infinities stay, and do not enter the mean.
        weight: w, from 0, which changes nothing, to below 1.
    """
    if not weight:
        return values
    result = np.array(values)
    mean, share = 0.0, 1.0
    for n, value in enumerate(values.tolist()):
        if math.isfinite(value):
            mean = weight * mean + (1 - weight) * value
            share *= weight
            result[n] = mean / (1 - share)
    return result


def averaged(
    steps: NDArray[np.float64], values: NDArray[np.float64], low: float, high: float, columns: int
) -> list[tuple[float, float]]:
    """Return the mean step and the mean value of the points in each of `columns` equal parts.

    Points outside `low` to `high` are left out, but for the nearest on each side: the line leads
    to the edge. A part whose values are all NaN or infinite is a gap. A chart gets a few hundred
    points instead of thousands, and old parts stay the same while the run grows.

    Args:
        steps: (points,), ascending.
        values: (points,).
        low: of the chart's x axis.
        high: of the chart's x axis, above `low`.
        columns: dot columns of the chart.
    """
    first = max(0, int(np.searchsorted(steps, low)) - 1)
    last = int(np.searchsorted(steps, high, side="right")) + 1
    steps, values = steps[first:last], values[first:last]
    if len(steps) <= columns:
        return _points(steps, values)
    part = np.clip((steps - low) * (columns / (high - low)), -1, columns).astype(np.intp) + 1
    known = np.isfinite(values)
    counts = np.bincount(part, minlength=columns + 2)
    finite = np.bincount(part[known], minlength=columns + 2)
    x_sums = np.bincount(part, steps - low, minlength=columns + 2)
    y_sums = np.bincount(part[known], values[known], minlength=columns + 2)
    used = counts > 0
    with np.errstate(divide="ignore", invalid="ignore"):
        x, y = low + x_sums[used] / counts[used], (y_sums / finite)[used]
    return _points(x, y)


def _points(x: NDArray[np.float64], y: NDArray[np.float64]) -> list[tuple[float, float]]:
    """Return pairs in which every NaN is the same object: only then are two gaps equal."""
    values = (one if one == one else math.nan for one in y.tolist())  # noqa: PLR0124 - NaN
    return list(zip(x.tolist(), values, strict=True))
