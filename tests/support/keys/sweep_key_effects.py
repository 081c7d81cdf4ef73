"""What each key does on the sweep's screen; see `tests.support.keys.key_effects`."""

from mlpwatch.core.runs.layout import STOP_NAME
from mlpwatch.core.sweeps.group import held_group
from mlpwatch.tui.dashboard.screen import Dashboard
from tests.support.keys.key_effects import EFFECTS, Effect, effect
from tests.support.stage import Stage
from tests.support.sweep_stage import SweepStage

GRID = ["16 0.1", "16 0.3", "32 0.1", "32 0.3"]
SEEDS = ["seed 0", "seed 1", "seed 2"]


def staged(stage: Stage) -> SweepStage:
    assert isinstance(stage, SweepStage)
    return stage


def selects(row: str, *before: str) -> Effect:
    async def proof(stage: Stage, key: str) -> None:
        await stage.press(*before, key)
        assert staged(stage).selected() == row

    return proof


EFFECTS["sweep", "move(1)"] = selects(GRID[1])
EFFECTS["sweep", "move(-1)"] = selects(GRID[1], "down", "down")
EFFECTS["sweep", "move_page(1)"] = selects(GRID[3])
EFFECTS["sweep", "move_page(-1)"] = selects(GRID[0], "down", "down")
EFFECTS["sweep", "end(1)"] = selects(GRID[3])
EFFECTS["sweep", "end(-1)"] = selects(GRID[0], "down", "down")


@effect("sweep", "open")
async def unfolds_a_setting_then_opens_a_trial(stage: Stage, key: str) -> None:
    await stage.press("down", key)
    assert staged(stage).names() == [*GRID[:2], *SEEDS, *GRID[2:]]
    await stage.press("down", "down", key)
    assert isinstance(stage.app.screen, Dashboard)
    await staged(stage).see_trial()
    assert stage.text().count("epoch 3/3") == 2
    await stage.press("q")
    assert staged(stage).selected() == "seed 1"


@effect("sweep", "unfold_all")
async def lists_all_trials(stage: Stage, key: str) -> None:
    await stage.press(key)
    assert staged(stage).names() == [name for one in GRID for name in (one, *SEEDS)]
    await stage.press("down", "down", key)
    assert staged(stage).names() == GRID
    assert staged(stage).selected() == GRID[0], "from a trial the cursor goes to its setting"


@effect("sweep", "back")
async def drops_filter_zoom_and_unfolded_trials(stage: Stage, key: str) -> None:
    await stage.press("enter", "z", "slash", *"lr=0.3", "enter")
    assert "1 of 4 settings" not in stage.text()
    assert "2 of 4 settings" in stage.text()
    await stage.press(key)
    assert "2 of 4 settings" not in stage.text()
    assert "  done " not in stage.text(), "the charts alone"
    await stage.press(key)
    assert staged(stage).names() == [GRID[0], *SEEDS, *GRID[1:]]
    await stage.press(key)
    assert staged(stage).names() == GRID


@effect("sweep", "filter")
async def filters_by_settings(stage: Stage, key: str) -> None:
    await stage.press(key, *"lr>=0.2", "space", *"hidden=16", "enter")
    assert staged(stage).names() == [GRID[1]]
    await stage.press(key, "space", *"relu", "enter")
    assert "no setting has lr>=0.2 hidden=16 relu" in stage.text()
    await stage.press("escape", key, *"size>3")
    assert "size: no setting; expected a name such as lr, hidden or batch" in stage.text()
    assert staged(stage).names() == GRID


@effect("sweep", "sort(1)")
async def sorts_by_the_next_column(stage: Stage, key: str) -> None:
    await stage.press(key, key)
    assert "rate↑" in stage.text()
    assert staged(stage).names() == [GRID[0], GRID[2], GRID[1], GRID[3]]
    await stage.press(key, key)
    assert "by NumPy %, descending" in stage.text()
    assert staged(stage).names() == GRID[::-1]


@effect("sweep", "sort(-1)")
async def sorts_by_the_column_before(stage: Stage, key: str) -> None:
    await stage.press(key)
    assert "by left, descending" in stage.text()
    await stage.press("right")
    assert "by " not in stage.row(" sweep g"), "the order of the grid again"


@effect("sweep", "reverse")
async def turns_the_grid_round(stage: Stage, key: str) -> None:
    await stage.press(key)
    assert staged(stage).names() == GRID[::-1]


@effect("sweep", "toggle_bands")
async def shows_single_lines(stage: Stage, key: str) -> None:
    assert "mean ± standard deviation" in stage.text()
    await stage.press(key)
    assert "one line per seed" in stage.text()
    assert stage.text().count("─ NumPy  ╌ PyTorch") == 2, "named once, not per seed"


@effect("sweep", "toggle_log")
async def scales_the_loss_of_all_seeds(stage: Stage, key: str) -> None:
    assert stage.text().count(" 0┤") == 2
    await stage.press(key)
    assert stage.text().count(" 0┤") == 1, "no zero on a logarithmic axis"


@effect("sweep", "zoom")
async def gives_the_screen_to_one_part(stage: Stage, key: str) -> None:
    shown = []
    for _ in range(4):
        shown.append(("  done " in stage.text(), "val loss" in stage.text()))
        await stage.press(key)
    assert shown == [(True, True), (False, True), (True, False), (True, True)]


@effect("sweep", "stop")
async def ends_the_sweep_at_the_second_press(stage: Stage, key: str) -> None:
    order = staged(stage).source.path / STOP_NAME
    await stage.press(key, key)
    assert "nothing trains: the sweep has ended" in stage.text()
    with held_group(order.parent):
        await stage.press(key)
        assert "X again within 5 seconds" in stage.text()
        assert not order.exists()
        await stage.press(key)
        assert order.exists()
        assert "saving the trials; the same sweep continues them" in stage.text()
