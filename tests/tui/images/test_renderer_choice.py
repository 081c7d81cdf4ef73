"""The key for the way of drawing says so where nothing else would show that it was pressed."""

from mlpwatch.tui.images.renderers import RendererChoice
from mlpwatch.tui.kit.look import Look


def choice(*, ascii_only: bool) -> RendererChoice:
    return RendererChoice(Look(ascii_only))


def test_under_a_gradient_it_names_what_comes_once_that_is_gone() -> None:
    images = choice(ascii_only=False)
    told = images.next(small=False, under_gradient=True)
    assert told.endswith(f"without it (g) the digit shows as {images.large}")
    images.large = "braille"
    assert images.next(small=False, under_gradient=True).endswith("shows as characters")


def test_a_change_that_can_be_seen_needs_no_words() -> None:
    images = choice(ascii_only=False)
    before = images.large
    assert images.next(small=False) == ""
    assert images.large != before


def test_plain_ascii_says_that_it_has_one_way_only() -> None:
    images = choice(ascii_only=True)
    assert "characters only" in images.next(small=True)
    assert images.small == images.large == "ramp"
