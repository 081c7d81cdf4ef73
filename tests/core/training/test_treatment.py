"""A branch against its parent: at left its future to the bit, at right the same with one change."""

import argparse
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mlpwatch.core.cli.branch import add_branch_options, config_for_branch
from mlpwatch.core.config import ENGINE_NAMES, EngineName, RunConfig
from mlpwatch.core.errors import ConfigError
from mlpwatch.core.events import DifferenceFound, EpochDone, StepCompared
from mlpwatch.core.network.build import build_engine
from mlpwatch.core.network.torch_mlp import TorchMLP
from mlpwatch.core.runs.listing import summarize_run
from mlpwatch.core.runs.replay import ParentTail
from mlpwatch.core.runs.run import Run
from mlpwatch.core.training.branching import branched_session
from mlpwatch.core.training.launch import new_session, resumed_session
from mlpwatch.core.training.session import Session
from mlpwatch.core.treatment import Treatment
from tests.support.samples.engines import assert_same_bits

CONFIG = RunConfig(
    data="digits", hidden=(8,), epochs=4, threads=2, train_size=200, validation=50, dropout=0.2,
    optimizer="momentum", learning_rate=0.05,
)  # fmt: skip


def quiet(_text: str) -> None:
    return


def trained(session: Session) -> Run:
    session.start()
    assert session.join(60.0)
    session.run.release()
    return session.run


def parent_of(saved: Path, config: RunConfig = CONFIG) -> Run:
    return trained(new_session(config, saved, "parent", quiet))


def planned(config: RunConfig, words: Sequence[str]) -> RunConfig:
    parser = argparse.ArgumentParser()
    add_branch_options(parser)
    return config_for_branch(parser.parse_args(["--at", "1", "--against-parent", *words]), config)


def begun(parent: Run, *words: str, at: int = 1) -> Session:
    config = planned(parent.config, words)
    saved = parent.path.parent
    return branched_session(parent, at, config, saved=saved, name=None, report=quiet)


def assert_same_end(one: Run, mine: EngineName, other: Run, theirs: EngineName) -> None:
    first, second = one.read_latest(mine), other.read_latest(theirs)
    assert first is not None
    assert second is not None
    assert first.checkpoint.position.step == second.checkpoint.position.step
    assert first.checkpoint.state.updates == second.checkpoint.state.updates
    assert_same_bits(first.checkpoint.state.weights, second.checkpoint.state.weights)
    assert_same_bits(first.checkpoint.state.slots, second.checkpoint.state.slots)


@pytest.mark.slow
@pytest.mark.parametrize("engine", ENGINE_NAMES)
def test_without_a_change_both_columns_are_the_parent_s_future(
    tmp_path: Path, engine: EngineName
) -> None:
    parent = parent_of(tmp_path)
    child = trained(begun(parent, "--only", engine))
    for column in ENGINE_NAMES:
        assert_same_end(child, column, parent, engine)
    records = child.read_metrics()
    assert [one.epoch for one in records if one.engine == "torch"] == [1, 2, 3, 4]
    # The parent's curve is the ghost behind both columns.
    future = ParentTail(child.path).read()
    for column in ENGINE_NAMES:
        ghost = {one.epoch: one.val_loss for one in future if one.engine == column}
        assert ghost == {n.epoch: n.val_loss for n in records if n.engine == column}


@pytest.mark.slow
def test_the_control_is_the_parent_and_the_treatment_a_branch_with_the_change(
    tmp_path: Path,
) -> None:
    parent = parent_of(tmp_path)
    child = trained(begun(parent, "--dropout", "0.5", "--learning-rate", "0.1"))
    assert_same_end(child, "numpy", parent, "numpy")
    changed = replace(parent.config, dropout=0.5, learning_rate=0.1)
    alone = trained(
        branched_session(parent, 1, changed, saved=tmp_path, name="alone", report=quiet)
    )
    assert_same_end(child, "torch", alone, "numpy")


@pytest.mark.slow
def test_a_resumed_treatment_is_the_one_that_was_not_stopped(tmp_path: Path) -> None:
    parent = parent_of(tmp_path)
    whole = trained(begun(parent, "--optimizer", "adam", "--warmup", "3"))
    stopped = begun(parent, "--optimizer", "adam", "--warmup", "3")
    stopped.pause()
    stopped.start()
    for _ in range(3):
        stopped.step()
    stopped.stop()
    assert stopped.join(60.0)
    stopped.run.release()
    run = Run.open(tmp_path, stopped.run.name)
    assert run.config == whole.config
    assert run.config.treatment == Treatment("numpy", (("warmup", 3), ("optimizer", "adam")))
    again = trained(resumed_session(run, run.config, quiet))
    for column in ENGINE_NAMES:
        assert_same_end(again, column, whole, column)


@pytest.mark.slow
def test_no_step_is_compared_and_nothing_is_said_to_differ(tmp_path: Path) -> None:
    session = begun(parent_of(tmp_path), "--learning-rate", "0.2")
    session.stop_at_difference(ends=True)
    summary = summarize_run(trained(session).path)
    assert summary.engines[1].network == "treatment: learning rate 0.2"
    events = session.mailbox.drain().events
    assert any(isinstance(one, EpochDone) for one in events)
    assert not any(isinstance(one, (StepCompared, DifferenceFound)) for one in events)
    assert {name: one["title"] for name, one in session.result()["engines"].items()} == {
        "numpy": "control",
        "torch": "treatment: learning rate 0.2",
    }


def test_options_split_into_those_of_the_treatment_and_those_of_both() -> None:
    words = ["--dropout", "0.5", "--epochs", "9", "--weight-decay", "0.1"]
    config = planned(CONFIG, words)
    assert config == replace(
        CONFIG, epochs=9, treatment=Treatment("numpy", (("weight_decay", 0.1), ("dropout", 0.5)))
    )
    assert config.of("numpy").dropout == 0.2
    assert config.of("torch").dropout == 0.5
    assert config.of("torch").of("torch") == config.of("torch")
    assert config.titles == {"numpy": "control", "torch": "treatment"}
    assert config.treatment is not None
    assert config.treatment.describe("numpy") == "control"
    assert config.treatment.describe("torch") == "treatment: weight decay 0.1, dropout 0.5"
    assert RunConfig.from_dict(config.to_dict()) == config
    assert "treatment" not in CONFIG.to_dict()


@pytest.mark.parametrize(
    ("parent", "words", "says"),
    [
        (replace(CONFIG, only="torch"), ["--only", "numpy"], "has trained torch alone"),
        (replace(CONFIG, treatment=Treatment("numpy")), [], "a control and a treatment already"),
        (CONFIG, ["--dropout", "1.5"], "dropout 1.5"),
        (
            replace(CONFIG, treatment=Treatment("numpy", (("dropout", 0.5),))),
            ["--dropout", "0.1"],
            "it is what the treatment of this run changes",
        ),
        (CONFIG, ["--hidden", "9"], "--hidden 9"),
    ],
)
def test_what_makes_no_sense_is_refused_in_one_line(
    parent: RunConfig, words: list[str], says: str
) -> None:
    with pytest.raises(ConfigError, match=says) as raised:
        planned(parent, words)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("treatment", "says"),
    [
        ({"engine": "jax", "settings": {}}, "jax"),
        ({"engine": "numpy"}, "expected its engine and settings"),
        ({"engine": "numpy", "settings": {"hidden": [1]}}, "hidden: control and treatment have it"),
        ({"engine": "numpy", "settings": {"dropout": 2}}, "dropout 2"),
        ("dropout", "expected its engine and settings"),
    ],
)
def test_a_damaged_treatment_is_refused(treatment: object, says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        RunConfig.from_dict(CONFIG.to_dict() | {"treatment": treatment})


def test_a_run_that_torch_trained_alone_trains_both_columns_with_it() -> None:
    config = planned(replace(CONFIG, only="torch"), [])
    assert config.treatment == Treatment("torch")
    images, labels = np.zeros((3, 64), np.float32), np.zeros(3, np.int64)
    for name in ENGINE_NAMES:
        engine = build_engine(name, config, images, labels, 10)
        assert isinstance(engine, TorchMLP)
        assert engine.name == name
