"""Why a network reads an image as it does: telling pixels, and the training images most alike."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from time import monotonic

import numpy as np
from numpy.typing import NDArray

from core.config import EngineName, RunConfig
from core.data import Dataset
from core.engine import Floats
from core.neighbours import Neighbour, NeighbourIndex
from core.saliency import ink_gradient, logit_gradient
from core.weight_tiles import FULL_SHARE, round_scale
from core.weights_board import WeightsBoard

RENEW_SECONDS = 3.0
"""How old an index of neighbours may be while its network trains on: reading two classes of MNIST
takes 0.05 s of a core, and a small network finishes an epoch in 0.3 s."""


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked of one network about one image."""

    engine: EngineName
    image: Floats
    """(features,), scaled as the training images are."""
    classes: tuple[int, ...]
    """Whose nearest training images are wanted."""
    towards: int
    """The class whose logit is asked for, pixel by pixel."""
    count: int
    """Training images per class."""


@dataclass(frozen=True, slots=True)
class Reasons:
    """The answer."""

    engine: EngineName
    epoch: int
    """Epochs that the network had done."""
    towards: int
    gradient: NDArray[np.float32]
    """(features,): the logit's change per step from no ink to full ink, pixel by pixel."""
    scale: float
    """A round number that nearly all of the gradient lies within."""
    neighbours: Mapping[int, tuple[Neighbour, ...]]
    """By class, nearest first."""


def rival_class(probabilities: Sequence[float], true: int) -> int:
    """Return the class that competes with the true one: the most probable of all others."""
    others = [number for number in range(len(probabilities)) if number != true]
    return max(others, key=probabilities.__getitem__)


class Reasoner:
    """Answers from the weights with which the newest validation was read. For one thread at a time.

    Args:
        dataset: its training images are searched.
        config: activation and pixel range are used.
        board: has the weights.
    """

    def __init__(self, dataset: Dataset, config: RunConfig, board: WeightsBoard) -> None:
        self._dataset, self._config, self._board = dataset, config, board
        self._indices: dict[EngineName, tuple[NeighbourIndex, float]] = {}

    @property
    def nbytes(self) -> int:
        """Bytes kept of training images in hidden layers."""
        return sum(index.nbytes for index, _ in self._indices.values())

    def answer(self, question: Question) -> Reasons | None:
        """Return the reasons, or None before an engine's first epoch has ended."""
        index = self._index(question.engine)
        if index is None:
            return None
        weights, activation = index.shown.weights, self._config.activation
        towards = np.array([question.towards], np.int64)
        slope = logit_gradient(weights, question.image[np.newaxis], towards, activation)[0]
        gradient = ink_gradient(slope, self._config.pixel_range)
        return Reasons(
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
        shown = self._board.evaluated(engine)
        if shown is None:
            return None
        index, made_at = self._indices.get(engine, (None, 0.0))
        if index is None or (index.shown is not shown and monotonic() - made_at >= RENEW_SECONDS):
            index = NeighbourIndex(self._dataset, shown, self._config.activation)
            self._indices[engine] = index, monotonic()
        return index
