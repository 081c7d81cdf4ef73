"""What each key does among the runs, as a proof that presses it."""

import csv
import json
from collections.abc import Callable
from pathlib import Path

from mlpwatch.core.config import RunConfig
from mlpwatch.tui.dashboard.screen import Dashboard
from mlpwatch.tui.kit.dialogs import Confirmation, LineEntry
from mlpwatch.tui.runs.branching.dialog import BranchDialog
from mlpwatch.tui.runs.branching.form import BranchForm
from mlpwatch.tui.runs.comparison_screen import CompareScreen
from mlpwatch.tui.runs.screen import RunsScreen
from tests.support.keys.key_effects import EFFECTS, Effect, effect
from tests.support.samples.run_scenes import (
    ALONE,
    DAMAGED,
    ELSEWHERE,
    FAILED,
    FINISHED,
    HERE,
    STOPPED,
)
from tests.support.stage import Stage, until

BY_AGE = [HERE, ELSEWHERE, FINISHED, STOPPED, FAILED, ALONE, DAMAGED]


def listed(stage: Stage) -> list[str]:
    """The names of the runs, from top to bottom."""
    rows = [row[3:] for row in stage.text().split("\n")]
    return [name for row in rows for name in BY_AGE if row.startswith(name + "  ")]


def selected(stage: Stage) -> str:
    """The name of the run under the cursor."""
    row = next(row for row in stage.text().split("\n") if row.startswith("▸"))
    return next(name for name in BY_AGE if name in row)


async def compare(stage: Stage) -> None:
    """Open the comparison of a stopped and a finished run."""
    await stage.open_runs()
    await stage.press("down", "down", "m", "down", "m", "o")
    await stage.see("hidden 512-256")


@effect("dashboard", "app.runs")
async def lists_the_runs(stage: Stage, key: str) -> None:
    await stage.press(key)
    assert isinstance(stage.app.screen, RunsScreen)


@effect("runs", "back")
async def drops_the_filter_then_leaves(stage: Stage, key: str) -> None:
    await stage.open_runs()
    if key == "escape":
        await stage.press("slash", "b", "e", "s", "t", "enter")
        assert listed(stage) == [ELSEWHERE, STOPPED]
        await stage.press(key)
        assert listed(stage) == BY_AGE
    await stage.press(key)
    assert isinstance(stage.app.screen, Dashboard)


@effect("runs", "filter")
async def filters_by_typed_words(stage: Stage, key: str) -> None:
    await stage.open_runs()
    await stage.press(key, *"MNIST", "space", *"fin", "enter")
    assert listed(stage) == [FINISHED]
    assert "1 of 7 runs" in stage.text()


@effect("runs", "mark")
async def marks_and_unmarks(stage: Stage, key: str) -> None:
    await stage.open_runs()
    await stage.press(key, "down", key)
    assert f"\n 1 {HERE}" in stage.text()
    assert f"▸2 {ELSEWHERE}" in stage.text()
    assert "2 marked" in stage.text()
    await stage.press("up", key)
    assert f"▸  {HERE}" in stage.text()


@effect("runs", "open")
async def opens_a_run(stage: Stage, key: str) -> None:
    await stage.open_runs()
    await stage.press("down", "down", key)
    assert isinstance(stage.app.screen, Dashboard)
    await stage.see(f" {FINISHED}  mnist · 784-50-10 · sigmoid")


@effect("runs", "compare")
async def compares(stage: Stage, key: str) -> None:
    await stage.open_runs()
    await stage.press(key)
    assert isinstance(stage.app.screen, CompareScreen)
    await stage.see("NumPy loss")


@effect("runs", "resume")
async def asks_before_it_resumes(stage: Stage, key: str) -> None:
    await stage.open_runs()
    await stage.press("down", "down", "down", key)
    await stage.see(f"Continue {STOPPED} here?")
    assert "NumPy has done 11 of 14 epochs." in stage.text()
    assert f"{HERE}, now training here, is saved and ended first" in stage.text()


@effect("runs", "start_new")
async def asks_for_the_options_of_a_new_run(stage: Stage, key: str) -> None:
    await stage.open_runs()
    await stage.press("down", "down", key)
    await until(lambda: isinstance(stage.app.screen, LineEntry), stage.pilot)
    assert "--recipe seed" in stage.text()
    assert "50 · sigmoid · sgd · rate 0.1 · batch 100" in stage.text()
    await stage.press("end", *" --momentum 2")
    assert "momentum 2.0: expected a share" in " ".join(stage.text().split())


@effect("runs", "branch")
async def says_that_nothing_is_kept(stage: Stage, key: str) -> None:
    await stage.open_runs()
    await stage.press("down", "down", key)
    await stage.see("keeps no past epoch to branch from")


@effect("dashboard", "branch")
async def says_so_of_the_run_here(stage: Stage, key: str) -> None:
    await stage.press(key)
    await stage.see("not found under")


@effect("dashboard", "go_back")
async def says_that_no_loss_has_jumped_up(stage: Stage, key: str) -> None:
    await stage.press(key)
    assert "no loss has jumped up" in stage.text()


@effect("runs", "rename")
async def renames(stage: Stage, key: str) -> None:
    await stage.open_runs()
    await stage.press("down", "down", "down", "m", key)
    assert isinstance(stage.app.screen, LineEntry)
    await stage.press("ctrl+u", *"zwei", "enter")
    await stage.see(f"{STOPPED} is now zwei")
    await until(lambda: "▸1 zwei" in stage.text(), stage.pilot)


@effect("runs", "delete")
async def deletes(stage: Stage, key: str) -> None:
    await stage.open_runs()
    await stage.press("down", "down", key)
    await stage.see(f"Delete {FINISHED}?")
    assert "3 files, " in stage.text()
    assert "15 epochs of training" in stage.text()
    await stage.press_and_see("y", f"deleted {FINISHED}")
    await until(lambda: FINISHED not in listed(stage), stage.pilot)


@effect("runs", "export('csv')")
async def exports_csv(stage: Stage, key: str) -> None:
    await stage.open_runs()
    await stage.press("down", "down", "m", "down", "m", key)
    await stage.see("wrote the metrics of 2 runs to ")
    rows = list(csv.DictReader(Path("2-runs.csv").read_text().splitlines()))
    assert {row["run"] for row in rows} == {FINISHED, STOPPED}


@effect("runs", "export('json')")
async def exports_json(stage: Stage, key: str) -> None:
    await stage.open_runs()
    await stage.press("down", "down", key)
    await stage.see(f"wrote the metrics of {FINISHED} to {Path.cwd()}")
    (run,) = json.loads(Path(f"{FINISHED}.json").read_text())
    assert len(run["metrics"]) == 30


@effect("runs", "export_as")
async def exports_in_a_format(stage: Stage, key: str) -> None:
    await stage.open_runs()
    await stage.press("down", "down", key)
    assert isinstance(stage.app.screen, LineEntry)
    assert f"Export {FINISHED} as" in stage.text()
    await stage.press("ctrl+u", *"xml")
    assert "'xml': expected one of csv, json, html" in stage.text()
    await stage.press("ctrl+u", *"json", "enter")
    await stage.see(f"wrote {Path.cwd() / FINISHED}.json")
    run = json.loads(Path(f"{FINISHED}.json").read_text())
    assert len(run["metrics"]) == 30


@effect("runs", "sort(1)")
async def sorts_by_the_next_column(stage: Stage, key: str) -> None:
    await stage.open_runs()
    assert listed(stage) == BY_AGE
    await stage.press(key)
    assert "data↑" in stage.text()
    assert listed(stage)[:3] == [HERE, FAILED, ALONE]


@effect("runs", "sort(-1)")
async def sorts_by_the_column_before(stage: Stage, key: str) -> None:
    await stage.open_runs()
    await stage.press(key)
    assert "run↑" in stage.text()
    assert listed(stage) == sorted(BY_AGE)


@effect("runs", "reverse")
async def turns_the_order_round(stage: Stage, key: str) -> None:
    await stage.open_runs()
    await stage.press(key)
    assert listed(stage) == [*BY_AGE[-2::-1], DAMAGED], "without a date: last in either order"


def selects(name: str, *before: str) -> Effect:
    async def proof(stage: Stage, key: str) -> None:
        await stage.open_runs()
        await stage.press(*before, key)
        assert selected(stage) == name

    return proof


EFFECTS["runs", "move(1)"] = selects(ELSEWHERE)
EFFECTS["runs", "move(-1)"] = selects(ELSEWHERE, "down", "down")
EFFECTS["runs", "move_page(1)"] = selects(DAMAGED)
EFFECTS["runs", "move_page(-1)"] = selects(HERE, "down", "down")
EFFECTS["runs", "end(-1)"] = selects(HERE, "down", "down")
EFFECTS["runs", "end(1)"] = selects(DAMAGED)


@effect("compare", "back")
async def leaves_the_crosshair_then_the_screen(stage: Stage, key: str) -> None:
    await compare(stage)
    await stage.press("left", key)
    assert "epoch 15" not in stage.text()
    await stage.press(key)
    assert isinstance(stage.app.screen, RunsScreen)


@effect("compare", "export('csv')")
async def exports_what_is_compared_as_csv(stage: Stage, key: str) -> None:
    await compare(stage)
    await stage.press(key)
    await stage.see("wrote the metrics of 2 runs to ")
    rows = list(csv.DictReader(Path("2-runs.csv").read_text().splitlines()))
    assert {row["run"] for row in rows} == {FINISHED, STOPPED}
    await stage.press("l")
    assert "wrote the metrics" not in stage.text(), "an answer goes with the next key"


@effect("compare", "export('json')")
async def exports_what_is_compared_as_json(stage: Stage, key: str) -> None:
    await compare(stage)
    await stage.press(key)
    await stage.see("wrote the metrics of 2 runs to ")
    assert {run["run"] for run in json.loads(Path("2-runs.json").read_text())} == {
        FINISHED,
        STOPPED,
    }


@effect("compare", "why")
async def says_how_long_the_reason_takes(stage: Stage, key: str) -> None:
    await stage.open_runs()
    await stage.press("m", *["down"] * 4, "m", "o", key)
    await stage.see(f"Why do {HERE} and {FAILED} differ?")
    text = stage.text()
    assert "1 setting differs: learning rate" in text
    assert "2 networks x 3 seeds" in text
    assert "3 epochs: about" in text
    await stage.press("n")
    assert isinstance(stage.app.screen, CompareScreen)


@effect("compare", "toggle_log")
async def scales_the_loss(stage: Stage, key: str) -> None:
    await compare(stage)
    assert stage.text().count(" 0┤") == 4
    await stage.press(key)
    assert stage.text().count(" 0┤") == 2, "no zero on a logarithmic axis"


@effect("compare", "toggle_seconds")
async def shows_seconds(stage: Stage, key: str) -> None:
    await compare(stage)
    await stage.press(key)
    assert stage.text().count("  sec 0") == 4


@effect("compare", "move(-1)")
async def goes_an_epoch_back(stage: Stage, key: str) -> None:
    await compare(stage)
    await stage.press(key, *[key] * 4)
    assert "NumPy loss · epoch 11 · 1: 0.5197  2: 0.2277 " in stage.text()


@effect("compare", "move(1)")
async def goes_an_epoch_on(stage: Stage, key: str) -> None:
    await compare(stage)
    await stage.press("left", "left", key)
    assert "NumPy accuracy % · epoch 15 · 1: 90.23% " in stage.text()
    await stage.press(key)
    assert "epoch" not in stage.row("NumPy accuracy"), "beyond the last: no read-out"


def answers(ask: str, shows: Callable[[Stage], bool], *, kept: bool) -> Effect:
    async def proof(stage: Stage, key: str) -> None:
        await stage.open_runs()
        await stage.press("down", "down", ask)
        await until(lambda: isinstance(stage.app.screen, Confirmation | LineEntry), stage.pilot)
        await stage.press(key)
        await until(lambda: shows(stage), stage.pilot)
        assert Path(f"saved/{FINISHED}").exists() == kept

    return proof


def is_back(stage: Stage) -> bool:
    return isinstance(stage.app.screen, RunsScreen)


EFFECTS["question", "answer(True)"] = answers(
    "d", lambda stage: "deleted" in stage.text(), kept=False
)
EFFECTS["question", "answer(False)"] = answers("d", is_back, kept=True)
EFFECTS["entry", "cancel"] = answers("n", is_back, kept=True)


async def branch_dialog(stage: Stage) -> BranchDialog:
    """Open the dialog of a branch."""
    form = BranchForm(RunConfig(), range(13), 5, here="twin")
    stage.app.push_screen(BranchDialog(form, "twin"))
    await until(lambda: isinstance(stage.app.screen, BranchDialog), stage.pilot)
    dialog = stage.app.screen
    assert isinstance(dialog, BranchDialog)
    return dialog


def at_row(first: str, *, after: tuple[str, ...] = ()) -> Effect:
    async def proof(stage: Stage, key: str) -> None:
        dialog = await branch_dialog(stage)
        await stage.press(*after, key)
        assert dialog.form.row.key == first

    return proof


EFFECTS["branch", "move(1)"] = at_row("name")
EFFECTS["branch", "move(-1)"] = at_row("name", after=("down", "down"))


@effect("branch", "turn(1)")
async def takes_the_next_kept_epoch(stage: Stage, key: str) -> None:
    dialog = await branch_dialog(stage)
    await stage.press(key)
    assert dialog.form.plan().epoch == 6
    await stage.press("tab", key)
    assert dialog.form.plan().config.learning_rate == 2 * RunConfig().learning_rate


@effect("branch", "turn(-1)")
async def takes_the_kept_epoch_before(stage: Stage, key: str) -> None:
    dialog = await branch_dialog(stage)
    await stage.press(key)
    assert dialog.form.plan().epoch == 4
    await stage.press("tab", key)
    assert dialog.form.plan().config.learning_rate == RunConfig().learning_rate / 2


@effect("branch", "start")
async def starts_unless_something_is_wrong(stage: Stage, key: str) -> None:
    await branch_dialog(stage)
    await stage.press(*"99", key)
    assert "epoch 99 is not kept" in stage.text()
    await stage.press("ctrl+u", *"4", key)
    assert isinstance(stage.app.screen, Dashboard)


@effect("branch", "cancel")
async def leaves_the_dialog(stage: Stage, key: str) -> None:
    await branch_dialog(stage)
    await stage.press(key)
    assert isinstance(stage.app.screen, Dashboard)
