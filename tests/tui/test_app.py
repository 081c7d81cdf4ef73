"""What the app itself does for every screen: themes, pictures of the screen, late messages."""

from pathlib import Path

import pytest

from mlpwatch.tui.runs.screen import RunsScreen
from tests.support.samples.scenes import training
from tests.support.stage import on_stage, until


async def test_a_picture_of_the_screen_is_saved_beside_the_run_and_says_where(
    tmp_path: Path,
) -> None:
    async with on_stage(training(), saved=tmp_path) as stage:
        stage.app.deliver_screenshot()
        await stage.pilot.pause()
        [picture] = tmp_path.glob("*.svg")
        assert "<svg" in picture.read_text()
        assert "picture of the screen saved as" in stage.text()


async def test_a_picture_that_cannot_be_saved_says_why(tmp_path: Path) -> None:
    async with on_stage(training(), saved=tmp_path / "missing") as stage:
        stage.app.deliver_screenshot()
        await stage.pilot.pause()
        assert "no picture in" in stage.text()
        assert "No such file or directory" in stage.text()


async def test_the_palette_finds_themes_under_light_and_dark() -> None:
    async with on_stage(training()) as stage:
        for word, dark in (("light", False), ("dark", True)):
            await stage.press("ctrl+p", *word)
            await stage.see(f"{word.title()} theme")
            await stage.press("enter")
            assert stage.app.current_theme.dark is dark


async def test_a_message_of_one_screen_is_not_shown_on_another() -> None:
    async with on_stage(training()) as stage:
        await stage.press("m", "full_stop")
        assert "space pauses; then . trains one batch" in stage.text()
        await stage.press("q")
        assert "space pauses" not in stage.text()


async def test_a_message_of_the_run_makes_room_for_the_standing_note() -> None:
    async with on_stage(training()) as stage:
        note = "o charts the gap"
        assert note in stage.text()
        await stage.press("s")
        assert "saved in" in stage.text()
        assert note not in stage.text()
        assert stage.state.expire(stage.state.message_until)
        await stage.look()
        assert note in stage.text()


async def test_a_message_among_the_runs_goes_away_unless_another_has_come(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mlpwatch.tui.runs.screen.MESSAGE_SECONDS", 0.01)
    async with on_stage(training(), saved=tmp_path) as stage:
        await stage.open_runs()
        screen = stage.app.screen
        assert isinstance(screen, RunsScreen)
        screen.say("renamed")
        assert "renamed" in stage.text()
        await until(lambda: "renamed" not in stage.text(), stage.pilot)
