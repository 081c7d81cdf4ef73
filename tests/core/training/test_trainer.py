"""The trainer obeys, tells, and ends in order, whatever happens."""

import math
from itertools import pairwise
from threading import Event as Flag

import numpy as np
import pytest

from mlpwatch.core.config import EngineName
from mlpwatch.core.data.dataset import batch_order
from mlpwatch.core.events import (
    EndReason,
    EpochDone,
    Event,
    Paused,
    Resumed,
    RunEnded,
    RunStarted,
    StepDone,
)
from tests.support.samples.training import SECONDS, TEST, TRAIN, VALIDATION, Training

NAMES: tuple[EngineName, ...] = ("numpy", "torch")
EPOCH_STEPS = 6


def assert_legal_order(training: Training, reason: EndReason) -> RunEnded:
    """Check the order that `core.telemetry` promises, and how the run ended."""
    events = training.mailbox.events
    assert isinstance(events[0], RunStarted)
    ended = events[-1]
    assert isinstance(ended, RunEnded)
    assert len(training.of(RunStarted)) == len(training.of(RunEnded)) == 1
    steps = [event.step for event in training.of(StepDone)]
    assert steps == list(range(events[0].first_step + 1, events[0].first_step + 1 + len(steps)))
    # An epoch is read beside the training, so its event may come after later steps.
    for kind in (StepDone, EpochDone):
        counted = [(event.step, event.seconds) for event in training.of(kind)]
        assert all(a <= b for a, b in pairwise(counted))
    turns = [type(event) for event in training.of(Paused, Resumed)]
    assert turns == [Paused, Resumed] * (len(turns) // 2) + [Paused] * (len(turns) % 2)
    result = training.results[0]
    assert (ended.reason, ended.detail) == (reason, result.detail)
    assert result.reason == reason
    assert (ended.test is None) == (result.weights is None) == (reason in ("diverged", "failed"))
    assert training.recorder.flushes == 1
    return ended


@pytest.mark.parametrize("name", NAMES)
def test_a_run_finishes(name: EngineName) -> None:
    training = Training(name)
    result = training.run()
    ended = assert_legal_order(training, "finished")
    assert (ended.step, ended.detail) == (3 * EPOCH_STEPS, "")
    assert len(training.of(StepDone)) == 3 * EPOCH_STEPS
    assert [event.epoch for event in training.of(EpochDone)] == [1, 2, 3]
    assert training.mailbox.events[0] == RunStarted(name, 6 * 5 + 5 + 5 * 3 + 3, 1, 0, 0.0)
    assert [save.position.step for save in training.recorder.saves] == [18]
    assert (result.position.epoch, result.position.batch) == (3, 0)
    assert ended.test is not None
    assert ended.test.confusion.sum() == TEST
    assert result.validation is training.of(EpochDone)[-1].validation
    assert result.validation is not None
    assert result.validation.confusion.sum() == VALIDATION
    assert result.samples_per_second > 0


@pytest.mark.parametrize("name", NAMES)
def test_an_epoch_visits_every_image_once_in_the_seeded_order(name: EngineName) -> None:
    training = Training(name, seed=11)
    training.run()
    for epoch in range(3):
        rows = training.engine.batches[epoch * EPOCH_STEPS : (epoch + 1) * EPOCH_STEPS]
        assert [len(batch) for batch in rows] == [16, 16, 16, 16, 16, 10]
        np.testing.assert_array_equal(np.concatenate(rows), batch_order(11, epoch, TRAIN))


@pytest.mark.parametrize("name", NAMES)
def test_the_epochs_loss_is_the_mean_over_its_images(name: EngineName) -> None:
    training = Training(name)
    training.run()
    sizes = np.array([16, 16, 16, 16, 16, 10])
    losses = np.array([event.loss for event in training.of(StepDone)]).reshape(3, EPOCH_STEPS)
    expected = (losses * sizes).sum(axis=1) / TRAIN
    assert [e.record.train_loss for e in training.of(EpochDone)] == pytest.approx(
        expected, rel=1e-12
    )
    assert expected[2] < expected[0]
    lines = training.recorder.lines
    assert lines == [e.record for e in training.of(EpochDone)]
    assert [(line.epoch, line.step) for line in lines] == [(1, 6), (2, 12), (3, 18)]
    assert all(line.engine == name and line.samples_per_second > 0 for line in lines)


@pytest.mark.parametrize("name", NAMES)
def test_the_accuracy_on_training_images_is_of_the_epochs_end_without_dropout(
    name: EngineName,
) -> None:
    training = Training(name, epochs=2, dropout=0.5)
    training.run()
    data, line = training.dataset, training.recorder.lines[-1]
    # A sample as large as the validation images.
    logits = training.engine.logits(data.train_images[:VALIDATION])
    expected = (logits.argmax(axis=1) == data.train_labels[:VALIDATION]).mean()
    assert line.train_accuracy == expected
    assert [e.record.train_accuracy for e in training.of(EpochDone)][-1] == expected


def test_the_linear_schedule_runs_over_the_whole_run() -> None:
    training = Training(learning_rate=0.36, schedule="linear")
    training.run()
    assert training.engine.rates == pytest.approx([0.02 * (18 - step) for step in range(18)])


@pytest.mark.parametrize("name", NAMES)
def test_a_stop_ends_before_the_next_batch_and_saves(name: EngineName) -> None:
    training = Training(name)
    training.engine.before_step = lambda step: training.control.stop() if step == 8 else None
    result = training.run()
    ended = assert_legal_order(training, "stopped")
    assert ended.step == len(training.engine.batches) == len(training.of(StepDone)) == 8
    (saved,) = training.recorder.saves
    assert (saved.position.epoch, saved.position.batch, saved.position.step) == (1, 2, 8)
    assert result.position.step == 8


def test_a_stop_before_the_first_batch_trains_nothing() -> None:
    training = Training()
    training.control.stop()
    training.run()
    assert assert_legal_order(training, "stopped").step == 0
    assert training.engine.batches == []


def test_a_stop_ends_a_pause() -> None:
    training = Training()
    training.control.pause()
    paused = Flag()
    training.mailbox.on_event = lambda event: paused.set() if isinstance(event, Paused) else None
    training.thread.start()
    assert paused.wait(SECONDS)
    training.control.stop()
    training.join()
    assert assert_legal_order(training, "stopped").step == 0
    assert len(training.of(Paused)) == 1
    assert training.of(Resumed) == []


@pytest.mark.parametrize("name", NAMES)
def test_a_pause_takes_effect_at_the_next_batch_and_holds(name: EngineName) -> None:
    training = Training(name)
    training.engine.before_step = lambda step: training.control.pause() if step == 7 else None
    paused, saved = Flag(), Flag()
    training.mailbox.on_event = lambda event: paused.set() if isinstance(event, Paused) else None
    training.recorder.on_save = saved.set
    training.thread.start()
    assert paused.wait(SECONDS)
    # An answered save proves that the trainer has looked for orders again, and trained nothing.
    training.control.save()
    assert saved.wait(SECONDS)
    assert len(training.engine.batches) == 7
    assert [event.step for event in training.of(StepDone)] == list(range(1, 8))
    assert training.of(Paused) == [Paused(name, 7)]
    assert training.recorder.saves[0].position.step == 7
    training.control.resume()
    training.join()
    assert training.of(Resumed) == [Resumed(name, 7)]
    assert assert_legal_order(training, "finished").step == 18


def test_a_single_step_trains_exactly_one_batch() -> None:
    training = Training()
    training.control.pause()
    stepped = Flag()

    def follow(event: Event) -> None:
        if isinstance(event, Paused):
            training.control.step()
        elif isinstance(event, StepDone):
            stepped.set()

    training.mailbox.on_event = follow
    training.thread.start()
    assert stepped.wait(SECONDS)
    stepped.clear()
    assert len(training.engine.batches) == 1
    training.control.step()
    assert stepped.wait(SECONDS)
    assert len(training.engine.batches) == 2
    training.mailbox.on_event = lambda _event: None
    training.control.resume()
    training.join()
    assert training.of(Paused) == [Paused("numpy", 0)]
    assert training.of(Resumed) == [Resumed("numpy", 2)]
    assert_legal_order(training, "finished")


def test_the_clock_stands_while_paused(monkeypatch: pytest.MonkeyPatch) -> None:
    """A pause of a thousand seconds, on a clock that moves a hundredth with every look."""
    now = 0.0

    def clock() -> float:
        nonlocal now
        now += 0.01
        return now

    def sleep_long(event: Event) -> None:
        nonlocal now
        if isinstance(event, Paused):
            now += 1_000.0
            training.control.resume()

    monkeypatch.setattr("mlpwatch.core.training.clocks.perf_counter", clock)
    training = Training()
    training.engine.before_step = lambda step: training.control.pause() if step == 7 else None
    training.mailbox.on_event = sleep_long
    result = training.run()
    assert len(training.of(Paused)) == 1
    assert 0 < assert_legal_order(training, "finished").seconds < 10
    assert all(event.record.samples_per_second > TRAIN / 10 for event in training.of(EpochDone))
    assert result.samples_per_second > TRAIN / 10


@pytest.mark.parametrize("name", NAMES)
def test_a_speed_limit_is_held(name: EngineName) -> None:
    training = Training(name, epochs=9)
    training.control.set_steps_per_second(1_000)
    training.run()
    first, *_, last = training.of(StepDone)
    assert last.step - first.step == 53
    assert last.seconds - first.seconds >= 0.052  # 53 steps, and one may be late at first


def after_one_slow_step() -> Training:
    """Train at one step in ten thousand seconds until the first is done."""
    training = Training()
    training.control.set_steps_per_second(1e-4)
    first = Flag()
    training.mailbox.on_event = lambda event: first.set() if isinstance(event, StepDone) else None
    training.thread.start()
    assert first.wait(SECONDS)
    return training


def test_a_stop_is_prompt_under_a_slow_limit() -> None:
    """At one step in ten thousand seconds, a stop that waited for its step would time out."""
    training = after_one_slow_step()
    training.control.stop()
    training.join()
    assert assert_legal_order(training, "stopped").step == 1


def test_a_slow_limit_can_be_lifted() -> None:
    training = after_one_slow_step()
    training.control.set_steps_per_second(None)
    training.join()
    assert assert_legal_order(training, "finished").step == 18


@pytest.mark.parametrize("batch_size", [16, TRAIN])
@pytest.mark.parametrize("name", NAMES)
def test_a_diverged_run_names_step_and_layer_and_is_not_saved(
    name: EngineName, batch_size: int
) -> None:
    training = Training(name, learning_rate=1e30, batch_size=batch_size)
    result = training.run()
    ended = assert_legal_order(training, "diverged")
    assert "at step" in ended.detail
    assert "(epoch 1, batch" in ended.detail
    assert "first in " in ended.detail
    assert "lower --learning-rate" in ended.detail
    assert "\n" not in ended.detail
    assert training.recorder.saves == []
    assert result.weights is None
    if batch_size == 16:
        assert "layers.0.weight" in ended.detail
        last = training.of(StepDone)[-1]
        assert not math.isfinite(last.loss)
        assert f"at step {last.step} " in ended.detail


@pytest.mark.parametrize("name", NAMES)
def test_an_engine_that_raises_ends_its_run_alone(name: EngineName) -> None:
    training = Training(name)

    def break_down(step: int) -> None:
        if step == 5:
            raise RuntimeError("out of\n   memory")

    training.engine.before_step = break_down
    result = training.run()
    ended = assert_legal_order(training, "failed")
    assert ended.detail == "RuntimeError: out of memory"
    assert (ended.step, result.position.step) == (4, 4)
    assert training.recorder.saves == []
