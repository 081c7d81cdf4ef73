"""Which metrics share a chart: the same number of training and validation, and of several runs."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

_SPLITS = (
    "train", "training", "val", "valid", "validation", "eval", "evaluation", "test", "dev",
    "holdout",
)  # fmt: skip
"""Words for parts of the data, which name a curve, not a chart."""

_WORD = "|".join(_SPLITS)
_FIRST = re.compile(rf"({_WORD})[_.\- ](?=.)", re.IGNORECASE)
_LAST = re.compile(rf"(?<=.)[_.\- ]({_WORD})$", re.IGNORECASE)
_RATE = re.compile(r"(?<=.)_(step|epoch)$")
"""Lightning logs `loss_step` and `loss_epoch`."""

MOST_CURVES = 6
"""Curves of a chart; more have a second chart."""


@dataclass(frozen=True, slots=True)
class MetricChart:
    """What a chart shows."""

    title: str
    curves: tuple[tuple[str, str], ...]
    """Name and label of each; the label of a single curve may be empty."""


@dataclass(slots=True)
class _Group:
    title: str
    curves: list[tuple[str, str]] = field(default_factory=list)


@lru_cache(64)
def charts_of(names: tuple[str, ...], prefixes: tuple[str, ...] = ()) -> tuple[MetricChart, ...]:
    """Return the charts of metrics: losses first, then accuracies, then others by their prefix.

    Args:
        names: parts are joined by `/`.
        prefixes: folders of several runs or parts, which begin some of the names.
    """
    groups: dict[str, _Group] = {}
    for name in names:
        title, label = _parsed(name, prefixes)
        groups.setdefault(title.casefold(), _Group(title)).curves.append((name, label))
    charts: list[MetricChart] = []
    for group in _in_order(groups.values()):
        curves = _labelled(group.curves)
        parts = [curves[n : n + MOST_CURVES] for n in range(0, len(curves), MOST_CURVES)]
        for number, part in enumerate(parts, start=1):
            title = f"{group.title} ({number} of {len(parts)})" if len(parts) > 1 else group.title
            charts.append(MetricChart(title, tuple(part)))
    return tuple(charts)


def matching(charts: Sequence[MetricChart], words: str) -> list[MetricChart]:
    """Return the charts with curves whose names have all of these words, and only those curves."""
    wanted = words.casefold().split()
    found = []
    for chart in charts:
        kept = tuple(
            (name, label)
            for name, label in chart.curves
            if all(word in f"{name} {chart.title}".casefold() for word in wanted)
        )
        if kept:
            found.append(MetricChart(chart.title, kept))
    return found


def _parsed(name: str, prefixes: tuple[str, ...]) -> tuple[str, str]:
    """Return the title of a metric's chart, and the label of its curve there."""
    folders = [one for one in prefixes if name.startswith(f"{one}/")]
    folder = max(folders, key=len, default="")
    parts = name.removeprefix(f"{folder}/").split("/")
    labels = [folder] if folder else []
    for n, part in enumerate(parts):
        if part.casefold() in _SPLITS and len(parts) > 1:
            labels.append(parts.pop(n))
            break
    else:
        for pattern in (_FIRST, _LAST):
            if found := pattern.search(parts[-1]):
                if pattern is _FIRST and found.start():
                    continue
                labels.append(found[1])
                parts[-1] = pattern.sub("", parts[-1], count=1)
                break
    if found := _RATE.search(parts[-1]):
        labels.append(found[1])
        parts[-1] = _RATE.sub("", parts[-1])
    return "/".join(parts), " ".join(labels)


def _labelled(curves: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """Return the curves, training first; Keras calls it `loss` beside `val_loss`."""
    if len(curves) == 1:
        return curves
    words = {word for _, label in curves for word in label.casefold().split()}
    has_splits = not words.isdisjoint(_SPLITS)
    named = [(name, label or ("train" if has_splits else name)) for name, label in curves]
    return sorted(named, key=lambda curve: "train" not in curve[1].casefold())


def _in_order(groups: Iterable[_Group]) -> list[_Group]:
    first: dict[str, int] = {}

    def place(group: _Group) -> tuple[int, int]:
        title = group.title.casefold()
        prefix = title.partition("/")[0]
        kind = 0 if "loss" in title else 1 if "acc" in title else 2
        return kind, first.setdefault(prefix, len(first))

    return sorted(groups, key=place)
