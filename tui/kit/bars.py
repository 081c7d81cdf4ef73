"""Bars of class probabilities, one row per class, for all screens that show predictions."""

from collections.abc import Iterable, Mapping, Sequence

from mlpwatch.core.config import EngineName
from mlpwatch.tui.kit.look import Look

_EIGHTHS = " ▏▎▍▌▋▊▉█"


def share_bar(share: float, columns: int, look: Look) -> str:
    """Return a bar for a share of 0 to 1, to an eighth of a column; empty for NaN."""
    if not 0 <= share <= 1:
        return ""
    if look.ascii_only:
        return "=" * round(share * columns)
    whole, eighths = divmod(round(share * columns * 8), 8)
    return "█" * whole + (_EIGHTHS[eighths] if eighths else "")


def most_probable(
    probabilities: Mapping[EngineName, Sequence[float]],
    classes: int,
    rows: int,
    *,
    always: Iterable[int] = (),
) -> list[int]:
    """Return all classes, or if there are too few rows the most probable ones, in their order.

    Args:
        probabilities: by class, of each model; may be empty.
        classes: how many there are.
        rows: how many classes fit.
        always: classes that come before all others.
    """
    if classes <= rows or not probabilities:
        return list(range(classes))[: max(0, rows)]
    first = set(always)

    def weight(number: int) -> tuple[bool, float]:
        return number in first, max(found[number] for found in probabilities.values())

    return sorted(sorted(range(classes), key=weight, reverse=True)[: max(0, rows)])
