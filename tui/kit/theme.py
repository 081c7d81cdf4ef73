"""The meaning of each colour: roles, and their styles on dark, light and colourless terminals."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum, auto
from functools import cache
from types import MappingProxyType
from typing import Literal, NamedTuple, get_args

from rich.color import Color as RichColor
from rich.style import Style
from textual.color import Color


class Role(StrEnum):
    """The meaning of a character on the screen."""

    TEXT = auto()
    DIM = auto()
    """Axes, labels, zeros."""
    STRONG = auto()
    NUMPY = auto()
    TORCH = auto()
    NUMPY_SOFT = auto()
    """NumPy's validation curve."""
    TORCH_SOFT = auto()
    """PyTorch's validation curve."""
    NUMPY_BAND = auto()
    """From the lowest to the highest of NumPy's batches, behind their mean; only decoration."""
    TORCH_BAND = auto()
    GOOD = auto()
    BAD = auto()
    WARNING = auto()
    DIAGONAL = auto()
    """Right answers in a confusion matrix; they are dim."""
    HEAT_1 = auto()
    """The fewest mistakes."""
    HEAT_2 = auto()
    HEAT_3 = auto()
    HEAT_4 = auto()
    HEAT_5 = auto()
    """The most mistakes."""
    POSITIVE = auto()
    """A weight or gradient above zero."""
    NEGATIVE = auto()
    CURSOR = auto()
    TRUE_LABEL = auto()
    RUN_1 = auto()
    """The first of several runs in the same chart."""
    RUN_2 = auto()
    RUN_3 = auto()
    RUN_4 = auto()


SHADE_STEPS = 4
"""Shades from zero to the largest number, for each sign."""


class Shade(NamedTuple):
    """A signed number, or two of them in a half block, from -4 to 4; 0 is the background."""

    fore: int | None
    """Of the character; None for the text's own colour."""
    ground: int = 0
    """Background level."""


GREY_STEPS = 8
"""Greys from the background to full ink."""


@dataclass(frozen=True, slots=True)
class Grey:
    """Ink of a pixel, or of two of them in a half block, from 0 to 8; 0 is the background."""

    fore: int
    """Of the character."""
    ground: int = 0
    """Background level."""


PLANE_HUES = 6
"""Hues of the classes on a plane; a seventh class has the first one's."""

PlaneLevel = Literal["unsure", "sure", "point"]
PLANE_LEVELS: tuple[PlaneLevel, ...] = get_args(PlaneLevel)

WRONG_POINT = PLANE_HUES * len(PLANE_LEVELS)
"""The code of a point that is predicted wrong."""

PLANE_CODES = WRONG_POINT + 1


def plane_code(hue: int, level: PlaneLevel) -> int:
    """Return the code of a pixel of a plane."""
    return len(PLANE_LEVELS) * (hue % PLANE_HUES) + PLANE_LEVELS.index(level)


@dataclass(frozen=True, slots=True)
class PlaneInk:
    """Two pixels of a plane in a half block, by their codes."""

    fore: int
    """Of the character."""
    ground: int


Ink = Role | Shade | Grey | PlaneInk
"""How a character is drawn."""

Text = list[tuple[str, Role]]
"""A row: pieces, each in its role."""

HEAT: tuple[Role, ...] = (Role.HEAT_1, Role.HEAT_2, Role.HEAT_3, Role.HEAT_4, Role.HEAT_5)
"""From few mistakes to many."""

RUNS: tuple[Role, ...] = (Role.RUN_1, Role.RUN_2, Role.RUN_3, Role.RUN_4)
"""Of runs that share a chart; the models' own hues are not used."""

# Orange and sky blue are the pair of Okabe and Ito 2008, which people with any common colour
# blindness can distinguish; on light ground both are darkened until they reach 4.5:1 on #D8D8D8.
# Every colour was also chosen by its nearest among 16 colours: NumPy dark yellow,
# PyTorch cyan, good green, bad red, heat magenta. Heat grows in contrast, not in hue alone.
_DARK: Mapping[Role, str] = {
    Role.DIM: "#9A9A9A",
    Role.STRONG: "bold",
    Role.NUMPY: "#E69F00",
    Role.TORCH: "#56B4E9",
    Role.NUMPY_SOFT: "#B0803A",
    Role.TORCH_SOFT: "#5496D4",
    Role.NUMPY_BAND: "#6E5A3A",
    Role.TORCH_BAND: "#2F5F86",
    Role.GOOD: "#3FB950",
    Role.BAD: "#FF6F61",
    Role.WARNING: "#F0E442",
    Role.DIAGONAL: "#888888",
    Role.HEAT_1: "#B472AC",
    Role.HEAT_2: "#CD6AC3",
    Role.HEAT_3: "#E06AD0",
    Role.HEAT_4: "bold #F07AD8",
    Role.HEAT_5: "bold #FF9AEA",
    # The green and purple of ColorBrewer's PRGn, which people with any common colour blindness
    # can distinguish; both are equally light.
    Role.POSITIVE: "#3FB950",
    Role.NEGATIVE: "#C77DFF",
    Role.CURSOR: "bold reverse",
    Role.TRUE_LABEL: "bold underline",
    Role.RUN_1: "#F0F0F0",
    Role.RUN_2: "#2FC79B",
    Role.RUN_3: "#E08AC4",
    Role.RUN_4: "#E8DC50",
}

_LIGHT: Mapping[Role, str] = {
    **_DARK,
    Role.DIM: "#585858",
    Role.NUMPY: "#8A4B00",
    Role.TORCH: "#0958B3",
    Role.NUMPY_SOFT: "#80521E",
    Role.TORCH_SOFT: "#3B54B0",
    Role.NUMPY_BAND: "#B98B54",
    Role.TORCH_BAND: "#6C93C8",
    Role.GOOD: "#156C1C",
    Role.BAD: "#A3160C",
    Role.WARNING: "#6A5400",
    Role.DIAGONAL: "#5C5C5C",
    Role.POSITIVE: "#156C1C",
    Role.NEGATIVE: "#7A1FA8",
    Role.HEAT_1: "#7A5078",
    Role.HEAT_2: "#8E3C80",
    Role.HEAT_3: "#98287E",
    Role.HEAT_4: "bold #94107C",
    Role.HEAT_5: "bold #8A0074",
    Role.RUN_1: "#202020",
    Role.RUN_2: "#00654A",
    Role.RUN_3: "#94107C",
    Role.RUN_4: "#6A5400",
}

_COLOURLESS: Mapping[Role, str] = {
    Role.DIM: "dim",
    Role.STRONG: "bold",
    Role.NUMPY: "bold",
    Role.TORCH: "",
    Role.NUMPY_SOFT: "dim",
    Role.TORCH_SOFT: "dim",
    Role.NUMPY_BAND: "dim",
    Role.TORCH_BAND: "dim",
    Role.GOOD: "",
    Role.BAD: "bold",
    Role.WARNING: "bold",
    Role.DIAGONAL: "dim",
    Role.HEAT_1: "dim",
    Role.HEAT_2: "",
    Role.HEAT_3: "underline",
    Role.HEAT_4: "bold",
    Role.HEAT_5: "bold underline",
    Role.POSITIVE: "bold",
    Role.NEGATIVE: "",
    Role.CURSOR: "reverse",
    Role.TRUE_LABEL: "bold underline",
    Role.RUN_1: "bold",
    Role.RUN_2: "",
    Role.RUN_3: "dim",
    Role.RUN_4: "",
}


_SHADE_ENDS = {True: ("#121212", "#4BD964", "#CF8BFF"), False: ("#E0E0E0", "#0E5A15", "#6A168F")}
"""Zero, the most positive and the most negative; by whether the background is dark."""

_SHADE_SHARES = (0.0, 0.28, 0.5, 0.74, 1.0)


@cache
def shade_style(shade: Shade, dark: bool) -> Style:
    """Return the style of signed numbers on a dark or light background."""
    ground = _shade_colour(shade.ground, dark) if shade.ground else None
    if shade.fore is not None:
        return Style(color=_shade_colour(shade.fore, dark) if shade.fore else None, bgcolor=ground)
    # Text must be readable on the strongest shade too.
    text = Color.parse(ground).get_contrast_text(1.0).hex if ground else None
    return Style(color=text, bgcolor=ground)


def _shade_colour(level: int, dark: bool) -> str:
    nothing, positive, negative = (Color.parse(colour) for colour in _SHADE_ENDS[dark])
    most = positive if level > 0 else negative
    return nothing.blend(most, _SHADE_SHARES[abs(level)]).hex


_GREYS = {True: (18, 58, 88, 118, 148, 178, 198, 218, 238), False: (228, *range(178, 7, -20))[:9]}
"""Equal red, green and blue, from no ink to full ink; by whether the background is dark. All are
on the ramp of 24 greys (8, 18, … 238) of 256-colour terminals, and are sent as such."""


@cache
def grey_style(grey: Grey, dark: bool) -> Style:
    """Return the style of inked pixels on a dark or light background."""
    fore, ground = (RichColor.from_rgb(*[_GREYS[dark][n]] * 3) for n in (grey.fore, grey.ground))
    return Style(color=fore, bgcolor=ground if grey.ground else None)


_PLANE_HUES: Mapping[bool, tuple[str, ...]] = MappingProxyType(
    {
        # Purple and green first, as of signed numbers; never the models' orange and blue.
        True: ("#C77DFF", "#4BD964", "#F0E442", "#2FC7B9", "#E08A7A", "#B8B8B8"),
        False: ("#7A1FA8", "#0E7A15", "#8A7400", "#00757A", "#A83A2A", "#4A4A4A"),
    }
)
_PLANE_SHARES: Mapping[PlaneLevel, float] = MappingProxyType(
    {"unsure": 0.2, "sure": 0.42, "point": 1.0}
)
"""How far the background is blended towards a class's hue."""


@cache
def plane_style(ink: PlaneInk, dark: bool) -> Style:
    """Return the style of two pixels of a plane on a dark or light background."""
    return Style(color=_plane_colour(ink.fore, dark), bgcolor=_plane_colour(ink.ground, dark))


def _plane_colour(code: int, dark: bool) -> str:
    if code == WRONG_POINT:
        return "#FFFFFF" if dark else "#000000"
    hue, level = divmod(code, len(PLANE_LEVELS))
    nothing, full = Color.parse(_SHADE_ENDS[dark][0]), Color.parse(_PLANE_HUES[dark][hue])
    return nothing.blend(full, _PLANE_SHARES[PLANE_LEVELS[level]]).hex


@cache
def palette_for(dark: bool, colour: bool) -> Mapping[Role, Style]:
    """Return the style of every role; `Role.TEXT` is the default text of terminal or theme.

    Args:
        dark: whether the background is dark.
        colour: False for NO_COLOR; then bold, dim, reverse and underline carry the meaning.
    """
    definitions = (_DARK if dark else _LIGHT) if colour else _COLOURLESS
    return MappingProxyType({role: Style.parse(definitions.get(role, "")) for role in Role})
