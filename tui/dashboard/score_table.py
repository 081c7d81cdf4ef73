"""Tables beside a confusion matrix: scores per class, worst pairs, differences of two models."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from mlpwatch.tui.formatting import clipped
from mlpwatch.tui.kit.cells import Canvas
from mlpwatch.tui.kit.look import Look
from mlpwatch.tui.kit.theme import Role

if TYPE_CHECKING:
    from mlpwatch.core.analysis.scores import ClassScores, Pair, PairDifference

_HEADS = (("prec", 6), ("recall", 7), ("F1", 6))
"""Columns of the scores, and their widths."""

SCORES_WIDTH = 2 + sum(width for _, width in _HEADS)
"""Columns of the scores per class, for class names of one character."""

GAP = 3
"""Columns between two tables."""

PAIRS_WIDTH = 16
"""Columns of the worst pairs, for class names of one character."""

_DIFFERENCE_WIDTH = 22
"""Columns of both counts and their difference."""


def scores_canvas(
    scores: "ClassScores", names: Sequence[str], width: int, height: int, look: Look
) -> Canvas:
    """Return scores per class, and beside them, if there is room, the worst pairs first.

    Args:
        scores: of one model.
        names: one per class.
        width: columns at most.
        height: rows at most, header included; further rows are left out.
        look: what the terminal can show.
    """
    canvas = Canvas(width, height)
    label = max(map(len, names))
    x = label
    for head, columns in _HEADS:
        canvas.put(x, 0, f"{head:>{columns}}", Role.DIM)
        x += columns
    for y, number in enumerate(_shown_classes(scores, height - 1), start=1):
        canvas.put(0, y, f"{names[number]:>{label}}", Role.DIM)
        x = label
        values = (scores.precision, scores.recall, scores.f1)
        for (_, columns), value in zip(_HEADS, values, strict=True):
            canvas.put(x, y, f"{100 * value[number]:{columns}.1f}")
            x += columns
    _put_pairs(canvas, x + GAP, scores.pairs, names, look)
    return canvas


def _put_pairs(
    canvas: Canvas, left: int, pairs: "Sequence[Pair]", names: Sequence[str], look: Look
) -> None:
    """Write the worst pairs from column `left` on, in as many columns as fit."""
    width, rows = PAIRS_WIDTH + 2 * (max(map(len, names)) - 1), max(0, canvas.height - 1)
    for first in range(0, len(pairs), max(1, rows)):
        if left + width > canvas.width:
            break
        if first == 0:
            canvas.put(left, 0, "worst pairs", Role.DIM)
        for y, pair in enumerate(pairs[first : first + rows], start=1):
            _put_pair(canvas, left, y, pair, names, look=look)
        left += width + GAP


def differences_canvas(
    differences: "Sequence[PairDifference]",
    names: Sequence[str],
    width: int,
    height: int,
    *,
    titles: Sequence[str],
) -> Canvas:
    """Return the cells in which NumPy's and PyTorch's matrices differ most, as many as fit."""
    canvas, rows = Canvas(width, height), max(1, height - 1)
    if not differences:
        canvas.put(0, 1, "no cell differs", Role.DIM)
    texts = [f"{names[one.true]} predicted as {names[one.predicted]}" for one in differences]
    wide = max(map(len, texts), default=0) + 1
    for first in range(0, len(texts), rows):
        left = first // rows * (wide + _DIFFERENCE_WIDTH + GAP)
        if first and left + wide + _DIFFERENCE_WIDTH > width:
            break
        x = left + wide
        canvas.put(x, 0, f"{clipped(titles[0], 6):>6}", Role.NUMPY)
        canvas.put(x + 6, 0, f"{clipped(titles[1], 8):>9}", Role.TORCH)
        part = slice(first, first + rows)
        for y, (text, one) in enumerate(zip(texts[part], differences[part], strict=True), start=1):
            role = Role.NUMPY if one.first > one.second else Role.TORCH
            canvas.put(left, y, text)
            canvas.put(x, y, f"{one.first:>6,}{one.second:>9,}")
            canvas.put(x + 15, y, f"{one.first - one.second:>+7,}", role)
    return canvas


def _shown_classes(scores: "ClassScores", rows: int) -> list[int]:
    """Return the classes in order; if they don't all fit, those of the lowest F1."""
    everyone = list(range(len(scores.f1)))
    if len(everyone) <= rows:
        return everyone
    return sorted(sorted(everyone, key=lambda number: scores.f1[number])[: max(0, rows)])


def _put_pair(
    canvas: Canvas, x: int, y: int, pair: "Pair", names: Sequence[str], *, look: Look
) -> None:
    arrow = ">" if look.ascii_only else "→"
    x = canvas.put(x, y, f"{names[pair.true]}{arrow}{names[pair.predicted]}", Role.STRONG)
    x = canvas.put(x, y, f"{pair.images:>5,}", Role.TEXT)
    canvas.put(x, y, f"{100 * pair.share:>6.1f} %", Role.DIM)
