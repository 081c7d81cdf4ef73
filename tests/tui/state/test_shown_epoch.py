"""Which epoch the keys go to, and that of several asked for the newest is read."""

import asyncio
from pathlib import Path
from threading import Event as Flag

import pytest

from mlpwatch.core.analysis.past.past_epochs import PastEpoch, PastEpochs
from mlpwatch.tui.state.shown_epoch import Move, ShownEpoch
from tests.support.samples.past_samples import keep_epochs
from tests.support.samples.scenes import FakeSession


def shown(*kept: int) -> ShownEpoch:
    one = ShownEpoch()
    one.kept = kept
    return one


def walk(
    one: ShownEpoch, newest: int, moves: list[Move], others: set[int] | None = None
) -> list[int | None]:
    seen = []
    for move in moves:
        assert one.go(move, newest, others or ())
        seen.append(one.epoch)
    return seen


def test_keys_go_through_the_kept_epochs_and_on_to_now() -> None:
    one = shown(0, 1, 4, 6, 8)
    assert walk(one, 8, ["back", "back", "on", "on"]) == [6, 4, 6, None]
    assert walk(one, 8, ["first", "back", "on", "now"]) == [0, 0, 1, None]


def test_epochs_of_which_only_numbers_are_left_are_shown_where_numbers_are() -> None:
    one = shown(0, 4)
    assert walk(one, 8, ["back", "back"], {6, 7}) == [7, 6]
    assert walk(one, 8, ["on"]) == [None]
    assert walk(one, 8, ["back", "back"], {6, 7}) == [7, 6]
    assert one.snap() == "the weights of epoch 6 are not kept; this is epoch 4"
    assert one.epoch == 4
    assert not one.snap()


def test_an_epoch_that_is_thinned_out_while_one_looks_is_left_to_its_neighbours() -> None:
    one = shown(0, 2, 4)
    assert walk(one, 6, ["back", "back"]) == [4, 2]
    one.kept = (0, 4, 5)
    assert walk(one, 6, ["on", "back"]) == [4, 0]


def test_without_history_there_is_nowhere_to_go() -> None:
    one = ShownEpoch()
    assert not one.go("back", 5)
    assert not one.go("first", 5)
    assert one.epoch is None
    assert one.go("back", 5, {2, 3})
    assert one.snap() == "the weights of epoch 3 are not kept; this is now"
    assert one.epoch is None


async def test_a_held_key_reads_only_the_epoch_where_it_stops(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    session, one = FakeSession(), ShownEpoch()
    session.run.path = tmp_path / "run"
    keep_epochs(session.run.path, range(6))
    one.open(session)
    await one.look()
    assert one.kept == (0, 1, 2, 3, 4, 5)
    may_read, asked, read = Flag(), list[int](), PastEpochs.read

    def slow(epochs: PastEpochs, epoch: int) -> PastEpoch:
        asked.append(epoch)
        may_read.wait(30)
        return read(epochs, epoch)

    monkeypatch.setattr(PastEpochs, "read", slow)
    drawn: list[int | None] = []

    def draw() -> None:
        drawn.append(one.past.epoch if one.past else None)

    reads = []
    for _ in range(4):
        assert one.go("back", 5)
        reads.append(asyncio.create_task(one.read(draw)))
        await asyncio.sleep(0)
    assert one.epoch == 1
    assert one.is_reading
    may_read.set()
    await asyncio.gather(*reads)
    assert asked == [4, 1]
    assert drawn == [1]
    assert one.title(12) == "epoch 1 of 12 · end: now"


async def test_an_engine_whose_checkpoint_reaches_the_disk_late_is_read_once_it_is_there(
    tmp_path: Path,
) -> None:
    session, one = FakeSession(), ShownEpoch()
    session.run.path = tmp_path / "run"
    keep_epochs(session.run.path, range(3), ["numpy"])
    one.open(session)
    await one.look()
    assert one.go("back", 2)
    await one.read(lambda: None)
    assert one.past is not None
    assert set(one.past.checkpoints) == {"numpy"}
    assert not one.is_to_be_read
    keep_epochs(session.run.path, range(3), ["torch"])
    await one.look()
    assert one.is_to_be_read
    await one.read(lambda: None)
    assert set(one.past.checkpoints) == {"numpy", "torch"}
    assert not one.is_to_be_read


async def test_a_checkpoint_that_is_gone_before_it_is_read_is_asked_for_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    session, one, asked = FakeSession(), ShownEpoch(), list[int]()
    session.run.path = tmp_path / "run"
    keep_epochs(session.run.path, range(3))
    one.open(session)
    await one.look()
    session.run.history.remove("torch", [1])
    read = PastEpochs.read

    def counting(epochs: PastEpochs, epoch: int) -> PastEpoch:
        asked.append(epoch)
        return read(epochs, epoch)

    monkeypatch.setattr(PastEpochs, "read", counting)
    assert one.go("back", 2)
    await one.read(lambda: None)
    assert asked == [1]
    await one.look()
    assert not one.is_to_be_read


async def test_a_key_and_the_bar_may_list_the_kept_epochs_at_once(tmp_path: Path) -> None:
    session, one = FakeSession(), ShownEpoch()
    session.run.path = tmp_path / "run"
    keep_epochs(session.run.path, range(3))
    one.open(session)
    await asyncio.gather(one.look(), one.look())
    assert one.kept == (0, 1, 2)


async def test_a_disk_that_does_not_answer_stops_no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    session, one, answers = FakeSession(), ShownEpoch(), Flag()
    one.open(session)
    one.kept = (0, 1)
    monkeypatch.setattr("mlpwatch.tui.state.shown_epoch.LOOK_SECONDS", 0.0)

    def hang(_epochs: PastEpochs) -> dict[str, list[int]]:
        answers.wait(30)
        return {"numpy": [0, 1, 2]}

    monkeypatch.setattr(PastEpochs, "kept", hang)
    await one.look()
    assert len(one.kept) == 2
    answers.set()
    monkeypatch.setattr("mlpwatch.tui.state.shown_epoch.LOOK_SECONDS", 30.0)
    await one.look()
    assert len(one.kept) == 3
