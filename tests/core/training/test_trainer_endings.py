"""Ends that go wrong at the last moment still end once, and say why."""

import numpy as np
import pytest

from mlpwatch.core.arrays import Floats, Tensors
from mlpwatch.core.events import RunEnded, RunStarted, StepDone
from mlpwatch.core.network.engine import EngineState
from mlpwatch.core.runs.checkpoints import Checkpoint, Position
from mlpwatch.core.training.control import Action
from tests.support.samples.engines import assert_same_bits
from tests.support.samples.training import SECONDS, HookedEngine, Training


class NoLogitsEngine(HookedEngine):
    """Trains, but can't be read."""

    def logits(self, images: Floats, weights: Tensors | None = None) -> Floats:  # noqa: ARG002
        raise OSError("the device is gone")


class NoStateEngine(HookedEngine):
    """Trains, but can't be copied."""

    def state(self) -> EngineState:
        raise MemoryError("no room for a copy")


def test_a_final_evaluation_that_fails_is_a_failed_run() -> None:
    training = Training(epochs=1)
    training.engine = NoLogitsEngine(training.engine.engine)
    training.engine.before_step = lambda step: training.control.stop() if step == 3 else None
    result = training.run()
    assert (result.reason, result.detail) == ("failed", "OSError: the device is gone")
    (ended,) = training.of(RunEnded)
    assert ended.reason == "failed"
    assert ended.test is None
    assert result.weights is None


def test_an_engine_that_cannot_be_copied_still_starts_and_ends_once() -> None:
    training = Training(epochs=1)
    training.engine = NoStateEngine(training.engine.engine)
    result = training.run()
    assert (result.reason, result.detail) == ("failed", "MemoryError: no room for a copy")
    assert training.mailbox.events[0] == training.of(RunStarted)[0]
    assert len(training.of(RunStarted)) == len(training.of(RunEnded)) == 1
    assert training.of(RunStarted)[0].parameters == 6 * 5 + 5 + 5 * 3 + 3


def test_a_stop_after_an_overflow_is_diverged_and_not_saved() -> None:
    training = Training(epochs=1)
    broken = training.engine.state()
    broken.weights["layers.1.bias"][0] = np.inf

    def overflow(event: object) -> None:
        if isinstance(event, StepDone) and event.step == 3:
            training.engine.load_state(broken)

    training.engine.before_step = lambda step: training.control.stop() if step == 3 else None
    training.mailbox.on_event = overflow
    result = training.run()
    assert result.reason == "diverged"
    assert "layers.1.bias" in result.detail
    assert training.recorder.saves == []


def test_raising_the_limit_ends_the_wait_of_the_old_one() -> None:
    training = Training(epochs=1)
    training.control.set_steps_per_second(1e-4)  # one step in three hours

    def lift(event: object) -> None:
        if isinstance(event, StepDone) and event.step == 1:
            training.control.set_steps_per_second(1e4)

    training.mailbox.on_event = lift
    training.thread.start()
    training.thread.join(SECONDS)
    assert not training.thread.is_alive()
    assert training.join().position.step == 6


def test_a_failure_between_two_batches_saves_first(monkeypatch: pytest.MonkeyPatch) -> None:
    training = Training(epochs=2)
    take = training.control.take

    def fail(step: int = 0) -> Action:
        if step == 7:
            raise OverflowError("timestamp too large")
        return take(step)

    monkeypatch.setattr(training.control, "take", fail)
    result = training.run()
    assert (result.reason, result.detail) == ("failed", "OverflowError: timestamp too large")
    (saved,) = training.recorder.saves
    assert saved.position.step == 7
    resumed = Training(epochs=2, start=saved)
    whole = Training(epochs=2)
    resumed.run()
    whole.run()
    assert_same_bits(resumed.engine.state().weights, whole.engine.state().weights)


def test_a_network_that_is_not_finite_is_not_saved_after_a_failure(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    training = Training(epochs=2)
    take = training.control.take

    def spoil(step: int = 0) -> Action:
        if step == 7:
            broken = training.engine.state()
            broken.weights["layers.1.bias"][0] = np.nan
            training.engine.load_state(broken)
            raise OverflowError("timestamp too large")
        return take(step)

    monkeypatch.setattr(training.control, "take", spoil)
    assert training.run().reason == "failed"
    assert training.recorder.saves == []


def test_a_new_run_is_saved_before_its_first_step() -> None:
    training = Training()
    initial = training.engine.state().weights
    training.engine.before_step = lambda step: (
        firsts.append(training.recorder.first) if step == 1 else None
    )
    firsts: list[Checkpoint | None] = []
    training.run()
    (first,) = firsts
    assert first is not None
    assert first.position == Position(planned_epochs=3, seconds=first.position.seconds)
    assert_same_bits(first.state.weights, initial)
    resumed = Training(start=first)
    resumed.run()
    assert resumed.recorder.first is None, "a resumed run has one already"
    assert_same_bits(resumed.engine.state().weights, training.engine.state().weights)
