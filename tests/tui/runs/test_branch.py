"""A branch is asked for on the screen, and trains in the place of the run there."""

from dataclasses import replace
from pathlib import Path

import pytest
from textual.widgets import Input

from mlpwatch.core.config import RunConfig
from mlpwatch.core.errors import MlpwatchError
from mlpwatch.core.runs.manifest import ParentEpoch
from mlpwatch.core.runs.run import Run
from mlpwatch.core.training.launch import new_session
from mlpwatch.tui.kit.dialogs import LineEntry
from mlpwatch.tui.runs.branch import branch_text, branch_typed, proposed_epoch
from tests.support.samples.scenes import training
from tests.support.stage import on_stage, until
from tests.tui.runs.test_switch import until_here

CONFIG = RunConfig(data="digits", hidden=(8,), epochs=4, only="numpy", threads=1, train_size=100)
KEPT = [0, 1, 2, 4]


def test_the_epoch_shown_is_proposed_else_one_that_leaves_something_to_train() -> None:
    assert proposed_epoch(KEPT, 3, 20) == 2
    assert proposed_epoch(KEPT, None, 4) == 2
    assert proposed_epoch(KEPT, None, 20) == 4
    assert proposed_epoch([7], 3, 20) == 7


def test_what_is_typed_is_said_before_it_is_done() -> None:
    options = branch_typed("--at 2 --dropout 0.5 --epochs 9", CONFIG, KEPT)
    assert branch_text(options, CONFIG) == (
        "from epoch 2, 7 more epochs: dropout 0.5 (was 0.0), epochs 9 (was 4)"
    )
    plain = branch_typed("--at 2", CONFIG, KEPT)
    assert branch_text(plain, CONFIG) == "from epoch 2, 2 more epochs: nothing changed"


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("--at 3", "--at 3: this epoch is not kept; kept are 0-2, 4"),
        ("--at 4", "--epochs 4: give more, since 4 are done"),
        ("--at 1 --hidden 9", "--hidden 9: the weights"),
        ("--at 1 --name a/b", "it contains a path separator"),
        ("--at 1 'x", "no closing quotation"),
        ("--dropout 0.5", "--at"),
    ],
)
def test_what_can_not_be_is_refused_in_place(typed: str, said: str) -> None:
    with pytest.raises(MlpwatchError) as caught:
        branch_typed(typed, CONFIG, KEPT)
    assert said in str(caught.value)


@pytest.mark.slow
async def test_a_branch_of_a_saved_run_trains_here(tmp_path: Path) -> None:
    saved = tmp_path / "saved"
    session = new_session(CONFIG, saved, "old", lambda _text: None)
    session.start()
    assert session.join(30)
    session.run.release()
    async with on_stage(training(), saved=saved) as stage:
        await stage.open_runs()
        await stage.press("slash", *"old", "enter", "b")
        await until(lambda: isinstance(stage.app.screen, LineEntry), stage.pilot)
        assert "Kept epochs: 0-4." in stage.text()
        line = stage.app.screen.query_one(Input)
        assert line.value == "--at 3 "
        await stage.press(*"--epochs 90000 --name new", "enter")
        await until_here(stage, "new")
        assert stage.session.ended, "the other one was stopped, and has saved"
        watch = stage.app.runs.top
        await until(
            lambda: watch.poll() and watch.state and watch.state.engines["numpy"].step > 12,
            stage.pilot,
        )
        watch.leave()
        await until(lambda: watch.left, stage.pilot)
        assert watch.session is not None
        assert watch.session.join(30)
    new = Run.open(saved, "new")
    assert new.config == replace(CONFIG, epochs=90_000)
    assert new.manifest.parent == ParentEpoch("old", 3, 6, session.run.manifest.id)
