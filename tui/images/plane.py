"""A plane in cells: regions of classes and points on them, in half blocks or in characters."""

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from mlpwatch.core.analysis.plane.regions import Regions
from mlpwatch.core.analysis.plane.window import Window
from mlpwatch.core.arrays import Floats, Labels
from mlpwatch.tui.kit.cells import Canvas
from mlpwatch.tui.kit.look import Look
from mlpwatch.tui.kit.theme import (
    PLANE_HUES,
    PLANE_LEVELS,
    WRONG_POINT,
    Ink,
    PlaneInk,
    Role,
    plane_code,
)

Codes = NDArray[np.int16]
"""(rows, columns) of pixels; see `plane_code`."""

SURE = 0.9
"""From this probability on a region has its full colour."""

PIXELS_PER_POINT = 16
"""Of as many pixels one is a training point: more points would hide the regions."""

AREAS, MARKS, WRONG_MARK = ".:-=+~", "oxv*s^", "#"
"""Characters of the regions and of the points by hue, where there are no shades of colour."""

_ROLES = (Role.NEGATIVE, Role.POSITIVE, Role.RUN_4, Role.RUN_2, Role.RUN_3, Role.RUN_1)


def rows_per_cell(look: Look) -> int:
    """Return how many pixels of a plane a cell shows, one above the other."""
    return 2 if look.has_greys else 1


def region_codes(regions: Regions) -> Codes:
    """Return the pixels of decision regions; they are darker where the network is unsure."""
    hues = (regions.classes % PLANE_HUES).astype(np.int16)
    sure = PLANE_LEVELS.index("sure") * (regions.sureness >= SURE)
    codes: Codes = (len(PLANE_LEVELS) * hues + sure).astype(np.int16)
    return codes


def put_points(codes: Codes, window: Window, points: Floats, labels: Labels) -> None:
    """Draw points (n, 2) in the colours of their classes (n,)."""
    for label in np.unique(labels):
        codes[window.places(points[labels == label])] = plane_code(int(label), "point")


def put_wrong_points(codes: Codes, window: Window, points: Floats) -> None:
    """Draw points (n, 2) as predicted wrong."""
    codes[window.places(points)] = WRONG_POINT


def plane_canvas(codes: Codes, look: Look) -> Canvas:
    """Return pixels as cells: two in a half block, or where there are no shades one character."""
    if rows_per_cell(look) == 1:
        cells = [[_character(code) for code in row] for row in codes.tolist()]
    else:
        pairs = zip(codes[::2].tolist(), codes[1::2].tolist(), strict=True)
        cells = [[_half_block(*pair) for pair in zip(*rows, strict=True)] for rows in pairs]
    return Canvas.of(
        [[c for c, _ in row] for row in cells], [[ink for _, ink in row] for row in cells]
    )


def legend_mark(code: int, look: Look) -> tuple[str, Ink]:
    """Return the mark of a pixel in a legend."""
    return _character(code) if rows_per_cell(look) == 1 else ("▀▀", PlaneInk(code, code))


@lru_cache(1024)
def _half_block(top: int, bottom: int) -> tuple[str, Ink]:
    # A blank on a coloured background takes one byte, a full block three.
    return (" ", PlaneInk(top, top)) if top == bottom else ("▀", PlaneInk(top, bottom))


@lru_cache
def _character(code: int) -> tuple[str, Ink]:
    if code == WRONG_POINT:
        return WRONG_MARK, Role.BAD
    hue, level = divmod(code, len(PLANE_LEVELS))
    is_point = PLANE_LEVELS[level] == "point"
    return (MARKS if is_point else AREAS)[hue], _ROLES[hue]


def put_legend(
    canvas: Canvas, x: int, y: int, lines: Sequence[tuple[int | None, str]], look: Look
) -> None:
    """Write lines below each other, each behind the mark of its pixel's code, if it has one."""
    for row, (code, text) in enumerate(lines, start=y):
        start = x
        if code is not None:
            mark, ink = legend_mark(code, look)
            start = canvas.put(x, row, mark, ink) + 1
        canvas.put(start, row, text, Role.TEXT if code is not None else Role.DIM)
