"""What a sweep's folder says: states, statistics, curves, the time that is left."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from mlpwatch.core.files.strict_json import to_json
from mlpwatch.core.runs.layout import MANIFEST_NAME, METRICS_NAME
from mlpwatch.core.runs.lock import RunLock
from mlpwatch.core.sweeps.group import held_group
from mlpwatch.core.sweeps.reading import GroupReader, group_state, write_failure
from tests.support.samples.sweep_samples import group_of, make_group, train_trial

NUMPY = (0.95, 0.94, 0.96)
TORCH = (0.91, 0.90, 0.90)


def test_each_trial_has_its_state(tmp_path: Path) -> None:
    group = group_of({}, seeds=7)
    path = make_group(tmp_path, "g", group)
    trials = group.trials
    train_trial(path, trials[0], {"numpy": 0.9, "torch": 0.8})
    train_trial(path, trials[1], {"numpy": 0.9, "torch": 0.8}, epochs=1)
    train_trial(path, trials[2], {"numpy": 0.9, "torch": 0.8}, ended="diverged")
    lock = RunLock(train_trial(path, trials[3], {"numpy": 0.9, "torch": 0.8}, epochs=2))
    lock.acquire()
    write_failure(path, trials[4].name, "no such\ndevice")
    (train_trial(path, trials[5], {"numpy": 0.9}) / MANIFEST_NAME).write_text("{")
    reading = GroupReader(path).read()
    states = [(row.state, row.epochs_done) for row in reading.rows]
    assert states == [
        ("finished", 3), ("stopped", 1), ("failed", 3), ("training", 2), ("failed", 0),
        ("failed", 0), ("waiting", 0),
    ]  # fmt: skip
    assert reading.rows[2].reason == "numpy diverged; torch diverged"
    assert reading.rows[4].reason == "no such device"
    assert "config.json" in reading.rows[5].reason
    assert group_state(reading) == "1 of 7 finished, 3 failed, 1 training, 1 stopped"
    assert not reading.is_done
    assert not reading.is_training
    lock.release()
    with held_group(path):
        assert GroupReader(path).read().is_training


def test_the_numbers_are_those_of_the_runs_files(tmp_path: Path) -> None:
    group = group_of({"learning_rate": (0.1, 0.3)})
    path = make_group(tmp_path, "g", group)
    for trial in group.trials:
        if trial.setting == 0:
            seed = trial.seed
            train_trial(path, trial, {"numpy": NUMPY[seed], "torch": TORCH[seed]})
    reading = GroupReader(path).read()
    done, waiting = reading.settings()
    found = [json.loads((path / t.name / "result.json").read_text()) for t in group.trials[::2]]
    numpy = [run["engines"]["numpy"]["test_accuracy"] for run in found]
    torch = [run["engines"]["torch"]["test_accuracy"] for run in found]
    values = json.loads(to_json(reading.to_dict()))
    interval = stats.ttest_rel(torch, numpy).confidence_interval(0.95)
    first = values["settings"][0]
    assert values["group"] == "g"
    assert first["config"] == {"learning_rate": 0.1}
    assert first["numpy"]["test_accuracy"] == {
        "mean": pytest.approx(np.mean(numpy)), "std": pytest.approx(np.std(numpy, ddof=1)),
        "n": 3, "best": 0.96, "best_trial": "learning-rate=0.1,seed=2",
    }  # fmt: skip
    assert first["difference"] == {
        "mean": pytest.approx(np.mean(torch) - np.mean(numpy)), "n": 3,
        "low": pytest.approx(interval.low), "high": pytest.approx(interval.high),
    }  # fmt: skip
    assert done.verdict.startswith("PyTorch is 4.67 ± ")
    assert first["verdict"] == done.verdict
    assert values["settings"][1]["numpy"]["test_accuracy"]["mean"] is None
    assert (waiting.verdict, waiting.states) == ("no pair of the same seed yet", {"waiting": 3})
    assert values["failed"] == []


def test_one_engine_alone_has_no_difference(tmp_path: Path) -> None:
    group = group_of({"only": ("numpy",)}, seeds=1)
    path = make_group(tmp_path, "g", group)
    train_trial(path, group.trials[0], {"numpy": 0.9})
    (row,) = GroupReader(path).read().settings()
    assert (row.difference, row.verdict, set(row.test_accuracy)) == (None, "", {"numpy"})


def test_a_curve_is_the_mean_over_the_seeds(tmp_path: Path) -> None:
    group = group_of({})
    path = make_group(tmp_path, "g", group)
    for trial in group.trials:
        train_trial(path, trial, {"numpy": NUMPY[trial.seed], "torch": 0.5})
    found = GroupReader(path).read().band(0, "numpy", "val_accuracy")
    curves = np.outer(NUMPY, [1 / 3, 2 / 3, 1])
    assert found.epochs == (1, 2, 3)
    assert found.mean == pytest.approx(curves.mean(0))
    assert found.high == pytest.approx(curves.mean(0) + curves.std(0, ddof=1))


def test_the_time_that_is_left(tmp_path: Path) -> None:
    group = group_of({"learning_rate": (0.1, 0.3)}, seeds=2)
    path = make_group(tmp_path, "g", group)
    reader = GroupReader(path)
    assert reader.read().eta is None
    train_trial(path, group.trials[0], {"numpy": 0.9, "torch": 0.9})
    lock = RunLock(train_trial(path, group.trials[1], {"numpy": 0.9, "torch": 0.9}, epochs=1))
    lock.acquire()
    reading = reader.read()
    # Two seconds an epoch: 2 epochs of the second trial, 3 of each of the two that wait.
    assert reading.eta == pytest.approx(16)
    assert [row.eta for row in reading.settings()] == pytest.approx([6, 10])
    lock.release()


def test_a_reader_sees_what_is_new(tmp_path: Path) -> None:
    group = group_of({}, seeds=2)
    path = make_group(tmp_path, "g", group)
    reader = GroupReader(path)
    run = train_trial(path, group.trials[0], {"numpy": 0.9}, epochs=1)
    assert len(reader.read().rows[0].records) == 1
    text = (run / METRICS_NAME).read_text()
    (run / METRICS_NAME).write_text(text + text.replace('"epoch":1', '"epoch":2'))
    row = reader.read().rows[0]
    assert (row.epochs_done, len(row.records)) == (0, 2)
    assert row.curve("numpy", "train_loss") == {1: 1.0, 2: 1.0}
    write_failure(path, group.trials[1].name, "killed")
    assert reader.read().rows[1].reason == "killed"
    write_failure(path, group.trials[1].name, "")
    assert reader.read().rows[1].state == "waiting"
    assert math.isclose(reader.read().rows[0].seconds_per_epoch or 0, 1.0)
