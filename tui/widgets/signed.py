"""Signed numbers as characters: two hues by sign, or two rows of characters without colour."""

from collections.abc import Iterator
from itertools import groupby
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tui.palette import Role

STEPS = 4
"""Levels to each side of zero."""

_BLOCKS = " ░▒▓█"
_PLUS, _MINUS = " .+*#", " '-=%"
"""Without colour the characters tell the sign."""


class Ramps(NamedTuple):
    """Characters from nothing to the most, for either sign."""

    positive: str
    negative: str


def ramps_for(*, ascii_only: bool, colour: bool) -> Ramps:
    """Return what tells the sign on this terminal, with or without the help of a hue."""
    return Ramps(_PLUS, _MINUS) if ascii_only or not colour else Ramps(_BLOCKS, _BLOCKS)


def signed_levels(values: NDArray[np.floating], full: float) -> NDArray[np.int8]:
    """Return levels from -4 to 4; beyond `full` as at `full`, NaN as 0."""
    with np.errstate(invalid="ignore", over="ignore"):
        scaled = np.nan_to_num(values / full, nan=0.0, posinf=1.0, neginf=-1.0)
    levels: NDArray[np.int8] = np.rint(np.clip(scaled, -1.0, 1.0) * STEPS).astype(np.int8)
    return levels


def signed_runs(levels: NDArray[np.int8], ramps: Ramps) -> Iterator[tuple[int, str, Role]]:
    """Yield first column, characters and role of each stretch of one sign in a row (columns,)."""
    column = 0
    for sign, group in groupby(levels.tolist(), key=lambda level: (level > 0) - (level < 0)):
        stretch = list(group)
        ramp = ramps.negative if sign < 0 else ramps.positive
        yield column, "".join(ramp[abs(level)] for level in stretch), role_of(sign)
        column += len(stretch)


def role_of(sign: int) -> Role:
    """Return the role of a number of this sign."""
    if sign == 0:
        return Role.TEXT
    return Role.POSITIVE if sign > 0 else Role.NEGATIVE


def legend(ramps: Ramps, full: str) -> list[tuple[str, Role]]:
    """Return what the characters mean: `-0.2 █▓▒░ 0 ░▒▓█ +0.2`."""
    return [
        (f"−{full} ", Role.DIM),
        (ramps.negative[:0:-1], Role.NEGATIVE),
        (" 0 ", Role.DIM),
        (ramps.positive[1:], Role.POSITIVE),
        (f" +{full}", Role.DIM),
    ]
