"""Whatever goes wrong on the disk, the recorder goes on and says so."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from threading import Event

import pytest

from mlpwatch.core.config import RunConfig
from mlpwatch.core.epochs import EpochRecord
from mlpwatch.core.events import CheckpointSaved, Mailbox, SaveFailed
from mlpwatch.core.network.build import initial_weights, layer_sizes
from mlpwatch.core.network.engine import EngineState
from mlpwatch.core.runs.checkpoints import Checkpoint, Position
from mlpwatch.core.runs.manifest import DatasetInfo
from mlpwatch.core.runs.run import Run
from mlpwatch.core.training.recorder import DiskRecorder

CONFIG = RunConfig(hidden=(3,))
CARD = DatasetInfo("tiny", "0" * 64, (2, 2), 2)
LINE = EpochRecord("numpy", 1, 10, 0.5, 0.7, 0.8, 0.9, 100.0)


def checkpoint(step: int) -> Checkpoint:
    weights = initial_weights(layer_sizes(4, CONFIG.hidden, 2), CONFIG)
    return Checkpoint("numpy", EngineState(weights, {}, step), Position(step=step))


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return Run.create(tmp_path, "run", CONFIG, CARD)


def recording(run: Run, mailbox: Mailbox) -> DiskRecorder:
    recorder = DiskRecorder(run, mailbox)
    recorder.start()
    return recorder


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
    recorder = recording(run, mailbox)
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
    recorder, write = recording(run, Mailbox()), run.write_checkpoint
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
    recorder = recording(run, mailbox)
    monkeypatch.setattr(run, "append_metrics", failing(OSError(28, "No space left on device")))
    recorder.record(LINE)
    recorder.flush()
    assert [type(event) for event in mailbox.drain().events] == [SaveFailed]
    assert recorder.unwritten_lines == 1
    monkeypatch.undo()
    second = replace(LINE, epoch=2)
    recorder.record(second)
    recorder.close()
    assert recorder.unwritten_lines == 0
    assert run.read_metrics() == [LINE, second]


def test_lines_that_come_while_the_disk_is_busy_are_written_together(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    recorder, write = recording(run, Mailbox()), run.append_metrics
    answers, asked, written = Event(), Event(), []

    def write_slowly(*lines: EpochRecord) -> None:
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
    answers.set()
    assert recorder.close()
    assert written == [1, 100]
    assert run.read_metrics() == [LINE, *later]
