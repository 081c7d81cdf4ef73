"""A saved run is looked at as the dashboard shows it, while the one here trains on."""

import asyncio
import shutil
from pathlib import Path
from threading import enumerate as threads

import pytest

from mlpwatch.core.recipes import from_recipe
from mlpwatch.core.runs.run import Run
from mlpwatch.core.training.launch import new_session
from mlpwatch.tui.dashboard.screen import Dashboard
from mlpwatch.tui.mistakes.screen import MistakesScreen
from mlpwatch.tui.runs.screen import RunsScreen
from tests.support.samples.run_scenes import DAMAGED, ELSEWHERE, FAILED, FINISHED, HERE, lines
from tests.support.samples.scenes import trained, training
from tests.support.stage import Stage, on_stage, until

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("runs")]

SAVED = Path("saved")


async def open_run(stage: Stage, name: str) -> None:
    """Open a run from the list, and wait until it has been read."""
    await stage.open_runs()
    await stage.press("slash", *name, "enter", "enter")
    await until(lambda: stage.app.runs.top.poll() or stage.app.runs.top.state, stage.pilot)
    await stage.look()


async def follow_until(stage: Stage, words: str) -> None:
    """Let the app look at what is followed until something is on the screen."""

    async def shown() -> bool:
        await stage.look()
        return words in stage.text()

    for _ in range(100):
        if await shown():
            return
        await asyncio.sleep(0.05)
    raise TimeoutError(f"{words!r} is not on the screen:\n{stage.text()}")


async def test_its_curves_and_its_end_are_shown_and_escape_goes_back() -> None:
    async with on_stage(training(), saved=SAVED) as stage:
        await open_run(stage, FINISHED)
        await follow_until(stage, "epoch 15/15  finished")
        assert stage.row("test ").count("90.12 %") == 1
        assert "val  90.23 %" in stage.text()
        assert f" {FINISHED}  mnist · 784-50-10" in stage.text()
        assert "q back" in stage.text()
        await stage.press("o", "escape")
        assert isinstance(stage.app.screen, Dashboard), "the overlay first"
        await stage.press("escape")
        assert isinstance(stage.app.screen, RunsScreen)
        await stage.press("escape", "escape")
        assert " mlpwatch  digits · 64-32-10" in stage.text()


async def test_the_run_here_trains_on_meanwhile_and_keys_leave_it_alone() -> None:
    async with on_stage(training(), saved=SAVED) as stage:
        await open_run(stage, FINISHED)
        await stage.press("space")
        assert {engine.phase for engine in stage.state.engines.values()} == {"training"}
        await stage.feed(*trained("numpy", 120, first=108))
        assert "epoch  6/12" not in stage.text()
        await stage.press("r", "escape", "escape")
        assert "epoch  6/12" in stage.text()


async def test_a_run_that_trains_elsewhere_is_followed(runs: dict[str, Run]) -> None:
    async with on_stage(training(), saved=SAVED) as stage:
        await open_run(stage, ELSEWHERE)
        await follow_until(stage, "epoch  9/14")
        for line in list(lines("numpy", 11, 0.984))[9:]:
            runs[ELSEWHERE].append_metrics(line)
        await follow_until(stage, "epoch 11/14")


async def test_a_failed_run_says_why() -> None:
    async with on_stage(training(), saved=SAVED) as stage:
        await open_run(stage, FAILED)
        await follow_until(stage, "the loss is nan at step 26")


async def test_the_run_here_is_on_the_dashboard_already() -> None:
    async with on_stage(training(), saved=SAVED) as stage:
        await stage.open_runs()
        await stage.press("slash", *HERE, "enter", "enter")
        assert isinstance(stage.app.screen, Dashboard)
        assert not stage.app.runs.is_viewing


async def test_a_damaged_run_says_what_is_damaged() -> None:
    async with on_stage(training(), saved=SAVED) as stage:
        await stage.open_runs()
        await stage.press("end", "enter")
        assert isinstance(stage.app.screen, RunsScreen)
        assert stage.text().count(f"saved/{DAMAGED}/config.json: Expecting") == 2


async def test_a_run_that_has_gone_meanwhile_goes_back_to_the_list() -> None:
    async with on_stage(training(), fps=50.0, saved=SAVED) as stage:
        await stage.open_runs()
        await stage.press("down", "down")
        shutil.rmtree(SAVED / FINISHED)
        await stage.press("enter")
        await stage.see("not found")
        assert isinstance(stage.app.screen, RunsScreen)
        assert not stage.app.runs.is_viewing
        await until(lambda: f"  {FINISHED}  " not in stage.text(), stage.pilot)


async def test_quitting_from_a_saved_run_saves_the_one_here() -> None:
    async with on_stage(training(), fps=50.0, saved=SAVED) as stage:
        await open_run(stage, FINISHED)
        await stage.pilot.press("ctrl+c")
        await until(lambda: stage.app.return_value is not None, stage.pilot)
        assert stage.app.return_value == 130
        assert stage.session.ended


async def test_going_back_ends_the_threads_that_read_it() -> None:
    before = {thread.ident for thread in threads()}
    async with on_stage(training(), saved=SAVED) as stage:
        await open_run(stage, FINISHED)
        followers = {"run-follower", "order-client"}
        assert followers <= {thread.name for thread in threads() if thread.ident not in before}
        await stage.press("escape")
        await until(
            lambda: not followers & {one.name for one in threads() if one.ident not in before},
            stage.pilot,
        )


async def test_its_mistakes_come_from_its_weights() -> None:
    config = from_recipe("twin", data="digits", hidden=(8,), epochs=2, only="numpy", threads=1)
    session = new_session(config, SAVED, "weights", lambda _text: None)
    session.start()
    assert session.join(60)
    session.run.release()
    wrong = session.results["numpy"].validation
    assert wrong is not None
    count = len(wrong.predictions) - int(wrong.confusion.trace())
    async with on_stage(training(), saved=SAVED) as stage:
        await stage.press("m", "tab", "escape")
        await open_run(stage, "weights")
        await follow_until(stage, "epoch 2/2  finished")
        await stage.press("m")
        assert isinstance(stage.app.screen, MistakesScreen)
        await follow_until(stage, f"▸ NumPy wrong {count} ")
