"""Whatever goes wrong on the disk, the recorder goes on and says so."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from threading import Event

import numpy as np
import pytest

from mlpwatch.core.config import RunConfig
from mlpwatch.core.events import CheckpointSaved, Mailbox, SaveFailed
from mlpwatch.core.network.engine import EngineState, initial_weights, layer_sizes
from mlpwatch.core.runs.checkpoints import Checkpoint, Position
from mlpwatch.core.runs.confusion_log import ConfusionLine
from mlpwatch.core.runs.metrics import MetricsLine
from mlpwatch.core.runs.run import DatasetCard, Run
from mlpwatch.core.training.recorder import DiskRecorder

CONFIG = RunConfig(hidden=(3,))
CARD = DatasetCard("tiny", "0" * 64, (2, 2), 2)
LINE = MetricsLine("numpy", 1, 10, 0.5, 0.7, 0.8, 0.9, 100.0)


def checkpoint(step: int) -> Checkpoint:
    weights = initial_weights(layer_sizes(4, CONFIG.hidden, 2), CONFIG)
    return Checkpoint("numpy", EngineState(weights, {}, step), Position(step=step))


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return Run.create(tmp_path, "run", CONFIG, CARD)


def failing(error: Exception) -> Callable[..., Path]:
    def fail(*_: object) -> Path:
        raise error

    return fail


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (OSError(28, "No space left on device"), "No space left on device"),
        (MemoryError("no room"), "MemoryError: no room"),
    ],
)
def test_a_save_that_fails_is_said_kept_and_tried_again(
    run: Run, monkeypatch: pytest.MonkeyPatch, error: Exception, reason: str
) -> None:
    mailbox = Mailbox()
    recorder = DiskRecorder(run, mailbox)
    monkeypatch.setattr(run, "write_checkpoint", failing(error))
    recorder.save(checkpoint(7))
    recorder.flush()
    assert mailbox.drain().events == (SaveFailed("numpy", 7, str(run.path), reason),)
    assert recorder.unsaved == {"numpy": reason}
    assert recorder.saved_steps == {}
    monkeypatch.undo()
    recorder.retry()
    recorder.flush()
    path = str(run.path / "numpy.safetensors")
    assert mailbox.drain().events == (CheckpointSaved("numpy", 7, path),)
    assert recorder.unsaved == {}
    assert recorder.saved_steps == {"numpy": 7}
    recorder.close()


def test_what_failed_never_takes_the_place_of_what_is_newer(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    recorder, write = DiskRecorder(run, Mailbox()), run.write_checkpoint
    monkeypatch.setattr(run, "write_checkpoint", failing(OSError(28, "No space left on device")))
    recorder.save(checkpoint(7))
    recorder.flush()
    answers, asked = Event(), Event()

    def write_slowly(newer: Checkpoint) -> Path:
        asked.set()
        assert answers.wait(20)
        return write(newer)

    monkeypatch.setattr(run, "write_checkpoint", write_slowly)
    recorder.save(checkpoint(8))
    assert asked.wait(20)
    recorder.save(checkpoint(9))
    recorder.retry()  # step 7, which has failed, while 8 is written and 9 waits
    answers.set()
    # An end writes what waits.
    assert recorder.close()
    assert recorder.saved_steps == {"numpy": 9}
    latest = run.read_latest("numpy")
    assert latest is not None
    assert latest.checkpoint.position.step == 9


def test_metrics_that_fail_are_counted_and_written_later(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    mailbox = Mailbox()
    recorder = DiskRecorder(run, mailbox)
    monkeypatch.setattr(run, "append_metrics", failing(OSError(28, "No space left on device")))
    recorder.record(LINE)
    recorder.flush()
    assert [type(event) for event in mailbox.drain().events] == [SaveFailed]
    assert recorder.unwritten_lines == 1
    monkeypatch.undo()
    recorder.record(LINE)
    recorder.close()
    assert recorder.unwritten_lines == 0
    assert run.read_metrics() == [LINE, LINE]


def test_a_matrix_that_fails_is_written_later_and_no_line_twice(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    recorder = DiskRecorder(run, Mailbox())
    monkeypatch.setattr(run.confusion, "append", failing(OSError(28, "No space left on device")))
    recorder.record(LINE)
    recorder.record(ConfusionLine("numpy", 1, 10, np.eye(2, dtype=np.int64)))
    recorder.flush()
    assert recorder.unwritten_lines == 1
    monkeypatch.undo()
    recorder.record(LINE)
    recorder.close()
    assert recorder.unwritten_lines == 0
    assert run.read_metrics() == [LINE, LINE]
    assert [counts.tolist() for counts in run.confusion.read(2)["numpy"].values()] == [
        [[1, 0], [0, 1]]
    ]


def test_lines_that_come_while_the_disk_is_busy_are_written_together(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    recorder, write = DiskRecorder(run, Mailbox()), run.append_metrics
    answers, asked, written = Event(), Event(), []

    def write_slowly(*lines: MetricsLine) -> None:
        written.append(len(lines))
        asked.set()
        assert answers.wait(20)
        write(*lines)

    monkeypatch.setattr(run, "append_metrics", write_slowly)
    recorder.record(LINE)
    assert asked.wait(20)
    later = [replace(LINE, epoch=epoch) for epoch in range(2, 102)]
    for line in later:
        recorder.record(line)
        recorder.record(ConfusionLine("numpy", line.epoch, 10, np.eye(2, dtype=np.int64)))
    answers.set()
    assert recorder.close()
    assert written == [1, 100]
    assert run.read_metrics() == [LINE, *later]
    assert len(run.confusion.read(2)["numpy"]) == 100
