"""Orders to a trainer: a level, counted requests, and no wake-up that gets lost."""

from collections.abc import Callable
from threading import Event as Flag
from threading import Thread

import pytest

from mlpwatch.core.training.control import Action, Control

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
