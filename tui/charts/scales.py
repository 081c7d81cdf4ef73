"""Axis limits that seldom change, and their ticks."""

import math
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import NamedTuple

Limits = tuple[float, float]
"""Lowest and highest value of an axis, the first below the second."""

_LEADING = (1.0, 2.0, 5.0, 10.0)
_INTERVALS = 5
"""An axis is divided into at least this many steps before it is snapped to one."""

_SAME = 1e-9
"""Share by which the values of a constant differ, since means are rounded."""

_ZERO_SHARE = 0.5
"""An axis begins at 0 when its lowest value is below this share of its highest."""

_LARGEST_LINEAR, _LARGEST_LOG = 1e99, 1e150
"""The axis of a larger value would be infinite (above 1.8e308), or its label too wide: -1e100."""

LABEL_COLUMNS = 5
"""Width of every y label, so that a plot's left edge never moves."""

_UNITS = ((9, "G"), (6, "M"), (3, "k"))
"""Powers of ten and their suffixes."""


def nice_limits(values: Iterable[float], log: bool, previous: Limits | None = None) -> Limits:
    """Return limits around the finite values, snapped outward to steps of 1, 2 or 5.

    Pass the limits of the frame before as `previous`: they are kept while the values are inside,
    and otherwise only widened, so that the drawn curves stay in place.

    Args:
        values: NaN and infinity are ignored; for a log axis, so are zero and below. What is
            beyond 1e99, or on a log axis 1e150, is outside the limits.
        log: snap to 1, 2, 5 times a power of ten, over one power of ten or more.
        previous: limits to widen, from a call with the same `log`.
    """
    kept = [value for value in values if math.isfinite(value) and (value > 0 or not log)]
    if not kept:
        return previous or ((0.1, 1.0) if log else (0.0, 1.0))
    most = _LARGEST_LOG if log else _LARGEST_LINEAR
    low, high = (
        math.copysign(min(max(abs(value), 1 / most), most), value) if value else 0.0
        for value in (min(kept), max(kept))
    )
    if previous is not None:
        if previous[0] <= low and high <= previous[1]:
            return previous
        low, high = min(low, previous[0]), max(high, previous[1])
    return _log_limits(low, high) if log else _linear_limits(low, high)


def _linear_limits(low: float, high: float) -> Limits:
    if 0 <= low <= _ZERO_SHARE * high:
        low = 0.0
    if high - low <= _SAME * max(abs(low), abs(high)):
        low, high = (low - abs(low) * 0.1, high + abs(high) * 0.1) if low else (0.0, 1.0)
    step = _step_above((high - low) / _INTERVALS / 2)
    return math.floor(low / step + 1e-9) * step, math.ceil(high / step - 1e-9) * step


def _log_limits(low: float, high: float) -> Limits:
    low, high = _step_below(low), _step_above(high)
    return low, max(high, low * 10)


def _power(value: float) -> float:
    return 10.0 ** math.floor(math.log10(value))


def _step_above(value: float) -> float:
    """Return the smallest 1, 2 or 5 times a power of ten that is not below the value."""
    power = _power(value)
    return next((n * power for n in _LEADING if n * power >= value * (1 - 1e-9)), 10 * power)


def _step_below(value: float) -> float:
    """Return the largest 1, 2 or 5 times a power of ten that is not above the value."""
    power = _power(value)
    fitting = [n * power for n in _LEADING if n * power <= value * (1 + 1e-9)]
    return max(fitting, default=power)


_LEAST_ROWS = 2
"""Least rows from one tick to the next."""

_TICK_STEPS = (1.0, 2.0, 2.5, 5.0)
_PLAIN_LABELS = 1e-3, 1e12
"""Highest values of axes whose labels need no exponent."""

_FEWEST_POWERS, _LARGEST_POWER = 2, 300
_DECADES = (1, 2, 3, 5, 10, 20, 50, 100, 200, 500)


class Ruler(NamedTuple):
    """An axis whose ticks are the same number of rows apart."""

    limits: Limits
    ticks: tuple[float, ...]
    """Ascending."""


def ruler(limits: Limits, rows: int, log: bool, *, labels_top: bool = False) -> Ruler:
    """Return a ruler over limits, which are extended to fit evenly spaced rows.

    A row extends from its lower edge to that of the next. On a log axis powers of ten are evenly
    spaced; if fewer than two of them are inside, 2 and 5 times them get ticks too. An axis from
    0 is extended at the top, any other at the bottom, but not below 0.

    Args:
        limits: what must be visible.
        rows: of the plot; below 4, ticks are not evenly spaced.
        log: whether the axis is logarithmic.
        labels_top: put a tick on the highest value, a round number.
    """
    as_they_fall = Ruler(limits, tuple(nice_ticks(limits, max(2, rows // _LEAST_ROWS), log)))
    low, high = map(math.log10, limits) if log else limits
    if rows < 2 * _LEAST_ROWS:
        return as_they_fall
    used = rows - 1 if labels_top else rows
    if log:
        steps = [float(decades) for decades in _DECADES]
    else:
        power = _power((high - low) / rows)
        # Where labels have an exponent, quarters take a digit that five columns do not have.
        is_plain = _PLAIN_LABELS[0] <= high <= _PLAIN_LABELS[1]
        leading = _TICK_STEPS if is_plain else _LEADING[:3]
        steps = [n * power * scale for scale in (1, 10, 100) for n in leading]
    fitting = [one for step in steps if (one := _ruled(low, high, used, step))]
    if not fitting:
        return as_they_fall

    def cost(one: tuple[float, int]) -> float:
        """Count empty rows, and penalise fewer than three ticks or more than nine."""
        ticks = used / one[1]
        return one[0] * ticks / (high - low) + 0.2 * max(0, 3 - ticks) + 0.05 * max(0, ticks - 9)

    step, per_tick = min(fitting, key=cost)
    row = step / per_tick
    if log:
        base = math.floor(low / row + 1e-9) * row
    elif low == 0:
        base = 0.0
    else:
        base = (math.ceil(high / row - 1e-9) - used) * row
        base = max(base, 0.0) if low >= 0 else base
    first = math.ceil(base / step - 1e-9)
    count = math.ceil((base + rows * row) / step - 1e-9) - first
    ticks = [n * step for n in range(first, first + count)]
    if not log:
        return Ruler((base, base + rows * row), tuple(ticks))
    if base + rows * row > _LARGEST_POWER:
        return as_they_fall
    ruled = 10.0**base, 10.0 ** (base + rows * row)
    powers = [10.0**tick for tick in ticks]
    if len(powers) < _FEWEST_POWERS:
        powers = nice_ticks(ruled, max(2, rows // _LEAST_ROWS), log=True)
    return Ruler(ruled, tuple(powers))


def _ruled(low: float, high: float, rows: int, step: float) -> tuple[float, int] | None:
    """Return the step and its most rows per tick that show everything; None for too few rows."""
    per_tick = math.floor(step * rows / (high - low) + 1e-9)
    # If the ends are not on a row of this ruler, one row less is left for the rest.
    while per_tick >= _LEAST_ROWS:
        row = step / per_tick
        first, last = math.floor(low / row + 1e-9), math.ceil(high / row - 1e-9)
        if last - first <= rows:
            return step, per_tick
        per_tick -= 1
    return None


def nice_ticks(limits: Limits, most: int, log: bool = False) -> list[float]:
    """Return at most `most` round values within the limits, ascending.

    A log axis gets powers of ten, or 1, 2, 5 times them if few powers are inside.
    """
    if most < 1:
        return []
    low, high = limits
    ticks = _log_ticks(low, high, most) if log else _linear_ticks(low, high, most)
    return ticks if len(ticks) <= most else ticks[:: math.ceil(len(ticks) / most)]


def _linear_ticks(low: float, high: float, most: int) -> list[float]:
    step = _step_above((high - low) / most)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    if last - first + 1 > most:
        step = _step_above(step * 1.01)
        first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [n * step for n in range(first, last + 1)]


def _log_ticks(low: float, high: float, most: int) -> list[float]:
    powers = [10.0**n for n in range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)]
    fine = [n * power for power in powers for n in _LEADING[:3]]
    fine = [tick for tick in fine if low * (1 - 1e-9) <= tick <= high * (1 + 1e-9)]
    coarse = [tick for tick in powers if low * (1 - 1e-9) <= tick <= high * (1 + 1e-9)]
    return fine if len(fine) <= most else coarse


def tick_labels(ticks: Sequence[float]) -> list[str]:
    """Return the labels of evenly spaced ticks, with one exponent for all if any needs one.

    A label is empty if five columns can't hold it, as -1e100, or can't tell it from its neighbours:
    100k does not say 100,002.
    """
    labels = [tick_label(tick) for tick in ticks]
    step = min((after - tick for tick, after in pairwise(ticks)), default=0.0)
    if step > 0 and any("e" in label for label in labels):
        exponent = math.floor(math.log10(step) + 1e-9)
        alike = [f"{tick / 10.0**exponent:.0f}e{exponent}" if tick else "0" for tick in ticks]
        if max(map(len, alike)) <= LABEL_COLUMNS and len(set(alike)) == len(alike):
            return alike
    return [
        label if len(label) <= LABEL_COLUMNS and abs(_value_of(label) - tick) <= step / 4 else ""
        for tick, label in zip(ticks, labels, strict=True)
    ]


def _value_of(label: str) -> float:
    power = next((power for power, suffix in _UNITS if label.endswith(suffix)), None)
    return float(label) if power is None else float(label[:-1]) * 10.0**power


def tick_label(value: float) -> str:
    """Return a label of at most five columns: 0.25, .0015, 15e-5, 2.5, 500, 40k, 1.2M."""
    if value == 0:
        return "0"
    exponent = math.floor(math.log10(abs(value)) + 1e-9)
    plain = f"{value:.4f}".rstrip("0").rstrip(".")
    forms = [
        f"{value / 10.0**power:.{digits}g}{suffix}"
        for power, suffix in _UNITS
        for digits in (4, 3, 2)
        if exponent >= max(power, 4)
    ]
    if math.isclose(float(plain), value, rel_tol=1e-3):
        forms += [plain, plain.replace("0.", ".", 1)]
    for power in (exponent, exponent - 1):
        if (whole := round(value / 10.0**power, 3)) == int(whole):
            forms.append(f"{int(whole)}e{power}")
    forms.append(f"{round(value / 10.0**exponent)}e{exponent}")
    return next(form for form in forms if len(form) <= LABEL_COLUMNS or form is forms[-1])
