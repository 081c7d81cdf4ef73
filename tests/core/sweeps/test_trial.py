"""One trial, trained in this process; and what becomes of trials whose process was killed."""

from dataclasses import replace
from pathlib import Path

import pytest

from mlpwatch.core.recipes import from_recipe
from mlpwatch.core.runs.layout import MANIFEST_NAME, RESULT_NAME
from mlpwatch.core.runs.run import Run
from mlpwatch.core.sweeps import trial as trial_module
from mlpwatch.core.sweeps.cluster_task import pack_folder, unpack_folder
from mlpwatch.core.sweeps.group import Group, Trial
from mlpwatch.core.sweeps.local import MOST_KILLS, _Work
from mlpwatch.core.sweeps.reading import GroupReader
from mlpwatch.core.sweeps.sweep import PROCESS_SECONDS, busy_seconds
from mlpwatch.core.sweeps.trial import (
    BESIDE_SECONDS,
    EPOCH_SECONDS,
    START_SECONDS,
    TrialEnd,
    estimate_seconds,
    train_trial,
)
from tests.support.samples.sweep_samples import group_of, make_group

TINY = from_recipe("twin", data="digits", hidden=(8,), epochs=2, train_size=100, history=0)


@pytest.fixture
def group() -> Group:
    return group_of({}, seeds=3, config=TINY)


@pytest.fixture
def folder(tmp_path: Path, group: Group) -> Path:
    return make_group(tmp_path, "g", group)


def never() -> bool:
    return False


@pytest.mark.parametrize("threads", [1, 2])
def test_a_trial_is_an_ordinary_run_of_the_group(folder: Path, group: Group, threads: int) -> None:
    end = train_trial(folder, group.trials[0], threads, never)
    assert end == TrialEnd("seed=0", "finished")
    run = Run.open(folder.parent, "g/seed=0")
    assert (run.manifest.group, run.config.seed, run.config.threads) == ("g", 0, threads)
    run.acquire()  # nobody holds it any more
    run.release()
    row = GroupReader(folder).read().rows[0]
    assert (row.state, set(row.test_accuracy)) == ("finished", {"numpy", "torch"})
    if threads == 1:
        # Two engines do not share a core: they take turns.
        assert [record.engine for record in row.records] == ["numpy"] * 2 + ["torch"] * 2


def test_a_stopped_trial_continues_and_one_killed_before_its_result_is_done_again(
    folder: Path, group: Group
) -> None:
    trial = replace(group.trials[0], config=replace(TINY, epochs=10_000))
    looks = iter(range(1000))
    end = train_trial(folder, trial, 2, lambda: next(looks) > 4)
    assert end.state == "stopped"
    run = Run.open(folder, str(folder / trial.name))
    latest = run.read_latest("numpy")
    assert latest is not None
    assert run.read_result() is None
    assert train_trial(folder, trial, 2, lambda: True).state == "stopped"

    other = group.trials[1]
    assert train_trial(folder, other, 2, never).state == "finished"
    (folder / other.name / RESULT_NAME).unlink()
    assert train_trial(folder, other, 2, never).state == "finished"
    assert (folder / other.name / RESULT_NAME).is_file()


def test_what_can_not_be_trained_is_a_reason(folder: Path, group: Group) -> None:
    gone = replace(group.trials[0], config=replace(TINY, data="/nowhere.npz"))
    end = train_trial(folder, gone, 2, never)
    assert (end.state, end.is_in_folder) == ("failed", False)
    assert "/nowhere.npz" in end.reason
    assert not (folder / gone.name).exists()
    wild = replace(group.trials[1], config=replace(TINY, learning_rate=1e20))
    end = train_trial(folder, wild, 2, never)
    assert (end.state, end.is_in_folder) == ("failed", True)
    assert "diverged" in end.reason


def test_an_estimate_grows_with_the_epochs() -> None:
    few, many = estimate_seconds([TINY, replace(TINY, epochs=20_000)], threads=2)
    assert 0 < few < 10
    assert many > 20 * few


def test_an_estimate_counts_what_each_epoch_writes_and_engines_that_take_turns(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(trial_module, "_seconds_per_step", lambda *_: 0.001)
    config = replace(TINY, batch_size=10**6, epochs=100)
    alone, beside, turns = (
        estimate_seconds([each], threads)[0] - START_SECONDS
        for each, threads in ((replace(config, only="numpy"), 1), (config, 2), (config, 1))
    )
    # One step of 1 ms per epoch: most is the writing.
    assert alone >= 100 * (EPOCH_SECONDS + 0.001)
    assert beside == pytest.approx(alone + 100 * (BESIDE_SECONDS - EPOCH_SECONDS))
    assert turns == pytest.approx(2 * alone)


@pytest.mark.parametrize(
    ("trials", "jobs", "started", "seconds"),
    [
        ([5.0] * 4, 1, 1, 20.0),
        ([5.0] * 4, 1, 0, 20.0 + PROCESS_SECONDS),
        ([5.0] * 3, 2, 2, 10.0),
        # The process that runs takes the first and the third.
        ([5.0] * 3, 2, 1, 10.0),
        ([5.0] * 4, 2, 1, 10.0 + PROCESS_SECONDS),
        ([0.1], 4, 1, 0.1),
        ([], 2, 0, 0.0),
    ],
)
def test_a_process_takes_the_next_trial_when_it_is_free(
    trials: list[float], jobs: int, started: int, seconds: float
) -> None:
    assert busy_seconds(trials, jobs, started) == pytest.approx(seconds)


def test_early_patience_ends_a_trial_for_good(folder: Path, group: Group) -> None:
    trial = replace(
        group.trials[0], config=replace(TINY, epochs=500, patience=1, learning_rate=1.0)
    )
    assert train_trial(folder, trial, 2, never).state == "finished"
    assert GroupReader(folder).read().rows[0].state == "finished"


def test_trials_of_a_killed_pool_are_done_again_and_the_guilty_one_fails() -> None:
    one, two, *_ = group_of({}, seeds=3).trials
    work = _Work([one, two])
    for _ in range(MOST_KILLS - 1):
        assert {work.next(0, 2), work.next(1, 2)} <= {one, two, None}
        lost = [one, two]
        assert list(work.take_back(lost)) == []
    # Twice lost beside others: now each trains alone.
    assert work.next(1, 2) is None
    assert work.next(0, 2) == one
    assert work.next(1, 2) is None
    (end,) = work.take_back([one])
    assert (end.name, end.state, end.is_in_folder) == (one.name, "failed", False)
    assert "killed 3 times" in end.reason
    assert work.next(0, 2) == two
    assert work.next(0, 2) is None


def test_a_run_folder_survives_the_way_home(folder: Path, group: Group, tmp_path: Path) -> None:
    trial: Trial = replace(group.trials[0], config=replace(TINY, history=8))
    train_trial(folder, trial, 2, never)
    packed = pack_folder(folder / trial.name)
    unpack_folder(packed, tmp_path / "back")
    found = {p.relative_to(tmp_path / "back") for p in (tmp_path / "back").rglob("*")}
    assert {Path(MANIFEST_NAME), Path("history/index.json")} <= found
    assert pack_folder(tmp_path / "back") == packed


def test_a_packed_file_outside_a_run_folder_is_refused(tmp_path: Path) -> None:
    for name in ("../config.json", "/etc/passwd", "a/b", "history/../../x"):
        (tmp_path / "made").mkdir(exist_ok=True)
        import io
        import zipfile

        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w") as file:
            file.writestr(name, b"x")
        with pytest.raises(ValueError, match="not a file of a run folder"):
            unpack_folder(packed.getvalue(), tmp_path / "made" / "run")
