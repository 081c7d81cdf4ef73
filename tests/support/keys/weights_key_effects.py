"""What each key does on the weights screen; see `tests.support.keys.key_effects`."""

from mlpwatch.tui.dashboard.screen import Dashboard
from tests.support.keys.key_effects import EFFECTS, Effect, effect
from tests.support.stage import Stage, until


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
        assert f"unit {unit} is dead" in stage.row("is dead"), "where several are on the page"


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


@effect("weights", "open")
async def opens_the_unit_in_the_tour(stage: Stage, key: str) -> None:
    await stage.press("space")
    await open_weights(stage)
    await stage.press("down", key)
    await stage.see("layer 0, unit 3 of 32")


def moves_the_cursor(unit: int, *before: str) -> Effect:
    async def proof(stage: Stage, key: str) -> None:
        await stage.press("space")
        await open_weights(stage)
        await stage.press(*before, key, "enter")
        await stage.see(f"layer 0, unit {unit} of 32")

    return proof


EFFECTS["weights", "move(1)"] = moves_the_cursor(1)
EFFECTS["weights", "move(-1)"] = moves_the_cursor(30, "end")
