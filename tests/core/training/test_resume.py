"""What a resume does to a run's folder: lines that are damaged, gone, or can't be written."""

import errno
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import mlpwatch.core.files.line_file
from mlpwatch.core.config import RunConfig
from mlpwatch.core.errors import RunError
from mlpwatch.core.events import GapMeasured, StepGroup
from mlpwatch.core.runs.layout import EVENTS_NAME
from mlpwatch.core.runs.lock import is_locked
from mlpwatch.core.runs.run import Run
from mlpwatch.core.training.launch import new_session, resumed_session
from tests.support.samples.run_samples import old_confusion_line

CONFIG = RunConfig(data="digits", hidden=(8,), epochs=3, threads=2)


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    """A run that has ended."""
    session = new_session(CONFIG, tmp_path, "demo", lambda _text: None)
    session.start()
    assert session.join(60.0)
    session.run.release()
    return tmp_path


def test_a_resumed_run_says_how_many_lines_are_damaged_and_keeps_them(saved: Path) -> None:
    names = [EVENTS_NAME, "metrics.jsonl", "confusion.jsonl"]
    counts = np.eye(10, dtype=np.int64)
    lines = [old_confusion_line("numpy", epoch, counts) for epoch in (1, 2)]
    (saved / "demo" / "confusion.jsonl").write_text("".join(lines))
    for name in names:
        path = saved / "demo" / name
        first, *rest = path.read_bytes().splitlines(True)
        path.write_bytes(b"".join([first, b"\x00\xff{garbage\n", *rest, b'{"to']))
    said: list[str] = []
    run = Run.open(saved, "demo")
    session = resumed_session(run, replace(run.config, epochs=4), said.append)
    told = [f"{name}: 1 damaged line left out; only what they held is missing" for name in names]
    assert set(told) <= set(said)
    assert set(told) <= set(session.notes)
    run.release()
    for name in names:
        assert b"\x00\xff{garbage\n" in (saved / "demo" / name).read_bytes()
    for name in names[:2]:
        assert not (saved / "demo" / name).read_bytes().endswith(b'{"to'), "a torn end is cut off"


def test_an_engine_that_lost_its_checkpoints_starts_anew_in_the_logs_too(saved: Path) -> None:
    for path in (saved / "demo").glob("torch.safetensors*"):
        path.unlink()
    run = Run.open(saved, "demo")
    resumed_session(run, run.config, lambda _text: None)
    run.release()
    events = run.events.read()
    assert {event.engine for event in events if isinstance(event, StepGroup)} == {"numpy"}
    assert not any(isinstance(event, GapMeasured) for event in events)
    assert {line.engine for line in run.read_metrics()} == {"numpy"}


def test_a_resume_for_which_there_is_no_room_leaves_the_run_as_it_had_ended(
    saved: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = Run.open(saved, "demo")
    files = sorted((saved / "demo").iterdir())

    def fail(*_: object, **_folder: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(mlpwatch.core.files.line_file, "replace_durably", fail)
    with pytest.raises(RunError, match="No space left on device; free some space"):
        resumed_session(run, replace(run.config, epochs=4), lambda _text: None)
    assert sorted((saved / "demo").iterdir()) == files, "with its result, nobody taken for killed"
    assert not is_locked(saved / "demo")
