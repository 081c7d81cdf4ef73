"""What each key does on the layers screen; see `tests.support.keys.key_effects`."""

from dataclasses import replace

from mlpwatch.tui.dashboard.screen import Dashboard
from mlpwatch.tui.layers.screen import LayersScreen
from tests.support.keys.key_effects import EFFECTS, Effect, effect
from tests.support.samples.scenes import CONFIG
from tests.support.stage import Stage


@effect("dashboard", "app.layers")
async def opens_the_layers(stage: Stage, key: str) -> None:
    await stage.press(key)
    assert isinstance(stage.app.screen, LayersScreen)


@effect("layers", "back")
async def leaves_the_layers_for_the_dashboard_at_the_same_epoch(stage: Stage, key: str) -> None:
    await stage.press("u", "less_than_sign", "less_than_sign")
    assert "NumPy  epoch 3" in stage.text()
    await stage.press(key)
    assert isinstance(stage.app.screen, Dashboard)
    assert "· epoch 3: " in stage.row("confusion")


def shows_layers(words: str, *before: str) -> Effect:
    async def proof(stage: Stage, key: str) -> None:
        stage.session.config = replace(CONFIG, hidden=(32,) * 10)
        await stage.press("u", *before)
        assert words not in stage.text()
        await stage.press(key)
        assert words in stage.text()

    return proof


EFFECTS["layers", "page(1)"] = shows_layers("layers 5–10 of 11")
EFFECTS["layers", "page(-1)"] = shows_layers("layers 0–5 of 11", "down")


@effect("layers", "next_chart")
async def shows_the_next_chart_where_not_all_fit(stage: Stage, key: str) -> None:
    await stage.press("u", key)
    assert "all charts are shown" in stage.text()
    await stage.pilot.resize_terminal(80, 24)
    titles = ("gradient norm", "update / weight", "dead units %")
    assert [title in stage.text() for title in titles] == [True, True, False]
    for missing in titles:
        await stage.press(key)
        assert [title for title in titles if title not in stage.text()] == [missing]
