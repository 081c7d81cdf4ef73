"""The list of runs shows every folder, whatever is in it, and stays quick."""

import json
import math
import os
from collections import Counter
from dataclasses import replace
from pathlib import Path
from time import process_time

import pytest

from mlpwatch.core.errors import RunError
from mlpwatch.core.runs.listing import EngineSummary, RunIndex, RunSummary, list_runs
from mlpwatch.core.runs.run import Run
from tests.support.samples.many_runs import make_many_runs
from tests.support.samples.run_samples import CONFIG, NOON, create, line


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    return tmp_path / "saved"


def only(saved: Path) -> RunSummary:
    (run,) = list_runs(saved)
    return run


def test_no_folder_has_no_runs_and_a_file_is_an_error(saved: Path) -> None:
    assert list_runs(saved) == []
    saved.write_text("")
    with pytest.raises(RunError, match="--saved"):
        list_runs(saved)


def test_a_stopped_run_shows_how_far_each_engine_came(saved: Path) -> None:
    run = create(saved, "one")
    for one in (line("numpy", 1), line("torch", 1, 0.8), line("numpy", 2, 0.95)):
        run.append_metrics(one)
    assert only(saved) == RunSummary(
        "one", run.path, "stopped", "", NOON, "digits", "twin", (64, 32), 3,
        (EngineSummary("numpy", 2, 0.95, None), EngineSummary("torch", 1, 0.8, None)),
        optimizer=CONFIG.optimizer, learning_rate=CONFIG.learning_rate,
        batch_size=CONFIG.batch_size,
    )  # fmt: skip


def test_a_run_is_finished_with_all_its_epochs_and_a_result(saved: Path) -> None:
    run = create(saved, "one", replace(CONFIG, only="torch", epochs=1))
    run.write_result({"engines": {"torch": {"test_accuracy": 0.97}}})
    assert only(saved).state == "stopped"
    run.append_metrics(line("torch", 1))
    assert only(saved).state == "finished"
    assert only(saved).engines == (EngineSummary("torch", 1, 0.9, 0.97),)
    (run.path / "result.json").unlink()
    assert only(saved).state == "stopped"


def test_a_run_that_is_held_is_training(saved: Path) -> None:
    run = create(saved, "one")
    run.acquire()
    assert only(saved).state == "training"
    run.release()
    assert only(saved).state == "stopped"


def test_a_run_that_is_held_after_its_end_has_ended_and_can_not_be_changed(saved: Path) -> None:
    run = create(saved, "one", replace(CONFIG, only="numpy", epochs=1))
    run.acquire()
    run.append_metrics(line("numpy", 1))
    assert (only(saved).state, only(saved).is_held) == ("training", True)
    run.write_result({"engines": {"numpy": {"ended": "failed"}}})
    assert (only(saved).state, only(saved).is_held) == ("failed", True)
    run.write_result({"engines": {"numpy": {"ended": "finished"}}})
    assert (only(saved).state, only(saved).is_held) == ("finished", True)
    run.release()
    assert (only(saved).state, only(saved).is_held) == ("finished", False)


def test_the_newest_comes_first_and_the_undated_last(saved: Path) -> None:
    for minutes, name in ((1, "b"), (3, "a"), (2, "c"), (1, "a2")):
        create(saved, name, minutes=minutes)
    (saved / "0").mkdir()
    assert [run.name for run in list_runs(saved)] == ["a", "c", "a2", "b", "0"]


def test_a_run_whose_engine_broke_has_failed_and_says_why(saved: Path) -> None:
    run = create(saved, "one")
    ends = {"numpy": {"ended": "finished", "detail": ""}}
    run.write_result({"engines": ends | {"torch": {"ended": "diverged", "detail": "nan at 7\n"}}})
    assert only(saved).state == "failed"
    assert only(saved).reason == r"torch diverged: nan at 7\n"
    run.write_result({"engines": {"numpy": {"ended": "failed", "detail": ""}}})
    assert only(saved).reason == "numpy failed"


def test_a_run_that_was_made_longer_has_planned_what_it_has_done(saved: Path) -> None:
    run = create(saved, "one", replace(CONFIG, only="numpy"))
    run.append_metrics(line("numpy", 7))
    assert only(saved).epochs_planned == 7


def ended(accuracy: str, *more: str) -> str:
    return '{"engines": {"numpy": {' + ", ".join([f'"test_accuracy": {accuracy}', *more]) + "}}}"


def test_an_accuracy_that_is_not_known_is_not_shown(saved: Path) -> None:
    run = create(saved, "one", replace(CONFIG, only="numpy"))
    run.append_metrics(line("numpy", 1, math.nan))
    run.write_result({"engines": {"numpy": {"test_accuracy": math.nan}}})
    assert only(saved).engines == (EngineSummary("numpy", 1, None, None),)


@pytest.mark.parametrize(
    "result",
    [
        {}, {"engines": []}, {"engines": {"numpy": "good"}}, ended("1.5"), ended("-0.1"),
        ended("1" + "0" * 400), ended("1" + "0" * 9_000), ended('"x"'), ended("[]"), ended("true"),
        ended("0.5", '"ended": "won"'), ended("0.5", '"ended": "failed", "detail": 5'),
    ],
)  # fmt: skip
def test_a_result_that_makes_no_sense_is_a_damaged_run(saved: Path, result: object) -> None:
    create(saved, "good")
    folder = create(saved, "bad", replace(CONFIG, only="numpy")).path
    (folder / "result.json").write_text(result if isinstance(result, str) else json.dumps(result))
    runs = {run.name: run for run in list_runs(saved)}
    assert (runs["good"].state, runs["bad"].state) == ("stopped", "damaged")
    assert "result.json" in runs["bad"].reason
    assert len(runs["bad"].reason) < 300


@pytest.mark.parametrize("name", ["config.json", "metrics.jsonl", "result.json"])
@pytest.mark.parametrize("kind", ["garbage", "folder", "fifo", "loop"])
def test_one_bad_folder_never_hides_the_others(saved: Path, name: str, kind: str) -> None:
    create(saved, "good")
    bad = create(saved, "bad").path / name
    bad.unlink(missing_ok=True)
    match kind:
        case "garbage":
            bad.write_bytes(b"\xff\0{\n")
        case "folder":
            bad.mkdir()
        case "fifo":
            os.mkfifo(bad)
        case "loop":
            bad.symlink_to(bad)
    runs = {run.name: run for run in list_runs(saved)}
    assert runs["good"].state == "stopped"
    # A damaged line of metrics is skipped.
    harmless = name == "metrics.jsonl" and kind == "garbage"
    assert runs["bad"].state == ("stopped" if harmless else "damaged")
    assert (name in runs["bad"].reason) == (not harmless)
    assert runs["bad"].reason == "" or runs["bad"].reason.isprintable()


def test_names_from_the_disk_are_safe_to_print(saved: Path) -> None:
    create(saved, "one")
    (saved / os.fsdecode(b"\x1b[2J\xff\n")).mkdir()
    card = saved / "one" / "config.json"
    values = json.loads(card.read_text())
    values["dataset"]["name"] = "\x1b[31mred"
    card.write_text(json.dumps(values))
    strange = next(run for run in list_runs(saved) if run.state == "damaged")
    assert strange.name == r"\x1b[2J\udcff\n"
    named = next(run for run in list_runs(saved) if run.name == "one")
    assert named.dataset == r"\x1b[31mred"


def test_hidden_folders_and_files_are_no_runs(saved: Path) -> None:
    (saved / ".new-x").mkdir(parents=True)
    (saved / ".gitkeep").touch()
    (saved / "notes.txt").touch()
    assert list_runs(saved) == []


def test_a_thousand_runs_are_listed_in_half_a_second(saved: Path) -> None:
    saved.mkdir()
    make_many_runs(saved, 1000)
    times = []
    for _ in range(3):
        # Processor time: the other tests share the cores.
        began = process_time()
        runs = list_runs(saved)
        times.append(process_time() - began)
    assert Counter(run.state for run in runs) == {"finished": 750, "stopped": 250}
    assert min(times) < 0.5, times


def test_a_run_that_was_made_longer_shows_what_it_is_to_have(saved: Path) -> None:
    run = create(saved, "one", replace(CONFIG, only="numpy"))
    run.append_metrics(line("numpy", 3))
    index = RunIndex(saved)
    assert index.read()[0].epochs_planned == 3
    run.change_plan(4_000, "digits")
    assert only(saved).epochs_planned == index.read()[0].epochs_planned == 4_000
    assert Run.open(saved, "one").config.epochs == 4_000
    for damage in ("{", '{"epochs": 0, "data": "x"}', '{"epochs": 1' + "0" * 400 + ', "data": ""}'):
        (run.path / "plan.json").write_text(damage)
        assert only(saved).state == "damaged"
        assert "plan.json" in only(saved).reason
