"""A loss spike offers a branch from before it, with half the learning rate."""

import asyncio
from pathlib import Path

import pytest

from mlpwatch.core.config import RunConfig
from mlpwatch.core.events import Event, RateChanged, RunEnded, StepDone
from mlpwatch.core.training.launch import new_session
from mlpwatch.tui.runs.branching.dialog import BranchDialog
from tests.support.samples.fake_folder import RUN_PATH
from tests.support.samples.scenes import EPOCH_STEPS, failed, training
from tests.support.stage import Stage, on_stage, until


def jump(first: int, steps: int = 64) -> list[Event]:
    """NumPy's loss at ten times its usual."""
    return [StepDone("numpy", n, n * 0.05, 9.0) for n in range(first, first + steps)]


def kept_run(saved: Path, epochs: int = 8) -> None:
    """Make a run in the place of the stage's, whose history has all its epochs."""
    config = RunConfig(
        data="digits", hidden=(8,), epochs=epochs, threads=1, train_size=100, learning_rate=0.2
    )
    session = new_session(config, saved, RUN_PATH.name, lambda _text: None)
    session.start()
    assert session.join(60)
    session.run.release()


async def until_calm(stage: Stage) -> None:
    """Let messages end; what stays is the offer."""
    stage.state.expire(stage.state.message_until)
    await stage.look()


@pytest.mark.parametrize("size", [(80, 24), (140, 40)])
async def test_the_offer_is_a_line_that_names_the_key(size: tuple[int, int]) -> None:
    async with on_stage(training(), size) as stage:
        await until_calm(stage)
        assert "B goes back" not in stage.text()
        await stage.feed(*jump(108))
        assert "B goes back, half the rate: NumPy's loss is " in stage.text()
        assert "x its median since step" in stage.text()


async def test_without_a_spike_the_key_says_so() -> None:
    async with on_stage(training()) as stage:
        await stage.press("B")
        assert "no loss has jumped up; b branches from any epoch" in stage.text()


async def test_a_model_that_diverged_is_offered_it_too() -> None:
    async with on_stage(failed(), (140, 40)) as stage:
        assert "B goes back, half the rate: PyTorch diverged: the loss is nan" in stage.text()
        assert isinstance(failed()[-1], RunEnded)


@pytest.mark.slow
async def test_the_dialog_begins_before_the_spike_with_half_the_rate(tmp_path: Path) -> None:
    saved = tmp_path / "saved"
    await asyncio.to_thread(kept_run, saved)
    async with on_stage(training(), saved=saved) as stage:
        usual = stage.session.learning_rate("numpy")
        await stage.feed(RateChanged("numpy", 50, 2.5, 4 * usual, usual), *jump(108))
        began = stage.state.engines["numpy"].spikes.began
        assert began is not None
        await stage.press("B")
        await until(lambda: isinstance(stage.app.screen, BranchDialog), stage.pilot)
        dialog = stage.app.screen
        assert isinstance(dialog, BranchDialog)
        plan = dialog.form.plan()
        assert plan.epoch == began // EPOCH_STEPS
        assert plan.config.learning_rate == 2 * usual, "half of what was in force"
        assert "from before it, with half the learning rate." in " ".join(stage.text().split())
        await stage.press("escape")
