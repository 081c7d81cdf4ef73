"""The state files of Hugging Face's Trainer."""

import json
import os
from pathlib import Path
from typing import Any

from mlpwatch.core.foreign_logs.trainer_state import TrainerStateReader


def state(path: Path, history: list[dict[str, Any]], at: int, most: int = 100) -> None:
    """Write a state as `TrainerState.save_to_json` of transformers 4.x does."""
    fields = {
        "best_metric": None, "epoch": 1.0, "global_step": history[-1]["step"],
        "log_history": history, "max_steps": most, "num_train_epochs": 3, "total_flos": 0.0,
    }  # fmt: skip
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(fields, indent=2, sort_keys=True) + "\n")
    os.utime(path, (at, at))


def losses(*values: float) -> list[dict[str, Any]]:
    return [
        {"epoch": k / 10, "step": 10 * k, "loss": value, "learning_rate": 1e-3}
        for k, value in enumerate(values, start=1)
    ]


def test_each_checkpoint_brings_only_its_new_entries(tmp_path: Path) -> None:
    reader = TrainerStateReader(tmp_path)
    assert reader.read() == []
    state(tmp_path / "checkpoint-20" / "trainer_state.json", losses(3, 2), at=1_000)
    points = reader.read()
    assert [tuple(one[:3]) for one in points if one.name == "train/loss"] == [
        ("train/loss", 10, 3), ("train/loss", 20, 2),
    ]  # fmt: skip
    assert reader.planned == 100
    history = [*losses(3, 2, 1), {"epoch": 0.3, "step": 30, "eval_loss": 1.5}]
    state(tmp_path / "checkpoint-30" / "trainer_state.json", history, at=2_000)
    assert sorted(tuple(one[:3]) for one in reader.read()) == [
        ("eval/loss", 30, 1.5), ("train/learning_rate", 30, 1e-3), ("train/loss", 30, 1),
    ]  # fmt: skip
    assert reader.read() == []
    assert not reader.ended
    assert reader.file.written_at == 2_000


def test_the_summary_ends_the_training_and_is_no_point(tmp_path: Path) -> None:
    reader = TrainerStateReader(tmp_path)
    history = [*losses(1), {"step": 10, "epoch": 1, "train_runtime": 5.0, "train_loss": 9.0}]
    state(tmp_path / "trainer_state.json", history, at=1_000)
    assert {point.name for point in reader.read()} == {"train/loss", "train/learning_rate"}
    assert reader.ended


def test_a_restart_from_a_checkpoint_brings_what_differs(tmp_path: Path) -> None:
    path = tmp_path / "trainer_state.json"
    reader = TrainerStateReader(path)
    state(path, losses(5, 4, 3), at=1_000)
    reader.read()
    state(path, losses(5, 2), at=2_000)
    assert [one.step for one in reader.read() if one.name == "train/loss"] == [20]


def test_a_half_written_state_is_read_when_it_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "trainer_state.json"
    reader = TrainerStateReader(path)
    state(path, losses(5, 4), at=1_000)
    text = path.read_text()
    path.write_text(text[:-40])
    assert reader.read() == []
    assert reader.file.fault
    path.write_text(text)
    assert len(reader.read()) == 4
    assert reader.file.fault == ""


def test_a_state_above_the_limit_or_of_another_kind_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "trainer_state.json"
    with path.open("wb") as file:
        file.truncate(10 * 2**30)
    reader = TrainerStateReader(path)
    assert reader.read() == []
    assert "bytes, where at most" in reader.file.fault
    path.unlink()
    path.write_text("[" * 100_000)
    assert reader.read() == []
