"""Who trains a run is named; who was killed is taken over, who lives is not."""

import fcntl
import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path
from threading import Barrier

import pytest

from mlpwatch.core.errors import RunError
from mlpwatch.core.runs.changes import delete_run, rename_run
from mlpwatch.core.runs.layout import MANIFEST_NAME, OWNER_NAME
from mlpwatch.core.runs.lock import Owner, RunLock, _began, read_owner, this_process, write_owner
from mlpwatch.core.runs.run import FolderGoneError, Run
from tests.support.samples.run_samples import create, line


def dead_pid() -> int:
    """Return the id of a process that has ended."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def leave_behind(run: Run, owner: Owner) -> None:
    """Make the folder look as a process leaves it that was killed."""
    text = json.dumps(asdict(owner))
    (run.path / OWNER_NAME).write_text(text)


def without_locks(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_handle: int, _kind: int) -> None:
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(fcntl, "flock", refuse)


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return create(tmp_path, "demo")


def test_a_run_that_is_trained_names_pid_and_host_and_then_nobody(run: Run) -> None:
    assert run.acquire() == ""
    assert read_owner(run.path) == this_process()
    assert run.acquire() == "", "it is ours already"
    run.release()
    assert not (run.path / OWNER_NAME).exists()


def test_a_live_owner_is_named_in_the_refusal(run: Run) -> None:
    run.acquire()
    other = Run.open(run.path.parent, run.name)
    with pytest.raises(RunError, match=rf"in use by another mlpwatch, process {os.getpid()}; stop"):
        other.acquire()
    assert read_owner(run.path) == this_process(), "the refused one changes nothing"


@pytest.mark.parametrize("host", [this_process().host, "another-host"])
def test_a_dead_owner_is_taken_over_with_a_word(run: Run, host: str) -> None:
    pid = dead_pid()
    leave_behind(run, Owner(pid, host))
    where = "" if host == this_process().host else " on another-host"
    assert run.acquire() == (
        f"the process {pid}{where} that trained 'demo' is gone; going on from its last checkpoint"
    )
    assert read_owner(run.path) == this_process()


def test_of_many_that_want_a_run_at_once_one_gets_it(run: Run) -> None:
    line_up, refusals = Barrier(6), list[str]()

    def race(_: int) -> RunLock | None:
        # Each has the file open for itself, as processes have: flock tells them apart.
        lock = RunLock(run.path)
        line_up.wait()
        try:
            lock.acquire()
        except RunError as error:
            refusals.append(str(error))
            return None
        return lock

    with ThreadPoolExecutor(6) as pool:
        for _ in range(20):
            (winner,) = filter(None, pool.map(race, range(6)))
            winner.release()
    assert len(refusals) == 20 * 5
    assert all("in use by another mlpwatch" in refusal for refusal in refusals)


@pytest.mark.parametrize("end", ["renamed", "deleted", "replaced"])
def test_a_run_that_goes_away_while_one_opens_it_is_not_trained(
    run: Run, monkeypatch: pytest.MonkeyPatch, end: str
) -> None:
    lock = fcntl.flock

    def too_late(handle: int, kind: int) -> None:
        monkeypatch.setattr(fcntl, "flock", lock)
        if end == "deleted":
            delete_run(run.path.parent, "demo")
        else:
            rename_run(run.path.parent, "demo", "other")
        if end == "replaced":
            create(run.path.parent, "demo")
        lock(handle, kind)

    monkeypatch.setattr(fcntl, "flock", too_late)
    with pytest.raises(RunError, match="demo: renamed or deleted just now; see mlpwatch runs"):
        run.acquire()
    monkeypatch.undo()
    if end == "replaced":
        Run.open(run.path.parent, "demo").acquire()
    if end != "deleted":
        Run.open(run.path.parent, "other").acquire()


def test_a_copy_of_a_run_that_is_trained_does_not_claim_that_its_process_is_gone(run: Run) -> None:
    began = _began(os.getppid())
    assert began
    leave_behind(run, Owner(os.getppid(), this_process().host, began))
    assert run.acquire() == (
        f"'demo' is a copy of what process {os.getppid()} trains; going on from its checkpoint"
    )


BOOT, TICKS = this_process().began.split()


@pytest.mark.parametrize(
    "began", ["", "another boot 12345", f"{BOOT} {int(TICKS) + 1}"], ids=["old", "boot", "later"]
)
def test_a_live_process_that_has_the_number_of_the_one_before_is_another(
    run: Run, monkeypatch: pytest.MonkeyPatch, began: str
) -> None:
    leave_behind(run, Owner(os.getppid(), this_process().host, began))
    gone = f"process {os.getppid()} that trained 'demo' is gone; going on from its last checkpoint"
    assert run.acquire() == f"the {gone}"
    run.release()
    if began:
        leave_behind(run, Owner(os.getppid(), this_process().host, began))
        without_locks(monkeypatch)
        assert "is gone" in run.acquire()


def test_without_locks_the_owner_is_believed(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    without_locks(monkeypatch)
    leave_behind(run, Owner(os.getppid(), this_process().host))
    with pytest.raises(RunError, match=f"process {os.getppid()}; if that is gone, delete owner"):
        run.acquire()
    leave_behind(run, Owner(1, "another-host"))
    with pytest.raises(RunError, match=r"process 1 on another-host; if that is gone, delete"):
        run.acquire()
    leave_behind(run, Owner(dead_pid(), this_process().host))
    assert "is gone" in run.acquire()
    run.release()
    leave_behind(run, this_process())
    assert run.acquire() == "", "a number that comes again and again, as 1 does in containers"


@pytest.mark.parametrize(
    "content",
    [b"", b"{}", b'{"pid": -1, "host": "a"}', b'{"pid": 1, "host": "\x1b[31m"}', b"\xff" * 99,
     b'{"pid": 1, "host": "' + b"x" * 10_000 + b'"}', b'{"pid": 1e400, "host": "a"}'],
)  # fmt: skip
def test_a_damaged_owner_file_hinders_nobody(run: Run, content: bytes) -> None:
    (run.path / OWNER_NAME).write_bytes(content)
    assert read_owner(run.path) is None
    assert run.acquire() == ""
    assert read_owner(run.path) == this_process()


def test_a_disk_that_takes_no_owner_file_still_trains(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **_folder: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("mlpwatch.core.runs.lock.replace_durably", full)
    assert run.acquire() == ""


def test_who_took_over_stays_named_when_the_other_signs_off(run: Run) -> None:
    write_owner(run.path)
    leave_behind(run, Owner(1, "another-host"))
    run.sign_off()
    assert read_owner(run.path) == Owner(1, "another-host")


def test_a_change_of_the_folder_leaves_no_owner(run: Run) -> None:
    lock = RunLock(run.path)
    lock.acquire()
    lock.release()
    assert not (run.path / OWNER_NAME).exists()


def test_a_copy_of_the_settings_put_in_their_place_is_locked_in_its_turn(run: Run) -> None:
    run.acquire()
    config = run.path / MANIFEST_NAME
    copy = config.with_name("copy")
    copy.write_bytes(config.read_bytes())
    copy.replace(config)
    run.append_metrics(line("numpy", 1))
    other = Run.open(run.path.parent, run.name)
    with pytest.raises(RunError, match="in use by another mlpwatch"):
        other.acquire()
    run.release()
    other.acquire()
    other.release()


def test_where_another_run_s_settings_were_put_in_their_place_nothing_is_written(
    run: Run,
) -> None:
    run.acquire()
    other = create(run.path.parent, "other", minutes=1)
    (other.path / MANIFEST_NAME).replace(run.path / MANIFEST_NAME)
    with pytest.raises(FolderGoneError, match="folder is gone"):
        run.append_metrics(line("numpy", 1))
    assert run.read_metrics() == []
    assert str(run.path.with_name("demo-2")) in run.replace_gone_folder()
    run.append_metrics(line("numpy", 1))
    assert len(Run.open(run.path.parent, "demo-2").read_metrics()) == 1
    run.release()
