"""The views that lead from a number to its reason, in every size and every kind of terminal."""

import re

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

SMALL, MEDIUM, LARGE = (80, 24), (140, 40), (220, 60)

PICTURED = ("scores", "digit", "gradient", "drawing", "weights")
"""Views in which colours or shades say something: their snapshots hold every cell's style."""


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


async def texts_of_views(stage: Stage) -> dict[str, str]:
    """Go through all views, and return what is on the screen in each."""
    texts = {}
    for view, keys in VIEWS.items():
        await stage.press(*keys.split())
        await is_there(stage, view)
        texts[view] = stage.text()
    return texts


async def test_views_in_80_columns_and_light_ground_changes_colours_alone(
    snapshot: SnapshotAssertion,
) -> None:
    async with on_stage(training(), SMALL) as stage:
        stage.app.console._color_system = ColorSystem.TRUECOLOR
        dark = await texts_of_views(stage)
    for view, text in dark.items():
        assert text == snapshot(name=view)
    async with on_stage(training(), SMALL) as stage:
        stage.app.console._color_system = ColorSystem.TRUECOLOR
        stage.app.theme = "textual-light"
        assert await texts_of_views(stage) == dark


async def test_views_in_140_columns_with_their_colours(snapshot: SnapshotAssertion) -> None:
    async with on_stage(training(), MEDIUM) as stage:
        stage.app.console._color_system = ColorSystem.TRUECOLOR
        for view, keys in VIEWS.items():
            await stage.press(*keys.split())
            await is_there(stage, view)
            if view in PICTURED:
                assert screen_picture(stage.app) == snapshot(name=view)


@pytest.mark.rare
async def test_views_in_220_columns_show_all_that_they_show_in_140() -> None:
    words = {}
    for size in (MEDIUM, LARGE):
        async with on_stage(training(), size) as stage:
            stage.app.console._color_system = ColorSystem.TRUECOLOR
            texts = await texts_of_views(stage)
        words[size] = {view: set(re.findall("[a-z]{4,}", text)) for view, text in texts.items()}
    missing = {view: words[MEDIUM][view] - words[LARGE][view] for view in VIEWS}
    assert not any(missing.values()), missing


async def test_views_without_colour_name_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    async with on_stage(training(), SMALL) as stage:
        stage.app.console._color_system = ColorSystem.TRUECOLOR
        for view, keys in VIEWS.items():
            await stage.press(*keys.split())
            await is_there(stage, view)
            styles = screen_picture(stage.app).partition("\nground")[2]
            assert "#" not in styles, f"a colour is named in {view}"


async def test_views_in_ascii_are_plain() -> None:
    async with on_stage(training(), SMALL, ascii_only=True) as stage:
        for view, text in (await texts_of_views(stage)).items():
            assert text.isascii(), view
