"""A branch without a change is its parent: the future of an epoch, to the bit."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mlpwatch.core.config import RunConfig
from mlpwatch.core.errors import ConfigError, RunError
from mlpwatch.core.events import EpochDone, GapMeasured, StepGroup
from mlpwatch.core.network.optimizers import OPTIMIZERS
from mlpwatch.core.runs.checkpoints import Checkpoint
from mlpwatch.core.runs.history import kept_text
from mlpwatch.core.runs.manifest import ParentEpoch, read_manifest
from mlpwatch.core.runs.run import Run
from mlpwatch.core.training.branching import branched_session, free_branch_name
from mlpwatch.core.training.launch import new_session, resumed_session
from mlpwatch.core.training.session import Session
from tests.support.samples.engines import assert_same_bits

pytestmark = pytest.mark.slow

CONFIG = RunConfig(
    data="digits", hidden=(8,), epochs=5, threads=2, train_size=200, validation=50, dropout=0.2
)  # fmt: skip
STEPS = 4
"""Steps of an epoch."""


def trained(session: Session) -> Run:
    session.start()
    assert session.join(60.0)
    session.run.release()
    return session.run


def parent_of(saved: Path, **settings: Any) -> Run:  # noqa: ANN401
    config = replace(CONFIG, **settings)
    return trained(new_session(config, saved, "parent", lambda _text: None))


def branch(parent: Run, epoch: int, name: str | None = None, **changes: Any) -> Session:  # noqa: ANN401
    config = replace(parent.config, **changes)
    return branched_session(
        parent, epoch, config, saved=parent.path.parent, name=name, report=lambda _text: None
    )


def last(run: Run, engine: Any) -> Checkpoint:  # noqa: ANN401
    found = run.read_latest(engine)
    assert found is not None
    return found.checkpoint


def assert_same_end(one: Run, other: Run) -> None:
    for engine in one.config.engine_names:
        mine, theirs = last(one, engine), last(other, engine)
        assert mine.position.step == theirs.position.step
        assert mine.state.updates == theirs.state.updates
        assert_same_bits(mine.state.weights, theirs.state.weights)
        assert_same_bits(mine.state.slots, theirs.state.slots)


@pytest.mark.parametrize("optimizer", tuple(OPTIMIZERS))
def test_a_branch_without_a_change_ends_as_its_parent_from_every_kept_epoch(
    tmp_path: Path, optimizer: str
) -> None:
    parent = parent_of(
        tmp_path, optimizer=optimizer, learning_rate=0.01, schedule="linear", weight_decay=0.01,
        input_dropout=0.1, warmup=6,
    )  # fmt: skip
    kept = parent.history.epochs(["numpy", "torch"])
    assert kept == [0, 1, 2, 3, 4, 5]
    epochs = kept[:-1] if optimizer == "adam" else [1, 4]
    for epoch in epochs:
        child = trained(branch(parent, epoch))
        assert child.name == f"parent-at-{epoch}"
        assert_same_end(child, parent)
        mine, theirs = child.read_metrics(), parent.read_metrics()
        assert sorted(
            (r.engine, r.epoch, r.step, r.val_loss, r.train_loss) for r in mine
        ) == sorted((r.engine, r.epoch, r.step, r.val_loss, r.train_loss) for r in theirs)


@pytest.mark.parametrize("batch_size", [50, 40])
def test_a_branch_begins_with_its_parents_past_and_names_it(
    tmp_path: Path, batch_size: int
) -> None:
    parent = parent_of(tmp_path)
    before = {path: path.read_bytes() for path in parent.path.rglob("*") if path.is_file()}
    session = branch(parent, 3, "child", dropout=0.5, batch_size=batch_size)
    steps = -(-200 // batch_size)
    assert read_manifest(session.run.path).parent == ParentEpoch(
        "parent", 3, 12, parent.manifest.id
    )
    assert session.config == replace(parent.config, dropout=0.5, batch_size=batch_size)
    past = session.past_events()
    epochs = [(e.engine, e.epoch, e.step) for e in past if isinstance(e, EpochDone)]
    assert sorted(epochs) == [
        (name, epoch, epoch * steps) for name in ("numpy", "torch") for epoch in (1, 2, 3)
    ]
    groups = [event for event in past if isinstance(event, StepGroup)]
    gaps = [event.epoch for event in past if isinstance(event, GapMeasured)]
    if batch_size == 50:
        assert max(event.step for event in groups) == 12
        assert gaps == [1, 2, 3]
    else:
        assert groups == []  # their steps mean other images
    child = trained(session)
    assert child.history.epochs(["numpy", "torch"]) == [3, 4, 5]
    assert last(child, "numpy").position.step == 5 * steps
    after = {path: path.read_bytes() for path in parent.path.rglob("*") if path.is_file()}
    assert after == before


def test_a_branch_that_was_killed_at_once_resumes(tmp_path: Path) -> None:
    parent = parent_of(tmp_path)
    branch(parent, 2, "child").run.release()  # never started
    run = Run.open(tmp_path, "child")
    child = trained(resumed_session(run, run.config, lambda _text: None))
    assert_same_end(child, parent)


def test_another_optimizer_begins_with_empty_slots(tmp_path: Path) -> None:
    parent = parent_of(tmp_path, optimizer="momentum", learning_rate=0.05)
    session = branch(parent, 2, "child", optimizer="adam", learning_rate=0.001)
    begun = last(session.run, "torch")
    assert begun.state.updates == 0
    assert not any(array.any() for array in begun.state.slots.values())
    assert_same_bits(begun.state.weights, parent.read_past("torch", 2).state.weights)
    assert last(trained(session), "torch").state.updates == 3 * STEPS
    same = branch(parent, 2, "other", optimizer="nesterov")
    assert any(array.any() for array in last(same.run, "numpy").state.slots.values())
    same.run.release()


def test_one_engine_alone_may_branch(tmp_path: Path) -> None:
    parent = parent_of(tmp_path)
    child = trained(branch(parent, 2, only="numpy"))
    assert_same_end(child, parent)
    assert {record.engine for record in child.read_metrics()} == {"numpy"}


def test_what_can_not_be_is_one_line_and_writes_nothing(tmp_path: Path) -> None:
    parent = parent_of(tmp_path, history=1)
    refused: list[tuple[type[Exception], str, Callable[[], Session]]] = [
        (RunError, r"epoch 9 is not kept; kept are 0-5", lambda: branch(parent, 9)),
        (
            ConfigError,
            r"epochs 3: the branch begins after epoch 4",
            lambda: branch(parent, 4, epochs=3),
        ),
        (RunError, r"exists already", lambda: branch(parent, 2, "parent")),
    ]
    for kind, text, make in refused:
        with pytest.raises(kind, match=text):
            make()
    assert [path.name for path in tmp_path.iterdir()] == ["parent"]
    (parent.history.path / "torch.3.safetensors").unlink()
    with pytest.raises(RunError, match="epoch 3 is not kept; kept are 0-2, 4-5"):
        branch(parent, 3)


def test_a_run_that_kept_nothing_says_so(tmp_path: Path) -> None:
    parent = parent_of(tmp_path, history=0, epochs=1)
    assert not parent.history.path.exists()
    with pytest.raises(RunError, match="none of its epochs is kept"):
        branch(parent, 1)


def test_a_branch_for_which_there_is_no_room_is_not_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    parent = parent_of(tmp_path, epochs=2)

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", fail)
    with pytest.raises(RunError, match="No space left on device"):
        branch(parent, 1)
    assert [path.name for path in tmp_path.iterdir()] == ["parent"]


def test_names_and_lists_of_epochs(tmp_path: Path) -> None:
    assert kept_text([0, 1, 2, 4, 8, 9]) == "0-2, 4, 8-9"
    (tmp_path / "a-at-3").mkdir()
    assert free_branch_name(tmp_path, "a", 3) == "a-at-3-2"
    assert len(free_branch_name(tmp_path, "x" * 100, 12)) <= 100
