"""Whatever ends the writer, a whole checkpoint is on disk."""

import errno
import os
import random
import signal
import stat
import subprocess
import sys
from contextlib import suppress
from itertools import count
from pathlib import Path

import pytest

from mlpwatch.core.files.durable import OpenFolder, remove_leftovers
from mlpwatch.core.runs.checkpoints import (
    checkpoint_path,
    previous_path,
    read_checkpoint,
    read_latest,
    write_checkpoint,
)
from mlpwatch.core.runs.metrics import MetricsLog
from tests.support.checkout import CHECKOUT
from tests.support.faults.doomed_writer import BIG
from tests.support.samples.checkpoint_samples import assert_same_checkpoint, sample_checkpoint

pytestmark = pytest.mark.slow

SYSTEM_CALLS = 4
"""Of one write, in order: fsync of the file, two renames, fsync of the folder."""


def writer(folder: Path, *arguments: object) -> subprocess.Popen[str]:
    command = [
        sys.executable,
        "-m",
        "tests.support.faults.doomed_writer",
        str(folder),
        *map(str, arguments),
    ]
    return subprocess.Popen(command, cwd=CHECKOUT, stdout=subprocess.PIPE, text=True)


def test_a_kill_at_any_moment_leaves_a_whole_checkpoint(tmp_path: Path) -> None:
    moments = random.Random(20261123)
    for _ in range(15):
        with writer(tmp_path, "loop") as child:
            assert child.stdout is not None
            child.stdout.readline()
            with suppress(subprocess.TimeoutExpired):
                child.wait(moments.uniform(0, 0.03))
            child.kill()
            known = [int(line) for line in child.stdout if line.endswith("\n")]
        assert child.returncode == -signal.SIGKILL
        latest = read_latest(tmp_path, "numpy")
        assert latest is not None
        step = latest.checkpoint.position.step
        # What was reported as written is there, or something newer.
        assert step >= max(known, default=0)
        assert_same_checkpoint(latest.checkpoint, sample_checkpoint(step, BIG))


@pytest.mark.parametrize("fatal_call", range(1, SYSTEM_CALLS + 2))
def test_a_kill_before_each_system_call_leaves_a_whole_checkpoint(
    tmp_path: Path, fatal_call: int
) -> None:
    path = checkpoint_path(tmp_path, "numpy")
    for step in (1, 2):
        write_checkpoint(path, sample_checkpoint(step), 0)
    with writer(tmp_path, "die", 3, fatal_call) as child:
        pass
    survived = fatal_call > SYSTEM_CALLS
    assert child.returncode == (0 if survived else -signal.SIGKILL)
    latest = read_latest(tmp_path, "numpy")
    assert latest is not None
    # Only the second rename puts step 3 in place; between the two, the newest name is absent.
    step = 3 if fatal_call > SYSTEM_CALLS - 1 else 2
    assert_same_checkpoint(latest.checkpoint, sample_checkpoint(step))
    assert path.exists() == (fatal_call != SYSTEM_CALLS - 1)
    remove_leftovers(OpenFolder(tmp_path), [path.name])
    write_checkpoint(path, sample_checkpoint(4), 0)
    assert read_checkpoint(previous_path(path)).position.step == step
    assert sorted(tmp_path.iterdir()) == [path, previous_path(path)]


def test_a_full_disk_leaves_the_checkpoints_and_the_log_as_they_were(tmp_path: Path) -> None:
    path = checkpoint_path(tmp_path, "numpy")
    for step in (1, 2):
        write_checkpoint(path, sample_checkpoint(step), 0)
    contents = {file: file.read_bytes() for file in tmp_path.iterdir()}
    limit = 10_000
    with writer(tmp_path, "limit", limit) as child:
        assert child.stdout is not None
        assert child.stdout.read().split() == [str(errno.EFBIG)] * 2
    log = MetricsLog(tmp_path / "metrics.jsonl")
    assert {f: f.read_bytes() for f in tmp_path.iterdir() if f != log.path} == contents
    reading = log.read()
    assert (reading.skipped, reading.torn) == (0, False)
    # The line that did not fit is gone, all before it are there.
    assert 0.9 * limit < log.path.stat().st_size <= limit


def test_a_failing_sync_leaves_the_checkpoints_as_they_were(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = checkpoint_path(tmp_path, "numpy")
    for step in (1, 2):
        write_checkpoint(path, sample_checkpoint(step), 0)
    contents = {file: file.read_bytes() for file in tmp_path.iterdir()}

    def fail(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match="No space left"):
        write_checkpoint(path, sample_checkpoint(3), 0)
    assert {file: file.read_bytes() for file in tmp_path.iterdir()} == contents


@pytest.mark.parametrize("failing", [1, 2])
def test_a_failing_rename_leaves_the_newest_checkpoint_in_its_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failing: int
) -> None:
    path = checkpoint_path(tmp_path, "numpy")
    for step in (1, 2):
        write_checkpoint(path, sample_checkpoint(step), 0)
    calls, rename = count(1), os.replace

    def fail(source: str, target: str, **folders: int | None) -> None:
        if next(calls) == failing:
            raise OSError(errno.ENOSPC, "No space left on device")
        rename(source, target, **folders)

    with monkeypatch.context() as full:
        full.setattr(os, "replace", fail)
        with pytest.raises(OSError, match="No space left"):
            write_checkpoint(path, sample_checkpoint(3), 0)
    assert read_checkpoint(path).position.step == 2
    assert {file.name for file in tmp_path.iterdir()} <= {path.name, previous_path(path).name}
    write_checkpoint(path, sample_checkpoint(4), 0)
    assert read_checkpoint(path).position.step == 4
    assert read_checkpoint(previous_path(path)).position.step == 2


def test_a_file_system_that_cannot_sync_folders_is_good_enough(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sync = os.fsync

    def only_files(handle: int) -> None:
        if stat.S_ISDIR(os.fstat(handle).st_mode):
            raise OSError(errno.EINVAL, "Invalid argument")
        sync(handle)

    monkeypatch.setattr(os, "fsync", only_files)
    write_checkpoint(tmp_path / "c", sample_checkpoint(1), 0)
    assert read_checkpoint(tmp_path / "c").position.step == 1
