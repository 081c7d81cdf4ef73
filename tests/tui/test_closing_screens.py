"""A screen may be told to draw at any moment of its opening and closing, and harms nothing."""

import asyncio
from pathlib import Path

import pytest
from textual.css.query import NoMatches
from textual.events import Key, MouseDown, MouseUp
from textual.widgets import Label

from mlpwatch.core.runs.run import Run
from mlpwatch.tui.dashboard.screen import Dashboard
from mlpwatch.tui.kit.keys import KEYS
from mlpwatch.tui.mistakes.digit_panel import DigitPanel
from mlpwatch.tui.mistakes.screen import MistakesScreen
from tests.support.samples.scenes import training
from tests.support.stage import on_stage

pytestmark = pytest.mark.slow

TURNS = 60
"""Turns of the event loop in which a screen of any size is put together, or taken apart."""

CALLED_LATE = {"weights": ("_draw", "_take", "_look"), "draw": ("_draw",), "explain": ("_draw",)}
"""What timers and workers call that may outlive their screen."""


@pytest.mark.parametrize("name", ["weights", "draw", "explain", "mistakes", "runs"])
async def test_told_to_draw_in_every_turn_of_opening_and_closing(
    name: str, runs: dict[str, Run]
) -> None:
    assert runs
    async with on_stage(training(), (80, 24), saved=Path("saved")) as stage:
        app = stage.app
        under = app.screen
        await app.run_action(name)
        screen = app.screen
        assert screen is not under
        for _ in range(TURNS):
            screen.update(numbers=True)  # type: ignore[attr-defined]
            await asyncio.sleep(0)
        await stage.pilot.pause()
        if name == "mistakes":
            await stage.press("enter")
        late = [getattr(screen, call) for call in CALLED_LATE.get(name, ())]
        late += [panel.prepare for panel in screen.query(DigitPanel)]
        app.pop_screen()
        for _ in range(TURNS):
            for draw in (screen.update, under.update, *late):  # type: ignore[attr-defined]
                draw()
            await asyncio.sleep(0)
        assert not screen.is_attached


@pytest.mark.parametrize("name", ["weights", "draw", "explain", "mistakes", "runs", "layers"])
async def test_keys_that_reach_a_screen_while_it_is_taken_apart_are_dropped(
    name: str, runs: dict[str, Run]
) -> None:
    assert runs
    async with on_stage(training(), (80, 24), saved=Path("saved")) as stage:
        app = stage.app
        await app.run_action(name)
        await stage.pilot.pause()
        screen = app.screen
        own = [key.action for key in KEYS if key.where == getattr(screen, "WHERE", "")]
        assert own
        app.pop_screen()
        await asyncio.sleep(0)
        for _ in range(TURNS):
            for action in own:
                await app.run_action(action, screen)
        assert isinstance(app.screen, Dashboard)


async def test_closed_twice_in_a_burst_a_screen_takes_none_below_it_along() -> None:
    async with on_stage(training(), (80, 24)) as stage:
        for key in ("e", "w", "d", "m", "r", "question_mark", "ctrl+p"):
            await stage.pilot.press(key)
            screen = stage.app.screen
            assert not isinstance(screen, Dashboard)
            screen.dismiss()
            screen.dismiss()
            await stage.pilot.pause()
            assert [type(left) for left in stage.app.screen_stack] == [Dashboard]


async def test_a_cell_opened_twice_in_a_burst_opens_its_digits_once() -> None:
    async with on_stage(training(), (80, 24)) as stage:
        for _ in range(2):
            stage.app.post_message(Dashboard.CellOpened(3, 5, "numpy"))
        await stage.pilot.pause()
        assert [type(screen) for screen in stage.app.screen_stack] == [Dashboard, MistakesScreen]


async def test_the_palette_stands_a_terminal_that_leaves_it_no_column() -> None:
    async with on_stage(training(), (80, 24)) as stage:
        await stage.pilot.press("ctrl+p")
        await stage.see("Copy this run")
        for columns in range(10, 0, -1):
            await stage.pilot.resize_terminal(columns, 5)
            await stage.pilot.pause()


@pytest.mark.parametrize("action", ["pagedown", "pageup", "down", "end"])
async def test_keys_behind_the_one_that_opens_the_palette_end_nothing(action: str) -> None:
    async with on_stage(training(), (80, 24)) as stage:
        for _ in range(3):
            for key in ("ctrl+p", action, action, "escape"):
                # In one read, as over a slow link: none waits for what the one before draws.
                stage.app.post_message(Key(key, None))
            await stage.pilot.pause()
        await stage.pilot.press("escape")
        await stage.look()
        assert "loss" in stage.text()


async def test_a_click_where_nothing_lies_ends_nothing() -> None:
    async with on_stage(training(), (80, 24)) as stage:
        await stage.pilot.press("ctrl+p")
        await stage.pilot.resize_terminal(1, 1)
        for kind in (MouseDown, MouseUp):
            stage.app.post_message(kind(None, 54, 17, 0, 0, 1, False, False, False, 54, 17))
        await stage.pilot.pause()
        await stage.pilot.resize_terminal(80, 24)
        await stage.look()
        assert "loss" in stage.text()


@pytest.mark.filterwarnings("ignore:coroutine .* was never awaited")
@pytest.mark.parametrize("opening", ["m", "e", "d", "w", "r", "question_mark", "ctrl+p", "m enter"])
async def test_keys_that_come_with_the_one_that_opens_a_screen_end_nothing(
    opening: str, runs: dict[str, Run]
) -> None:
    assert runs
    keys = ("right", "left", "down", "pagedown", "end", "tab", "t", "g", "x", "c", "z", "escape")
    async with on_stage(training(), (80, 24), saved=Path("saved")) as stage:
        for key in keys:
            # In one read, as over a slow link: none waits for what the one before draws.
            for one in (*opening.split(), key, key, "escape", "escape", "escape"):
                stage.app.post_message(Key(one, one if len(one) == 1 else None))
            await stage.pilot.pause()
        await stage.look()


async def test_a_fault_of_the_palettes_own_closes_it_and_another_ends_the_app() -> None:
    async with on_stage(training(), (80, 24)) as stage:
        await stage.pilot.press("ctrl+p")
        palette = stage.app.screen
        with pytest.raises(NoMatches) as found:
            Label().query_one("#absent")
        own = found.value.with_traceback(None)
        stage.app._handle_exception(own)
        await stage.pilot.pause()
        assert stage.app.screen is not palette
        assert not stage.app.return_code
    with pytest.raises(ZeroDivisionError):
        async with on_stage(training(), (80, 24)) as stage:
            stage.app._handle_exception(ZeroDivisionError())
