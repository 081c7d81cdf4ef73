"""Exported files hold what the runs hold, and overwrite nothing."""

import csv
import json
import math
import resource
from dataclasses import replace
from pathlib import Path

import pytest

from mlpwatch.core.errors import RunError
from mlpwatch.core.events import CheckpointSaved, RunEnded
from mlpwatch.core.runs.event_log import EventLog, Plan
from mlpwatch.core.runs.export import ExportKind, export_runs
from mlpwatch.core.runs.metrics import NUMBERS
from tests.support.samples.run_samples import CONFIG, create, line


@pytest.fixture
def runs(tmp_path: Path) -> list[Path]:
    for name in ("one", "two"):
        run = create(tmp_path / "saved", name)
        run.append_metrics(replace(line("numpy", 1, 0.25), train_accuracy=0.75))
        run.append_metrics(replace(line("torch", 1, 0.5), train_loss=math.nan))
    one, two = (tmp_path / "saved" / name for name in ("one", "two"))
    end = {"ended": "finished", "detail": "", "seconds": 1.0, "test_loss": 0.5}
    result = {"engines": {"numpy": end | {"test_accuracy": 0.875}}}
    (one / "result.json").write_text(json.dumps(result))
    # A run that was stopped has no result.
    ended = RunEnded("torch", "stopped", "", 20, 1.0, 0.5, 0.625)
    EventLog(two / "events.jsonl").append([Plan(3, 20), ended, CheckpointSaved("torch", 20, "x")])
    return [one, two]


def test_csv_has_a_row_per_run_engine_and_epoch(runs: list[Path], tmp_path: Path) -> None:
    path = export_runs(runs, tmp_path, "csv")
    assert path == tmp_path / "2-runs.csv"
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["run"], row["engine"], row["epoch"]) for row in rows] == [
        ("one", "numpy", "1"), ("one", "torch", "1"), ("two", "numpy", "1"), ("two", "torch", "1"),
    ]  # fmt: skip
    assert list(rows[0])[: len(NUMBERS) + 2] == ["run", *NUMBERS, "test_accuracy"]
    assert rows[0]["config_hidden"] == "64-32"
    assert rows[0]["config_learning_rate"] == str(CONFIG.learning_rate)
    assert [row["val_accuracy"] for row in rows[:2]] == ["0.25", "0.5"]
    assert [row["train_loss"] for row in rows[:2]] == ["0.5", ""]
    assert [row["train_accuracy"] for row in rows[:2]] == ["0.75", ""]
    assert [row["test_accuracy"] for row in rows] == ["0.875", "", "", "0.625"]


def test_csv_has_the_test_accuracy_of_each_engine(runs: list[Path], tmp_path: Path) -> None:
    end = {"ended": "finished", "detail": "", "seconds": 1.0, "test_loss": 0.5}
    ends = {"numpy": end | {"test_accuracy": 0.97}, "torch": end | {"test_accuracy": None}}
    (runs[0] / "result.json").write_text(json.dumps({"engines": ends}))
    path = export_runs(runs[:1], tmp_path, "csv")
    rows = list(csv.DictReader(path.read_text().splitlines()))
    assert [row["test_accuracy"] for row in rows] == ["0.97", ""]


def test_json_has_settings_result_and_metrics(runs: list[Path], tmp_path: Path) -> None:
    path = export_runs(runs[:1], tmp_path, "json")
    assert path == tmp_path / "one.json"
    (one,) = json.loads(path.read_text())
    assert one["run"] == "one"
    assert one["config"]["hidden"] == [64, 32]
    assert one["dataset"]["name"] == "digits"
    assert one["result"]["engines"]["numpy"]["test_accuracy"] == 0.875
    assert one["test_accuracy"] == {"numpy": 0.875, "torch": None}
    numbers = {name: getattr(line("numpy", 1, 0.25), name) for name in NUMBERS}
    assert one["metrics"][0] == numbers | {"train_accuracy": 0.75}
    assert one["metrics"][1]["train_loss"] is None


@pytest.mark.parametrize("kind", ["csv", "json"])
def test_nothing_is_overwritten(runs: list[Path], tmp_path: Path, kind: ExportKind) -> None:
    (tmp_path / f"one.{kind}").write_text("mine")
    (tmp_path / f"one-2.{kind}").symlink_to(tmp_path / "nowhere")
    assert export_runs(runs[:1], tmp_path, kind) == tmp_path / f"one-3.{kind}"
    assert (tmp_path / f"one.{kind}").read_text() == "mine"
    assert not (tmp_path / "nowhere").exists()


def test_a_hostile_name_makes_a_harmless_file(tmp_path: Path) -> None:
    for name in ("..=cmd|' \x1b[2J\n", "x" * 200):
        run = create(tmp_path / "saved", name).path
        path = export_runs([run], tmp_path, "csv")
        assert path.parent == tmp_path
        assert path.name.replace(".csv", "").replace("_", "").replace("-", "").isalnum()
        assert len(path.name) < 110


def test_a_folder_that_can_not_be_written_is_named(runs: list[Path], tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"missing/one\.csv: not written, No such file"):
        export_runs(runs[:1], tmp_path / "missing", "csv")


def test_a_full_disk_leaves_no_half_file(runs: list[Path], tmp_path: Path) -> None:
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    # A real error, "File too large", where a full disk would say "No space left on device".
    resource.setrlimit(resource.RLIMIT_FSIZE, (10, limits[1]))
    try:
        with pytest.raises(RunError, match="not written, File too large"):
            export_runs(runs[:1], tmp_path, "csv")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert not (tmp_path / "one.csv").exists()
