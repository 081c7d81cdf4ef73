"""The views that lead from a number to its reason, on light ground, without colour, and large."""

import pytest
from rich.color import ColorSystem
from syrupy.assertion import SnapshotAssertion

from tests.tui.scenes import training
from tests.tui.screen_text import screen_picture
from tests.tui.stage import Stage, on_stage, until
from tui.screens.reasons_reader import ReasonsReader

VIEWS = {
    "percent": "tab tab c",
    "difference": "c",
    "scores": "c",
    "gradient": "c m right enter g",
    "drawing": "escape escape d space down down right right",
}
"""Keys from one view to the next."""


async def is_there(stage: Stage, view: str) -> None:
    """Wait for what is found off the event loop."""
    if view == "gradient":
        reader: ReasonsReader = vars(stage.app.screen.query_one("#digit-row"))["_reader"]
        await until(lambda: reader.fits, stage.pilot)
    if view == "drawing":
        await until(lambda: stage.text().count("▸") == len(stage.session.steps), stage.pilot)
    await stage.look()


@pytest.mark.parametrize("look", ["light", "without-colour", "large"])
async def test_views(
    look: str, snapshot: SnapshotAssertion, monkeypatch: pytest.MonkeyPatch
) -> None:
    if look == "without-colour":
        monkeypatch.setenv("NO_COLOR", "1")
    async with on_stage(training(), (220, 60) if look == "large" else (80, 24)) as stage:
        stage.app.console._color_system = ColorSystem.TRUECOLOR
        if look == "light":
            stage.app.theme = "textual-light"
        for view, keys in VIEWS.items():
            await stage.press(*keys.split())
            await is_there(stage, view)
            picture = screen_picture(stage.app)
            if look == "without-colour":
                assert "#" not in picture.partition("\nground")[2], "a colour is named"
            assert picture == snapshot(name=view)
