"""The runs screen and the comparison, character by character, at the sizes that people use."""

from pathlib import Path

import pytest
from syrupy.assertion import SnapshotAssertion

from tests.support.samples.scenes import training
from tests.support.screen_text import screen_picture
from tests.support.stage import Stage, on_stage

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("runs")]

SIZES = {"80x24": (80, 24), "140x40": (140, 40)}


@pytest.mark.parametrize("size", SIZES)
async def test_list(size: str, snapshot: SnapshotAssertion) -> None:
    async with on_stage(training(), SIZES[size], saved=Path("saved")) as stage:
        await stage.open_runs()
        await stage.press("down", "m", "down", "m", "down")
        assert stage.text() == snapshot


@pytest.mark.parametrize("size", SIZES)
async def test_comparison(size: str, snapshot: SnapshotAssertion) -> None:
    async with on_stage(training(), SIZES[size], saved=Path("saved")) as stage:
        await stage.open_runs()
        await stage.press("down", "m", "down", "m", "down", "m", "down", "m", "o")
        await stage.see("hidden 512")
        await stage.press("left")
        assert stage.text() == snapshot


async def test_a_question_says_what_goes(snapshot: SnapshotAssertion) -> None:
    async with on_stage(training(), SIZES["80x24"], saved=Path("saved")) as stage:
        await stage.open_runs()
        await stage.press("down", "down", "d")
        await stage.see("keeps it")
        assert stage.text() == snapshot


async def _marked(stage: Stage) -> None:
    """Mark two runs in the list."""
    await stage.open_runs()
    await stage.press("down", "m", "down", "m")


async def test_list_and_comparison_on_light_ground(snapshot: SnapshotAssertion) -> None:
    async with on_stage(training(), SIZES["80x24"], saved=Path("saved")) as stage:
        stage.app.theme = "textual-light"
        await _marked(stage)
        assert screen_picture(stage.app) == snapshot(name="list")
        await stage.press_and_see("o", "hidden 512")
        assert screen_picture(stage.app) == snapshot(name="comparison")


async def test_list_and_comparison_without_colour(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    async with on_stage(training(), SIZES["80x24"], saved=Path("saved")) as stage:
        await _marked(stage)
        listed = screen_picture(stage.app)
        await stage.press_and_see("o", "hidden 512")
        compared = screen_picture(stage.app)
    for picture in (listed, compared):
        assert "#" not in picture.partition("\nground")[2], "a colour is named"


async def test_list_and_comparison_in_ascii(snapshot: SnapshotAssertion) -> None:
    async with on_stage(training(), SIZES["80x24"], ascii_only=True, saved=Path("saved")) as stage:
        await _marked(stage)
        listed = stage.text()
        await stage.press_and_see("o", "hidden 512")
        compared = stage.text()
    assert (listed + compared).isascii()
    assert compared == snapshot
