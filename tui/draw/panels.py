"""The parts of the draw screen beside the paper: both models' bars, and the user's own set."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isfinite

from mlpwatch.core.config import EngineName
from mlpwatch.core.spectating import looks_only
from mlpwatch.tui.draw.kept_drawings import OwnSet
from mlpwatch.tui.formatting import clipped, count, with_keys
from mlpwatch.tui.kit.bars import most_probable, share_bar
from mlpwatch.tui.kit.cells import Canvas
from mlpwatch.tui.kit.lines import ACCENTS
from mlpwatch.tui.kit.look import Look
from mlpwatch.tui.kit.theme import Role

Box = tuple[int, int, int, int]
"""First column, first row, columns, rows."""

_LABEL_COLUMNS = 3
_NUMBER_COLUMNS = 6
_SMALLEST_BAR = 3
_SET_COLUMNS, _NARROW_SET_COLUMNS = 10, 7
"""Width of each model's predictions; narrow columns have no decimals."""

_TITLE_COLUMNS = 7
"""Columns of `PyTorch`, which every layout has room for."""

_PREDICTION_COLUMNS = 9
"""Width of class, percent, and the mark of a wrong prediction."""


def put_bars(
    canvas: Canvas,
    box: Box,
    names: str,
    engines: Mapping[EngineName, str],
    probabilities: Mapping[EngineName, Sequence[float]],
    *,
    look: Look,
) -> None:
    """Draw one row per class: name, then mark, bar and percent of each model.

    Args:
        canvas: to draw on.
        box: the area to use.
        names: one character per class.
        engines: the columns, left to right, and their titles.
        probabilities: by class, 0 to 1; empty while the paper is blank.
        look: what the terminal can show.
    """
    left, top, width, height = box
    share = (width - _LABEL_COLUMNS) // max(1, len(engines))
    classes = most_probable(probabilities, len(names), height - 1)
    for n, engine in enumerate(engines):
        x = left + _LABEL_COLUMNS + n * share
        canvas.put(x + 2, top, clipped(engines[engine], share - 3), ACCENTS[engine])
        found = probabilities.get(engine)
        if found and not all(map(isfinite, found)):
            # A diverged model: NaN has no maximum.
            canvas.put(x + 2, top + 1, "not a number", Role.BAD)
            continue
        winner = max(range(len(found)), key=found.__getitem__) if found else None
        for y, number in enumerate(classes, start=top + 1):
            if found:
                wins = number == winner
                row = _Row(found[number], ACCENTS[engine], wins=wins)
                _put_row(canvas, (x, y, share - 1), row, look)
    for y, number in enumerate(classes, start=top + 1):
        canvas.put(left + 1, y, names[number], Role.STRONG)


@dataclass(frozen=True, slots=True)
class _Row:
    probability: float
    accent: Role
    wins: bool


def _put_row(canvas: Canvas, place: tuple[int, int, int], row: _Row, look: Look) -> None:
    x, y, width = place
    columns = width - 2 - _NUMBER_COLUMNS
    if row.wins:
        canvas.put(x, y, ">" if look.ascii_only else "▸", Role.STRONG)
    if columns >= _SMALLEST_BAR:
        canvas.put(x + 2, y, share_bar(row.probability, columns, look), row.accent)
    number = f"{row.probability * 100:{_NUMBER_COLUMNS}.1f}"
    role = Role.STRONG if row.wins else Role.DIM
    canvas.put(x + 2 + max(0, columns), y, number, role)


def put_own_set(
    canvas: Canvas,
    box: Box,
    own: OwnSet,
    names: str,
    engines: Mapping[EngineName, str],
    *,
    chosen: int | None,
) -> None:
    """Draw the set's size, both accuracies, and as many drawings as fit, newest first.

    Args:
        canvas: to draw on.
        box: the area to use.
        own: the set.
        names: one character per class.
        engines: the columns, left to right, and their titles.
        chosen: the highlighted drawing, always visible, counted from the newest.
    """
    left, top, width, height = box
    size = count(len(own.rows), "drawing")
    canvas.put(left, top, _fitting(width, f"your set  {size}", f"set  {size}"), Role.STRONG)
    if not own.rows:
        if not looks_only():
            hint = _fitting(
                width, *map(with_keys, ("{enter} keeps a drawing", "{enter} keeps one"))
            )
            canvas.put(left, top + 1, hint, Role.DIM)
        return
    columns = _set_columns(width, len(engines))
    _put_accuracies(canvas, box, own, engines, columns)
    room = max(0, height - 3)
    first = max(0, (chosen or 0) - room + 1)
    shown = list(enumerate(reversed(own.rows)))[first : first + room]
    for y, (place, row) in enumerate(shown, start=top + 3):
        role = Role.CURSOR if place == chosen else Role.STRONG
        canvas.put(left, y, f" {names[row.label]} ", role)
        for x, engine in zip(columns, engines, strict=True):
            if found := row.predictions.get(engine):
                text = names[found[0]] + _percent(found[1], columns)
                _put_prediction(canvas, left + x, y, text, is_right=found[0] == row.label)


def _put_accuracies(
    canvas: Canvas, box: Box, own: OwnSet, engines: Mapping[EngineName, str], columns: range
) -> None:
    left, top, _, _ = box
    canvas.put(left, top + 1, "is", Role.DIM)
    for x, engine in zip(columns, engines, strict=True):
        canvas.put(
            left + x,
            top + 1,
            clipped(engines[engine], max(columns.step - 1, _TITLE_COLUMNS)),
            ACCENTS[engine],
        )
        if engine in own.accuracies:
            accuracy = _percent(own.accuracies[engine], columns)
            canvas.put(left + x, top + 2, f"{accuracy[1:]} %", Role.STRONG)


def _put_prediction(canvas: Canvas, x: int, y: int, text: str, *, is_right: bool) -> None:
    """Draw the predicted class in its colour, its percent, and a mark if it is wrong."""
    role = Role.GOOD if is_right else Role.BAD
    end = canvas.put(x, y, text[0], role)
    end = canvas.put(end, y, text[1:], Role.TEXT)
    if not is_right:
        canvas.put(end, y, " x", role)


def _fitting(width: int, *wordings: str) -> str:
    """Return the first version that fits, or the last."""
    return next((words for words in wordings if len(words) <= width), wordings[-1])


def _set_columns(width: int, engines: int) -> range:
    """Return the columns of the set's box at which each model's predictions begin."""
    first = _LABEL_COLUMNS + 1
    if width >= first + (engines - 1) * _SET_COLUMNS + _PREDICTION_COLUMNS:
        return range(first, first + engines * _SET_COLUMNS, _SET_COLUMNS)
    first = _LABEL_COLUMNS
    return range(first, first + engines * _NARROW_SET_COLUMNS, _NARROW_SET_COLUMNS)


def _percent(share: float, columns: range) -> str:
    """Return a share of 0 to 1 in percent; with a decimal in wide columns."""
    return f" {share * 100:5.1f}" if columns.step == _SET_COLUMNS else f" {share * 100:3.0f}"
