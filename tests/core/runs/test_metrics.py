"""The metrics log survives crashes, damage and two threads."""

import errno
import json
import math
import os
import stat
import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from threading import Barrier, BrokenBarrierError
from typing import BinaryIO

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlpwatch.core.config import ENGINE_NAMES, EngineName
from mlpwatch.core.epochs import EpochRecord
from mlpwatch.core.errors import RunError
from mlpwatch.core.files import line_file
from mlpwatch.core.limits import MAX_EPOCHS
from mlpwatch.core.runs.metrics import MetricsLog


def line(epoch: int, engine: EngineName = "numpy", loss: float = 0.5) -> EpochRecord:
    return EpochRecord(engine, epoch, epoch * 10, epoch * 1.5, loss, loss, 0.9, 1e5)


@pytest.fixture
def log(tmp_path: Path) -> MetricsLog:
    return MetricsLog(tmp_path / "metrics.jsonl")


wholes = st.integers(0, 10**13)
numbers = st.floats(allow_nan=False, allow_infinity=False)
positive = st.floats(0, 1e10)
shares = st.floats(0, 1)
metrics = st.builds(
    EpochRecord, st.sampled_from(ENGINE_NAMES), st.integers(0, MAX_EPOCHS), wholes, positive,
    numbers, numbers, shares, positive, shares | st.just(0.5),
)  # fmt: skip


@settings(deadline=None, max_examples=30)
@given(lines=st.lists(metrics, max_size=4))
def test_any_lines_come_back_in_order(
    tmp_path_factory: pytest.TempPathFactory, lines: list[EpochRecord]
) -> None:
    log = MetricsLog(tmp_path_factory.getbasetemp() / "any.jsonl")
    log.path.unlink(missing_ok=True)
    for one in lines:
        log.append(one)
    # Of an epoch that is there twice the later line counts.
    last = {(one.engine, one.epoch): one for one in lines}
    assert list(log.read().lines) == list(last.values())


def test_a_line_is_one_json_object_of_the_agreed_fields(log: MetricsLog) -> None:
    log.append(line(1, loss=math.inf))
    text = log.path.read_text()
    assert text.count("\n") == 1
    assert json.loads(text) == {
        "engine": "numpy", "epoch": 1, "step": 10, "seconds": 1.5, "train_loss": None,
        "val_loss": None, "val_accuracy": 0.9, "samples_per_second": 1e5,
    }  # fmt: skip
    assert math.isnan(log.read().lines[0].train_loss)


def test_a_long_log_is_read_a_line_at_a_time(log: MetricsLog) -> None:
    log.append(line(1))
    garbage = b"\0" * 199 + b"\n"
    with log.path.open("ab") as file:
        file.write(garbage * 10_000)
    log.append(line(2))
    tracemalloc.start()
    try:
        reading = log.read()
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert (reading.lines, reading.skipped) == ((line(1), line(2)), 10_000)
    assert peak < log.path.stat().st_size / 4, "what is damaged is counted, not kept"


def test_a_torn_last_line_is_the_end_wherever_it_tore(log: MetricsLog) -> None:
    log.append(line(1))
    first = log.path.read_bytes()
    log.append(line(2))
    whole = log.path.read_bytes()
    for length in range(len(first) + 1, len(whole)):
        log.path.write_bytes(whole[:length])
        reading = log.read()
        assert (reading.lines, reading.skipped, reading.torn) == ((line(1),), 0, True)
        assert log.newest(["numpy"]) == {"numpy": line(1)}
    log.append(line(3))
    assert log.read().lines == (line(1), line(3))


def test_a_file_of_one_torn_line_is_begun_again(log: MetricsLog) -> None:
    log.path.write_bytes(b'{"engine": "num')
    log.append(line(1))
    reading = log.read()
    assert (reading.lines, reading.skipped) == ((line(1),), 0)


@pytest.mark.parametrize(
    "damage",
    [
        b"\0" * 40, b"\xff\xfe", b"{}", b"[1]", b"", b"[" * 10_000,
        b'{"engine":"jax","epoch":1}', b'{"engine":"numpy","epoch":"1"}',
        json.dumps(dict.fromkeys(EpochRecord.__slots__, -1)).encode(),
    ],
    ids=lambda damage: repr(damage[:20]),
)  # fmt: skip
def test_a_damaged_line_between_others_is_skipped_and_counted(
    log: MetricsLog, damage: bytes
) -> None:
    log.append(line(1))
    with log.path.open("ab") as file:
        file.write(damage + b"\n")
    log.append(line(2))
    reading = log.read()
    assert (reading.lines, reading.skipped, reading.torn) == ((line(1), line(2)), 1, False)


def test_trim_drops_one_engines_later_lines_and_keeps_the_rest(log: MetricsLog) -> None:
    lines = [line(epoch, engine) for epoch in (1, 2, 3) for engine in ENGINE_NAMES]
    for one in lines:
        log.append(one)
    with log.path.open("ab") as file:
        file.write(b"garbage\n{torn")
    log.trim("numpy", 1)
    kept = [one for one in lines if one.engine == "torch" or one.epoch == 1]
    reading = log.read()
    assert (list(reading.lines), reading.skipped, reading.torn) == (kept, 1, False)


def test_trim_touches_nothing_where_nothing_is_later(log: MetricsLog) -> None:
    log.trim("numpy", 0)
    assert not log.path.exists()
    log.append(line(1))
    inode = log.path.stat().st_ino
    log.trim("numpy", 1)
    assert log.path.stat().st_ino == inode


def test_two_threads_never_write_at_the_same_place(
    log: MetricsLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    meeting = Barrier(2)
    find_end = line_file._cut_torn_line

    def find_end_together(file: BinaryIO) -> int:
        end = find_end(file)
        # Were both let in, both would hold the same end here, and one would lose its line.
        with suppress(BrokenBarrierError):
            meeting.wait(0.2)
        return end

    monkeypatch.setattr(line_file, "_cut_torn_line", find_end_together)
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(log.append, [line(1, engine) for engine in ENGINE_NAMES]))
    assert {one.engine for one in log.read().lines} == set(ENGINE_NAMES)


def test_a_line_that_failed_and_is_tried_again_stands_there_once(
    log: MetricsLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    log.append(line(1))

    def fail(_: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    with monkeypatch.context() as broken:
        broken.setattr(os, "fsync", fail)
        with pytest.raises(OSError, match="Input/output"):
            log.append(line(2))
    log.append(line(2))
    assert log.read().lines == (line(1), line(2))


def test_a_line_is_on_disk_before_the_call_returns_and_a_new_log_in_its_folder(
    log: MetricsLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[str] = []

    def note(handle: int) -> None:
        found = os.fstat(handle)
        is_folder = stat.S_ISDIR(found.st_mode)
        synced.append("folder" if is_folder else f"{log.path.read_bytes().count(10)} lines")

    monkeypatch.setattr(os, "fsync", note)
    log.append(line(1))
    log.append(line(2), line(3))
    assert synced == ["1 lines", "folder", "3 lines"]


def test_the_newest_lines_are_found_from_the_end_of_a_long_file(log: MetricsLog) -> None:
    log.append(line(7, "torch"))
    record = log.path.read_bytes().replace(b"torch", b"numpy")
    with log.path.open("ab") as file:
        file.write(record * (2 * line_file._BLOCK_BYTES // len(record)))
    log.append(line(9))
    # torch is beyond the tail, behind all of the other's lines.
    assert log.newest(ENGINE_NAMES) == {"numpy": line(9), "torch": line(7, "torch")}
    assert log.newest(["numpy"]) == {"numpy": line(9)}
    named = log.path.read_bytes().splitlines(True)[-1].replace(b"{", b'{"of":"torch",', 1)
    with log.path.open("ab") as file:
        file.write(named * 2)
    assert log.newest(ENGINE_NAMES) == {"numpy": line(9), "torch": line(7, "torch")}


def test_what_is_no_file_is_an_error_and_never_waited_for(log: MetricsLog) -> None:
    assert log.read().lines == ()
    assert log.newest(ENGINE_NAMES) == {}
    os.mkfifo(log.path)
    for read in (log.read, lambda: log.newest(ENGINE_NAMES)):
        with pytest.raises(RunError, match="not a regular file"):
            read()


def test_a_file_that_may_not_be_read_is_an_error_in_one_line(
    log: MetricsLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    log.append(line(1))

    def refuse(*_: object, **_folder: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(line_file, "open_regular", refuse)
    for read in (log.read, lambda: log.newest(ENGINE_NAMES)):
        with pytest.raises(RunError, match="Permission denied; make it readable"):
            read()
