"""Which epochs a training keeps, and what its disk may do meanwhile."""

import os
from pathlib import Path
from random import Random
from types import SimpleNamespace

import pytest

from mlpwatch.core.config import ENGINE_NAMES, RunConfig
from mlpwatch.core.events import Mailbox, SaveFailed
from mlpwatch.core.runs.run import Run
from mlpwatch.core.training import history_writer
from mlpwatch.core.training.history_writer import HistoryWriter, ShareOfTime
from tests.core.runs.test_history import CONFIG, DATA, past


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return Run.create(tmp_path, "run", CONFIG, DATA)


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the writer work without rests."""
    monkeypatch.setattr(history_writer, "SHARE", 1.0)


def train(writer: HistoryWriter, epochs: range) -> list[int]:
    """Let both engines do these epochs; return those that were asked for."""
    asked = []
    for epoch in epochs:
        wanted = [writer.wants(epoch) for _ in ("numpy", "torch")]
        assert len(set(wanted)) == 1
        if wanted[0]:
            asked.append(epoch)
            writer.put(past("numpy", epoch))
            writer.put(past("torch", epoch))
            with writer._changed:
                assert writer._changed.wait_for(lambda: not writer._waiting, 30)
    return asked


@pytest.mark.usefixtures("at_once")
def test_slow_epochs_are_all_kept_up_to_the_size(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(history_writer, "MOST_EPOCHS_KEPT", 6)
    writer = HistoryWriter(run, Mailbox(), {"numpy": 0, "torch": 0}, 10)
    writer.start()
    assert train(writer, range(21)) == list(range(21))
    writer.close(30)
    kept = run.history.epochs(["numpy", "torch"])
    assert len(kept) == 6
    assert [kept[0], *kept[-3:]] == [0, 18, 19, 20]
    assert run.history.kept()["numpy"] == kept


@pytest.mark.usefixtures("at_once")
def test_epochs_that_come_too_fast_are_skipped_but_for_the_powers_of_two(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(history_writer, "MOST_WAITING", 0)
    writer = HistoryWriter(run, Mailbox(), {"numpy": 0, "torch": 0}, 10)
    writer.start()
    assert train(writer, range(40)) == [0, 1, 2, 4, 8, 16, 32]
    writer.close(30)


def test_an_engine_that_is_behind_keeps_the_same_epochs(run: Run) -> None:
    writer = HistoryWriter(run, Mailbox(), {"numpy": 0, "torch": 0}, 10)
    first = [writer.wants(epoch) for epoch in range(20)]
    assert [writer.wants(epoch) for epoch in range(20)] == first


def test_a_slow_disk_makes_nothing_wait(run: Run) -> None:
    writer = HistoryWriter(run, Mailbox(), {"numpy": 0}, 10)  # not started: it never writes
    for epoch in range(history_writer.MOST_WAITING):
        assert writer.wants(epoch)
        writer.put(past("numpy", epoch))
    assert writer.wants(64), "a power of two"
    assert not writer.wants(65)


def test_an_engine_that_follows_hands_over_what_was_chosen(run: Run) -> None:
    writer = HistoryWriter(run, Mailbox(), {"numpy": 0, "torch": 0}, 10)
    for epoch in range(history_writer.MOST_WAITING):
        assert writer.wants(epoch)
        writer.put(past("numpy", epoch))
    assert all(writer.wants(epoch) for epoch in range(history_writer.MOST_WAITING))


@pytest.mark.usefixtures("at_once")
def test_a_full_disk_is_said_once(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    mailbox = Mailbox()
    writer = HistoryWriter(run, mailbox, {"numpy": 0, "torch": 0}, 10)

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(run, "write_past", fail)
    writer.start()
    train(writer, range(3))
    path = str(run.history.path)
    failed = SaveFailed("numpy", 0, path, "No space left on device")
    assert mailbox.drain().events == (failed,)
    monkeypatch.undo()
    train(writer, range(3, 5))
    writer.close(30)
    assert run.history.epochs(["numpy", "torch"]) == [3, 4]


def test_a_resumed_run_goes_on_with_what_is_there(run: Run) -> None:
    for epoch in (0, 1, 2):
        run.write_past(past("numpy", epoch))
    writer = HistoryWriter(run, Mailbox(), {"numpy": 2}, 10)
    assert not writer.wants(2) or 2 in run.history.kept()["numpy"]
    assert writer.wants(3)


def test_no_size_keeps_nothing(tmp_path: Path) -> None:
    run = Run.create(tmp_path, "none", RunConfig(hidden=(3,), history=0), DATA)
    assert not HistoryWriter(run, Mailbox(), {"numpy": 0}, 10).wants(0)


@pytest.mark.usefixtures("at_once")
def test_a_disk_that_is_nearly_full_is_left_to_the_checkpoints(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    room = history_writer.ROOM_IN_EPOCHS * history_writer.bytes_of(run.shapes("numpy"), "float32")
    free = room - 1
    monkeypatch.setattr(os, "statvfs", lambda _: SimpleNamespace(f_bavail=free, f_frsize=1))
    writer = HistoryWriter(run, Mailbox(), {"numpy": 0}, 10)
    writer.start()
    assert train(writer, range(1, 3)) == [1, 2]
    writer.close(10)
    assert run.history.kept()["numpy"] == []
    free = room
    writer = HistoryWriter(run, Mailbox(), {"numpy": 0}, 10)
    writer.start()
    train(writer, range(1, 3))
    writer.close(10)
    assert run.history.kept()["numpy"] == [1, 2]


@pytest.mark.parametrize("share", [0.008, 0.5])
def test_the_work_is_a_share_of_any_stretch_of_time_however_short(share: float) -> None:
    random, pace = Random(4), ShareOfTime(share)
    now, done = 100.0, list[tuple[float, float]]()
    for _ in range(400):
        # Sometimes there is nothing to write for a long time: that saves nothing up.
        now += pace.rest(now) + random.choice([0.0, 0.0, 0.0, 0.1, 30.0])
        cost = random.expovariate(1_000)
        now += cost
        done.append((now, cost))
        pace.spend(cost, now)
    for first in range(0, 400, 7):
        began = done[first][0] - done[first][1]
        for last in range(first, 400):
            work = sum(cost for _, cost in done[first : last + 1])
            assert work - done[last][1] <= share * (done[last][0] - began) + 1e-9


def test_between_two_writes_it_rests_and_at_the_end_it_does_not(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(history_writer, "SHARE", 1e-9)
    writer = HistoryWriter(run, Mailbox(), {"numpy": 0, "torch": 0}, 10)
    writer.start()
    for epoch in range(10):
        for name in ENGINE_NAMES:
            assert writer.wants(epoch)
            writer.put(past(name, epoch))
    with writer._changed:
        assert writer._changed.wait_for(lambda: len(writer._waiting) == 19, 30)
    assert run.history.kept() == {"numpy": [0], "torch": []}
    assert len(writer._waiting) == 19, "it rests"
    writer.close(30)
    assert run.history.epochs(ENGINE_NAMES) == list(range(10))


def test_when_training_pauses_it_writes_what_waits_at_once(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(history_writer, "SHARE", 1e-9)
    writer = HistoryWriter(run, Mailbox(), {"numpy": 0, "torch": 0}, 10)
    writer.start()
    for epoch in range(4):
        for name in ENGINE_NAMES:
            assert writer.wants(epoch)
            writer.put(past(name, epoch))
    with writer._changed:
        assert writer._changed.wait_for(lambda: len(writer._waiting) == 7, 30), "it rests"
    writer.hurry()
    with writer._changed:
        assert writer._changed.wait_for(lambda: not writer._waiting, 30)
    assert run.history.kept() == {"numpy": [0, 1, 2, 3], "torch": [0, 1, 2, 3]}
    assert writer.wants(4)
    writer.put(past("numpy", 4))
    with writer._changed:
        assert not writer._changed.wait_for(lambda: not writer._waiting, 0.2), "it rests again"
    writer.close(30)
