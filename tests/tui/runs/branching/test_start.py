"""A branch is asked for on the screen, and trains in the place of the run there."""

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from mlpwatch.core.config import RunConfig
from mlpwatch.core.runs.manifest import ParentEpoch
from mlpwatch.core.runs.run import Run
from mlpwatch.core.training.launch import new_session
from mlpwatch.core.training.session import Session
from mlpwatch.tui.runs.branching.dialog import BranchDialog
from mlpwatch.tui.runs.branching.form import BranchForm
from mlpwatch.tui.runs.branching.start import proposed_epoch
from tests.support.samples.scenes import training
from tests.support.stage import Stage, on_stage, until
from tests.tui.runs.test_switch import until_here

CONFIG = RunConfig(data="digits", hidden=(8,), epochs=4, only="numpy", threads=1, train_size=100)


def old_run(saved: Path) -> Session:
    session = new_session(CONFIG, saved, "old", lambda _text: None)
    session.start()
    assert session.join(30)
    session.run.release()
    return session


async def until_trained(stage: Stage, step: int) -> None:
    watch = stage.app.runs.top
    await until(
        lambda: watch.poll() and watch.state and watch.state.engines["numpy"].step > step,
        stage.pilot,
    )


async def end(stage: Stage) -> None:
    watch = stage.app.runs.top
    watch.leave()
    await until(lambda: watch.left, stage.pilot)
    assert watch.session is not None
    assert watch.session.join(30)


def test_the_epoch_shown_is_proposed_else_one_that_leaves_something_to_train() -> None:
    kept = [0, 1, 2, 4]
    assert proposed_epoch(kept, 3, 20) == 2
    assert proposed_epoch(kept, None, 4) == 2
    assert proposed_epoch(kept, None, 20) == 4
    assert proposed_epoch([7], 3, 20) == 7


@pytest.mark.slow
async def test_a_branch_of_a_saved_run_trains_here(tmp_path: Path) -> None:
    saved = tmp_path / "saved"
    session = old_run(saved)
    async with on_stage(training(), saved=saved) as stage:
        await stage.open_runs()
        await stage.press("slash", *"old", "enter", "b")
        await until(lambda: isinstance(stage.app.screen, BranchDialog), stage.pilot)
        await stage.press(*["down"] * 3, *["up"] * 3)
        assert "kept: 0-4" in stage.row("▸ from epoch")
        assert " 3▏ " in stage.row("▸ from epoch")
        await stage.press("down", *"new", "tab", *["down"] * 6, *"90000")
        assert "epochs 90000 (was 4)" in " ".join(stage.text().split())
        await stage.press("enter")
        await until_here(stage, "new")
        assert stage.session.ended, "the other one was stopped, and has saved"
        await until_trained(stage, 12)
        await end(stage)
    new = Run.open(saved, "new")
    assert new.config == replace(CONFIG, epochs=90_000)
    assert new.manifest.parent == ParentEpoch("old", 3, 6, session.run.manifest.id)


@pytest.mark.slow
@pytest.mark.parametrize("fate", ["trains on", "stays paused"])
async def test_the_run_here_trains_on_or_stays_paused_as_chosen(tmp_path: Path, fate: str) -> None:
    saved = tmp_path / "saved"
    old_run(saved)
    async with on_stage(training(), saved=saved) as stage:
        await stage.open_runs()
        await stage.press("slash", *"old", "enter", "b")
        await until(lambda: isinstance(stage.app.screen, BranchDialog), stage.pilot)
        await stage.press("down", *"new", "down")
        assert f"{stage.session.run.name} trains here now" in stage.text() or "←→" in stage.text()
        await stage.press(fate[0], "enter")
        await until_here(stage, "new")
        assert not stage.session.ended
        assert stage.session.paused("numpy") == (fate == "stays paused")
        (beside,) = stage.app.runs.beside
        stage.session.feed(training()[:1])
        stage.app.runs.poll()
        assert not stage.session.mailbox.waiting, "its events are taken"
        await end(stage)
        # What still trains is saved with the run on the dashboard.
        stage.app.runs.leave()
        assert stage.session.ended
        stage.app.runs.poll()
        await until(lambda: beside not in stage.app.runs.beside, stage.pilot)


def shown(stage: Stage) -> BranchDialog:
    assert isinstance(stage.app.screen, BranchDialog)
    return stage.app.screen


@pytest.mark.parametrize("size", [(80, 24), (140, 40)])
@pytest.mark.parametrize("ascii_only", [False, True])
async def test_all_settings_can_be_reached_and_what_is_wrong_is_seen(
    size: tuple[int, int], ascii_only: bool
) -> None:
    async with on_stage(training(), size, ascii_only=ascii_only) as stage:
        form = BranchForm(RunConfig(), range(13), 5, here="twin")
        waiting = asyncio.ensure_future(_asked(stage, form))
        await until(lambda: isinstance(stage.app.screen, BranchDialog), stage.pilot)
        await stage.see("enter starts  escape cancels")
        mark, seen = ">" if ascii_only else "▸", set()
        for _ in form.rows:
            seen.add(stage.row(f" {mark} ").split(mark)[1].split("  ")[0].strip())
            await stage.press("down")
        assert seen == {row.label for row in form.rows}
        assert "enter starts" in stage.text(), "the keys stay in sight"
        await stage.press(*["tab"] * 3, *"2")
        assert "dropout 2.0" in stage.text()
        await stage.press("enter")
        assert shown(stage).form is form, "it does not start"
        assert not ascii_only or stage.text().isascii()
        await stage.press("ctrl+u", *"0.5")
        assert "was 0.0" in stage.text()
        await stage.press("enter")
        plan = await waiting
        assert plan is not None


async def _asked(stage: Stage, form: BranchForm) -> object:
    answer: asyncio.Future[object] = asyncio.get_running_loop().create_future()
    stage.app.push_screen(BranchDialog(form, "old"), answer.set_result)
    return await answer
