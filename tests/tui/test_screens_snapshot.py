"""Whole screens, character by character, at the sizes that people use; of one each cell's style."""

import pytest
from rich.color import ColorSystem
from syrupy.assertion import SnapshotAssertion

from mlpwatch.core.config import ENGINE_NAMES
from mlpwatch.core.events import Event
from mlpwatch.tui.charts.chart import NONE_DONE
from mlpwatch.tui.mistakes.explanation_reader import ExplanationReader
from tests.support.samples.scenes import WHY_DIVERGED, ended, failed, finished, training
from tests.support.screen_text import screen_picture
from tests.support.stage import Stage, on_stage, until, while_loading

pytestmark = pytest.mark.slow

SMALL, MEDIUM, LARGE = (80, 24), (140, 40), (220, 60)

EVENTS = {"training": training, "paused": training, "ended": finished, "failed": failed}

ALL_DIVERGED = [ended(name, "diverged", WHY_DIVERGED, step=3) for name in ENGINE_NAMES]
"""Both models, before their first epoch was done."""


def events(scene: str) -> list[Event]:
    return EVENTS[scene]()


async def bring_about(scene: str, stage: Stage) -> None:
    """Press what the scene needs besides its events."""
    if scene == "paused":
        await stage.press("space")
    await stage.look()


@pytest.mark.parametrize("size", [SMALL, MEDIUM], ids=["80x24", "140x40"])
@pytest.mark.parametrize("scene", EVENTS)
async def test_dashboard(scene: str, size: tuple[int, int], snapshot: SnapshotAssertion) -> None:
    async with on_stage(events(scene), size) as stage:
        await bring_about(scene, stage)
        is_pictured = (scene, size) == ("training", MEDIUM)
        assert (screen_picture(stage.app) if is_pictured else stage.text()) == snapshot


async def reasons_found(stage: Stage, size: tuple[int, int]) -> None:
    """Wait for the neighbours, where there is room for them."""
    reader: ExplanationReader = vars(stage.app.screen.query_one("#digit-row"))["_reader"]
    await until(lambda: size == SMALL or reader.fits, stage.pilot)


@pytest.mark.parametrize(
    ("scene", "size"),
    [pytest.param("training", MEDIUM, id="140x40"), pytest.param("failed", SMALL, id="80x24")],
)
async def test_mistakes(scene: str, size: tuple[int, int], snapshot: SnapshotAssertion) -> None:
    async with on_stage(events(scene), size) as stage:
        await stage.press("m", "right", "enter")
        await reasons_found(stage, size)
        assert stage.text() == snapshot


@pytest.mark.parametrize("size", [SMALL, LARGE], ids=["80x24", "220x60"])
async def test_contact_sheet(size: tuple[int, int], snapshot: SnapshotAssertion) -> None:
    async with on_stage(training(), size) as stage:
        await stage.press("m", "right")
        assert stage.text() == snapshot


async def test_contact_sheet_in_grey_on_light_ground(snapshot: SnapshotAssertion) -> None:
    async with on_stage(training(), SMALL) as stage:
        stage.app.theme = "textual-light"
        stage.app.console._color_system = ColorSystem.TRUECOLOR
        await stage.press("m", "right")
        assert screen_picture(stage.app) == snapshot


async def test_contact_sheet_without_colour(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    async with on_stage(training(), SMALL) as stage:
        stage.app.console._color_system = ColorSystem.TRUECOLOR
        await stage.press("m", "right")
        picture = screen_picture(stage.app)
    assert "#" not in picture.partition("\nground")[2], "a colour is named"
    assert "reverse" in picture.partition("\nground")[2], "the cursor is seen"


async def test_contact_sheet_in_ascii() -> None:
    async with on_stage(training(), SMALL, ascii_only=True) as stage:
        await stage.press("m", "right")
        assert stage.text().isascii()
        assert "@" in stage.text(), "an image"


@pytest.mark.parametrize(
    ("keys", "size"),
    [
        pytest.param("", LARGE, id="220x60"),
        pytest.param("", (20, 5), id="20x5"),
        pytest.param("tab", SMALL, id="accuracy"),
        pytest.param("tab tab down right", SMALL, id="confusion-cursor"),
        pytest.param("o", MEDIUM, id="overlay"),
        pytest.param("z", MEDIUM, id="zoom"),
        pytest.param("l", MEDIUM, id="log-y"),
        pytest.param("x", SMALL, id="seconds"),
        pytest.param("pageup", SMALL, id="read-out"),
        pytest.param("e", SMALL, id="explain-small"),
    ],
)
async def test_dashboard_after_keys(
    keys: str, size: tuple[int, int], snapshot: SnapshotAssertion
) -> None:
    async with on_stage(training(), size) as stage:
        await stage.press(*keys.split())
        assert stage.text() == snapshot


@pytest.mark.parametrize("size", [SMALL, MEDIUM], ids=["80x24", "140x40"])
async def test_what_diverged_before_an_epoch(
    size: tuple[int, int], snapshot: SnapshotAssertion
) -> None:
    async with on_stage(ALL_DIVERGED, size) as stage:
        assert stage.text() == snapshot
        await stage.press("m")
        assert NONE_DONE in stage.text()
        await stage.press("escape", "e")
        assert NONE_DONE in stage.text()


@pytest.mark.parametrize("size", [SMALL, MEDIUM], ids=["80x24", "140x40"])
async def test_loading(size: tuple[int, int], snapshot: SnapshotAssertion) -> None:
    async with while_loading(size) as stage:
        assert stage.text() == snapshot


async def test_light_theme(snapshot: SnapshotAssertion) -> None:
    async with on_stage(training(), SMALL) as stage:
        stage.app.theme = "textual-light"
        await stage.press("tab", "tab")
        assert screen_picture(stage.app) == snapshot


async def test_without_colour(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    async with on_stage(training(), SMALL) as stage:
        await stage.press("tab", "tab")
        picture = screen_picture(stage.app)
    assert "#" not in picture.partition("\nground")[2], "a colour is named"


async def test_ascii(snapshot: SnapshotAssertion) -> None:
    async with on_stage(failed(), MEDIUM, ascii_only=True) as stage:
        assert stage.text().isascii()
        assert stage.text() == snapshot


async def test_help(snapshot: SnapshotAssertion) -> None:
    async with on_stage(training(), MEDIUM) as stage:
        await stage.press("question_mark")
        assert stage.text() == snapshot
