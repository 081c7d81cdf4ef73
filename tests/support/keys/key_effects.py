"""What each key does everywhere, as a proof that presses it: by place and action of the key table.

The keys of each screen stand in files of their own.
"""

import os
from collections.abc import Awaitable, Callable
from unittest.mock import patch

from textual.command import CommandPalette

from mlpwatch.tui.help.screen import HelpScreen
from mlpwatch.tui.kit.keys import Where
from tests.support.stage import Stage, until

Effect = Callable[[Stage, str], Awaitable[None]]
EFFECTS: dict[tuple[Where, str], Effect] = {}


def effect(where: Where, action: str) -> Callable[[Effect], Effect]:
    """Say that a function presses the key and proves what came of it."""

    def note(proof: Effect) -> Effect:
        EFFECTS[where, action] = proof
        return proof

    return note


def phases(stage: Stage) -> list[str]:
    return [engine.phase for engine in stage.state.engines.values()]


@effect("everywhere", "toggle_pause")
async def pauses_both(stage: Stage, key: str) -> None:
    await stage.press(key)
    assert phases(stage) == ["paused", "paused"]
    await stage.press(key)
    assert phases(stage) == ["training", "training"]


@effect("everywhere", "toggle_pause_engine('numpy')")
async def pauses_numpy(stage: Stage, key: str) -> None:
    await stage.press(key)
    assert phases(stage) == ["paused", "training"]


@effect("everywhere", "toggle_pause_engine('torch')")
async def pauses_torch(stage: Stage, key: str) -> None:
    await stage.press(key)
    assert phases(stage) == ["training", "paused"]


@effect("everywhere", "step")
async def steps_once(stage: Stage, key: str) -> None:
    await stage.press(key)
    assert stage.session.steps == {"numpy": 107, "torch": 67}, "not paused: nothing happens"
    await stage.press("space", key)
    assert [engine.step for engine in stage.state.engines.values()] == [108, 68]


@effect("everywhere", "toggle_lockstep")
async def keeps_both_in_step(stage: Stage, key: str) -> None:
    await stage.press(key)
    assert stage.session.lockstep
    assert "lockstep, = ends it" in stage.text()
    await stage.press(key)
    assert not stage.session.lockstep
    assert "lockstep, = ends it" not in stage.text()


@effect("everywhere", "copy")
async def copies_the_numbers(stage: Stage, key: str) -> None:
    await stage.press("left")
    with patch.dict(os.environ, {"TERM": "linux"}):
        await stage.press(key)
    assert "not copied, this terminal has no clipboard: the numbers at" in stage.text()


@effect("everywhere", "save")
async def saves(stage: Stage, key: str) -> None:
    await stage.press(key)
    assert stage.row("saved in").strip() == (
        "saved in saved/2026-11-23-twin-k3f9: NumPy at step 107, PyTorch at step 67"
    )


@effect("everywhere", "faster")
async def lifts_the_limit(stage: Stage, key: str) -> None:
    assert stage.session.limit == 8
    await stage.press(key)
    assert stage.session.limit is None
    assert "limit" not in stage.text()


@effect("everywhere", "slower")
async def lowers_the_limit(stage: Stage, key: str) -> None:
    await stage.press(key)
    assert stage.session.limit == 5
    assert "limit 5 steps/s" in stage.text()


@effect("everywhere", "help")
async def shows_help(stage: Stage, key: str) -> None:
    await stage.press(key)
    assert isinstance(stage.app.screen, HelpScreen)


@effect("everywhere", "command_palette")
async def shows_commands(stage: Stage, key: str) -> None:
    await stage.press(key)
    assert isinstance(stage.app.screen, CommandPalette)


@effect("everywhere", "leave")
async def leaves(stage: Stage, key: str) -> None:
    await stage.pilot.press(key)
    await until(lambda: stage.app.return_value is not None, stage.pilot)
    assert stage.app.return_value == 0
    assert stage.session.ended


@effect("everywhere", "suspend_process")
async def stops_only_where_a_shell_can_go_on(stage: Stage, key: str) -> None:
    with patch("mlpwatch.tui.shutdown.os.getsid", lambda _pid: os.getpgrp()):
        await stage.press(key)
    assert "ctrl+z: there is no shell to go back to" in stage.text()


@effect("everywhere", "interrupt")
async def leaves_with_a_status(stage: Stage, key: str) -> None:
    await stage.pilot.press(key)
    await until(lambda: stage.app.return_value is not None, stage.pilot)
    assert stage.app.return_value == 130
    assert stage.session.ended


@effect("everywhere", "stop")
async def ends_the_run_when_pressed_twice(stage: Stage, key: str) -> None:
    await stage.press(key)
    assert not stage.state.ended
    assert "X again within 5 seconds saves the run and ends its training" in stage.text()
    await stage.press(key)
    assert phases(stage) == ["stopped", "stopped"]
    assert stage.app.is_running


@effect("everywhere", "scale_rate(2)")
async def doubles_the_learning_rate(stage: Stage, key: str) -> None:
    before = stage.session.learning_rate("numpy")
    await stage.press(key, key)
    assert stage.session.rates == dict.fromkeys(stage.session.steps, 4 * before)
    assert f"learning rate {4 * before:g} from NumPy step 108 and PyTorch step 68" in stage.text()


@effect("everywhere", "scale_rate(0.5)")
async def halves_the_learning_rate(stage: Stage, key: str) -> None:
    before = stage.session.learning_rate("numpy")
    await stage.press(key)
    assert stage.session.rates == dict.fromkeys(stage.session.steps, before / 2)
