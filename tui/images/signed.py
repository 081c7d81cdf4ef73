"""Signed numbers in cells: two hues by sign, or without colours two rows of characters."""

from itertools import groupby
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from mlpwatch.tui.images.renderers import shade_canvas
from mlpwatch.tui.kit.cells import Canvas
from mlpwatch.tui.kit.look import Look
from mlpwatch.tui.kit.theme import SHADE_STEPS, Role, Shade

SignedStyle = Literal["halves", "blocks", "plain"]
"""Two pixels per cell in shades of two hues; one in four densities; or one in characters."""

_BLOCKS = " ░▒▓█"
_PLUS, _MINUS = " .+*#", " '-=%"
"""Without colours the characters show the sign."""

Levels = NDArray[np.int8]
"""(rows, columns) from -4 to 4."""


def signed_style(look: Look) -> SignedStyle:
    """Return how a terminal shows signed numbers."""
    if look.ascii_only or look.colours is None:
        return "plain"
    return "halves" if look.has_shades else "blocks"


def pixels_per_cell(style: SignedStyle) -> int:
    """Return how many pixels a cell shows one above the other."""
    return 2 if style == "halves" else 1


def signed_levels(values: NDArray[np.floating], full: float) -> Levels:
    """Return levels of values (rows, columns); values beyond `full` count as `full`, NaN as 0."""
    with np.errstate(invalid="ignore", over="ignore"):
        scaled = np.nan_to_num(values / full, nan=0.0, posinf=1.0, neginf=-1.0)
    levels: Levels = np.rint(np.clip(scaled, -1.0, 1.0) * SHADE_STEPS).astype(np.int8)
    return levels


def put_levels(canvas: Canvas, x: int, y: int, levels: Levels, style: SignedStyle) -> None:
    """Draw levels with their top left corner in a cell; as `halves` two rows per cell."""
    if style == "halves":
        canvas.paste(shade_canvas(levels), x, y)
        return
    for row, line in enumerate(levels.tolist(), start=y):
        column = x
        for sign, group in groupby(line, key=lambda level: (level > 0) - (level < 0)):
            text = "".join(glyph(level, style) for level in group)
            column = canvas.put(column, row, text, role_of(sign))


def glyph(level: int, style: SignedStyle) -> str:
    """Return the character of a level, for styles with one pixel per cell."""
    if style == "plain":
        return (_PLUS if level > 0 else _MINUS)[abs(level)]
    return _BLOCKS[abs(level)]


def role_of(sign: int) -> Role:
    """Return the role of a number of this sign."""
    if sign == 0:
        return Role.TEXT
    return Role.POSITIVE if sign > 0 else Role.NEGATIVE


def legend(style: SignedStyle, full: str) -> list[tuple[str, Role | Shade]]:
    """Return the legend, from the most negative to the most positive level."""
    pieces: list[tuple[str, Role | Shade]] = [(f"−{full} ", Role.DIM)]
    for level in range(-SHADE_STEPS, SHADE_STEPS + 1):
        if level == 0:
            pieces.append((" 0 ", Role.DIM))
        elif style == "halves":
            pieces.append(("█", Shade(level)))
        else:
            pieces.append((glyph(level, style), role_of(level)))
    return [*pieces, (f" +{full} ", Role.DIM)]
