"""A watched loop as the dashboard and the mistakes see it: events, orders, images."""

import math
from pathlib import Path

import numpy as np
import pytest

import mlpwatch
from mlpwatch.core.errors import DataError
from mlpwatch.core.events import (
    CheckpointEvaluated,
    CheckpointSaved,
    EpochDone,
    Event,
    LogRewritten,
    Notice,
    Paused,
    RateChanged,
    Resumed,
    RunEnded,
    RunStarted,
    StepGroup,
)
from mlpwatch.core.monitor.follower import NO_END
from mlpwatch.core.monitor.loop_events import LoopEvents
from mlpwatch.core.monitor.loop_source import LoopRunSource
from mlpwatch.core.monitor.records import LoopLine
from mlpwatch.core.run_source import RunSource
from mlpwatch.tui.state.run_state import RunState
from tests.support.waiting import wait_until
from tests.support.watched import ENDLESS, program

LABELS = np.array([0, 1, 2, 2])
SHARES = np.array([[0.9, 0.1, 0], [0.2, 0.7, 0.1], [0.3, 0.4, 0.3], [0, 0, 1]], np.float32)
IMAGES = np.arange(4 * 6, dtype=np.uint8).reshape(4, 2, 3)


def drained(source: RunSource) -> list[Event]:
    return list(source.mailbox.drain().events)


def test_an_ended_loop_is_read_whole(tmp_path: Path) -> None:
    with mlpwatch.watch("loop", saved=tmp_path, epochs=2, steps_per_epoch=3) as run:
        for _ in range(2):
            for loss in run.steps([3.0, 2.0, 1.0]):
                run.log(loss=loss, lr=0.25)
            run.epoch(val_loss=0.5, labels=LABELS, probabilities=SHARES, images=IMAGES)
    source = LoopRunSource(tmp_path / "loop")
    events = source.past_events()
    assert (source.config.epochs, source.epoch_steps) == (2, 3)
    kinds = [RunStarted, *[StepGroup] * 3, EpochDone, *[StepGroup] * 3, EpochDone, RunEnded]
    assert [type(one) for one in events] == kinds
    state = RunState(2, source.epoch_steps, source.config.engine_names, source.config.titles)
    state.apply_all(events)
    engine = state.engines["numpy"]
    assert (engine.phase, engine.step, engine.epochs_done) == ("finished", 6, 2)
    epoch = engine.epochs[-1]
    assert (epoch.train_loss, epoch.val_loss, epoch.val_accuracy) == (2.0, 0.5, 0.75)
    assert engine.confusion is not None
    assert engine.confusion.tolist() == [[1, 0, 0], [0, 1, 0], [0, 1, 1]]
    assert source.learning_rate("numpy") == 0.25
    source.start()
    seen: list[CheckpointEvaluated] = []

    def is_shown() -> bool:
        seen.extend(one for one in drained(source) if isinstance(one, CheckpointEvaluated))
        return bool(seen) and not source.images_missing

    wait_until(is_shown)
    (shown,) = seen
    source.leave()
    assert source.join(10)
    assert (shown.epoch, shown.step) == (2, 6)
    assert shown.validation.predictions.tolist() == [0, 1, 1, 2]
    assert np.allclose(shown.validation.losses, -np.log([0.9, 0.7, 0.3, 1]))
    assert np.allclose(source.dataset.validation_images, IMAGES.reshape(4, 6) / 255)
    assert source.dataset.image_shape == (2, 3)
    with pytest.raises(DataError, match="keeps its weights to itself"):
        source.predict("numpy", source.dataset.validation_images).result()


def test_images_are_there_before_they_are_no_longer_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with mlpwatch.watch("loop", saved=tmp_path, epochs=1, steps_per_epoch=1) as run:
        run.step(loss=1.0)
        run.epoch(labels=LABELS, probabilities=SHARES, images=IMAGES)
    source = LoopRunSource(tmp_path / "loop")
    source.past_events()
    at_event: list[tuple[bool, int]] = []
    put = source.mailbox.put

    def noted(event: Event) -> None:
        if isinstance(event, CheckpointEvaluated):
            at_event.append((bool(source.images_missing), len(source.dataset.validation_images)))
        put(event)

    monkeypatch.setattr(source.mailbox, "put", noted)
    source.start()
    wait_until(lambda: not source.images_missing)
    source.leave()
    assert source.join(10)
    assert at_event == [(True, 4)]


def test_orders_reach_the_loop_and_its_answers_the_screen(tmp_path: Path) -> None:
    with program(ENDLESS, tmp_path) as process:
        path = tmp_path / "saved/loop"
        wait_until((path / "loop.jsonl").exists)
        source = LoopRunSource(path)
        seen: list[Event] = source.past_events()
        source.start()

        def saw(kind: type) -> bool:
            seen.extend(drained(source))
            return any(isinstance(one, kind) for one in seen)

        source.pause()
        wait_until(lambda: saw(Paused))
        wait_until(lambda: source.paused("numpy"))
        source.set_learning_rate(0.5)
        source.save()
        source.resume()
        for kind in (Resumed, RateChanged, CheckpointSaved):
            wait_until(lambda kind=kind: saw(kind))  # type: ignore[misc]
        wait_until(lambda: source.learning_rate("numpy") == 0.5)
        source.set_steps_per_second(5.0)
        assert source.steps_per_second == 5.0
        source.stop()
        wait_until(lambda: saw(RunEnded))
        process.wait(60)
        source.pause()
        wait_until(lambda: saw(Notice))
        source.leave()
        assert source.join(10)
    assert "pause: this loop has ended" in next(one.text for one in seen if isinstance(one, Notice))
    assert isinstance(seen[-2], RunEnded)


def test_a_killed_loop_ends_once(tmp_path: Path) -> None:
    with program(ENDLESS, tmp_path) as process:
        path = tmp_path / "saved/loop"
        wait_until((path / "loop.jsonl").exists)
        process.kill()
        process.wait()
        source = LoopRunSource(path)
        ends = [one for one in source.past_events() if isinstance(one, RunEnded)]
        assert [(one.reason, one.detail) for one in ends] == [("failed", NO_END)]
        source.start()
        wait_until(lambda: not source.join(0) or True)
        source.leave()
        assert source.join(10)
        assert [one for one in drained(source) if isinstance(one, RunEnded)] == []


def test_losses_and_accuracies_are_found_by_the_names_that_people_use() -> None:
    events = LoopEvents(0.0)
    (group,) = events.of(LoopLine("scalars", 4, 1.0, {"train/loss": 0.5, "rest": 1.0}))
    assert isinstance(group, StepGroup)
    assert (group.count, group.loss) == (4, 0.5)
    values = {"val/loss": 0.25, "val_acc": 87.5, "train_acc": 0.9}
    (done,) = events.of(LoopLine("epoch", 4, 2.0, values, 1))
    assert isinstance(done, EpochDone)
    record = done.record
    assert (record.train_loss, record.val_loss, record.val_accuracy) == (0.5, 0.25, 0.875)
    assert record.train_accuracy == 0.9
    (done,) = events.of(LoopLine("epoch", 8, 3.0, {"perplexity": 30.0}, 2))
    assert isinstance(done, EpochDone)
    assert math.isnan(done.record.val_loss)
    assert math.isnan(done.record.train_loss)


def test_a_pause_takes_no_training_time() -> None:
    events = LoopEvents(100.0)
    for line in (LoopLine("paused", 1, 101.0), LoopLine("resumed", 1, 111.0)):
        list(events.of(line))
    list(events.of(LoopLine("scalars", 2, 112.0, {"loss": 1.0})))
    assert events.seconds == 2.0


def test_classes_that_appear_later_widen_all_matrices(tmp_path: Path) -> None:
    with mlpwatch.watch("loop", saved=tmp_path) as run:
        run.epoch(labels=[0, 1], predictions=[0, 0])
        wait_until((tmp_path / "loop/loop.jsonl").exists)
        source = LoopRunSource(tmp_path / "loop")
        events = source.past_events()
        source.start()
        run.epoch(labels=[0, 4], predictions=[0, 4])

        def all_epochs() -> list[EpochDone]:
            events.extend(drained(source))
            return [one for one in events if isinstance(one, EpochDone)]

        wait_until(lambda: len(all_epochs()) == 3)
        source.leave()
        assert source.join(10)
    sizes = [len(one.record.confusion) for one in all_epochs() if one.record.confusion is not None]
    assert sizes == [2, 5, 5]
    assert any(isinstance(one, LogRewritten) for one in events)
    assert source.dataset.classes == 5


def test_a_loop_that_has_not_said_its_length_gets_room_as_it_grows(tmp_path: Path) -> None:
    with mlpwatch.watch("loop", saved=tmp_path) as run:
        for _ in range(5):
            for _ in run.steps(range(10)):
                run.log(loss=1.0)
            run.epoch(val_loss=0.5)
    source = LoopRunSource(tmp_path / "loop")
    assert source.epoch_steps == 10
    assert source.config.epochs >= 5
    epochs = [one.epoch for one in source.past_events() if isinstance(one, EpochDone)]
    assert epochs == [1, 2, 3, 4, 5]
