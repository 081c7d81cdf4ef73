"""The x axis that all charts of a log share: its limits, and zooming into them."""

import math

from mlpwatch.tui.charts.chart import Limits

_ROUND = (1.0, 1.2, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0)
"""Leading digits of the end of an axis: it moves seldom, and at most a third of it is empty."""

_SHIFTS = 8
"""A zoomed axis that follows the newest step moves by this part of itself."""

MOST_ZOOM = 16
"""Halvings: a millionth of the run would be 15 steps."""

SHORT_SHARE = 0.05
"""A chart whose steps end before this share of the others' has an axis of its own: it counts
epochs where the others count steps."""


def whole_limits(low: float, high: float, planned: float = math.nan) -> Limits:
    """Return the limits of a whole log.

    Args:
        low: the first step.
        high: the last step so far.
        planned: the step at which it is to end; NaN if unknown.
    """
    start = 0.0 if 0 <= low <= high / 2 else low
    if planned > high:
        return start, planned
    span = high - start
    if not 0 < span < math.inf:
        return start, start + 1.0
    power = 10.0 ** math.floor(math.log10(span))
    leading = next((n for n in _ROUND if n * power >= span * (1 - 1e-9)), 10.0)
    end = start + leading * power
    return (start, end) if start < end < math.inf else (start, high)


def zoomed(whole: Limits, halvings: int, newest: float, centre: float | None) -> Limits:
    """Return a part of the limits.

    Args:
        whole: the limits without zoom.
        halvings: 0 for all of it.
        newest: the newest step; without a centre the part ends with it.
        centre: the step in the middle of the part, unless that would leave the whole.
    """
    low, high = whole
    width = (high - low) / 2**halvings
    if not halvings or low + width <= low:
        return whole
    if centre is None:
        shift = width / _SHIFTS
        end = min(high, low + math.ceil((newest - low) / shift) * shift)
        end = max(end, low + width)
    else:
        end = min(max(centre + width / 2, low + width), high)
    return end - width, end


def is_short(own: float, newest: float) -> bool:
    """Return whether a chart whose last step is `own` needs an axis of its own."""
    return own < SHORT_SHARE * newest
