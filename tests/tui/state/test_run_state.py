"""The reducer: every event changes what the panels read, and nothing else."""

import math

import pytest

from mlpwatch.core.config import EngineName
from mlpwatch.core.events import (
    CheckpointSaved,
    EndReason,
    Event,
    Paused,
    Resumed,
    RunStarted,
    SaveFailed,
    StepDone,
)
from mlpwatch.tui.state.engine_view import LOSS_WINDOW
from mlpwatch.tui.state.run_state import RunState
from tests.support.samples.scenes import (
    EPOCH_STEPS,
    ended,
    epoch_done,
    epoch_read,
    evaluation,
    started,
    trained,
)


def state_after(*events: Event, names: tuple[EngineName, ...] = ("numpy", "torch")) -> RunState:
    state = RunState(12, EPOCH_STEPS, names)
    state.apply_all(events)
    return state


def steps(first: int, last: int, seconds: float, engine: EngineName = "numpy") -> list[StepDone]:
    """Steps of `seconds` each, with a loss of 1."""
    return [StepDone(engine, n, n * seconds, 1.0) for n in range(first, last + 1)]


def test_before_any_event_everything_waits() -> None:
    state = state_after()
    for engine in state.engines.values():
        assert engine.phase == "waiting"
        assert (engine.loss, engine.steps_per_second, engine.seconds_left) == (None, None, None)
    assert state.planned_steps == 240
    assert not state.ended
    assert state.seconds_left is None


def test_started_begins_training_for_its_engine_alone() -> None:
    state = state_after(started("numpy"))
    assert state.engines["numpy"].phase == "training"
    assert state.engines["numpy"].parameters == 64 * 32 + 32 + 32 * 10 + 10
    assert state.engines["torch"].phase == "waiting"


def test_a_step_moves_step_time_loss_and_both_curves() -> None:
    engine = state_after(started("numpy"), StepDone("numpy", 1, 0.5, 2.3)).engines["numpy"]
    assert (engine.step, engine.seconds, engine.loss) == (1, 0.5, 2.3)
    assert engine.loss_by_step.last == (1, 2.3)
    assert engine.loss_by_second.last == (0.5, 2.3)


def test_the_loss_is_a_mean_over_the_last_batches() -> None:
    many = [StepDone("numpy", n, n * 0.1, float(n)) for n in range(1, 101)]
    engine = state_after(started("numpy"), *many).engines["numpy"]
    last = range(101 - LOSS_WINDOW, 101)
    assert engine.loss == pytest.approx(sum(last) / LOSS_WINDOW)


def test_a_loss_that_is_not_finite_is_told_and_is_a_gap_in_the_curve() -> None:
    engine = state_after(started("numpy"), StepDone("numpy", 1, 0.1, math.nan)).engines["numpy"]
    assert engine.loss is not None
    assert math.isnan(engine.loss)
    assert (engine.loss_by_step.count, engine.loss_by_step.gaps) == (0, 1)


def test_an_epoch_leaves_its_point_and_its_evaluation() -> None:
    event = epoch_done("torch", 2)
    engine = state_after(started("torch"), event).engines["torch"]
    (point,) = engine.epochs
    assert (point.epoch, point.step, point.seconds) == (2, 40, event.seconds)
    assert point is event.record
    assert engine.validation is event.validation


def test_the_best_epoch_is_the_first_with_the_highest_accuracy() -> None:
    accuracies = (math.nan, 0.5, 0.75, 0.7, 0.75)
    events = [epoch_read("numpy", n, accuracy=a) for n, a in enumerate(accuracies, start=1)]
    assert state_after(events[0]).engines["numpy"].best is None
    best = state_after(*events).engines["numpy"].best
    assert best is not None
    assert (best.epoch, best.val_accuracy) == (3, 0.75)


def test_pause_and_resume_touch_one_engine() -> None:
    state = state_after(started("numpy"), started("torch"), Paused("torch", 0))
    assert [e.phase for e in state.engines.values()] == ["training", "paused"]
    state.apply(Resumed("torch", 0))
    assert [e.phase for e in state.engines.values()] == ["training", "training"]


def test_rates_come_from_the_last_seconds_of_training() -> None:
    slow_then_fast = [
        *steps(1, 50, 0.1),
        *(StepDone("numpy", 50 + n, 5 + n * 0.01, 1.0) for n in range(1, 1001)),
    ]
    engine = state_after(started("numpy"), *slow_then_fast).engines["numpy"]
    assert engine.steps_per_second == pytest.approx(100, rel=0.01)


def test_the_clock_stands_while_paused_so_the_rate_does_too() -> None:
    state = state_after(started("numpy"), *steps(1, 60, 0.05))
    rate = state.engines["numpy"].steps_per_second
    assert rate == pytest.approx(20, rel=0.01)
    state.apply_all([Paused("numpy", 60), Resumed("numpy", 60), *steps(61, 70, 0.05)])
    assert state.engines["numpy"].steps_per_second == pytest.approx(rate, rel=0.01)


def test_no_remaining_time_is_told_before_a_second_of_training() -> None:
    state = state_after(started("numpy"), *steps(1, 19, 0.05), names=("numpy",))
    assert state.engines["numpy"].steps_per_second is not None
    assert state.seconds_left is None
    state.apply_all(steps(20, 40, 0.05))
    assert state.seconds_left == pytest.approx((240 - 40) * 0.05, rel=0.05)


def test_the_whole_runs_remaining_time_is_that_of_the_slower_engine() -> None:
    state = state_after(
        started("numpy"), started("torch"), *steps(1, 60, 0.05), *steps(1, 40, 0.1, "torch")
    )
    assert state.seconds_left == pytest.approx(200 * 0.1, rel=0.05)
    assert state.seconds == pytest.approx(4.0)


def test_it_is_not_told_while_one_engine_is_unknown_and_ended_engines_do_not_count() -> None:
    state = state_after(started("numpy"), started("torch"), *steps(1, 60, 0.05))
    assert state.seconds_left is None
    state.apply(ended("torch", "failed", "no memory", step=0))
    assert state.seconds_left == pytest.approx(180 * 0.05, rel=0.05)


@pytest.mark.parametrize("reason", ["finished", "stopped", "diverged", "failed"])
def test_an_ended_engine_says_how_and_has_nothing_left(reason: EndReason) -> None:
    state = state_after(
        started("numpy"),
        *steps(1, 60, 0.05),
        ended("numpy", reason, "why", step=61),
        names=("numpy",),
    )
    engine = state.engines["numpy"]
    assert (engine.phase, engine.detail, engine.step) == (reason, "why", 61)
    assert engine.ended
    assert state.ended
    assert state.seconds_left is None
    has_test = reason in ("finished", "stopped")
    assert engine.test is (evaluation("numpy", 12, test=True) if has_test else None)


def test_the_run_has_ended_only_when_both_have() -> None:
    state = state_after(started("numpy"), started("torch"), ended("numpy"))
    assert not state.ended
    state.apply(ended("torch"))
    assert state.ended


def test_a_resumed_run_measures_its_own_speed_and_warms_up_again() -> None:
    first = RunStarted("numpy", 1, 1, first_step=100, seconds=500.0)
    state = state_after(
        first, *(StepDone("numpy", 100 + n, 500 + n * 0.05, 1.0) for n in range(1, 20))
    )
    engine = state.engines["numpy"]
    assert engine.steps_per_second == pytest.approx(20, rel=0.05)
    assert engine.seconds_left is None, "a second has not passed since it was resumed"
    state.apply_all(StepDone("numpy", 100 + n, 500 + n * 0.05, 1.0) for n in range(20, 41))
    assert engine.seconds_left == pytest.approx(100 * 0.05, rel=0.05)


def test_saves_are_told_with_folder_and_steps_of_both() -> None:
    state = state_after(CheckpointSaved("torch", 67, "saved/a-run/torch.safetensors"))
    assert state.message == "saved in saved/a-run: PyTorch at step 67"
    state.apply(CheckpointSaved("numpy", 1070, "saved/a-run/numpy.safetensors"))
    assert state.message == "saved in saved/a-run: NumPy at step 1,070, PyTorch at step 67"
    assert not state.message_is_bad


def test_a_failed_save_is_told_as_bad_until_the_next_good_one() -> None:
    state = state_after(SaveFailed("numpy", 5, "saved/x/numpy.safetensors", "disk full"))
    assert state.message == "not saved at saved/x/numpy.safetensors: disk full"
    assert state.message_is_bad
    state.apply(CheckpointSaved("numpy", 6, "saved/x/numpy.safetensors"))
    assert not state.message_is_bad


def test_a_reason_for_ending_is_told_with_the_engines_name() -> None:
    state = state_after(ended("torch", "diverged", "the loss is nan", step=3))
    assert state.message == "PyTorch diverged: the loss is nan"
    assert state.message_is_bad


def test_events_in_batches_or_one_by_one_give_the_same_state() -> None:
    events = [started("numpy"), *trained("numpy", 107), ended("numpy", step=107)]
    at_once = state_after(*events).engines["numpy"]
    one_by_one = RunState(12, EPOCH_STEPS, ("numpy", "torch"))
    for event in events:
        one_by_one.apply(event)
    other = one_by_one.engines["numpy"]
    assert at_once.epochs == other.epochs
    assert at_once.loss_by_step.points() == other.loss_by_step.points()
    assert at_once.steps_per_second == other.steps_per_second
