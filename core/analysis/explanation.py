"""Why a network predicts what it does: the pixels that count, the nearest training images."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from time import monotonic, thread_time

import numpy as np
from numpy.typing import NDArray

from mlpwatch.core.analysis.neighbours import Neighbour, NeighbourIndex
from mlpwatch.core.analysis.saliency import ink_gradient, logit_gradient
from mlpwatch.core.analysis.weight_store import WeightStore
from mlpwatch.core.analysis.weight_tiles import FULL_SHARE, round_scale
from mlpwatch.core.arrays import Floats
from mlpwatch.core.config import EngineName, RunConfig
from mlpwatch.core.data.dataset import Dataset
from mlpwatch.core.network.activations import activation_of

RENEW_SECONDS = 3.0
"""Least time between two preparations during training: a small network finishes an epoch in
0.3 s."""

MOST_SHARE = 0.05
"""Share of a core for preparations: all of MNIST takes 0.2 s at 784-128, 0.7 s at 784-512-256."""


@dataclass(frozen=True, slots=True)
class Question:
    """A question to one network about one image."""

    engine: EngineName
    image: Floats
    """(features,), scaled like the training images."""
    classes: tuple[int, ...]
    """The classes whose nearest training images are searched."""
    towards: int
    """The class whose logit is explained, pixel by pixel."""
    count: int
    """Training images per class."""


@dataclass(frozen=True, slots=True)
class Explanation:
    """The answer to a `Question`."""

    engine: EngineName
    epoch: int
    """Epochs that the network has trained."""
    towards: int
    gradient: NDArray[np.float32]
    """(features,): the logit's change per step from no ink to full ink, pixel by pixel."""
    scale: float
    """A round number; nearly all of the gradient lies between minus this and plus this."""
    neighbours: Mapping[int, tuple[Neighbour, ...]]
    """The nearest training images of each class, nearest first."""


def rival_class(probabilities: Sequence[float], true: int) -> int:
    """Return the class that competes with the true one: the most probable of all others."""
    others = [number for number in range(len(probabilities)) if number != true]
    return max(others, key=probabilities.__getitem__)


class Explainer:
    """Answers questions with the weights of a recent validation.

    The first question takes the newest weights. After that only `prepare` takes newer weights, so
    that no answer waits for the features of all training images. One thread may ask while another
    prepares.

    Args:
        dataset: its training images are searched.
        config: activation and pixel range are used.
        board: holds the weights.
    """

    def __init__(self, dataset: Dataset, config: RunConfig, board: WeightStore) -> None:
        self._dataset, self._config, self._board = dataset, config, board
        self._indices: dict[EngineName, NeighbourIndex] = {}
        self._rests_until: dict[EngineName, float] = {}

    @property
    def nbytes(self) -> int:
        """Size of the stored features in bytes."""
        return sum(index.nbytes for index in self._indices.values())

    def epoch(self, engine: EngineName) -> int | None:
        """Return the epochs that the network of an answer has trained; None without a network."""
        index = self._indices.get(engine)
        shown = index.shown if index else self._board.evaluated(engine)
        return shown.epoch if shown else None

    def is_due(self, engine: EngineName) -> bool:
        """Whether `prepare` has anything to do."""
        shown, index = self._board.evaluated(engine), self._indices.get(engine)
        if shown is None or engine not in self._rests_until:
            return shown is not None
        is_new = index is None or index.shown is not shown
        return is_new and monotonic() >= self._rests_until[engine]

    def prepare(self, engine: EngineName, stopped: Callable[[], bool] = lambda: False) -> None:
        """Compute the training images' features with the newest weights, for the next answers.

        Args:
            engine: whose weights.
            stopped: whether to stop early; called before each class.
        """
        index, started = self._index(engine), thread_time()
        shown = self._board.evaluated(engine)
        if index is None or shown is None:
            return
        if engine in self._rests_until:
            index = NeighbourIndex(self._dataset, shown, activation_of(self._config))
        # The index can answer during this: a question computes the classes that it needs.
        index.prepare(stopped)
        if not stopped():
            self._indices[engine] = index
            rest = (thread_time() - started) / MOST_SHARE
            self._rests_until[engine] = monotonic() + max(RENEW_SECONDS, rest)

    def answer(self, question: Question) -> Explanation | None:
        """Return the explanation, or None before an engine's first epoch has ended."""
        index = self._index(question.engine)
        if index is None:
            return None
        weights, activation = index.shown.weights, activation_of(self._config)
        towards = np.array([question.towards], np.int64)
        slope = logit_gradient(weights, question.image[np.newaxis], towards, activation)[0]
        gradient = ink_gradient(slope, self._config.pixel_range)
        return Explanation(
            engine=question.engine,
            epoch=index.shown.epoch,
            towards=question.towards,
            gradient=gradient.astype(np.float32),
            scale=round_scale(float(np.quantile(np.abs(gradient), FULL_SHARE))),
            neighbours={
                label: tuple(index.nearest(question.image, label, question.count))
                for label in question.classes
            },
        )

    def _index(self, engine: EngineName) -> NeighbourIndex | None:
        index, shown = self._indices.get(engine), self._board.evaluated(engine)
        if index is None and shown is not None:
            index = NeighbourIndex(self._dataset, shown, activation_of(self._config))
            index = self._indices.setdefault(engine, index)
        return index
