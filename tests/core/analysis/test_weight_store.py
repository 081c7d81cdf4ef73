"""Weights to look at: copies, when asked for, at each epoch's end, and the last ones."""

from collections.abc import Callable
from threading import Event as Flag
from time import monotonic

import numpy as np
import pytest

from mlpwatch.core.analysis.weight_store import WeightSnapshot
from mlpwatch.core.config import EngineName
from mlpwatch.core.events import EpochDone, Event, Paused
from mlpwatch.core.network.engine import EngineState
from tests.support.samples.engines import assert_same_bits
from tests.support.samples.training import SECONDS, Training

NAMES: tuple[EngineName, ...] = ("numpy", "torch")


def paused_after(training: Training, steps: int) -> None:
    """Start, and return once the trainer waits with so many steps done."""
    paused = Flag()
    training.engine.before_step = lambda step: training.control.pause() if step == steps else None
    training.mailbox.on_event = lambda event: paused.set() if isinstance(event, Paused) else None
    training.thread.start()
    assert paused.wait(SECONDS)


def until(condition: Callable[[], object]) -> None:
    deadline, pause = monotonic() + SECONDS, Flag()
    while not condition():
        assert monotonic() < deadline
        pause.wait(0.001)


@pytest.mark.parametrize("name", NAMES)
def test_a_paused_trainer_shows_a_copy_of_its_weights_when_asked(name: EngineName) -> None:
    training = Training(name)
    paused_after(training, 3)
    first = training.weight_store.latest(name)
    assert first is None or first.step == 0, "nobody has asked since the first checkpoint"
    training.control.show_weights()
    until(lambda: training.weight_store.latest(name) is not first)
    shown = training.weight_store.latest(name)
    assert shown is not None
    assert (shown.engine, shown.epoch, shown.step) == (name, 0, 3)
    assert_same_bits(shown.weights, training.engine.state().weights)
    assert training.weight_store.evaluated(name) is None, "nothing was read with them"
    kept = {tensor: array.copy() for tensor, array in shown.weights.items()}
    training.control.resume()
    training.join()
    assert_same_bits(shown.weights, kept)


@pytest.mark.parametrize("name", NAMES)
def test_who_reads_an_epochs_event_finds_the_weights_it_was_evaluated_with(
    name: EngineName,
) -> None:
    training = Training(name)
    found: list[tuple[EpochDone, WeightSnapshot | None, WeightSnapshot | None]] = []

    def read(event: Event) -> None:
        if isinstance(event, EpochDone):
            board = training.weight_store
            found.append((event, board.evaluated(name), board.latest(name)))

    training.mailbox.on_event = read
    result = training.run()
    assert [event.epoch for event, _, _ in found] == [1, 2, 3]
    for event, evaluated, latest in found:
        assert evaluated is not None
        assert latest is evaluated
        assert (evaluated.epoch, evaluated.step) == (event.epoch, event.step)
        training.engine.load_state(EngineState(dict(evaluated.weights)))
        assert event.validation is not None
        logits = training.engine.logits(training.dataset.validation_images)
        np.testing.assert_array_equal(logits.argmax(axis=1), event.validation.predictions)
    last = training.weight_store.latest(name)
    assert last is not None
    assert result.weights is not None
    assert_same_bits(last.weights, result.weights)


def test_a_request_after_the_end_changes_nothing() -> None:
    training = Training()
    training.run()
    last = training.weight_store.latest("numpy")
    training.control.show_weights()
    assert training.weight_store.latest("numpy") is last
