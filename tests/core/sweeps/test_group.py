"""A sweep's file, its trials and its folder among the runs."""

import fcntl
import os
from dataclasses import replace
from pathlib import Path

import pytest

from mlpwatch.core.config import RunConfig
from mlpwatch.core.errors import ConfigError, InputError, RunError
from mlpwatch.core.runs.changes import delete_run, measure_run, rename_run
from mlpwatch.core.runs.layout import GROUP_LOCK_NAME, GROUP_NAME
from mlpwatch.core.runs.listing import RunIndex, group_folders, list_runs
from mlpwatch.core.runs.run import Run
from mlpwatch.core.sweeps.group import (
    Group,
    checked_group,
    held_group,
    is_held,
    read_group,
)
from tests.support.samples.run_samples import CONFIG, create
from tests.support.samples.sweep_samples import group_of, make_group, open_group, train_trial

GRID = {"learning_rate": (0.03, 0.1), "hidden": ((64,), (128, 64))}


def test_a_group_is_every_setting_with_every_seed_and_survives_its_file(tmp_path: Path) -> None:
    group = group_of(GRID, seeds=3)
    assert len(group.trials) == 12
    assert len({trial.config for trial in group.trials}) == 12
    first, *_, last = group.trials
    assert (first.name, last.name) == (
        "learning-rate=0.03,hidden=64,seed=0", "learning-rate=0.1,hidden=128-64,seed=2",
    )  # fmt: skip
    assert last.config == replace(CONFIG, learning_rate=0.1, hidden=(128, 64), seed=2)
    # Every setting has a trial before any has two.
    assert [trial.setting for trial in group.trials[:4]] == [0, 1, 2, 3]
    path = make_group(tmp_path, "lr", group)
    assert read_group(path) == group
    assert group.settings[3].label == "learning-rate 0.1 · hidden 128-64"


def test_long_or_odd_values_make_short_names() -> None:
    group = group_of({"data": ("/data/a.npz", "/data/b.npz"), "hidden": ((9,) * 60, (8,) * 60)})
    names = [trial.name for trial in group.trials]
    assert len(set(names)) == len(names) == 12
    assert all(len(name) < 100 and "/" not in name for name in names)


def test_new_seeds_and_values_extend_a_sweep(tmp_path: Path) -> None:
    make_group(tmp_path, "lr", group_of({"learning_rate": (0.03, 0.1)}, seeds=2))
    path, group = open_group(tmp_path, "lr", group_of({"learning_rate": (0.1, 0.3)}, seeds=3))
    assert group.seeds == (0, 1, 2)
    assert [one.varied["learning_rate"] for one in group.settings] == [0.03, 0.1, 0.3]
    assert read_group(path) == group
    assert open_group(tmp_path, "lr", None) == (path, group)


def test_a_sweep_grows_by_values_of_what_varies() -> None:
    group = group_of({"learning_rate": (0.03, 0.1), "hidden": ((9,), (8,))}, seeds=1)
    found = group.grown({"hidden": [(7,), (9,)], "epochs": [3], "history": [5]}, [0, 4], "g")
    assert [tuple(one.varied.values()) for one in found.settings] == [
        (0.03, (9,)), (0.03, (8,)), (0.1, (9,)), (0.1, (8,)), (0.03, (7,)), (0.1, (7,)),
    ]  # fmt: skip
    assert all(one.config.hidden == one.varied["hidden"] for one in found.settings)
    assert found.seeds == (0, 4)
    assert found.settings[:4] == group.settings
    with pytest.raises(ConfigError, match="--epochs 9: sweep g has 3; choose another --name"):
        group.grown({"epochs": [3, 9]}, [], "g")
    with pytest.raises(ConfigError, match=r"learning rate -1\.0"):
        group.grown({"learning_rate": [-1.0]}, [], "g")


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (group_of({}), "that sweep varies learning-rate, this one only the seed"),
        (group_of({"hidden": ((3,), (4,))}), "this one hidden"),
        (
            group_of({"learning_rate": (0.03, 0.3)}, config=replace(CONFIG, epochs=9)),
            "--epochs 9: sweep lr has 3",
        ),
        (
            group_of({"learning_rate": (0.3, 0.5)}, config=replace(CONFIG, epochs=9)),
            "--epochs 9: sweep lr has 3",
        ),
    ],
)
def test_another_sweep_under_the_same_name_is_refused(
    tmp_path: Path, asked: Group, said: str
) -> None:
    path = make_group(tmp_path, "lr", group_of({"learning_rate": (0.03, 0.1)}, seeds=2))
    before = (path / GROUP_NAME).read_bytes()
    with pytest.raises(ConfigError) as caught:
        open_group(tmp_path, "lr", asked)
    assert said in str(caught.value)
    assert (path / GROUP_NAME).read_bytes() == before


def test_the_memory_for_past_epochs_may_change(tmp_path: Path) -> None:
    make_group(tmp_path, "one", group_of({}))
    asked = group_of({}, config=replace(CONFIG, history=0, threads=2))
    assert open_group(tmp_path, "one", asked)[1] == group_of({})


def test_names_that_a_sweep_can_not_have(tmp_path: Path) -> None:
    create(tmp_path, "run")
    with pytest.raises(RunError, match="there is a run or a folder of this name"):
        open_group(tmp_path, "run", group_of({}))
    with pytest.raises(InputError, match="no such sweep"):
        open_group(tmp_path, "other", None)
    with pytest.raises(InputError, match="path separator"):
        open_group(tmp_path, "a/b", group_of({}))
    with pytest.raises(ConfigError, match="expected 1 to"):
        open_group(tmp_path, "none", group_of({}).extended(group_of({}, seeds=20_000), "none"))
    with pytest.raises(ConfigError, match="given twice"):
        checked_group(group_of({"epochs": (3, 3)}))


@pytest.mark.parametrize(
    "text",
    [
        "", "[]", "{}", '{"format": 2}', '{"format":1,"created":"2026-01-01","settings":[]}',
        '{"format":1,"created":"2026-01-01T00:00:00+00:00","settings":[],"seeds":[0]}',
        '{"format":1,"created":"2026-01-01T00:00:00+00:00","settings":[{"config":{},'
        '"varied":["no"]}],"seeds":[0]}',
        '{"format":1,"created":"2026-01-01T00:00:00+00:00","settings":[{"config":{"epochs":0},'
        '"varied":[]}],"seeds":[0]}',
        '{"format":1,"created":"2026-01-01T00:00:00+00:00","settings":[{"config":{},'
        '"varied":[]}],"seeds":[true]}',
    ],
)  # fmt: skip
def test_a_damaged_file_is_named(tmp_path: Path, text: str) -> None:
    path = make_group(tmp_path, "lr", group_of({}))
    (path / GROUP_NAME).write_text(text)
    with pytest.raises(RunError, match=r"group\.json") as caught:
        read_group(path)
    assert "\n" not in str(caught.value)


def test_one_process_at_a_time_trains_a_sweep(tmp_path: Path) -> None:
    path = make_group(tmp_path, "lr", group_of({}))
    assert not is_held(path)
    with held_group(path):
        assert is_held(path)
        with pytest.raises(RunError, match=f"process {os.getpid()} trains it"), held_group(path):
            pass
    assert not is_held(path)
    handle = os.open(path / GROUP_LOCK_NAME, os.O_RDONLY)
    fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    assert is_held(path)
    os.close(handle)


def test_the_list_of_runs_leaves_a_sweep_to_itself(tmp_path: Path) -> None:
    create(tmp_path, "run")
    group = group_of({}, seeds=2)
    path = make_group(tmp_path, "many", group)
    train_trial(path, group.trials[0], {"numpy": 0.9, "torch": 0.8})
    assert [run.name for run in list_runs(tmp_path)] == ["run"]
    assert [run.name for run in RunIndex(tmp_path).read()] == ["run"]
    assert group_folders(tmp_path) == [path]
    assert [run.name for run in RunIndex(path).read()] == ["seed=0"]


def test_a_trial_is_opened_by_the_names_of_both(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    group = group_of({}, seeds=2)
    path = make_group(tmp_path, "many", group)
    train_trial(path, group.trials[1], {"numpy": 0.9, "torch": 0.8})
    run = Run.open(tmp_path, "many/seed=1")
    assert (run.path, run.config.seed, run.manifest.group) == (path / "seed=1", 1, "many")
    with pytest.raises(RunError, match="many/TRIAL"):
        Run.open(tmp_path, "many")
    with pytest.raises(RunError, match="did you mean many"):
        Run.open(tmp_path, "manny")
    monkeypatch.chdir(tmp_path)
    assert Run.open(Path("elsewhere"), "many/seed=1").config.seed == 1
    # A path that looks like a trial of no sweep is a path.
    other = create(tmp_path / "saved", "alone", RunConfig())
    assert Run.open(tmp_path, str(other.path)).name == "alone"


def test_trials_are_renamed_and_deleted_but_no_sweep(tmp_path: Path) -> None:
    group = group_of({}, seeds=2)
    path = make_group(tmp_path, "many", group)
    train_trial(path, group.trials[0], {"numpy": 0.9, "torch": 0.8})
    for change in (measure_run, delete_run):
        with pytest.raises(RunError, match="a sweep of several runs"):
            change(tmp_path, "many")
    with pytest.raises(RunError, match="a sweep of several runs"):
        rename_run(tmp_path, "many", "few")
    rename_run(path, "seed=0", "kept")
    delete_run(path, "kept")
    assert list_runs(path) == []
