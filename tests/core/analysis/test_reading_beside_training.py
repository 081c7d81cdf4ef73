"""Validation images are read beside the training, with the weights of the epoch's end."""

from threading import Event

import numpy as np
import pytest

from mlpwatch.core.arrays import Floats, Tensors
from mlpwatch.core.config import ENGINE_NAMES, EngineName
from mlpwatch.core.events import EpochDone, StepDone
from mlpwatch.core.training import trainer
from tests.support.samples.training import SECONDS, HookedEngine, Training


class SlowReader(HookedEngine):
    """Reads validation images only once a step of the next epoch has been taken."""

    may_read = Event()
    timely = True

    def logits(self, images: Floats, weights: Tensors | None = None) -> Floats:
        """Wait, if it is beside the training, and pass on."""
        if weights is not None:
            self.timely &= self.may_read.wait(SECONDS)
        return self.engine.logits(images, weights)


def test_training_goes_on_while_an_epoch_is_read() -> None:
    training = Training(epochs=2)
    engine = training.engine = SlowReader(training.engine.engine)
    engine.before_step = lambda step: engine.may_read.set() if step == 6 + 3 else None
    training.run()
    assert engine.timely
    kinds = [(type(event), event.step) for event in training.of(StepDone, EpochDone)]
    assert kinds.index((EpochDone, 6)) > kinds.index((StepDone, 6))
    assert [event.step for event in training.of(EpochDone)] == [6, 12]


@pytest.mark.parametrize("name", ENGINE_NAMES)
def test_an_epoch_is_read_with_the_weights_of_its_end(name: EngineName) -> None:
    short, long = Training(name, epochs=1), Training(name, epochs=3)
    short.run()
    long.run()
    first, one = long.of(EpochDone)[0], short.of(EpochDone)[0]
    np.testing.assert_array_equal(first.validation.predictions, one.validation.predictions)
    assert first.validation.loss == one.validation.loss
    expected = short.engine.logits(short.dataset.validation_images).argmax(axis=1)
    np.testing.assert_array_equal(one.validation.predictions, expected)


@pytest.mark.parametrize("name", ENGINE_NAMES)
def test_images_can_be_read_with_other_weights_than_the_engine_s_own(name: EngineName) -> None:
    one, other = Training(name), Training(name, seed=1)
    images = one.dataset.validation_images
    before = one.engine.logits(images)
    found = one.engine.logits(images, other.engine.weights())
    np.testing.assert_allclose(found, other.engine.logits(images), 1e-5, 1e-6)
    np.testing.assert_array_equal(one.engine.logits(images), before)


def test_a_checkpoint_that_is_due_follows_the_lines_of_its_epoch(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(trainer, "SAVE_SECONDS", 0.0)
    training = Training(epochs=3)
    lines_before_save: list[int] = []
    recorder = training.recorder
    recorder.on_save = lambda: lines_before_save.append(len(recorder.lines))
    training.run()
    assert lines_before_save == [1, 2, 3, 3]
    assert [save.position.epoch for save in recorder.saves] == [1, 2, 3, 3]
    assert [save.position.epoch_loss_sum for save in recorder.saves] == [0.0] * 4
