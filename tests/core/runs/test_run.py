"""A run folder is made whole or not at all, and opened only where it can be trusted."""

import errno
import json
import os
import stat
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from time import time
from typing import Any

import numpy as np
import pytest

from mlpwatch.core.config import OptimizerName, RunConfig
from mlpwatch.core.epochs import EpochRecord
from mlpwatch.core.errors import InputError, RunError
from mlpwatch.core.files.scratch import MARK, MARK_NAME, STALE_SECONDS
from mlpwatch.core.files.tensor_files import ForeignCheckpointError, ShapeMismatchError
from mlpwatch.core.network.build import build_engine
from mlpwatch.core.network.optimizers import OPTIMIZERS
from mlpwatch.core.recipes import from_recipe
from mlpwatch.core.runs.checkpoints import Checkpoint, Position, checkpoint_path
from mlpwatch.core.runs.manifest import DatasetInfo
from mlpwatch.core.runs.run import Run
from tests.support.checkout import CHECKOUT
from tests.support.samples.checkpoint_samples import SIZES, sample_checkpoint

DIGITS = DatasetInfo("digits", "ab" * 32, (2, 3), 3)
CONFIG = RunConfig(hidden=(4,), optimizer="momentum", seed=5)


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return Run.create(tmp_path / "saved", "one", CONFIG, DIGITS)


def card_path(run: Run) -> Path:
    return run.path / "config.json"


def test_a_run_opens_as_it_was_created(tmp_path: Path) -> None:
    saved = tmp_path / "deep" / "saved"
    config = from_recipe("seed", hidden=(30, 20), seed=2**63 - 1, threads=2, only="torch")
    created = Run.create(saved, None, config, DIGITS)
    opened = Run.open(saved, created.name)
    assert opened.manifest == created.manifest
    assert (opened.config, opened.dataset) == (config, DIGITS)
    assert abs(opened.created - datetime.now(UTC)) < timedelta(minutes=1)
    assert opened.created.tzinfo is UTC
    assert {"mlpwatch", "numpy", "torch", "scikit-learn", "python"} == set(opened.manifest.versions)


def test_the_folder_is_its_owners_alone_and_holds_nothing_else(run: Run) -> None:
    assert stat.S_IMODE(run.path.stat().st_mode) == 0o700
    assert list(run.path.parent.iterdir()) == [run.path]
    assert list(run.path.iterdir()) == [card_path(run)]


def test_a_run_opens_by_name_by_path_and_from_inside(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    saved = run.path.parent
    monkeypatch.chdir(saved)
    for saved_folder, name in ((saved, "one"), (saved / "no", "one"), (saved / "no", "./one/")):
        assert Run.open(saved_folder, name).name == "one"
    assert Run.open(saved / "no", str(run.path)).path == run.path
    monkeypatch.chdir(run.path)
    assert Run.open(saved, ".").name == "one"


@pytest.mark.parametrize("name", ["two", "", "one/..", "no/one", "x\0", "\x1b[31m", "x" * 300])
def test_a_run_that_is_not_there_is_refused_in_one_line(run: Run, name: str) -> None:
    with pytest.raises(RunError) as caught:
        Run.open(run.path.parent, name)
    assert str(caught.value).isprintable()


def test_a_misspelt_run_is_suggested(run: Run) -> None:
    with pytest.raises(RunError, match="did you mean one"):
        Run.open(run.path.parent, "onne")


def test_a_taken_name_is_refused_and_the_run_stays(run: Run) -> None:
    before = card_path(run).read_bytes()
    with pytest.raises(RunError, match="'one': exists already") as caught:
        Run.create(run.path.parent, "one", CONFIG, DIGITS)
    assert caught.value.exit_status == 2
    assert card_path(run).read_bytes() == before


def test_a_name_that_another_process_takes_meanwhile_is_refused(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Path, "exists", lambda _: False)
    with pytest.raises(RunError, match="not empty"):
        Run.create(run.path.parent, "one", CONFIG, DIGITS)
    assert list(run.path.parent.iterdir()) == [run.path]


def test_a_bad_name_leaves_nothing_behind(tmp_path: Path) -> None:
    with pytest.raises(InputError):
        Run.create(tmp_path / "saved", "../out", CONFIG, DIGITS)
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(RunError, match="No space left on device; free some space"):
        Run.create(tmp_path / "deep" / "saved", None, CONFIG, DIGITS)
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_process_was_building_is_removed_an_hour_later(run: Run) -> None:
    saved = run.path.parent
    stale, fresh = saved / ".new-stale", saved / ".new-fresh"
    for folder in (stale, fresh):
        folder.mkdir()
        (folder / "config.json").touch()
        (folder / MARK_NAME).write_bytes(MARK)
    an_hour_ago = time() - STALE_SECONDS - 1
    os.utime(stale, (an_hour_ago, an_hour_ago))
    Run.create(saved, "second", run.config, run.dataset)
    assert not stale.exists()
    assert fresh.exists(), "another process may be at work there"


def test_a_saved_that_is_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "saved").write_text("")
    for saved in (tmp_path / "saved", tmp_path / "saved" / "deep"):
        with pytest.raises(RunError, match=f"{saved}: not a folder; give a folder with --saved"):
            Run.create(saved, None, CONFIG, DIGITS)


def changed_card(run: Run, **changes: Any) -> bytes:  # noqa: ANN401
    values = json.loads(card_path(run).read_text())
    for dotted, value in changes.items():
        *parents, key = dotted.split("__")
        place = values
        for parent in parents:
            place = place[parent]
        place[key] = value
    return json.dumps(values).encode()


@pytest.mark.parametrize(
    "changes",
    [
        {"format": 2}, {"format": "1"}, {"format": None}, {"colour": 1}, {"config": []},
        {"config__colour": 1}, {"config__epochs": 0}, {"config__hidden": 5},
        {"config__hidden": [[1]]}, {"config__recipe": []}, {"config__data": 5},
        {"config__learning_rate": 10**400}, {"config__learning_rate": {}}, {"dataset": None},
        {"dataset__image_shape": "28"}, {"dataset__image_shape": [-1]}, {"dataset__name": 1},
        {"dataset__classes": 1.5}, {"versions": 1}, {"versions__numpy": 2}, {"created": 1},
        {"created": "yesterday"}, {"created": "2026-11-23T13:00:00"},
        {"created": "0001-01-01T00:00:00+14:00"},
    ],
)  # fmt: skip
def test_a_config_that_is_newer_or_makes_no_sense_is_refused(
    run: Run, changes: dict[str, Any]
) -> None:
    card_path(run).write_bytes(changed_card(run, **changes))
    with pytest.raises(RunError) as caught:
        Run.open(run.path.parent, "one")
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 600


GARBAGE = {
    "empty": (b"", "Expecting value"),
    "cut": (b"{", "Expecting property name"),
    "deep": (b"[" * 99_999, "nested too deeply"),
    "not UTF-8": (b"\xff", "can't decode byte 0xff"),
    "a list": (b"[]", "an object was expected"),
    "8 MiB": (b" " * 2**23, "at most 4,194,304 were expected"),
}


@pytest.mark.parametrize(("content", "fault"), GARBAGE.values(), ids=GARBAGE)
def test_garbage_for_a_config_is_refused(run: Run, content: bytes, fault: str) -> None:
    card_path(run).write_bytes(content)
    with pytest.raises(RunError, match=rf"config\.json: .*{fault}"):
        Run.open(run.path.parent, "one")


def test_a_missing_or_strange_config_is_refused(run: Run) -> None:
    card_path(run).unlink()
    with pytest.raises(RunError, match="not a run folder"):
        Run.open(run.path.parent, "one")
    os.mkfifo(card_path(run))
    with pytest.raises(RunError, match="not a regular file"):
        Run.open(run.path.parent, "one")


def test_checkpoints_come_back_only_where_they_fit_the_run(run: Run) -> None:
    assert run.read_latest("numpy") is None
    path = run.write_checkpoint(sample_checkpoint(7, SIZES))
    assert path == checkpoint_path(run.path, "numpy")
    latest = run.read_latest("numpy")
    assert latest is not None
    assert latest.checkpoint.position.step == 7
    wider = Run.create(run.path.parent, "two", RunConfig(hidden=(5,), optimizer="momentum"), DIGITS)
    checkpoint_path(wider.path, "numpy").write_bytes(path.read_bytes())
    with pytest.raises(ShapeMismatchError):
        wider.read_latest("numpy")
    plain = Run.create(run.path.parent, "three", RunConfig(hidden=(4,), seed=5), DIGITS)
    checkpoint_path(plain.path, "numpy").write_bytes(path.read_bytes())
    with pytest.raises(ShapeMismatchError, match=r"momentum\.layers\.0\.bias"):
        plain.read_latest("numpy")
    other = Run.create(
        run.path.parent, "four", RunConfig(hidden=(4,), optimizer="momentum", seed=6), DIGITS
    )
    checkpoint_path(other.path, "numpy").write_bytes(path.read_bytes())
    with pytest.raises(ForeignCheckpointError):
        other.read_latest("numpy")


@pytest.mark.parametrize("optimizer", tuple(OPTIMIZERS))
def test_what_an_engine_holds_is_what_a_run_expects(
    tmp_path: Path, optimizer: OptimizerName
) -> None:
    run = Run.create(tmp_path, "one", RunConfig(hidden=(4,), optimizer=optimizer), DIGITS)
    images, labels = np.ones((3, 6), np.float32), np.arange(3)
    engine = build_engine("numpy", run.config, images, labels, DIGITS.classes)
    run.write_checkpoint(Checkpoint("numpy", engine.state(), Position()))
    latest = run.read_latest("numpy")
    assert latest is not None
    engine.load_state(latest.checkpoint.state)


def test_result_and_metrics_come_back(run: Run) -> None:
    assert run.read_result() is None
    run.write_result({"engines": {"numpy": {"test_loss": float("nan"), "test_accuracy": 0.5}}})
    assert run.read_result() == {"engines": {"numpy": {"test_loss": None, "test_accuracy": 0.5}}}
    (run.path / "result.json").write_text("{")
    with pytest.raises(RunError, match=r"result\.json"):
        run.read_result()
    lines = [EpochRecord("numpy", epoch, epoch, 1.0, 1.0, 1.0, 1.0, 1.0) for epoch in (1, 2)]
    for line in lines:
        run.append_metrics(line)
    assert run.read_metrics() == lines
    run.trim_metrics("numpy", 1)
    assert run.read_metrics_log().lines == (lines[0],)


HOLD = """
import sys
from pathlib import Path
from mlpwatch.core.runs.run import Run
run = Run.open(Path(sys.argv[1]), "one")
run.acquire()
print("held", flush=True)
sys.stdin.read()
"""


def test_one_process_at_a_time_holds_a_run_and_a_kill_frees_it(run: Run) -> None:
    command = [sys.executable, "-c", HOLD, str(run.path.parent)]
    with subprocess.Popen(
        command, cwd=CHECKOUT, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        with pytest.raises(RunError, match="in use by another mlpwatch"):
            run.acquire()
        holder.kill()
    run.acquire()
    run.acquire()
    again = Run.open(run.path.parent, "one")
    with pytest.raises(RunError, match="in use"):
        again.acquire()
    run.release()
    again.acquire()
    again.release()


def test_taking_a_run_clears_what_a_killed_writer_left(run: Run) -> None:
    (run.path / ".numpy.safetensors.x1_zb2y3.tmp").write_bytes(b"half")
    mine = {run.path / name for name in (".thesis.tmp", ".notes.12345678.tmp")}
    for path in mine:
        path.touch()
    run.acquire()
    run.release()
    assert set(run.path.iterdir()) == {card_path(run), *mine}
