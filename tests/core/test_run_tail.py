"""What is told of a run's logs is told once, and stays within what a run can have."""

from pathlib import Path

import pytest

import core.run_tail
from core.config import MAX_EPOCHS
from core.metrics_log import MetricsLine, parse_metrics_line
from core.run_tail import RunTail, damage_notes
from core.telemetry import EpochRead
from tests.core.run_samples import create, line


def test_a_log_of_many_repeated_lines_tells_each_epoch_once_and_parses_each_line_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    parsed: list[bytes] = []

    def parse(raw: bytes) -> MetricsLine | None:
        parsed.append(raw)
        return parse_metrics_line(raw)

    monkeypatch.setattr(core.run_tail, "parse_metrics_line", parse)
    run = create(tmp_path, "demo")
    run.append_metrics(line("numpy", 1))
    path = run.path / "metrics.jsonl"
    path.write_bytes(path.read_bytes() * 3_000)
    run.append_metrics(line("torch", 1), line("numpy", 2), line("numpy", 1))
    run.append_metrics(line("numpy", MAX_EPOCHS + 1), line("numpy", 3))
    tail = RunTail(run)
    # The last epoch waits for its matrix for one look.
    events = [*(tail.read() or []), *(tail.read() or [])]
    told = [(event.engine, event.epoch) for event in events if isinstance(event, EpochRead)]
    assert told == [("numpy", 1), ("torch", 1), ("numpy", 2), ("numpy", 3)]
    assert len(parsed) == 3_005
    assert damage_notes(tail) == [
        "metrics.jsonl: 3,001 damaged lines passed over; only what they told is missing"
    ]
