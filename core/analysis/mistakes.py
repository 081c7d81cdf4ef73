"""Lists of images that the models predict wrong or differently: chosen, filtered, sorted."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, NamedTuple, get_args

import numpy as np
from numpy.typing import NDArray

from mlpwatch.core.arrays import Labels
from mlpwatch.core.config import ENGINE_NAMES, EngineName
from mlpwatch.core.epochs import Evaluation

MistakeList = Literal["numpy", "torch", "both", "disagree", "newly-wrong", "newly-right"]
"""Wrong in NumPy; in PyTorch; in both; predicted differently by the two; wrong in a model that was
right one epoch earlier; right in a model that was wrong one epoch earlier."""

MISTAKE_LISTS: tuple[MistakeList, ...] = get_args(MistakeList)

SortOrder = Literal["image", "confidence", "loss", "label"]
"""By row; by the probability of the wrong class, highest first; by loss, highest first; by true
class and then by predicted class."""

SORT_ORDERS: tuple[SortOrder, ...] = get_args(SortOrder)

Rows = NDArray[np.intp]
"""(chosen,) rows of the split."""

Mask = NDArray[np.bool_]
"""(samples,)"""


@dataclass(frozen=True, slots=True)
class SplitEvaluations:
    """The predictions of the models for one split."""

    labels: Labels
    """(samples,) true classes."""
    now: Mapping[EngineName, Evaluation] = field(default_factory=dict)
    """The newest evaluation of each engine that has one."""
    before: Mapping[EngineName, Evaluation] = field(default_factory=dict)
    """The evaluation of the epoch before, of each engine that has one."""


class _Part(NamedTuple):
    """What one engine adds to a list."""

    chosen: Mask
    evaluation: Evaluation
    """The evaluation that the list shows; for the newly right, that of the epoch before."""


def mistake_rows(
    split: SplitEvaluations,
    which: MistakeList,
    true: int | None = None,
    predicted: int | None = None,
    order: SortOrder = "image",
) -> Rows:
    """Return the rows of one list, sorted; of two equal rows the lower comes first.

    A list is empty if an engine or an earlier epoch that it needs is missing.

    Args:
        split: its labels and predictions.
        which: the list.
        true: keep only this true class.
        predicted: keep only images for which an engine of the list predicted this class.
        order: of the rows.
    """
    parts = _parts(split, which)
    chosen = np.zeros(len(split.labels), np.bool_)
    for part in parts:
        seen_as = predicted is None or part.evaluation.predictions == predicted
        chosen |= part.chosen & seen_as
    if true is not None:
        chosen &= split.labels == true
    rows = np.flatnonzero(chosen)
    if order == "image" or not len(rows):
        return rows
    return rows[np.argsort(_sort_key(split, parts, order)[rows], kind="stable")]


def _parts(split: SplitEvaluations, which: MistakeList) -> list[_Part]:
    """Return the engines' shares in a list; empty if a needed engine is missing."""
    labels, now = split.labels, split.now
    wrong = {name: now[name].predictions != labels for name in ENGINE_NAMES if name in now}
    if which in ("newly-wrong", "newly-right"):
        return _changes(split, wrong, which)
    needed: tuple[EngineName, ...] = ENGINE_NAMES
    if which in ("numpy", "torch"):
        needed = (which,)
    if any(name not in now for name in needed):
        return []
    if which == "disagree":
        chosen = now["numpy"].predictions != now["torch"].predictions
    else:
        chosen = np.logical_and.reduce([wrong[name] for name in needed])
    return [_Part(chosen, now[name]) for name in needed]


def _changes(
    split: SplitEvaluations, wrong: Mapping[EngineName, Mask], which: MistakeList
) -> list[_Part]:
    parts = []
    for name, is_wrong in wrong.items():
        if before := split.before.get(name):
            was_wrong = before.predictions != split.labels
            if which == "newly-wrong":
                parts.append(_Part(is_wrong & ~was_wrong, split.now[name]))
            else:
                parts.append(_Part(was_wrong & ~is_wrong, before))
    return parts


def _sort_key(
    split: SplitEvaluations, parts: list[_Part], order: SortOrder
) -> NDArray[np.floating]:
    """Return sort keys (samples,), lowest first; of several models the worst value is used."""
    labels = split.labels
    if order == "label":
        classes = parts[0].evaluation.probabilities.shape[1]
        read = np.full(len(labels), classes)
        for part in reversed(parts):
            # The first engine that is wrong decides the order.
            here = part.chosen & (part.evaluation.predictions != labels)
            read = np.where(here, part.evaluation.predictions, read)
        combined: NDArray[np.float64] = labels * (classes + 1.0) + read
        return combined
    worst: NDArray[np.float64] = np.zeros(len(labels))
    every = np.arange(len(labels))
    for part in parts:
        read = part.evaluation.predictions
        if order == "confidence":
            value = np.where(read == labels, 0.0, part.evaluation.probabilities[every, read])
        else:
            value = np.nan_to_num(part.evaluation.losses, nan=np.inf)
        worst = np.where(part.chosen, np.maximum(worst, value), worst)
    return -worst
