"""The key for the way of drawing says so where nothing else would show that it was pressed."""

import pytest

from mlpwatch.tui.images.renderers import RendererChoice
from mlpwatch.tui.kit.look import Look


def choice(*, ascii_only: bool) -> RendererChoice:
    return RendererChoice(Look(ascii_only))


def test_under_a_gradient_it_names_what_comes_once_that_is_gone() -> None:
    images = choice(ascii_only=False)
    told = images.next(small=False, under_gradient=True)
    assert told.endswith(f"without it (g) the digit shows as {images.large}")
    while images.large != "braille":
        images.next(small=False)
    assert images.next(small=False, under_gradient=True).endswith("shows as characters")


@pytest.mark.parametrize(
    ("look", "large", "outlines"),
    [
        (Look(colours="truecolor"), "half blocks", "braille"),
        (Look(colours="256"), "half blocks", "braille"),
        (Look(colours="standard"), "ramp", "braille"),
        (Look(colours=None), "ramp", "braille"),
        (Look(ascii_only=True), "ramp", "ramp"),
    ],
)
def test_an_enlarged_digit_begins_with_as_many_shades_as_there_are(
    look: Look, large: str, outlines: str
) -> None:
    images = RendererChoice(look)
    assert (images.large, images.outlines) == (large, outlines)


def test_half_blocks_that_were_chosen_hold_for_the_neighbours_too() -> None:
    images = choice(ascii_only=False)
    for _ in range(3):
        images.next(small=False)
    assert (images.large, images.outlines) == ("half blocks", "half blocks")


def test_a_change_that_can_be_seen_needs_no_words() -> None:
    images = choice(ascii_only=False)
    before = images.large
    assert images.next(small=False) == ""
    assert images.large != before


def test_plain_ascii_says_that_it_has_one_way_only() -> None:
    images = choice(ascii_only=True)
    assert "characters only" in images.next(small=True)
    assert images.small == images.large == "ramp"


def test_faint_pixels_are_never_drawn_in_braille() -> None:
    assert RendererChoice(Look(colours=None)).small == "braille"
    assert RendererChoice(Look(colours=None)).shaded == "ramp"
    assert RendererChoice(Look()).shaded == RendererChoice(Look()).small == "half blocks"
