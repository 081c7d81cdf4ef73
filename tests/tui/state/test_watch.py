"""Watching a session: loading in a thread, the automatic limit, orders, leaving."""

import os
import sys
from dataclasses import replace
from threading import Event as Flag
from threading import Thread, get_native_id

import numpy as np
import pytest

from mlpwatch.core.config import EngineName
from mlpwatch.core.errors import DataError
from mlpwatch.core.events import Event, Paused, StepGroup
from mlpwatch.core.run_source import RunSource
from mlpwatch.core.scheduling import NICENESS
from mlpwatch.tui.kit.run_text import header
from mlpwatch.tui.state.watch import SPEEDS, Report, Watch
from tests.support.samples.scenes import (
    CONFIG,
    FakeSession,
    digits,
    epoch_read,
    gap,
    started,
    trained,
)
from tests.support.waiting import wait_until

DEADLINE_SECONDS = 30.0


def opened(session: FakeSession) -> Watch:
    watch = Watch(lambda _report: session)
    watch.open()
    wait_until(lambda: not watch.is_loading)
    watch.poll()
    return watch


def test_it_loads_in_a_thread_and_says_what_it_does() -> None:
    may_go_on = Flag()

    def start(report: Report) -> RunSource:
        report("importing much")
        may_go_on.wait(DEADLINE_SECONDS)
        return FakeSession()

    watch = Watch(start)
    assert watch.loading == "starting"
    watch.open()
    wait_until(lambda: watch.loading == "importing much")
    assert watch.is_loading
    assert not watch.poll()
    assert watch.session is None
    may_go_on.set()
    wait_until(lambda: not watch.is_loading)
    watch.poll()
    assert watch.session is not None
    assert watch.state is not None


class Priorities(FakeSession):
    """Notes what priority a thread has that it starts, as it starts trainers."""

    def start(self) -> None:
        self.found: list[int] = []
        trainer = Thread(target=lambda: self.found.append(niceness()))
        trainer.start()
        trainer.join()


def niceness() -> int:
    return os.getpriority(os.PRIO_PROCESS, get_native_id())


@pytest.mark.skipif(sys.platform != "linux", reason="priorities of single threads are Linux's")
def test_trainers_stand_back_behind_the_screen_where_there_are_any() -> None:
    session = Priorities()
    opened(session)
    assert session.found == [niceness() + NICENESS]
    assert niceness() == os.getpriority(os.PRIO_PROCESS, os.getpid()), "the screen's is as it was"

    elsewhere = Priorities()
    watch = Watch(lambda _report: elsewhere, attached=True)
    watch.open()
    wait_until(lambda: not watch.is_loading)
    watch.poll()
    assert elsewhere.found == [niceness()]


def test_what_keeps_a_session_from_starting_is_raised() -> None:
    class Broken(FakeSession):
        def start(self) -> None:
            raise RuntimeError("can't start new thread")

    with pytest.raises(RuntimeError, match="can't start new thread"):
        opened(Broken())


def test_what_goes_wrong_while_loading_is_kept() -> None:
    error = DataError("data 'x': broken")

    def start(_report: Report) -> RunSource:
        raise error

    watch = Watch(start)
    watch.open()
    wait_until(lambda: not watch.is_loading)
    assert not watch.poll()
    assert watch.error is error


def test_the_session_starts_when_it_is_first_looked_at() -> None:
    session = FakeSession()
    watch = opened(session)
    assert session.started
    session.feed([started("numpy"), *trained("numpy", 3)])
    assert watch.poll()
    assert watch.state is not None
    assert watch.state.engines["numpy"].step == 3
    assert not watch.poll(), "nothing new"


def test_the_bundled_digits_are_slowed_to_half_a_minute() -> None:
    session = FakeSession()
    watch = opened(session)
    assert watch.limit == session.limit == 240 / 30
    assert watch.limit_is_automatic


def test_other_data_is_not_slowed() -> None:
    session = FakeSession(dataset=replace(digits(), name="mnist"))
    watch = opened(session)
    assert watch.limit is None
    assert session.limit is None


def test_the_automatic_limit_is_lifted_at_once() -> None:
    session = FakeSession()
    watch = opened(session)
    watch.faster()
    assert session.limit is None


def test_the_limit_goes_through_all_speeds_and_stops_at_both_ends() -> None:
    session = FakeSession(dataset=replace(digits(), name="mnist"))
    watch = opened(session)
    down = []
    for _ in range(len(SPEEDS) + 1):
        watch.slower()
        down.append(session.limit)
    assert down == [*reversed(SPEEDS), SPEEDS[0]]
    up = []
    for _ in range(len(SPEEDS) + 1):
        watch.faster()
        up.append(session.limit)
    assert up == [*SPEEDS[1:], None, None]


def test_pausing_both_then_one_then_both() -> None:
    session = FakeSession()
    watch = opened(session)
    watch.toggle_pause("torch")
    assert (session.paused("numpy"), session.paused("torch")) == (False, True)
    watch.toggle_pause()
    assert (session.paused("numpy"), session.paused("torch")) == (True, True), "both wait"
    watch.toggle_pause()
    assert (session.paused("numpy"), session.paused("torch")) == (False, False)


def test_an_engine_that_is_not_trained_is_not_paused() -> None:
    session = FakeSession(config=replace(CONFIG, only="numpy"))
    watch = opened(session)
    watch.toggle_pause("numpy")
    assert session.paused("numpy")


class Noting(FakeSession):
    """Notes how it was set when it started."""

    at_start: tuple[bool, bool, float | None] | None = None

    def start(self) -> None:
        self.at_start = self.paused("numpy"), self.paused("torch"), self.limit
        super().start()


def loaded(watch: Watch) -> None:
    watch.open()
    wait_until(lambda: not watch.is_loading)
    watch.poll()


@pytest.mark.parametrize(
    ("toggles", "held", "paused"),
    [
        ([()], "starts paused, space lets it train", (True, True)),
        ([(), ()], "", (False, False)),
        ([("numpy",)], "NumPy starts paused", (True, False)),
        ([("numpy",), ("torch",)], "starts paused, space lets it train", (True, True)),
        ([(), ("torch",)], "NumPy starts paused", (True, False)),
    ],
)
def test_pauses_while_loading_hold_from_the_first_step(
    toggles: list[tuple[EngineName, ...]], held: str, paused: tuple[bool, bool]
) -> None:
    session = Noting()
    watch = Watch(lambda _report: session)
    for engines in toggles:
        watch.toggle_pause(*engines)
    assert watch.held == held
    loaded(watch)
    assert session.at_start is not None
    assert session.at_start[:2] == paused


def test_a_limit_set_while_loading_takes_the_place_of_the_automatic_one() -> None:
    session = Noting()
    watch = Watch(lambda _report: session)
    watch.slower()
    watch.slower()
    assert watch.held == "at most 500 steps/s"
    loaded(watch)
    assert session.at_start == (False, False, 500)
    assert not watch.limit_is_automatic


@pytest.mark.parametrize(
    ("order", "why"),
    [
        ("step", ". trains a batch once it is loaded"),
        ("save", "there is nothing to save yet"),
        ("toggle_lockstep", "= keeps both in step once it is loaded"),
    ],
)
def test_what_can_not_be_done_while_loading_is_said(order: str, why: str) -> None:
    watch = Watch(lambda _report: FakeSession())
    getattr(watch, order)()
    assert watch.held == why


def test_lockstep_is_switched_and_said() -> None:
    session = FakeSession()
    watch = opened(session)
    assert watch.state is not None
    watch.toggle_lockstep()
    assert session.lockstep
    assert "the faster waits" in watch.state.message
    _, right = header(watch)
    assert "= ends it   limit 8 steps/s" in "".join(text for text, _ in right), "words apart"
    watch.toggle_lockstep()
    assert not session.lockstep
    alone = opened(FakeSession(config=replace(CONFIG, only="numpy")))
    alone.toggle_lockstep()
    assert alone.state is not None
    assert "only one model" in alone.state.message


class Levelling(FakeSession):
    """Pauses the leader at once; the other one trains on until `catch_up`."""

    def pause(self, *engines: EngineName) -> None:
        self._paused |= set(engines)
        leader = max(engines, key=self.steps.__getitem__)
        self.mailbox.put(Paused(leader, self.steps[leader]))


def test_the_screen_says_who_waits_for_whom_until_both_are_level() -> None:
    session = Levelling()
    watch = opened(session)
    session.feed([started("numpy"), started("torch"), *trained("numpy", 12), *trained("torch", 5)])
    watch.poll()
    assert watch.waiting_text == ""
    watch.toggle_pause()
    watch.poll()
    assert watch.waiting_text == "NumPy waits for PyTorch at step 12; 2 pauses PyTorch where it is"
    watch.toggle_pause("torch")
    watch.poll()
    assert session.paused("torch"), "not resumed: it stops where it is"
    assert watch.waiting_text == ""
    watch.toggle_pause("torch")
    assert not session.paused("torch")


def test_in_lockstep_the_screen_says_for_which_paused_model_the_other_waits() -> None:
    session = FakeSession()
    watch = opened(session)
    session.feed([started("numpy"), started("torch"), *trained("numpy", 5), *trained("torch", 5)])
    session.pause("numpy")
    watch.poll()
    assert watch.waiting_text == ""
    session.set_lockstep(True)
    assert watch.waiting_text == "PyTorch waits for NumPy, which is paused"
    session.feed(trained("numpy", 9))
    watch.poll()
    assert watch.waiting_text == "PyTorch catches up with NumPy, which is paused"


def test_saving_after_the_end_says_where_the_run_lies() -> None:
    session = FakeSession()
    watch = opened(session)
    session.stop()
    watch.poll()
    watch.save()
    assert watch.state is not None
    assert watch.state.message == "saved at the end in saved/2026-11-23-twin-k3f9"


def test_leaving_waits_until_every_engine_has_ended() -> None:
    session = FakeSession()
    watch = opened(session)
    assert not watch.left
    session.stop, stop = (lambda: None), session.stop  # type: ignore[method-assign]
    watch.leave()
    assert not watch.left, "the engines still save"
    stop()
    assert watch.left


def test_leaving_does_not_wait_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    session = FakeSession()
    watch = opened(session)
    session.stop = lambda: None  # type: ignore[method-assign]
    watch.leave()
    monkeypatch.setattr("mlpwatch.tui.state.watch.LEAVE_SECONDS", -1.0)
    assert watch.left


def test_leaving_while_loading_starts_no_training() -> None:
    session = FakeSession()
    watch = Watch(lambda _report: session)
    watch.leave()
    assert watch.left
    watch.open()
    wait_until(lambda: not watch.is_loading)
    watch.poll()
    assert not session.started


def test_a_resumed_run_begins_with_its_past() -> None:
    past: list[Event] = [
        epoch_read("torch", n, confusion=np.eye(10, dtype=np.int64) * n) for n in (1, 2)
    ]
    steps: list[Event] = [
        StepGroup("torch", n * 4, 4, n * 0.2, 0.5, 0.25, 0.75) for n in range(1, 11)
    ]
    watch = opened(FakeSession(past=[*past, *steps, gap(1)]))
    assert watch.state is not None
    torch = watch.state.engines["torch"]
    assert [point.epoch for point in torch.epochs] == [1, 2]
    assert torch.step == 40
    assert torch.loss == 0.5
    assert (torch.loss_by_step.count, torch.loss_by_step.low, torch.loss_by_step.high) == (
        40,
        0.25,
        0.75,
    )
    assert torch.confusion is not None
    assert torch.confusion.trace() == 20
    assert [one.epoch for one in watch.state.gaps] == [1]
    assert watch.state.engines["numpy"].epochs == []
