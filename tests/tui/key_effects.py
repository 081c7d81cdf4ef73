"""What each key does, as a proof that presses it: by place and action of the key table."""

import os
import re
from collections.abc import Awaitable, Callable
from unittest.mock import patch

from textual.command import CommandPalette

from tests.tui.stage import Stage, until
from tui.keys import Where
from tui.screens.dashboard import Dashboard
from tui.screens.dialogs import HelpScreen
from tui.screens.explain import ExplainScreen
from tui.screens.mistakes import MistakesScreen
from tui.screens.weights import WeightsScreen
from tui.widgets.confusion import ConfusionMatrix
from tui.widgets.digit_view import DigitView

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


def cursor(stage: Stage) -> tuple[int, int]:
    place = stage.app.screen.query_one("#numpy-confusion", ConfusionMatrix).cursor
    assert place is not None
    return place


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
    with patch("tui.leaving_app.os.getsid", lambda _pid: os.getpgrp()):
        await stage.press(key)
    assert "ctrl+z: there is no shell to go back to" in stage.text()


@effect("everywhere", "interrupt")
async def leaves_with_a_status(stage: Stage, key: str) -> None:
    await stage.pilot.press(key)
    await until(lambda: stage.app.return_value is not None, stage.pilot)
    assert stage.app.return_value == 130
    assert stage.session.ended


@effect("dashboard", "app.mistakes")
async def opens_the_mistakes(stage: Stage, key: str) -> None:
    await stage.press(key)
    assert isinstance(stage.app.screen, MistakesScreen)


@effect("dashboard", "app.explain")
async def opens_the_explanation(stage: Stage, key: str) -> None:
    await stage.press(key)
    assert isinstance(stage.app.screen, ExplainScreen)


@effect("explain", "back")
async def goes_back_from_the_explanation(stage: Stage, key: str) -> None:
    await stage.press("e", key)
    assert isinstance(stage.app.screen, Dashboard)


@effect("dashboard", "next_panel")
async def goes_to_the_next_panel(stage: Stage, key: str) -> None:
    for panel in ("▸ accuracy", "▸ confusion", "▸ loss"):
        await stage.press(key)
        assert stage.text().count("▸") == 2
        assert panel in stage.text()


@effect("dashboard", "previous_panel")
async def goes_to_the_panel_before(stage: Stage, key: str) -> None:
    await stage.press(key)
    assert "▸ confusion" in stage.text()


def moves_in_the_matrix(down: int, right: int) -> Effect:
    async def proof(stage: Stage, key: str) -> None:
        await stage.press("tab", "tab", "down", "up")
        before = cursor(stage)
        await stage.press(key)
        assert cursor(stage) == (before[0] + down, before[1] + right)

    return proof


def crosshair(stage: Stage) -> int | None:
    """The step that the loss chart's title reads out, itself or as an epoch's end."""
    told = re.search(r"(step|epoch) ([\d,]+):", stage.row("▸ loss"))
    return int(told[2].replace(",", "")) * (20 if told[1] == "epoch" else 1) if told else None


async def moves_left_in_charts_and_matrix(stage: Stage, key: str) -> None:
    await stage.press(key)
    assert crosshair(stage) == 67
    await stage.press(key)
    assert crosshair(stage) == 63, "a column is 240 / 62 steps"
    await moves_in_the_matrix(0, -1)(stage, key)


async def moves_right_in_charts_and_matrix(stage: Stage, key: str) -> None:
    await stage.press("left", "left", key)
    assert crosshair(stage) == 67
    await stage.press(*[key] * 10)
    assert crosshair(stage) == 107
    await stage.press(key)
    assert crosshair(stage) is None, "beyond the newest: no read-out"
    await moves_in_the_matrix(0, 1)(stage, key)


def moves_the_crosshair(start: str, expected: list[int]) -> Effect:
    async def proof(stage: Stage, key: str) -> None:
        await stage.press(*start.split())
        for step in expected:
            await stage.press(key)
            assert crosshair(stage) == step

    return proof


EFFECTS["dashboard", "move(-1, 0)"] = moves_in_the_matrix(-1, 0)
EFFECTS["dashboard", "move(1, 0)"] = moves_in_the_matrix(1, 0)
EFFECTS["dashboard", "move(0, -1)"] = moves_left_in_charts_and_matrix
EFFECTS["dashboard", "move(0, 1)"] = moves_right_in_charts_and_matrix
EFFECTS["dashboard", "crosshair('point', -1)"] = moves_the_crosshair("left", [66, 65])
EFFECTS["dashboard", "crosshair('point', 1)"] = moves_the_crosshair("left left", [64, 65])
EFFECTS["dashboard", "crosshair('epoch', -1)"] = moves_the_crosshair("", [60, 40])
EFFECTS["dashboard", "crosshair('epoch', 1)"] = moves_the_crosshair("pageup pageup", [60, 80, 100])


@effect("everywhere", "stop")
async def ends_the_run_when_pressed_twice(stage: Stage, key: str) -> None:
    await stage.press(key)
    assert not stage.state.ended
    assert "X again within 5 seconds saves the run and ends its training" in stage.text()
    await stage.press(key)
    assert phases(stage) == ["stopped", "stopped"]
    assert stage.app.is_running


@effect("dashboard", "open")
async def opens_the_cell(stage: Stage, key: str) -> None:
    await stage.press("tab", "tab", "down")
    true, predicted = cursor(stage)
    await stage.press(key)
    assert isinstance(stage.app.screen, MistakesScreen)
    assert f"true label {true} · read as {predicted}" in stage.text()


@effect("dashboard", "toggle_overlay")
async def overlays(stage: Stage, key: str) -> None:
    await stage.press(key)
    legend = stage.row("▸ loss")
    assert "─ NumPy" in legend
    assert "╌ PyTorch" in legend
    assert "largest weight difference" in legend
    await stage.press(key)
    assert "╌ PyTorch" not in stage.text()


@effect("dashboard", "toggle_log")
async def scales_logarithmically(stage: Stage, key: str) -> None:
    zeros = stage.text().count(" 0┤")
    await stage.press(key)
    assert stage.text().count(" 0┤") == zeros - 2, "no zero on a logarithmic axis"


@effect("dashboard", "toggle_seconds")
async def shows_seconds(stage: Stage, key: str) -> None:
    assert stage.text().count("epoch 0") == 4
    await stage.press(key)
    assert "epoch 0" not in stage.text()
    assert stage.text().count("  sec 0") == 4


@effect("dashboard", "toggle_recent")
async def shows_the_last_steps(stage: Stage, key: str) -> None:
    await stage.press(key)
    assert stage.text().count("loss of the last steps") == 2
    assert stage.text().count("steps ") == 2
    await stage.press(key)
    assert "steps" not in stage.row("▸ loss")


@effect("dashboard", "toggle_zoom")
async def zooms(stage: Stage, key: str) -> None:
    await stage.press(key)
    assert "accuracy" not in stage.text()
    assert "▸ loss" in stage.text()
    await stage.press(key)
    assert "accuracy" in stage.text()


@effect("dashboard", "next_matrix")
async def shows_the_matrix_in_every_way(stage: Stage, key: str) -> None:
    for title in ("row %", "NumPy − PyTorch", "scores %", ""):
        await stage.press(key)
        assert stage.row("confusion").strip().startswith(f"confusion {title}".strip())


@effect("dashboard", "scrub(-1)")
async def looks_back_an_epoch_while_paused(stage: Stage, key: str) -> None:
    await stage.press(key)
    assert "space pauses; then < and > go back and on" in stage.text()
    await stage.press("space", key)
    assert "· epoch 4: " in stage.row("confusion")


@effect("dashboard", "scrub(1)")
async def goes_on_an_epoch_while_paused(stage: Stage, key: str) -> None:
    await stage.press("space", "less_than_sign", "less_than_sign", key)
    assert "· epoch 4: " in stage.row("confusion")
    await stage.press(key)
    assert "epoch" not in stage.row("confusion"), "the newest"


@effect("dashboard", "back")
async def goes_back_one_thing_at_a_time(stage: Stage, key: str) -> None:
    await stage.press("o", "z", "left")
    await stage.press(key)
    assert "epoch 5:" not in stage.text()
    await stage.press(key)
    assert "accuracy" in stage.text()
    assert "╌ PyTorch" in stage.text()
    await stage.press(key)
    assert "╌ PyTorch" not in stage.text()


def moves_to(place: str, *before: str) -> Effect:
    async def proof(stage: Stage, key: str) -> None:
        await stage.press("m", *before, key)
        assert f" {place} of 90 " in stage.text()

    return proof


EFFECTS["mistakes", "move(1)"] = moves_to("2")
EFFECTS["mistakes", "move(-1)"] = moves_to("90")
EFFECTS["mistakes", "move_row(1)"] = moves_to("15")
EFFECTS["mistakes", "move_row(-1)"] = moves_to("1", "down")
EFFECTS["mistakes", "move_page(1)"] = moves_to("11", "enter")
EFFECTS["mistakes", "move_page(-1)"] = moves_to("81", "enter")
EFFECTS["mistakes", "first"] = moves_to("1", "right")
EFFECTS["mistakes", "last"] = moves_to("90")


def shows(words: str, *before: str) -> Effect:
    async def proof(stage: Stage, key: str) -> None:
        await stage.press("m", *before)
        assert words not in stage.text()
        await stage.press(key)
        assert words in stage.text()

    return proof


EFFECTS["mistakes", "next_list(1)"] = shows("▸ PyTorch wrong")
EFFECTS["mistakes", "next_list(-1)"] = shows("▸ newly right")
EFFECTS["mistakes", "next_order"] = shows("surest mistakes first")
EFFECTS["mistakes", "filter_true"] = shows("true label 0 · read as any")
EFFECTS["mistakes", "filter_predicted"] = shows("true label any · read as 0")
EFFECTS["mistakes", "clear_filters"] = shows("true label any · read as any", "t", "f")


@effect("mistakes", "toggle_test")
async def turns_to_the_test_images_and_back(stage: Stage, key: str) -> None:
    await stage.press("m", key)
    await stage.app.workers.wait_for_complete()
    await stage.look()
    assert "test image " in stage.text()
    assert "validation image " not in stage.text()
    await stage.press(key)
    assert "validation image " in stage.text()


@effect("mistakes", "open")
async def enlarges_the_digit(stage: Stage, key: str) -> None:
    await stage.press("m", "right", key)
    assert stage.app.screen.query_one(DigitView).display
    assert "true label    6" in stage.text()
    assert "2 of 90 · validation image 1,007" in stage.text()


@effect("mistakes", "next_renderer")
async def draws_pixels_in_another_way(stage: Stage, key: str) -> None:
    await stage.press("m", "enter")
    assert "@@@@" in stage.text()
    await stage.press(key)
    assert "@@@@" not in stage.text()
    assert "⣿⣿⣿⣿" in stage.text()


@effect("mistakes", "back")
async def goes_back_to_the_dashboard(stage: Stage, key: str) -> None:
    await stage.press("m", key)
    assert isinstance(stage.app.screen, Dashboard)


@effect("dashboard", "app.weights")
async def opens_the_weights(stage: Stage, key: str) -> None:
    await stage.press(key)
    assert isinstance(stage.app.screen, WeightsScreen)


@effect("weights", "back")
async def goes_back_from_the_weights(stage: Stage, key: str) -> None:
    await stage.press("w", key)
    assert isinstance(stage.app.screen, Dashboard)


async def open_weights(stage: Stage) -> None:
    """Open the weights, and wait until tiles and dead units are there."""
    await stage.press("w")
    await until(lambda: stage.text().count("dead unit") == 2, stage.pilot)


def shows_units(words: str, *before: str) -> Effect:
    async def proof(stage: Stage, key: str) -> None:
        await open_weights(stage)
        await stage.press(*before)
        assert f"units {words} of 32," not in stage.text()
        await stage.press(key)
        assert f"units {words} of 32," in stage.text()

    return proof


EFFECTS["weights", "page(1)"] = shows_units("9–17")
EFFECTS["weights", "page(-1)"] = shows_units("0–8", "right")
EFFECTS["weights", "row(1)"] = shows_units("3–11")
EFFECTS["weights", "row(-1)"] = shows_units("0–8", "down")
EFFECTS["weights", "first"] = shows_units("0–8", "end")
EFFECTS["weights", "last"] = shows_units("24–31")


@effect("weights", "next_dead")
async def goes_to_the_next_dead_unit(stage: Stage, key: str) -> None:
    await open_weights(stage)
    for unit in (5, 19, 5):
        await stage.press(key)
        first = unit // 3 * 3
        assert f"units {first}–" in stage.text()
        assert f"{unit} dead" in stage.text()


@effect("weights", "toggle_zoom")
async def enlarges_the_tiles(stage: Stage, key: str) -> None:
    await open_weights(stage)
    await stage.press(key)
    assert "units 0–3 of 32," in stage.text()
    await stage.press(key)
    assert "units 0–8 of 32," in stage.text()


@effect("weights", "next_model")
async def shows_each_model_alone_then_both(stage: Stage, key: str) -> None:
    await open_weights(stage)
    for shown in (("NumPy",), ("PyTorch",), ("NumPy", "PyTorch")):
        await stage.press(key)
        titles = [title for title in ("NumPy  epoch", "PyTorch  epoch") if title in stage.text()]
        assert [title.split()[0] for title in titles] == list(shown)


@effect("mistakes", "next_gradient")
async def marks_what_speaks_for_the_reading_then_for_the_true_label(stage: Stage, key: str) -> None:
    await stage.press("m", "enter")
    assert "more ink for" not in stage.text()
    for label in (stage.row("NumPy   reads").split("reads ")[1][0], true_label(stage)):
        await stage.press(key)
        await stage.says(f"against (−) {label}")
    await stage.press(key)
    assert "more ink for" not in stage.text()


def true_label(stage: Stage) -> str:
    return stage.row("true label  ").split()[-1]


@effect("mistakes", "toggle_neighbours")
async def shows_neighbours_instead_of_the_bars(stage: Stage, key: str) -> None:
    await stage.press("m", key)
    assert "true label  " not in stage.text()
    await stage.says("in NumPy · the true label")
    await stage.press(key)
    assert "true label  " in stage.text()


@effect("mistakes", "other_model")
async def asks_the_other_model(stage: Stage, key: str) -> None:
    await stage.press("m")
    for name in ("PyTorch", "NumPy"):
        await stage.press(key)
        await stage.says(f"in {name} · the true label")
