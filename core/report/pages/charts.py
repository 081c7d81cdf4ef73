"""Line charts as inline SVG: colours come from the page, so that they suit its light and dark."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import NamedTuple

WIDTH, HEIGHT = 560, 300
LEFT, RIGHT, TOP, BOTTOM = 62, 14, 12, 44
"""Margins of the plot in units of the picture."""

LARGEST_DRAWN = 1e99
"""The span of an axis with values near the largest float, 1.8e308, would be infinite."""

MOST_POINTS = 1_000
"""Of a curve: more can't be seen, and a report is sent by mail."""

MOST_MARKED = 60
"""Points of a curve that have a mark each, with its numbers under the mouse."""

FAR = 20.0
"""A loss that falls to less than this part is drawn on a logarithmic axis."""

Point = tuple[float, float]


@dataclass(frozen=True, slots=True)
class ChartCurve:
    """One curve."""

    name: str
    look: str
    """CSS class: its colour and dashes."""
    points: Sequence[Point]
    """Epoch and value; those that are not finite are left out."""
    band: Sequence[tuple[float, float, float]] = ()
    """Epoch, low and high of the area behind it."""


class Scale(NamedTuple):
    """From a value to its place on one axis."""

    low: float
    high: float
    first: float
    last: float
    is_logarithmic: bool

    def place(self, value: float) -> float:
        """Return where a value lies, in units of the picture."""
        low, high, at = self.low, self.high, value
        if self.is_logarithmic:
            low, high, at = math.log10(low), math.log10(high), math.log10(max(at, self.low))
        return self.first + (at - low) / (high - low) * (self.last - self.first)


def chart(
    title: str,
    label: str,
    curves: Sequence[ChartCurve],
    *,
    percent: bool = False,
    far: bool = False,
) -> str:
    """Return a chart over the epochs as SVG with its legend; empty without a point.

    Args:
        title: above it, and for readers who do not see it.
        label: of the y axis.
        curves: what is drawn; the first lies below the others.
        percent: whether the values are shares.
        far: whether values that are far apart get a logarithmic axis.
    """
    curves = [_readable(one) for one in curves]
    xs = [x for one in curves for x, _ in one.points]
    ys = [y for one in curves for _, y in one.points]
    ys += [y for one in curves for _, *ends in one.band for y in ends]
    if not xs:
        return ""
    is_far = far and min(ys) > 0 and max(ys) > FAR * min(ys)
    across = Scale(*_range(xs, 0.0), LEFT, WIDTH - RIGHT, False)
    up = Scale(*_log_range(ys) if is_far else _range(ys, 0.06), HEIGHT - BOTTOM, TOP, is_far)
    marks = across, up
    parts = [
        *_grid(across, up, percent=percent),
        *(_band(one, *marks) for one in curves if one.band),
        *(_line(one, *marks) for one in curves),
        f'<text class="label" x="{(LEFT + WIDTH - RIGHT) / 2}" y="{HEIGHT - 6}">epoch</text>',
        f'<text class="label" transform="translate(13 {HEIGHT / 2 - 16}) rotate(-90)">'
        f"{escape(label)}</text>",
    ]
    legend = "".join(
        f'<span><svg class="key" viewBox="0 0 30 10"><path class="curve {one.look}" d="M1 5H29"/>'
        f"</svg>{escape(one.name)}</span>"
        for one in curves
        if one.points
    )
    return (
        f'<figure class="chart"><figcaption>{escape(title)}</figcaption>'
        f'<svg role="img" aria-label="{escape(title)}" viewBox="0 0 {WIDTH} {HEIGHT}">'
        f'{"".join(parts)}</svg><div class="legend">{legend}</div></figure>'
    )


def ticks(low: float, high: float, count: int = 6) -> list[float]:
    """Return round numbers from `low` to `high`, 1, 2 or 5 times a power of ten apart."""
    raw = (high - low) / count
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(power * one for one in (1, 2, 5, 10) if power * one >= raw * (1 - 1e-9))
    first = math.ceil(low / step - 1e-9)
    return [k * step for k in range(first, math.floor(high / step + 1e-9) + 1)]


def log_ticks(low: float, high: float) -> list[float]:
    """Return powers of ten from `low` to `high`; where they are few, 2 and 5 times them too."""
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    parts = (1, 2, 5) if high < 100 * low else (1,)
    stride = max(1, len(powers) // 7)
    found = [part * 10.0**power for power in powers[::stride] for part in parts]
    return [one for one in found if low * (1 - 1e-9) <= one <= high * (1 + 1e-9)]


def _readable(curve: ChartCurve) -> ChartCurve:
    """Return a curve of finite, and not too many, points."""
    points = [point for point in curve.points if abs(point[1]) <= LARGEST_DRAWN]
    stride = math.ceil(len(points) / MOST_POINTS) if points else 1
    last = points[-1:] if (len(points) - 1) % stride else []
    band = [one for one in curve.band if all(abs(part) <= LARGEST_DRAWN for part in one)]
    band = band[::stride]
    return ChartCurve(curve.name, curve.look, [*points[::stride], *last], band)


def _range(values: Sequence[float], margin: float) -> tuple[float, float]:
    low, high = min(values), max(values)
    if high - low < 1e-12 * max(1.0, abs(high)):
        spare = abs(high) * 0.1 or 0.5
        return low - spare, high + spare
    spare = margin * (high - low)
    return low - spare, high + spare


def _log_range(values: Sequence[float]) -> tuple[float, float]:
    return min(values) / 1.15, max(values) * 1.15


def _grid(across: Scale, up: Scale, *, percent: bool) -> list[str]:
    parts = []
    rows = log_ticks(up.low, up.high) if up.is_logarithmic else ticks(up.low, up.high)
    for value in rows:
        y = up.place(value)
        text = f"{100 * value:.6g}%" if percent else f"{value:.4g}"
        parts.append(f'<path class="grid" d="M{LEFT} {y:.1f}H{WIDTH - RIGHT}"/>')
        parts.append(f'<text class="up" x="{LEFT - 7}" y="{y + 4:.1f}">{text}</text>')
    for value in ticks(across.low, across.high, 8):
        if value == round(value):
            x = across.place(value)
            below = HEIGHT - BOTTOM
            parts.append(f'<path class="grid" d="M{x:.1f} {TOP}V{below}"/>')
            parts.append(f'<text class="across" x="{x:.1f}" y="{below + 17}">{value:,.0f}</text>')
    return parts


def _line(curve: ChartCurve, across: Scale, up: Scale) -> str:
    places = [(across.place(x), up.place(y)) for x, y in curve.points]
    path = "L".join(f"{x:.1f} {y:.1f}" for x, y in places)
    marks = ""
    if len(places) <= MOST_MARKED:
        marks = "".join(
            f'<circle class="mark {curve.look}" cx="{x:.1f}" cy="{y:.1f}" r="2.4"><title>'
            f"{escape(curve.name)}, epoch {epoch:g}: {value:.6g}</title></circle>"
            for (x, y), (epoch, value) in zip(places, curve.points, strict=True)
        )
    return f'<path class="curve {curve.look}" d="M{path}"/>{marks}'


def _band(curve: ChartCurve, across: Scale, up: Scale) -> str:
    upper = [(across.place(x), up.place(high)) for x, _, high in curve.band]
    lower = [(across.place(x), up.place(low)) for x, low, _ in reversed(curve.band)]
    path = "L".join(f"{x:.1f} {y:.1f}" for x, y in [*upper, *lower])
    return f'<path class="band {curve.look}" d="M{path}Z"/>'
