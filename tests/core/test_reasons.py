"""Reasons belong to the weights that the newest validation was read with, and leave with them."""

import numpy as np
import pytest

import core.reasons
from core.config import RunConfig
from core.data import Dataset, load_dataset
from core.engine import Tensors, initial_weights, layer_sizes
from core.neighbours import NeighbourIndex
from core.reasons import RENEW_SECONDS, Question, Reasoner
from core.saliency import logit_gradient
from core.weights_board import WeightsBoard, WeightsShown

CONFIG = RunConfig(hidden=(16,), pixel_range="-1..1")


@pytest.fixture(scope="module")
def digits() -> Dataset:
    return load_dataset("digits", 0, "-1..1")


def weights(data: Dataset, seed: int) -> Tensors:
    config = RunConfig(hidden=(16,), seed=seed)
    return initial_weights(layer_sizes(data.features, (16,), data.classes), config)


def question(data: Dataset) -> Question:
    return Question("torch", data.validation_images[0], (4, 9), towards=9, count=3)


def test_the_answer_is_the_gradient_in_ink_and_both_classes_neighbours(digits: Dataset) -> None:
    board = WeightsBoard()
    shown = WeightsShown("torch", 2, 20, weights(digits, 1))
    board.show(shown, evaluated=True)
    board.show(WeightsShown("torch", 2, 25, weights(digits, 2)))
    reasoner, asked = Reasoner(digits, CONFIG, board), question(digits)
    answer = reasoner.answer(asked)
    assert answer is not None
    assert (answer.engine, answer.epoch, answer.towards) == ("torch", 2, 9)
    nine = np.array([9])
    gradient = logit_gradient(shown.weights, asked.image[np.newaxis], nine, "relu")[0]
    np.testing.assert_array_equal(answer.gradient, 2 * gradient)
    index = NeighbourIndex(digits, shown, "relu")
    assert answer.neighbours == {c: tuple(index.nearest(asked.image, c, 3)) for c in (4, 9)}
    assert reasoner.nbytes == index.nbytes > 0


def test_before_an_epoch_there_is_no_answer(digits: Dataset) -> None:
    board = WeightsBoard()
    board.show(WeightsShown("torch", 0, 3, weights(digits, 1)))
    assert Reasoner(digits, CONFIG, board).answer(question(digits)) is None


def test_new_weights_are_taken_when_the_index_is_old_and_free_its_memory(
    digits: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 100.0
    monkeypatch.setattr(core.reasons, "monotonic", lambda: now)
    board = WeightsBoard()
    reasoner = Reasoner(digits, CONFIG, board)

    def epoch_answered(epoch: int) -> int:
        board.show(WeightsShown("torch", epoch, epoch, weights(digits, epoch)), evaluated=True)
        answer = reasoner.answer(question(digits))
        assert answer is not None
        return answer.epoch

    assert epoch_answered(1) == 1
    kept = reasoner.nbytes
    now += RENEW_SECONDS / 2
    assert epoch_answered(2) == 1, "too soon: reading all training images costs"
    now += RENEW_SECONDS / 2
    assert epoch_answered(3) == 3
    assert reasoner.nbytes == kept, "one index, not two"
