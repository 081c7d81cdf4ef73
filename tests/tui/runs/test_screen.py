"""The runs screen: what it says, what it follows, and what it never does."""

import os
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from threading import Event as Flag

import pytest

import mlpwatch.core.runs.listing
from mlpwatch.core.recipes import from_recipe
from mlpwatch.core.runs.listing import RunSummary, summarize_run
from mlpwatch.core.runs.run import Run
from mlpwatch.tui.charts.chart import Chart
from mlpwatch.tui.kit.lines import TextLine
from mlpwatch.tui.runs.table import RunTable
from tests.support.keys.run_key_effects import BY_AGE, compare, listed, selected
from tests.support.samples.run_scenes import (
    ALONE,
    DAMAGED,
    ELSEWHERE,
    FAILED,
    FINISHED,
    HERE,
    STOPPED,
    lines,
    make_run,
)
from tests.support.samples.scenes import trained, training
from tests.support.stage import Stage, on_stage, until

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("runs")]

SAVED = Path("saved")


async def test_plain_characters_do() -> None:
    async with on_stage(training(), saved=SAVED, ascii_only=True) as stage:
        await stage.open_runs()
        await stage.press("down", "m")
        assert stage.text().isascii()
        assert f">1 {ELSEWHERE}" in stage.text()
        await stage.press("o")
        await stage.see("accuracy")
        assert stage.text().isascii()


STATES = {
    HERE: "running here",
    ELSEWHERE: "running elsewhere",
    FINISHED: "finished",
    STOPPED: "stopped",
    FAILED: "failed",
    ALONE: "stopped",
    DAMAGED: "damaged",
}


async def test_every_run_says_how_it_stands() -> None:
    async with on_stage(training(), saved=SAVED) as stage:
        await stage.open_runs()
        assert listed(stage) == BY_AGE
        for name, state in STATES.items():
            assert stage.row(f" {name}  ").endswith(f"  {state}")
        row = stage.row(f" {FINISHED}  ").split()
        assert row[1:] == [
            *("2026-11-21", "14:45", "mnist", "seed", "50", "15/15"),
            *("90.12%", "test", "89.51%", "test", "finished"),
        ]
        await stage.press("down", "down", "down", "down")
        assert "torch diverged: the loss is nan at step 26" in stage.row("diverged")
        await stage.press("end")
        assert f"saved/{DAMAGED}/config.json: Expecting property name" in stage.text()


async def test_it_follows_what_happens_on_the_disk(
    runs: dict[str, Run],
) -> None:
    async with on_stage(training(), saved=SAVED) as stage:
        await stage.open_runs()
        await stage.press("down")
        for line in list(lines("numpy", 12, 0.98))[9:]:
            runs[ELSEWHERE].append_metrics(line)
        await stage.see("12/14")
        runs[ELSEWHERE].release()
        await until(lambda: stage.row(ELSEWHERE).endswith("  stopped"), stage.pilot)
        assert selected(stage) == ELSEWHERE


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (Path.exists, "no runs in saved yet; mlpwatch trains one and saves it"),
        (Path.touch, "saved: Not a directory; give another folder with --saved"),
    ],
    ids=["none", "no folder"],
)
async def test_where_there_is_nothing_it_says_what_to_do(
    make: Callable[[Path], object], words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "new").mkdir()
    monkeypatch.chdir(tmp_path / "new")
    make(SAVED)
    async with on_stage(training(), saved=SAVED) as stage:
        await stage.open_runs()
        assert stage.row(words).strip() == words
        for key in ("down", "m", "o", "c", "n", "d", "e", "v", "pagedown"):
            await stage.press(key)
        assert stage.row(words).strip() == words, "there is nothing to act on"


async def test_a_filter_that_matches_nothing_says_how_to_leave_it() -> None:
    async with on_stage(training(), saved=SAVED) as stage:
        await stage.open_runs()
        await stage.press("slash", *"q[b]z")
        assert "nothing matches 'q[b]z'; escape shows all runs" in stage.text()
        assert "0 of 7 runs" in stage.text()


async def test_keys_typed_into_the_filter_do_nothing_else() -> None:
    async with on_stage(training(), saved=SAVED) as stage:
        await stage.open_runs()
        await stage.press("slash", "space", "s", "q", "d", "1")
        assert {engine.phase for engine in stage.state.engines.values()} == {"training"}
        assert not stage.session.ended
        assert " /  sqd1" in stage.text()


async def test_arrows_move_while_one_types() -> None:
    async with on_stage(training(), saved=SAVED) as stage:
        await stage.open_runs()
        await stage.press("slash", *"mnist", "down")
        assert selected(stage) == FINISHED


HOSTILE = [
    os.fsdecode(b"\x1b[2J\x1b]0;owned\x07\xff"),
    "[bold red]not markup[@click=app.quit]x",
    "\u202egnp.exe",
    "e" * 200,
]


@pytest.mark.parametrize("name", HOSTILE, ids=["escape", "markup", "right-to-left", "long"])
async def test_a_hostile_name_is_shown_as_text_and_deleted_as_it_is(name: str) -> None:
    (SAVED / STOPPED).rename(SAVED / name)
    async with on_stage(training(), (220, 40), saved=SAVED) as stage:
        await stage.open_runs()
        await stage.press("down", "down", "down")
        row = next(row for row in stage.text().split("\n") if row.startswith("▸"))
        assert row.isprintable()
        assert row[3:13].startswith((r"\x1b[2J\x1", "[bold red]", r"\u202egnp", "e" * 10))
        await stage.press("d")
        await stage.see("keeps it")
        await stage.press_and_see("y", "deleted ")
    assert not (SAVED / name).exists()
    assert len(list(SAVED.iterdir())) == 6


async def test_the_run_on_the_dashboard_can_not_be_changed_even_when_it_has_ended(
    runs: dict[str, Run],
) -> None:
    runs[HERE].release()
    async with on_stage(training(), saved=SAVED) as stage:
        await stage.open_runs()
        for key, what in (("d", "deleted"), ("n", "renamed")):
            await stage.press_and_see(key, f"{HERE} is on the dashboard and can't be {what}")


async def test_a_bad_name_is_refused_in_place() -> None:
    async with on_stage(training(), (220, 40), saved=SAVED) as stage:
        await stage.open_runs()
        await stage.press("down", "down", "n", "ctrl+u", *"../x", "enter")
        assert "run name '../x': it begins with '.'" in stage.text()
        await stage.press("ctrl+u", *STOPPED, "enter")
        await stage.see(f"run name '{STOPPED}': taken in saved; choose another")
    assert (SAVED / FINISHED).is_dir()


async def test_a_fifth_mark_is_refused() -> None:
    async with on_stage(training(), saved=SAVED) as stage:
        await stage.open_runs()
        await stage.press("m", "down", "m", "down", "m", "down", "m", "down", "m")
        assert "4 runs fit into one chart; m takes a mark away" in stage.text()
        await stage.press("up")
        assert "4 runs fit" not in stage.text()


async def test_a_damaged_run_has_no_curves() -> None:
    async with on_stage(training(), saved=SAVED) as stage:
        await stage.open_runs()
        await stage.press("end", "o")
        assert "a damaged run has no curves to show" in stage.text()


async def test_a_click_selects() -> None:
    async with on_stage(training(), saved=SAVED) as stage:
        await stage.open_runs()
        await stage.pilot.click("#run-table", offset=(20, 4))
        assert selected(stage) == STOPPED
        await stage.pilot.click("#run-table", offset=(20, 0))
        await stage.pilot.click("#run-table", offset=(20, 20))
        assert selected(stage) == STOPPED


@pytest.mark.parametrize("key", ["r", "o"])
async def test_training_alone_draws_nothing(key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async with on_stage(training(), saved=SAVED) as stage:
        await stage.open_runs()
        if key == "o":
            await stage.press("down", "down", "o")
            await stage.see("NumPy loss")
        painted: list[str] = []
        for kind in (RunTable, Chart, TextLine):
            monkeypatch.setattr(kind, "repaint", lambda self: painted.append(self.id))
        await stage.feed(*trained("numpy", 120, first=108))
        assert painted == []


async def test_a_slow_disk_holds_up_no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    may_read = Flag()

    def slow(folder: Path) -> RunSummary:
        may_read.wait(30)
        return summarize_run(folder)

    monkeypatch.setattr(mlpwatch.core.runs.listing, "summarize_run", slow)
    async with on_stage(training(), saved=SAVED) as stage:
        await stage.press("r")
        assert "reading …" in stage.text()
        await stage.press("down", "space")
        assert {engine.phase for engine in stage.state.engines.values()} == {"paused"}
        may_read.set()
        await stage.see(FINISHED)


async def test_a_comparison_goes_on_with_a_run_that_goes_on(runs: dict[str, Run]) -> None:
    async with on_stage(training(), saved=SAVED) as stage:
        await compare(stage)
        await stage.press("left")
        assert "epoch 15" in stage.text()
        for line in list(lines("numpy", 20, 0.9))[15:]:
            runs[FINISHED].append_metrics(line)
        await until(lambda: "20" in stage.row(" epoch 0"), stage.pilot)


def rows_changed(before: str, after: str) -> int:
    pairs = zip(before.split("\n"), after.split("\n"), strict=True)
    return sum(one != other for one, other in pairs)


async def test_a_page_moves_by_half_its_height_and_a_step_changes_two_rows(
    stage_of_many: Stage,
) -> None:
    stage = stage_of_many
    before = stage.text()
    await stage.press("down")
    # Two names, and the line that tells of the selected run.
    assert rows_changed(before, stage.text()) <= 3
    for _ in range(40):
        before = stage.text()
        await stage.press("down")
        if rows_changed(before, stage.text()) > 3:
            break
    top = stage.text().split("\n")[3]
    await stage.press("down")
    assert stage.text().split("\n")[3] == top, "half a page is free again"


@pytest.fixture
async def stage_of_many(tmp_path: Path) -> AsyncIterator[Stage]:
    for number in range(60):
        make_run(tmp_path, f"run-{number:02}", from_recipe("twin"), 1 + number % 28, {})
    async with on_stage(training(), saved=tmp_path) as stage:
        await stage.open_runs()
        yield stage
