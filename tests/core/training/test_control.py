"""Orders to a trainer: a level, counted requests, and no wake-up that gets lost."""

from collections.abc import Callable
from threading import Event as Flag
from threading import Thread

import pytest

from mlpwatch.core.training import control as control_module
from mlpwatch.core.training.control import SAVE_REST_SECONDS, Action, Control, ControlGroup

SECONDS = 20.0


def calm(threads: int = 1) -> Control:
    """Return a control whose first order, the thread count, is taken."""
    control = Control(threads)
    assert control.take() == "threads"
    return control


def take(control: Control, count: int) -> list[Action]:
    return [control.take() for _ in range(count)]


def test_the_first_order_is_the_thread_count_then_run() -> None:
    assert take(Control(3), 3) == ["threads", "run", "run"]


def test_pause_waits_until_resume() -> None:
    control = calm()
    control.pause()
    assert control.paused
    assert take(control, 2) == ["wait", "wait"]
    control.resume()
    assert not control.paused
    assert take(control, 2) == ["run", "run"]


def test_steps_are_granted_one_by_one_while_paused() -> None:
    control = calm()
    control.pause()
    control.step()
    control.step()
    assert take(control, 3) == ["step", "step", "wait"]


def test_a_step_is_ignored_while_running_and_forgotten_on_resume() -> None:
    control = calm()
    control.step()
    control.pause()
    assert take(control, 1) == ["wait"]
    control.step()
    control.resume()
    control.pause()
    assert take(control, 1) == ["wait"]


def test_one_save_answers_all_requests_so_far() -> None:
    control = calm()
    control.save()
    control.save()
    assert take(control, 2) == ["save", "run"]
    control.pause()
    control.save()
    assert take(control, 3) == ["save", "wait", "wait"]


def test_nothing_undoes_a_stop() -> None:
    control = calm()
    control.pause()
    control.step()
    control.save()
    control.stop()
    control.pause()
    control.resume()
    control.step()
    assert not control.paused
    assert take(control, 2) == ["stop", "stop"]


def test_a_new_thread_count_is_told_once_even_while_paused() -> None:
    control = calm(threads=1)
    control.set_threads(1)
    assert control.take() == "run"
    control.pause()
    control.set_threads(4)
    control.set_threads(2)
    assert control.threads == 2
    assert take(control, 2) == ["threads", "wait"]


def test_the_speed_limit_is_kept_and_lifted() -> None:
    control = Control(1, steps_per_second=5)
    assert control.steps_per_second == 5
    control.set_steps_per_second(None)
    assert control.steps_per_second is None


ORDERS: list[tuple[Callable[[Control], None], Action]] = [
    (Control.resume, "run"),
    (Control.step, "step"),
    (Control.save, "save"),
    (Control.show_weights, "show"),
    (Control.stop, "stop"),
    (lambda control: control.set_threads(7), "threads"),
    (lambda control: control.set_steps_per_second(7), "wait"),
]


@pytest.mark.parametrize(("order", "taken"), ORDERS)
def test_an_order_between_take_and_wait_is_not_slept_over(
    order: Callable[[Control], None], taken: Action
) -> None:
    control = calm()
    control.pause()
    assert control.take() == "wait"
    order(control)
    waiter = Thread(target=control.wait, daemon=True)
    waiter.start()
    waiter.join(SECONDS)
    assert not waiter.is_alive()
    assert control.take() == taken


@pytest.mark.parametrize(("order", "taken"), ORDERS)
def test_an_order_wakes_a_trainer_that_waits(
    order: Callable[[Control], None], taken: Action
) -> None:
    control = calm()
    control.pause()
    orders: list[Action] = []
    about_to_wait = Flag()

    def follow() -> None:
        assert control.take() == "wait"
        about_to_wait.set()
        control.wait()
        orders.append(control.take())

    trainer = Thread(target=follow, daemon=True)
    trainer.start()
    assert about_to_wait.wait(SECONDS)
    order(control)
    trainer.join(SECONDS)
    assert orders == [taken]


def test_a_wait_ends_by_itself_after_its_seconds() -> None:
    control = calm()
    assert control.take() == "run"
    waiter = Thread(target=control.wait, args=(0.001,), daemon=True)
    waiter.start()
    waiter.join(SECONDS)
    assert not waiter.is_alive()
    assert control.take() == "run"


def test_no_wake_up_is_lost_in_ten_thousand_steps() -> None:
    """One thread grants single steps, one at a time; the other must take each of them."""
    control = calm()
    control.pause()
    taken = 0
    count = 10_000
    answered = [Flag() for _ in range(count)]

    def follow() -> None:
        nonlocal taken
        while (order := control.take()) != "stop":
            if order == "step":
                answered[taken].set()
                taken += 1
            else:
                control.wait()

    trainer = Thread(target=follow, daemon=True)
    trainer.start()
    for flag in answered:
        control.step()
        assert flag.wait(SECONDS)
    control.stop()
    trainer.join(SECONDS)
    assert not trainer.is_alive()
    assert taken == count


def a_pair() -> tuple[ControlGroup, Control, Control]:
    """Two controls of one run whose first order is taken."""
    group = ControlGroup()
    one, other = Control(group=group), Control(group=group)
    assert [one.take(), other.take()] == ["threads", "threads"]
    return group, one, other


def test_of_two_that_are_paused_together_the_one_behind_catches_up() -> None:
    group, leader, other = a_pair()
    group.pause_level([leader, other])
    assert leader.paused
    assert other.paused
    assert other.take(3) == "wait", "nobody has come further, as far as is known"
    assert leader.take(5) == "wait"
    assert [other.take(3), other.take(4), other.take(5)] == ["catch-up", "catch-up", "wait"]
    for control in (leader, other):
        control.step()
    assert [leader.take(5), other.take(5)] == ["step", "step"]
    assert [leader.take(6), other.take(6)] == ["wait", "wait"]


def test_a_step_of_both_is_granted_to_both_before_either_takes_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # Else the second sees the first a step ahead, catches up, and takes its own step as well.
    group, first, second = a_pair()
    group.pause_level([first, second])
    grant, locked = Control.step, []

    def watched(control: Control) -> None:
        asking = Thread(target=lambda: locked.append(not group.changed.acquire(blocking=False)))
        asking.start()
        asking.join()
        grant(control)

    monkeypatch.setattr(Control, "step", watched)
    group.step([first, second])
    assert locked == [True, True]
    assert [first.take(0), second.take(0)] == ["step", "step"]


def test_a_single_pause_and_one_paused_before_stay_where_they_are() -> None:
    group, one, other = a_pair()
    one.pause()
    assert other.take(9) == "run"
    assert one.take(3) == "wait"
    group.pause_level([one, other])
    assert [other.take(9), one.take(3)] == ["wait", "wait"]


def test_a_pause_of_its_own_ends_the_catching_up() -> None:
    group, leader, other = a_pair()
    group.pause_level([leader, other])
    assert leader.take(50) == "wait"
    assert other.take(10) == "catch-up"
    other.pause()
    assert other.take(11) == "wait"
    other.resume()
    assert other.take(11) == "run"


@pytest.mark.parametrize("end", [Control.close, Control.stop])
def test_nobody_waits_for_an_engine_that_has_ended(end: Callable[[Control], None]) -> None:
    group, one, other = a_pair()
    group.set_lockstep(True)
    assert [one.take(3), other.take(2), one.take(3)] == ["hold", "catch-up", "hold"]
    end(other)
    if end is Control.stop:
        assert other.take(2) == "stop"
        other.close()
    assert one.take(3) == "run"


def test_a_pause_ahead_stops_each_at_its_step() -> None:
    group, one, other = a_pair()
    group.pause_at(2)
    assert [one.take(step) for step in range(3)] == ["run", "run", "wait"]
    assert [other.take(step) for step in range(3)] == ["run", "run", "wait"]
    for control in (one, other):
        control.resume()
    assert (one.take(2), other.take(2)) == ("run", "run")


def test_who_resumes_the_first_does_not_meet_the_pause_of_the_second() -> None:
    group, one, other = a_pair()
    group.pause_at(2)
    assert (one.take(2), other.take(1)) == ("wait", "run")
    for control in (one, other):
        control.resume()
    assert [other.take(step) for step in (1, 2, 3)] == ["run"] * 3


def test_a_pause_that_nobody_has_reached_outlives_another() -> None:
    group, one, other = a_pair()
    group.pause_at(5)
    group.pause_level([one, other])
    for control in (one, other):
        control.resume()
    assert [one.take(step) for step in (4, 5)] == ["run", "wait"]


def test_in_lockstep_the_faster_waits_after_each_step() -> None:
    group, fast, slow = a_pair()
    group.set_lockstep(True)
    assert [fast.take(0), slow.take(0)] == ["run", "run"]
    assert [fast.take(1), fast.take(1)] == ["hold", "hold"]
    assert slow.take(0) == "catch-up"
    assert [slow.take(1), fast.take(1)] == ["run", "run"]
    group.set_lockstep(False)
    assert [fast.take(9), slow.take(2)] == ["run", "run"]


def test_in_lockstep_one_that_is_paused_holds_the_other_at_its_step() -> None:
    group, one, other = a_pair()
    group.set_lockstep(True)
    one.pause()
    assert [other.take(1), one.take(0), one.take(1)] == ["hold", "catch-up", "wait"]
    assert other.take(1) == "hold"
    one.step()
    assert [one.take(1), other.take(1)] == ["step", "hold"]
    assert [one.take(2), other.take(1), other.take(2)] == ["wait", "catch-up", "hold"]
    one.resume()
    assert [one.take(2), other.take(2)] == ["run", "run"]


def test_two_threads_in_lockstep_are_never_more_than_a_step_apart() -> None:
    group, one, other = a_pair()
    group.set_lockstep(True)
    steps, apart = [0, 0], list[int]()

    def follow(own: int, control: Control) -> None:
        while steps[own] < 2_000:
            if control.take(steps[own]) in ("run", "catch-up"):
                steps[own] += 1
                apart.append(abs(steps[0] - steps[1]))
            else:
                control.wait(SECONDS)
        control.close()

    threads = [Thread(target=follow, args=pair, daemon=True) for pair in ((0, one), (1, other))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(SECONDS)
    assert steps == [2_000, 2_000]
    assert max(apart) == 1


def test_a_flood_of_requests_shares_few_checkpoints(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr(control_module, "monotonic", lambda: now)
    control, taken = calm(), list[Action]()
    for step in range(1_000):
        now += SAVE_REST_SECONDS / 250
        control.save()
        taken += [control.take(step), control.take(step)]
    assert 4 <= taken.count("save") <= 5
    assert taken.count("run") == 2_000 - taken.count("save")
    now += SAVE_REST_SECONDS
    assert take(control, 2) == ["save", "run"], "the last request is not forgotten"
    control.pause()
    control.save()
    assert control.take() == "save", "nothing is trained that it could hold up"
