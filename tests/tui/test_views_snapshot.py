"""The views that lead from a number to its reason, in every size and every kind of terminal."""

import pytest
from rich.color import ColorSystem
from syrupy.assertion import SnapshotAssertion

from mlpwatch.tui.mistakes.explanation_reader import ExplanationReader
from tests.support.samples.scenes import training
from tests.support.screen_text import screen_picture
from tests.support.stage import Stage, on_stage, until

pytestmark = pytest.mark.slow

VIEWS = {
    "percent": "tab tab c",
    "difference": "c",
    "scores": "c",
    "overlay": "c o",
    "sheet": "o m right",
    "digit": "enter",
    "second-renderer": "v",
    "third-renderer": "v",
    "gradient": "v g",
    "drawing": "escape escape d space down down right right",
    "scrubbed": "escape space less_than_sign",
    "explained": "e",
    "forward": "right",
    "loss": "right",
    "backward": "right",
    "update": "right",
    "weights": "escape w",
    "zoomed": "z",
    "help": "question_mark",
}
"""Keys from one view to the next."""

SIZES = {"80x24": (80, 24), "140x40": (140, 40), "220x60": (220, 60)}

LOOKS = [
    *[("dark", size) for size in SIZES],
    *[(look, "80x24") for look in ("light", "without-colour", "ascii")],
]


async def is_there(stage: Stage, view: str) -> None:
    """Wait for what is found off the event loop."""
    match view:
        case "digit" | "gradient":
            panel = stage.app.screen.query_one("#digit-row")
            reader: ExplanationReader = vars(panel)["_reader"]
            shows = panel.size.width > 80 or view == "gradient"
            await until(lambda: reader.fits or not shows, stage.pilot)
        case "drawing":
            mark = ">" if stage.app._options.ascii_only else "▸"
            await until(lambda: stage.text().count(mark) >= len(stage.session.steps), stage.pilot)
        case "weights" | "zoomed":
            models = 1 + (stage.app.size.width > 80)
            await until(lambda: stage.text().count("dead units:") == models, stage.pilot)
        case "forward" | "loss" | "backward" | "update":
            await until(lambda: "NumPy    step" in stage.text(), stage.pilot)
    await stage.look()


@pytest.mark.parametrize(("look", "size"), LOOKS, ids=[f"{look}-{size}" for look, size in LOOKS])
async def test_views(
    look: str, size: str, snapshot: SnapshotAssertion, monkeypatch: pytest.MonkeyPatch
) -> None:
    if look == "without-colour":
        monkeypatch.setenv("NO_COLOR", "1")
    async with on_stage(training(), SIZES[size], ascii_only=look == "ascii") as stage:
        stage.app.console._color_system = ColorSystem.TRUECOLOR
        if look == "light":
            stage.app.theme = "textual-light"
        for view, keys in VIEWS.items():
            await stage.press(*keys.split())
            await is_there(stage, view)
            picture = stage.text() if look == "ascii" else screen_picture(stage.app)
            if look == "without-colour":
                assert "#" not in picture.partition("\nground")[2], "a colour is named"
            assert look != "ascii" or picture.isascii()
            assert picture == snapshot(name=view)
