"""The runs screen and the comparison, character by character, at the sizes that people use."""

from pathlib import Path

import pytest
from syrupy.assertion import SnapshotAssertion

from tests.tui.scenes import training
from tests.tui.screen_text import screen_picture
from tests.tui.stage import on_stage

pytestmark = pytest.mark.usefixtures("runs")

SIZES = {"80x24": (80, 24), "140x40": (140, 40), "220x60": (220, 60)}


@pytest.mark.parametrize("size", SIZES)
async def test_list(size: str, snapshot: SnapshotAssertion) -> None:
    async with on_stage(training(), SIZES[size], saved=Path("saved")) as stage:
        await stage.open_runs()
        await stage.press("down", "m", "down", "m", "down")
        assert screen_picture(stage.app) == snapshot


@pytest.mark.parametrize("size", SIZES)
async def test_comparison(size: str, snapshot: SnapshotAssertion) -> None:
    async with on_stage(training(), SIZES[size], saved=Path("saved")) as stage:
        await stage.open_runs()
        await stage.press("down", "m", "down", "m", "down", "m", "down", "m", "o")
        await stage.see("hidden 512")
        await stage.press("left")
        assert screen_picture(stage.app) == snapshot


async def test_a_question_says_what_goes(snapshot: SnapshotAssertion) -> None:
    async with on_stage(training(), SIZES["80x24"], saved=Path("saved")) as stage:
        await stage.open_runs()
        await stage.press("down", "down", "d")
        await stage.see("keeps it")
        assert screen_picture(stage.app) == snapshot
