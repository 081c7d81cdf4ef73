"""Watched loops and sweeps in the list of runs: what they say, how they open, what is refused."""

from pathlib import Path

import pytest

import mlpwatch
from mlpwatch.tui.dashboard.screen import Dashboard
from mlpwatch.tui.groups.screen import GroupScreen
from mlpwatch.tui.metrics.pushed import PushedMetrics
from mlpwatch.tui.runs.screen import RunsScreen
from tests.support.samples.scenes import training
from tests.support.samples.sweep_samples import four_settings
from tests.support.stage import Stage, on_stage, until

pytestmark = pytest.mark.slow


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    """Return a folder with a watched loop that has ended, and a sweep that has stopped."""
    folder = tmp_path / "saved"
    folder.mkdir()
    with mlpwatch.watch("my-cnn", saved=folder, epochs=3) as run:
        for _ in range(2):
            for loss in run.steps([2.0, 1.0]):
                run.log(loss=loss)
            run.epoch(val_loss=0.5, val_accuracy=0.75)
    four_settings(folder)
    return folder


async def has_drawn(stage: Stage, words: str) -> None:
    """Wait until what a thread reads has been drawn."""

    def has() -> bool:
        stage.app.update_screen(numbers=True)
        return words in stage.text()

    await until(has, stage.pilot)


@pytest.mark.parametrize("size", [(80, 24), (140, 40)])
async def test_they_are_listed_opened_and_left_alone(saved: Path, size: tuple[int, int]) -> None:
    async with on_stage(training(), size, saved=saved) as stage:
        await stage.open_runs()
        await stage.see("my-cnn")
        rows = {name: row for row in stage.text().splitlines() for name in ("my-cnn", " g ") if
                name in row and ("finished" in row or "stopped" in row)}  # fmt: skip
        assert "2/3" in rows["my-cnn"]
        assert "75.00% val" in rows["my-cnn"]
        assert "finished" in rows["my-cnn"]
        assert "stopped" in rows[" g "]
        if size[0] >= 140:
            assert "loop" in rows["my-cnn"]
            assert "sweep" in rows[" g "]

        for name, note, why in (
            ("my-cnn", "watched loop of", "is a watched loop: only its own program"),
            ("g", "sweep · 10 of 12 finished, 1 failed", "is a sweep: enter shows its trials"),
        ):
            await stage.press("home")
            while f"▸  {name} " not in stage.text():
                await stage.press("down")
            await stage.see(note)
            for key in ("m", "o", "c", "N", "n", "D", "E"):
                await stage.press(key)
                await stage.see(why)
                assert isinstance(stage.app.screen, RunsScreen), key
            await stage.press("enter")
            if name == "g":
                assert isinstance(stage.app.screen, GroupScreen)
                await stage.see("10 of 12 finished")
                assert "q back" in stage.text()
                await stage.press("enter", "down", "enter")
                await stage.see("0.1")
                await stage.press("n")
                await has_drawn(stage, "JSON lines")
                assert "seconds" not in stage.text()
                assert "confusion" not in stage.text(), "numbers that mean nothing as curves"
                await stage.press("q", "q", "escape")
            else:
                await stage.see("watched loop")
                assert isinstance(stage.app.screen, Dashboard)
                await stage.press("e")
                await stage.see("a watched loop keeps its network to itself")
                await stage.press("n")
                assert isinstance(stage.app.screen, PushedMetrics)
                await has_drawn(stage, "ended · step 4")
                assert "q back" in stage.text()
                await stage.press("q")
                assert isinstance(stage.app.screen, Dashboard)
            await stage.press("q")
            assert isinstance(stage.app.screen, RunsScreen)
