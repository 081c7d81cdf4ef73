"""Every colour can be read on every ground, told apart, and done without."""

import pytest
from rich.color import ColorSystem
from rich.style import Style
from textual.color import Color
from textual.theme import BUILTIN_THEMES

from mlpwatch.tui.kit.theme import HEAT, RUNS, Role, palette_for
from mlpwatch.tui.surroundings import THEMES

BANDS = {Role.NUMPY_BAND: Role.NUMPY_SOFT, Role.TORCH_BAND: Role.TORCH_SOFT}
"""What is seen behind curves but never read, and the faintest curve that is drawn over it."""
COLOURED = [
    role for role in Role if role not in BANDS and palette_for(True, True)[role].color is not None
]
GROUNDS = {
    True: ["#000000", "#121212", "#1E1E1E"],
    False: ["#FFFFFF", "#E0E0E0", "#D8D8D8"],
}
MUST_DIFFER = [
    [Role.NUMPY, Role.TORCH, Role.GOOD, Role.BAD, Role.DIM, Role.HEAT_5],
    list(RUNS),
]


def luminance(colour: Color) -> float:
    """WCAG 2.2's relative luminance."""
    shares = (part / 255 for part in (colour.r, colour.g, colour.b))
    linear = [s / 12.92 if s <= 0.04045 else ((s + 0.055) / 1.055) ** 2.4 for s in shares]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(style: Style, ground: str) -> float:
    assert style.color is not None
    pair = (
        luminance(Color.from_rich_color(style.color)),
        luminance(Color.parse(ground)),
    )
    return (max(pair) + 0.05) / (min(pair) + 0.05)


def test_all_themes_of_textual_can_be_named() -> None:
    assert set(THEMES) == BUILTIN_THEMES.keys()


def test_the_grounds_are_those_of_the_default_themes() -> None:
    assert BUILTIN_THEMES["textual-light"].background in GROUNDS[False]
    assert BUILTIN_THEMES["textual-light"].surface in GROUNDS[False]


@pytest.mark.parametrize("dark", [True, False])
@pytest.mark.parametrize("role", COLOURED)
def test_contrast_is_at_least_four_and_a_half(role: Role, dark: bool) -> None:
    for ground in GROUNDS[dark]:
        assert contrast(palette_for(dark, True)[role], ground) >= 4.5, ground


@pytest.mark.parametrize("dark", [True, False])
@pytest.mark.parametrize(("band", "curve"), BANDS.items())
def test_a_band_is_seen_and_stays_behind_its_curves(band: Role, curve: Role, dark: bool) -> None:
    palette = palette_for(dark, True)
    for ground in GROUNDS[dark]:
        assert 2.0 <= contrast(palette[band], ground) <= 0.75 * contrast(palette[curve], ground)
    colours = [palette[role].color for role in (band, curve)]
    shown = [c.downgrade(ColorSystem.STANDARD).number for c in colours if c is not None]
    assert len(set(shown)) == 2, "also where there are 16 colours"


@pytest.mark.parametrize("dark", [True, False])
def test_more_mistakes_stand_out_more(dark: bool) -> None:
    palette = palette_for(dark, True)
    steps = [contrast(palette[role], GROUNDS[dark][0]) for role in HEAT]
    assert steps == sorted(set(steps))


@pytest.mark.parametrize("dark", [True, False])
@pytest.mark.parametrize("system", [ColorSystem.EIGHT_BIT, ColorSystem.STANDARD])
@pytest.mark.parametrize("roles", MUST_DIFFER, ids=["dashboard", "runs"])
def test_what_must_differ_differs_with_256_and_with_16_colours(
    roles: list[Role], dark: bool, system: ColorSystem
) -> None:
    colours = [palette_for(dark, True)[role].color for role in roles]
    shown = {colour.downgrade(system).number for colour in colours if colour is not None}
    assert len(shown) == len(roles)


@pytest.mark.parametrize("dark", [True, False])
@pytest.mark.parametrize("system", [ColorSystem.EIGHT_BIT, ColorSystem.STANDARD])
def test_the_signs_differ_with_256_and_with_16_colours(dark: bool, system: ColorSystem) -> None:
    signs = (Role.POSITIVE, Role.NEGATIVE, Role.DIM, Role.NUMPY, Role.TORCH)
    colours = [palette_for(dark, True)[role].color for role in signs]
    shown = {colour.downgrade(system).number for colour in colours if colour is not None}
    assert len(shown) == len(signs)


def test_without_colour_no_style_has_one_and_the_meaning_is_kept() -> None:
    palette = palette_for(True, False)
    assert palette == palette_for(False, False)
    assert all(style.color is None and style.bgcolor is None for style in palette.values())
    assert palette[Role.CURSOR].reverse
    assert palette[Role.NUMPY] != palette[Role.TORCH]
    assert len({palette[role] for role in (*HEAT, Role.CURSOR)}) == len(HEAT) + 1


@pytest.mark.parametrize("colour", [True, False])
def test_plain_text_keeps_the_theme_s_own_style(colour: bool) -> None:
    assert palette_for(True, colour)[Role.TEXT] == Style()
