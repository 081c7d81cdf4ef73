"""`mlpwatch runs`: a table for people and JSON for programs."""

import json
from pathlib import Path

import pytest

from mlpwatch.core.config import RunConfig
from mlpwatch.core.epochs import EpochRecord
from mlpwatch.core.runs.manifest import DatasetInfo
from mlpwatch.core.runs.run import Run
from mlpwatch.tui.runs.listing_text import runs_as_json, runs_as_text

CONFIG = RunConfig(data="digits", hidden=(32, 16), epochs=3)
CARD = DatasetInfo("digits", "0" * 64, (8, 8), 10)


def line(epoch: int, accuracy: float) -> EpochRecord:
    return EpochRecord(
        engine="numpy",
        epoch=epoch,
        step=epoch * 20,
        seconds=1.0,
        train_loss=1.0,
        val_loss=1.0,
        val_accuracy=accuracy,
        samples_per_second=1.0,
    )


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    """One run that ended, one that was left after two epochs."""
    done = Run.create(tmp_path, "done", CONFIG, CARD)
    numbers = {"test_accuracy": 0.9731, "val_accuracy": 0.95, "ended": "finished", "detail": ""}
    done.write_result(
        {"run": str(done.path), "dataset": "digits", "recipe": "twin", "epochs": 3,
         "engines": {"numpy": numbers, "torch": numbers | {"test_accuracy": 0.9}},
         "max_weight_difference": 0.0}
    )  # fmt: skip
    left = Run.create(tmp_path, "left", CONFIG, CARD)
    left.append_metrics(line(1, 0.5))
    left.append_metrics(line(2, 0.625))
    return tmp_path


def test_the_table_is_aligned_and_tells_accuracies(saved: Path) -> None:
    heading, *rows = runs_as_text(saved).split("\n")
    assert heading.split() == [
        "run", "data", "recipe", "hidden", "optimizer", "rate", "batch", "epochs", "NumPy",
        "PyTorch", "state",
    ]  # fmt: skip
    by_name = {row.split()[0]: row for row in rows}
    assert set(by_name) == {"done", "left"}
    assert "32-16" in by_name["done"]
    place = heading.index("NumPy")
    assert by_name["done"][place:].startswith("97.31% test")
    assert by_name["left"][place:].startswith("62.50% val")
    assert by_name["left"][heading.index("epochs") :].startswith("2/3")
    assert by_name["left"][heading.index("PyTorch") :].startswith("–")
    for setting, value in (("optimizer", "sgd"), ("rate", "0.3"), ("batch", "64")):
        assert by_name["done"][heading.index(setting) :].startswith(value)


@pytest.mark.parametrize("width", [70, 80, 100, 200])
def test_settings_that_a_terminal_has_no_room_for_are_left_out(saved: Path, width: int) -> None:
    lines = runs_as_text(saved, width).split("\n")
    assert max(len(line) for line in lines) <= width
    assert {"run", "recipe", "epochs", "NumPy", "PyTorch", "state"} <= set(lines[0].split())
    assert ("batch" in lines[0]) == (width >= 100)


def test_no_run_is_said_in_one_line(tmp_path: Path) -> None:
    assert runs_as_text(tmp_path / "none") == f"no runs in {tmp_path / 'none'}"
    assert json.loads(runs_as_json(tmp_path / "none")) == []


def test_a_damaged_run_is_listed_with_its_reason(saved: Path) -> None:
    (saved / "left/config.json").write_text("{")
    row = next(row for row in runs_as_text(saved).split("\n") if row.startswith("left"))
    assert ": " in row, "the state says why"
    assert "\n" not in row.strip()


def test_json_holds_the_same_numbers(saved: Path) -> None:
    by_name = {run["run"]: run for run in json.loads(runs_as_json(saved))}
    assert by_name["done"]["engines"]["numpy"]["test_accuracy"] == 0.9731
    assert by_name["left"]["engines"]["numpy"]["val_accuracy"] == 0.625
    assert by_name["left"]["hidden"] == [32, 16]
    settings = ("optimizer", "learning_rate", "batch_size")
    assert [by_name["left"][name] for name in settings] == ["sgd", 0.3, 64]
    assert by_name["left"]["path"] == str(saved / "left")
