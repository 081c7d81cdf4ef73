"""What spectators may press, key by key, and what they read where they may not."""

from pathlib import Path

import pytest

from mlpwatch.core import spectating
from mlpwatch.core.spectating import LOOKS_ONLY
from mlpwatch.tui.kit.dialogs import LineEntry
from mlpwatch.tui.kit.keys import CHANGING, KEYS, Key
from tests.support.samples.scenes import training
from tests.support.stage import Stage, on_stage

LOOKING = {
    "mistakes", "explain", "weights", "draw", "runs", "layers", "next_panel", "previous_panel",
    "toggle_zoom", "toggle_overlay", "next_gap", "move", "crosshair", "open", "toggle_log",
    "toggle_recent", "toggle_seconds", "epoch", "copy", "next_matrix", "back", "move_row",
    "move_page", "first", "last", "next_list", "toggle_neighbours", "next_gradient", "other_model",
    "filter_true", "filter_predicted", "clear_filters", "next_order", "toggle_test",
    "next_renderer", "turn", "unit", "layer", "item", "toggle_code", "filter", "mark", "compare",
    "sort", "reverse", "end", "answer", "cancel", "page", "row", "next_model", "next_dead",
    "next_chart", "toggle_pen", "toggle_eraser", "clear", "choose", "toggle_centring", "shift",
    "toggle_bands", "zoom", "unfold_all", "zoom_x", "next_smoothing", "toggle_single", "help",
    "command_palette", "suspend_process", "leave", "interrupt", "above",
}  # fmt: skip
"""Actions that only look. Each new key is here, or in `CHANGING`."""

CHANGING_KEYS = [key for key in KEYS if key.action_name in CHANGING]


@pytest.fixture(autouse=True)
def spectator(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the app find a spectator's process; the hook below it has a test of its own."""
    monkeypatch.setattr(spectating._Process, "looks_only", True)


def test_each_action_looks_or_changes() -> None:
    assert LOOKING.isdisjoint(CHANGING)
    assert {key.action_name for key in KEYS} <= LOOKING | CHANGING


ORDERS = ("pause", "resume", "step", "save", "stop", "set_learning_rate", "set_lockstep",
          "set_steps_per_second")  # fmt: skip


def orders_of(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return a list that notes the orders to the run from now on."""
    given: list[str] = []
    for name in ORDERS:
        monkeypatch.setattr(
            stage.session, name, lambda *_, name=name: given.append(name), raising=True
        )
    return given


async def go_to(stage: Stage, where: str) -> None:
    if where == "draw":
        await stage.press("d")
    if where in ("runs", "compare"):
        await stage.open_runs()
    if where == "compare":
        await stage.press("o")


@pytest.mark.parametrize("where", ["everywhere", "dashboard", "draw", "runs"])
async def test_each_changing_key_is_refused_with_one_line(
    where: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = [key for key in CHANGING_KEYS if key.where == where]
    assert keys
    saved = tmp_path if where == "runs" else None
    async with on_stage(training(), saved=saved) as stage:
        given = orders_of(stage, monkeypatch)
        await go_to(stage, where)
        screens = list(stage.app.screen_stack)
        for key in keys:
            await refused(stage, key)
            assert stage.app.screen_stack == screens
        assert given == []


async def refused(stage: Stage, key: Key) -> None:
    for name in key.names:
        await stage.press(name)
        assert LOOKS_ONLY[:40] in stage.text(), key
    if stage.app.runs.top.state is not None:
        stage.app.runs.top.state.say("another line")
        await stage.look()


async def test_the_palette_refuses_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with on_stage(training(), saved=tmp_path) as stage:
        given = orders_of(stage, monkeypatch)
        before = list(tmp_path.iterdir())
        commands = {one.title: one for one in stage.app.get_system_commands(stage.app.screen)}
        for title in ("Set the learning rate", "Set the speed limit"):
            commands[title].callback()
            await stage.look()
            assert LOOKS_ONLY[:40] in stage.text(), title
            assert not isinstance(stage.app.screen, LineEntry)
        assert stage.app.deliver_screenshot() is None
        assert list(tmp_path.iterdir()) == before
        commands["New run"].callback()
        await stage.see(LOOKS_ONLY[:40])
        assert given == []


async def test_the_footer_names_no_key_that_is_refused() -> None:
    async with on_stage(training()) as stage:
        footer = stage.text().rstrip().split("\n")[-1]
        assert "pause" not in footer
        assert "save" not in footer
        assert "mistakes" in footer
        assert "help" in footer
