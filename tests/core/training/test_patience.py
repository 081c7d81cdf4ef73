"""`--patience`: a model ends when its validation loss stops falling, and its best is kept."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mlpwatch.core.config import ENGINE_NAMES, EngineName, RunConfig
from mlpwatch.core.errors import ConfigError
from mlpwatch.core.events import CheckpointSaved, EpochDone, RunEnded
from mlpwatch.core.runs.checkpoints import read_checkpoint
from mlpwatch.core.runs.layout import best_name
from mlpwatch.core.runs.run import Run
from mlpwatch.core.training.launch import new_session, resumed_session
from tests.support.samples.engines import assert_same_bits
from tests.support.samples.training import Training

OVERFITS: dict[str, Any] = {"hidden": (40,), "learning_rate": 2.0, "epochs": 60, "patience": 3}
"""On the 90 images of the tiny data set."""


def trained(name: EngineName, **settings: Any) -> Training:  # noqa: ANN401
    training = Training(name, **OVERFITS | settings)
    training.run()
    return training


@pytest.mark.parametrize("name", ENGINE_NAMES)
def test_it_ends_so_many_epochs_after_the_lowest_validation_loss(name: EngineName) -> None:
    training = trained(name)
    losses = [event.record.val_loss for event in training.of(EpochDone)]
    best = int(np.argmin(losses)) + 1
    assert len(losses) == best + 3 < 60
    [ended] = training.of(RunEnded)
    assert ended.reason == "finished"
    assert ended.detail == (
        f"no lower validation loss for 3 epochs; best {losses[best - 1]:.4f} after epoch {best}"
    )
    kept = training.recorder.best
    assert [one.position.epoch for one in kept] == [
        epoch for epoch in range(1, best + 1) if losses[epoch - 1] == min(losses[:epoch])
    ]
    # Its weights are those of the epoch: no step was taken while it was evaluated.
    short = trained(name, epochs=best, patience=None)
    assert_same_bits(kept[-1].state.weights, short.engine.state().weights)
    assert training.results[0].to_dict()["best"]["epoch"] == best


def test_a_run_without_patience_trains_all_epochs_and_keeps_no_best() -> None:
    training = trained("numpy", patience=None, epochs=12)
    assert len(training.of(EpochDone)) == 12
    assert training.recorder.best == []


@pytest.mark.parametrize("patience", [0, -1, 1.5, True])
def test_a_patience_that_is_no_number_of_epochs_is_refused(patience: object) -> None:
    with pytest.raises(ConfigError, match=r"patience .*: expected a whole number from 1"):
        RunConfig(patience=patience)  # type: ignore[arg-type]


def test_a_resumed_run_ends_at_the_same_epoch_and_the_result_names_the_best(
    tmp_path: Path,
) -> None:
    config = RunConfig(
        data="digits", only="numpy", hidden=(32,), train_size=100, learning_rate=1.0, epochs=200,
        patience=4,
    )  # fmt: skip
    whole = new_session(config, tmp_path, "whole", lambda _text: None)
    whole.start()
    assert whole.join(60.0)
    result = json.loads((whole.run.path / "result.json").read_text())["engines"]["numpy"]
    best = result["best"]
    assert best["checkpoint"] == "numpy.best.safetensors"
    kept = read_checkpoint(whole.run.path / best_name("numpy"))
    assert kept.position.epoch == best["epoch"]
    ended = whole.results["numpy"].position
    assert ended.epoch == best["epoch"] + 4 < 200
    said = [event for event in whole.run.events.read() if isinstance(event, CheckpointSaved)]
    assert len(said) == 2, "the first and the last; the best ones are saved without a word"
    whole.run.release()

    # Stopped two epochs before its end.
    first = new_session(
        replace(config, epochs=ended.epoch - 2), tmp_path, "part", lambda _text: None
    )
    first.start()
    assert first.join(60.0)
    first.run.release()
    run = Run.open(tmp_path, "part")
    resumed = resumed_session(run, replace(run.config, epochs=200), lambda _text: None)
    resumed.start()
    assert resumed.join(60.0)
    resumed.run.release()
    assert resumed.results["numpy"].position.epoch == ended.epoch
    assert resumed.results["numpy"].detail == whole.results["numpy"].detail
    again = read_checkpoint(run.path / best_name("numpy"))
    assert_same_bits(again.state.weights, kept.state.weights)
