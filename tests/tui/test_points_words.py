"""A run on points says points on every screen, and nothing of digits, images or pixels."""

import re
from pathlib import Path

import pytest

from mlpwatch.core.data.dataset import load_dataset
from mlpwatch.core.recipes import recipe_story
from tests.support.points_run import ended_run

OF_IMAGES = re.compile("digit|image|pixel")

WALK = (
    ("m", "arrows choose a point, enter enlarges it"),
    ("enter", "y why: the training points most alike; a other model"),
    ("y", "nearest "),
    ("escape", "1 of "),
    ("T", "test points | true label any"),
    ("escape", "w weights"),
    ("w", "each tile is the plane"),
    ("escape", "w weights"),
    ("e", "for the same 10 points:"),
    ("right", "10 points"),
    ("right", "The loss: how wrong"),
    ("right", "Backward"),
    ("right", "point 1 of 10"),
    ("right", "10 points"),
    ("escape", "w weights"),
    ("c", "enter shows its points"),
)
"""A key, and words that the screen then has."""


@pytest.mark.parametrize(
    "size", [pytest.param((80, 24), marks=pytest.mark.rare), (140, 40)], ids=["80x24", "140x40"]
)
async def test_every_screen_has_the_words_for_points(size: tuple[int, int], tmp_path: Path) -> None:
    async with ended_run(tmp_path, size) as shown:
        await shown.sees(" wrong ")
        for key, words in WALK:
            await shown.pilot.press(key)
            await shown.sees(words)
            found = [row for row in shown.text().split("\n") if OF_IMAGES.search(row)]
            assert not found, f"after {key}"


async def test_keys_without_an_effect_are_not_offered(tmp_path: Path) -> None:
    async with ended_run(tmp_path, (140, 40)) as shown:
        await shown.sees(" wrong ")
        assert "d draw" not in shown.text()
        await shown.pilot.press("m")
        await shown.sees("arrows choose a point")
        assert "g gradient" not in shown.text()


async def test_a_large_point_says_where_it_is_in_80_columns(tmp_path: Path) -> None:
    async with ended_run(tmp_path, (80, 24)) as shown:
        await shown.sees(" wrong ")
        await shown.pilot.press("m", "enter")
        await shown.sees("true label")
        assert re.search(r"1 of \d+ . validation point [\d,]+ *\n", shown.text())
        assert re.search(r"true label +[01] +at -?\d\.\d\d, -?\d\.\d\d", shown.text())


def test_a_story_knows_how_many_classes_there_are() -> None:
    assert "ln 2 = 0.693," in recipe_story("vanishing-gradients", 2)
    assert "ln 10 = 2.303," in recipe_story("vanishing-gradients", 10)
    assert recipe_story("twin", 2) == ""


def test_only_points_have_other_words() -> None:
    text = "the digits of 3 images"
    assert load_dataset("moons", 0, "-1..1").words(text) == "the points of 3 points"
    assert load_dataset("digits", 0, "0..1").words(text) == text
