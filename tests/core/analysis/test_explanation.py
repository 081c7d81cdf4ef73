"""Reasons belong to the weights that the newest validation was read with, and leave with them."""

from dataclasses import dataclass

import numpy as np
import pytest

import mlpwatch.core.analysis.explanation
from mlpwatch.core.analysis.explanation import (
    MOST_SHARE,
    RENEW_SECONDS,
    Explainer,
    Question,
    rival_class,
)
from mlpwatch.core.analysis.features import extract_features
from mlpwatch.core.analysis.neighbours import NeighbourIndex
from mlpwatch.core.analysis.saliency import logit_gradient
from mlpwatch.core.analysis.weight_store import WeightSnapshot, WeightStore
from mlpwatch.core.arrays import Floats, Rows, Tensors
from mlpwatch.core.config import Activation, RunConfig
from mlpwatch.core.data.dataset import Dataset, load_dataset
from mlpwatch.core.network.build import initial_weights, layer_sizes

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
    board = WeightStore()
    shown = WeightSnapshot("torch", 2, 20, weights(digits, 1))
    board.publish(shown, evaluated=True)
    board.publish(WeightSnapshot("torch", 2, 25, weights(digits, 2)))
    explainer, asked = Explainer(digits, CONFIG, board), question(digits)
    answer = explainer.answer(asked)
    assert answer is not None
    assert (answer.engine, answer.epoch, answer.towards) == ("torch", 2, 9)
    nine = np.array([9])
    gradient = logit_gradient(shown.weights, asked.image[np.newaxis], nine, "relu")[0]
    np.testing.assert_array_equal(answer.gradient, 2 * gradient)
    index = NeighbourIndex(digits, shown, "relu")
    assert answer.neighbours == {c: tuple(index.nearest(asked.image, c, 3)) for c in (4, 9)}
    assert explainer.nbytes == index.nbytes > 0
    assert [rival_class([0.3, 0.5, 0.2], true) for true in range(3)] == [1, 0, 1]


def test_before_an_epoch_there_is_no_answer(digits: Dataset) -> None:
    board = WeightStore()
    board.publish(WeightSnapshot("torch", 0, 3, weights(digits, 1)))
    assert Explainer(digits, CONFIG, board).answer(question(digits)) is None


@dataclass
class Clocks:
    """Time, and what a thread has computed, as a test says."""

    now: float = 100.0
    computed: float = 0.0


@pytest.fixture
def clocks(monkeypatch: pytest.MonkeyPatch) -> Clocks:
    clocks = Clocks()
    monkeypatch.setattr(mlpwatch.core.analysis.explanation, "monotonic", lambda: clocks.now)
    monkeypatch.setattr(mlpwatch.core.analysis.explanation, "thread_time", lambda: clocks.computed)
    return clocks


def showing(data: Dataset, board: WeightStore, epoch: int) -> None:
    board.publish(WeightSnapshot("torch", epoch, epoch, weights(data, epoch)), evaluated=True)


def epoch_answered(explainer: Explainer, data: Dataset) -> int:
    answer = explainer.answer(question(data))
    assert answer is not None
    assert explainer.epoch("torch") == answer.epoch
    return answer.epoch


def test_newer_weights_are_prepared_after_a_rest_and_free_the_memory_of_the_old(
    digits: Dataset, clocks: Clocks
) -> None:
    board = WeightStore()
    explainer = Explainer(digits, CONFIG, board)
    assert not explainer.is_due("torch")
    showing(digits, board, 1)
    assert explainer.is_due("torch")
    explainer.prepare("torch")
    everything = 4 * 16 * digits.train_count
    assert explainer.nbytes == everything
    showing(digits, board, 2)
    clocks.now += RENEW_SECONDS / 2
    assert not explainer.is_due("torch"), "too soon: reading all training images costs"
    clocks.now += RENEW_SECONDS / 2
    assert explainer.is_due("torch")
    assert epoch_answered(explainer, digits) == 1, "no answer waits for newer weights"
    explainer.prepare("torch")
    assert epoch_answered(explainer, digits) == 2
    assert explainer.nbytes == everything, "one index, not two"
    clocks.now += 100
    assert not explainer.is_due("torch"), "there is nothing newer"


def test_preparations_take_no_more_than_their_share_of_a_core(
    digits: Dataset, clocks: Clocks, monkeypatch: pytest.MonkeyPatch
) -> None:
    def slow(_index: NeighbourIndex, _stopped: object) -> None:
        clocks.computed += 2.0

    monkeypatch.setattr(NeighbourIndex, "prepare", slow)
    board = WeightStore()
    explainer = Explainer(digits, CONFIG, board)
    showing(digits, board, 1)
    explainer.prepare("torch")
    showing(digits, board, 2)
    clocks.now += 2.0 / MOST_SHARE - 1
    assert not explainer.is_due("torch")
    clocks.now += 1
    assert explainer.is_due("torch")


def test_what_was_prepared_is_not_read_again_for_a_question(
    digits: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[int] = []

    def noted(w: Tensors, images: Floats, rows: Rows, activation: Activation) -> Floats:
        read.append(len(rows))
        return extract_features(w, images, rows, activation)

    monkeypatch.setattr("mlpwatch.core.analysis.neighbours.extract_features", noted)
    board = WeightStore()
    showing(digits, board, 1)
    explainer = Explainer(digits, CONFIG, board)
    before = explainer.answer(question(digits))
    explainer.prepare("torch")
    assert sum(read) == digits.train_count + 2, "each class once, and the image per class"
    after = explainer.answer(question(digits))
    assert before is not None
    assert after is not None
    assert after.neighbours == before.neighbours
    assert sum(read) == digits.train_count + 4


def test_a_preparation_that_is_stopped_is_due_again(digits: Dataset) -> None:
    board = WeightStore()
    showing(digits, board, 1)
    explainer = Explainer(digits, CONFIG, board)
    answers = iter([False, False])
    explainer.prepare("torch", lambda: next(answers, True))
    assert 0 < explainer.nbytes < 4 * 16 * digits.train_count
    assert explainer.is_due("torch")
