"""What is told of a run's logs is told once, and stays within what a run can have."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import mlpwatch.core.runs.replay
from mlpwatch.core.config import EngineName
from mlpwatch.core.epochs import EpochRecord
from mlpwatch.core.events import EpochDone, Event
from mlpwatch.core.files.line_file import MOST_LINE_BYTES
from mlpwatch.core.limits import MAX_EPOCHS
from mlpwatch.core.runs.metrics import parse_epoch
from mlpwatch.core.runs.replay import RunTail, damage_notes
from tests.support.samples.run_samples import create, line, matrices, old_confusion_line


def test_a_log_of_many_repeated_lines_tells_each_epoch_once_and_parses_each_line_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    parsed: list[bytes] = []

    def parse(raw: bytes) -> EpochRecord | None:
        parsed.append(raw)
        return parse_epoch(raw)

    monkeypatch.setattr(mlpwatch.core.runs.replay, "parse_epoch", parse)
    run = create(tmp_path, "demo")
    run.append_metrics(line("numpy", 1))
    path = run.path / "metrics.jsonl"
    path.write_bytes(path.read_bytes() * 3_000)
    run.append_metrics(line("torch", 1), line("numpy", 2), line("numpy", 1))
    run.append_metrics(line("numpy", MAX_EPOCHS + 1), line("numpy", 3))
    tail = RunTail(run)
    assert told(tail.read()) == [("numpy", 1), ("torch", 1), ("numpy", 2), ("numpy", 3)]
    assert len(parsed) == 3_005
    assert damage_notes(tail) == [
        "metrics.jsonl: 1 damaged line left out; only what they held is missing",
        "metrics.jsonl: 3,000 lines of repeated epochs left out",
    ]


def told(events: list[Event] | None) -> list[tuple[EngineName, int]]:
    assert events is not None
    return [(event.engine, event.epoch) for event in events if isinstance(event, EpochDone)]


def test_what_follows_megabytes_of_garbage_is_read_in_the_same_look(tmp_path: Path) -> None:
    run = create(tmp_path, "demo")
    run.append_metrics(line("numpy", 1))
    with (run.path / "metrics.jsonl").open("ab") as file:
        file.write((b"\0" * 200 + b"\n") * (2 * MOST_LINE_BYTES // 200))
    run.append_metrics(line("numpy", 2), line("numpy", 3))
    tail = RunTail(run)
    assert told(tail.read()) == [("numpy", 1), ("numpy", 2), ("numpy", 3)]
    assert tail.damaged["metrics.jsonl"] == 2 * MOST_LINE_BYTES // 200


def test_an_epoch_comes_with_its_matrix(tmp_path: Path) -> None:
    run = create(tmp_path, "demo")
    counts = np.eye(run.dataset.classes, dtype=np.int64)
    run.append_metrics(replace(line("numpy", 1), confusion=counts))
    (event,) = RunTail(run).read() or []
    assert isinstance(event, EpochDone)
    np.testing.assert_array_equal(event.record.confusion, counts)


def test_the_matrices_of_an_old_run_stand_in_a_file_of_their_own(tmp_path: Path) -> None:
    run = create(tmp_path, "demo")
    old, new = (n * np.eye(run.dataset.classes, dtype=np.int64) for n in (3, 7))
    small = np.eye(2, dtype=np.int64)
    run.append_metrics(line("numpy", 1), line("torch", 1), line("torch", 2))
    run.append_metrics(replace(line("numpy", 2), confusion=new))
    lines = [old_confusion_line("numpy", epoch, old) for epoch in (1, 2)]
    lines += [old_confusion_line("torch", 1, small), "garbage\n"]
    (run.path / "confusion.jsonl").write_text("".join(lines))
    found = matrices(run)
    assert {name: list(of) for name, of in found.items()} == {"numpy": [1, 2], "torch": []}
    np.testing.assert_array_equal(found["numpy"][1], old)
    np.testing.assert_array_equal(found["numpy"][2], new)
    tail = RunTail(run)
    tail.read()
    assert tail.damaged == {"confusion.jsonl": 2}
