"""What each key does on the dashboard and in the explanation; see `key_effects`."""

import re

from mlpwatch.tui.dashboard.confusion import ConfusionMatrix
from mlpwatch.tui.dashboard.screen import Dashboard
from mlpwatch.tui.explain.screen import ExplainScreen
from mlpwatch.tui.kit.dialogs import LineEntry
from mlpwatch.tui.lecture.big_screen import BigScreen
from mlpwatch.tui.mistakes.screen import MistakesScreen
from mlpwatch.tui.weights.screen import WeightsScreen
from tests.support.keys.key_effects import EFFECTS, Effect, effect
from tests.support.samples.scenes import compared
from tests.support.stage import Stage


def cursor(stage: Stage) -> tuple[int, int]:
    place = stage.app.screen.query_one("#numpy-confusion", ConfusionMatrix).cursor
    assert place is not None
    return place


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
    assert "largest weight" in legend
    await stage.press(key)
    assert "╌ PyTorch" not in stage.text()


@effect("dashboard", "next_gap")
async def goes_through_the_views_of_the_gap(stage: Stage, key: str) -> None:
    await stage.feed(compared(3), compared(50))
    for title, label in (
        ("gap  ", "grown apart"), ("one step apart  ", "rounding"), ("grown apart  ", "loss"),
        ("gap  ", "one step apart"),
    ):  # fmt: skip
        await stage.press(key)
        right = stage.row("▸ loss").partition("PyTorch")[2]
        assert title in right
        assert label in right.partition(title)[2]


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
    assert stage.text().count("steps -1000") == 2
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


@effect("everywhere", "epoch('back')")
async def looks_back_an_epoch(stage: Stage, key: str) -> None:
    await stage.press(key)
    assert "· epoch 4: " in stage.row("confusion")


@effect("everywhere", "epoch('on')")
async def goes_on_an_epoch(stage: Stage, key: str) -> None:
    await stage.press("less_than_sign", "less_than_sign", key)
    assert "· epoch 4: " in stage.row("confusion")
    await stage.press(key)
    assert "epoch" not in stage.row("confusion"), "the newest"


@effect("everywhere", "epoch('first')")
async def goes_to_the_first_epoch(stage: Stage, key: str) -> None:
    await stage.press(key)
    assert "· epoch 1: " in stage.row("confusion")


@effect("everywhere", "epoch('now')")
async def goes_back_to_now(stage: Stage, key: str) -> None:
    await stage.press("less_than_sign", "less_than_sign")
    assert "epoch 3 of 12 · end: now" in stage.text()
    await stage.press(key)
    assert "end: now" not in stage.text()


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


@effect("dashboard", "app.export_as")
async def asks_for_a_format(stage: Stage, key: str) -> None:
    await stage.press(key)
    assert isinstance(stage.app.screen, LineEntry)


@effect("dashboard", "app.above('big')")
async def shows_large_numbers(stage: Stage, key: str) -> None:
    await stage.press(key)
    assert isinstance(stage.app.screen, BigScreen)


@effect("big", "back")
async def leaves_the_large_numbers(stage: Stage, key: str) -> None:
    await stage.press("v", key)
    assert isinstance(stage.app.screen, Dashboard)


@effect("dashboard", "app.above('metrics')")
async def says_that_there_is_no_number_yet(stage: Stage, key: str) -> None:
    """What it shows is proven with folders: see the list of runs, and watched loops."""
    await stage.press(key)
    await stage.see("no numbers yet: they come with the first epoch")


@effect("dashboard", "app.weights")
async def opens_the_weights(stage: Stage, key: str) -> None:
    await stage.press(key)
    assert isinstance(stage.app.screen, WeightsScreen)
