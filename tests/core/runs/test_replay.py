"""What is told of a run's logs is told once, and stays within what a run can have."""

from pathlib import Path

import numpy as np
import pytest

import mlpwatch.core.runs.replay
from mlpwatch.core.config import MAX_EPOCHS, EngineName
from mlpwatch.core.events import EpochLogged, Event
from mlpwatch.core.files.line_tail import MOST_BYTES
from mlpwatch.core.runs.confusion_log import ConfusionLine
from mlpwatch.core.runs.metrics import MetricsLine, parse_metrics_line
from mlpwatch.core.runs.replay import RunTail, damage_notes
from tests.support.samples.run_samples import create, line


def test_a_log_of_many_repeated_lines_tells_each_epoch_once_and_parses_each_line_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    parsed: list[bytes] = []

    def parse(raw: bytes) -> MetricsLine | None:
        parsed.append(raw)
        return parse_metrics_line(raw)

    monkeypatch.setattr(mlpwatch.core.runs.replay, "parse_metrics_line", parse)
    run = create(tmp_path, "demo")
    run.append_metrics(line("numpy", 1))
    path = run.path / "metrics.jsonl"
    path.write_bytes(path.read_bytes() * 3_000)
    run.append_metrics(line("torch", 1), line("numpy", 2), line("numpy", 1))
    run.append_metrics(line("numpy", MAX_EPOCHS + 1), line("numpy", 3))
    tail = RunTail(run)
    # The last epoch waits for its matrix for one look.
    assert told(tail.read()) == [("numpy", 1), ("torch", 1), ("numpy", 2)]
    assert told(tail.read()) == [("numpy", 3)]
    assert len(parsed) == 3_005
    assert damage_notes(tail) == [
        "metrics.jsonl: 1 damaged line passed over; only what they told is missing",
        "metrics.jsonl: 3,000 lines of epochs told before passed over",
    ]


def told(events: list[Event] | None) -> list[tuple[EngineName, int]]:
    assert events is not None
    return [(event.engine, event.epoch) for event in events if isinstance(event, EpochLogged)]


def test_what_follows_megabytes_of_garbage_is_read_in_the_same_look(tmp_path: Path) -> None:
    run = create(tmp_path, "demo")
    run.append_metrics(line("numpy", 1))
    with (run.path / "metrics.jsonl").open("ab") as file:
        file.write((b"\0" * 200 + b"\n") * (2 * MOST_BYTES // 200))
    run.append_metrics(line("numpy", 2), line("numpy", 3))
    tail = RunTail(run)
    assert told(tail.read()) == [("numpy", 1), ("numpy", 2)]
    assert told(RunTail(run).read(is_final=True)) == [("numpy", 1), ("numpy", 2), ("numpy", 3)]
    assert tail.damaged["metrics.jsonl"] == 2 * MOST_BYTES // 200


def test_an_epoch_is_told_once_its_matrix_is_there(tmp_path: Path) -> None:
    run = create(tmp_path, "demo")
    tail = RunTail(run)
    run.append_metrics(line("numpy", 1))
    assert told(tail.read()) == []
    counts = np.eye(run.dataset.classes, dtype=np.int64)
    run.confusion.append(ConfusionLine("numpy", 1, 5, counts))
    (event,) = tail.read() or []
    assert isinstance(event, EpochLogged)
    np.testing.assert_array_equal(event.confusion, counts)
    assert tail.read() == []
