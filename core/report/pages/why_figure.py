"""What `mlpwatch why` found, as a figure: the gap shared out, a bar and an interval per setting."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from math import isfinite
from pathlib import Path
from typing import Any, get_args

from mlpwatch.core.config import TITLES, EngineName
from mlpwatch.core.files.strict_json import (
    JsonError,
    read_object,
    take_number,
    take_object,
    take_text,
    take_whole,
)
from mlpwatch.core.runs.layout import WHY_NAME

WIDTH, ROW, NAMES = 620, 26, 230
"""Pixels of the figure, of a setting's row, and left of the bars for the settings' names."""

MOST_SETTINGS = 64
MOST_LETTERS = 30
"""Of a setting's name and values in the figure."""


@dataclass(frozen=True, slots=True)
class SettingShare:
    """A setting's share of the gap, in points of test accuracy; NaN where unknown."""

    words: str
    points: float
    low: float
    high: float


def why_parts(folder: Path) -> list[str]:
    """Return a figure and a sentence per engine; none if the sweep is not one of `mlpwatch why`.

    Args:
        folder: of the sweep.
    """
    try:
        found = read_object(folder / WHY_NAME)
        return [
            _figure(engine, found)
            for engine in get_args(EngineName)
            if engine in take_object(found, "attributions")
        ]
    except (OSError, ValueError):
        return []  # no such sweep, or a damaged file: the runs' own numbers stand in the report


def _figure(engine: EngineName, found: Mapping[str, Any]) -> str:
    shares = _shares(take_object(found, "attributions")[engine])
    gap = take_number(take_object(found, "gap"), engine)
    sentence = take_text(take_object(found, "sentence"), engine)
    epochs, seeds = take_whole(found, "epochs"), take_whole(found, "seeds")
    head = f"{TITLES[engine]}: the gap is {gap:+.2f} points"
    below = f"{epochs} epochs, {seeds} seed{'s' * (seeds != 1)}, 95 % intervals"
    return (
        f'<figure class="chart"><figcaption>{escape(head)} ({escape(below)})</figcaption>'
        f"{_bars(engine, shares)}<p>{escape(sentence)}</p></figure>"
    )


def _shares(listed: object) -> list[SettingShare]:
    if not isinstance(listed, list) or not 0 < len(listed) <= MOST_SETTINGS:
        raise JsonError("attributions: expected a list of settings")
    shares = []
    for one in listed:
        if not isinstance(one, dict):
            raise JsonError(f"attribution {one!r:.40}: expected an object")
        name = take_text(one, "setting").replace("_", " ")
        change = f"{one.get('from')} → {one.get('to')}"
        numbers = (take_number(one, key, least=-200, most=200) for key in ("points", "low", "high"))
        shares.append(SettingShare(f"{name:.{MOST_LETTERS}}: {change:.{MOST_LETTERS}}", *numbers))
    return shares


def _bars(engine: EngineName, shares: Sequence[SettingShare]) -> str:
    values = [v for s in shares for v in (s.points, s.low, s.high) if isfinite(v)]
    least, most = min(0.0, *values, 0.0), max(0.0, *values, 0.0)
    scale = (WIDTH - NAMES - 70) / ((most - least) or 1.0)

    def at(points: float) -> float:
        return NAMES + (points - least) * scale

    rows = []
    for number, share in enumerate(shares):
        top = number * ROW
        rows.append(f'<text class="up" x="{NAMES - 8}" y="{top + 17}">{escape(share.words)}</text>')
        if not isfinite(share.points):
            continue
        left, right = sorted((at(0.0), at(share.points)))
        rows.append(
            f'<rect class="bar {engine}" x="{left:.1f}" y="{top + 5}" '
            f'width="{max(1.0, right - left):.1f}" height="14"/>'
        )
        end = right
        if isfinite(share.low) and isfinite(share.high):
            rows.append(
                f'<path class="span" d="M{at(share.low):.1f} {top + 12}H{at(share.high):.1f}"/>'
            )
            end = max(end, at(share.high))
        rows.append(f'<text x="{end + 6:.1f}" y="{top + 17}">{share.points:+.2f}</text>')
    height = len(shares) * ROW
    zero = f'<path class="grid" d="M{at(0.0):.1f} 0V{height}"/>'
    return f'<svg viewBox="0 0 {WIDTH} {height}" role="img">{zero}{"".join(rows)}</svg>'
