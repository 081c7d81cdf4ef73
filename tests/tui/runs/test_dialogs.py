"""The dialogs of the runs screen: what is typed goes into them and nowhere else."""

from pathlib import Path

import pytest
from textual.widgets import Input

from mlpwatch.tui.kit.dialogs import LineEntry
from mlpwatch.tui.runs.screen import RunsScreen
from tests.support.samples.run_scenes import FINISHED, STOPPED
from tests.support.samples.scenes import training
from tests.support.stage import Stage, on_stage

pytestmark = pytest.mark.usefixtures("runs")

SAVED = Path("saved")


def typed(stage: Stage) -> str:
    return stage.app.screen.query_one(Input).value


async def test_after_a_refused_name_letters_go_into_the_line() -> None:
    async with on_stage(training(), saved=SAVED) as stage:
        await stage.open_runs()
        await stage.press("down", "down", "n")
        await stage.see("keeps the old name")
        await stage.press(*"a/b", "enter")
        await stage.see("name")
        for key in "qdmnX1":
            await stage.press(key)
        assert isinstance(stage.app.screen, LineEntry)
        assert typed(stage) == "a/bqdmnX1"
        assert not stage.session.ended
        await stage.press("escape")
        assert isinstance(stage.app.screen, RunsScreen)
        assert (SAVED / FINISHED).exists()


async def test_what_is_prefilled_is_replaced_by_what_is_typed() -> None:
    async with on_stage(training(), saved=SAVED) as stage:
        await stage.open_runs()
        await stage.press("down", "down", "n")
        await stage.see("keeps the old name")
        assert typed(stage) == FINISHED
        await stage.press(*"night")
        assert typed(stage) == "night"
        await stage.press("escape", "n")
        await stage.see("keeps the old name")
        await stage.press("right", *"-2")
        assert typed(stage) == f"{FINISHED}-2", "an arrow keeps it"


async def test_the_number_of_epochs_is_typed_anew_and_said_before_it_starts() -> None:
    async with on_stage(training(), saved=SAVED) as stage:
        await stage.open_runs()
        await stage.press("down", "down", "c")
        await stage.see("how many epochs in all?")
        assert typed(stage) == "30"
        await stage.press(*"40")
        assert typed(stage) == "40"
        await stage.see("trains 25 more epochs")
        await stage.press("backspace")
        await stage.see("expected a whole number from 16")
        await stage.press("escape")
        assert isinstance(stage.app.screen, RunsScreen)
        assert STOPPED in stage.text()
