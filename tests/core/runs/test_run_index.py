"""The index gives what a fresh listing gives, and reads only what has changed."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

import mlpwatch.core.runs.listing
from mlpwatch.core.errors import RunError
from mlpwatch.core.runs.layout import METRICS_NAME
from mlpwatch.core.runs.listing import RunIndex, RunSummary, list_runs, summarize_run
from mlpwatch.core.runs.run import Run
from tests.support.samples.run_samples import create, line


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    for number, name in enumerate(("one", "two", "three")):
        create(tmp_path, name, minutes=number).append_metrics(line("numpy", 1))
    return tmp_path


@pytest.fixture
def read_folders(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the folders that were read in full."""
    read: list[str] = []

    def noting(folder: Path) -> RunSummary:
        read.append(folder.name)
        return summarize_run(folder)

    monkeypatch.setattr(mlpwatch.core.runs.listing, "summarize_run", noting)
    return read


def exchange(run: Run) -> None:
    """Put other metrics of the same size and date in the place of a run's."""
    path = run.path / METRICS_NAME
    other, written_at = path.with_name("other"), path.stat().st_mtime_ns
    other.write_bytes(path.read_bytes().replace(b'"epoch":1', b'"epoch":7'))
    os.utime(other, ns=(written_at, written_at))
    other.replace(path)


CHANGES: dict[str, Callable[[Run], object]] = {
    "epoch": lambda run: run.append_metrics(line("numpy", 2)),
    "result": lambda run: run.write_result({"engines": {}}),
    "lock": lambda run: run.acquire(),
    "exchange": exchange,
    "damage": lambda run: (run.path / "config.json").write_text("{"),
    "gone": lambda run: (run.path / "config.json").unlink(),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_changed_run_alone_is_read_anew(
    saved: Path, change: str, read_folders: list[str]
) -> None:
    index = RunIndex(saved)
    before = index.read()
    assert sorted(read_folders) == ["one", "three", "two"]
    read_folders.clear()
    assert index.read() == before
    assert read_folders == []
    run = Run.open(saved, "two")
    CHANGES[change](run)
    after = index.read()
    assert read_folders == ["two"]
    assert after != before or change == "result"
    assert after == list_runs(saved)
    run.release()


def test_runs_come_and_go(saved: Path) -> None:
    index = RunIndex(saved)
    index.read()
    (saved / "two").rename(saved / "four")
    create(saved, "five", minutes=9)
    assert [run.name for run in index.read()] == ["five", "three", "four", "one"]


def test_what_can_not_be_read_is_an_error_and_nothing_is_no_run(tmp_path: Path) -> None:
    index = RunIndex(tmp_path / "saved")
    assert index.read() == []
    (tmp_path / "saved").touch()
    with pytest.raises(RunError, match="--saved"):
        index.read()
