"""The training images that a network takes for most alike: exact neighbours in its last layer."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from core.config import Activation
from core.data import Dataset
from core.engine import Floats, Rows
from core.hidden import last_hidden, layer_weights
from core.weights_board import WeightsShown


@dataclass(frozen=True, slots=True)
class Neighbour:
    """One training image, as seen from another image."""

    row: int
    """Of `Dataset.train_images`."""
    distance: float
    """Euclidean, in the last hidden layer; in the pixels where there is none."""


class NeighbourIndex:
    """The training images in the last hidden layer of one network, class by class.

    A class is read when it is first asked for and kept as float32: 2.8 MB for a class of MNIST at
    128 units, 28 MB for all ten; nothing is kept where there is no hidden layer. All of it goes
    with its weights: for others, make another index. Not thread-safe.

    Args:
        dataset: its training images and labels.
        shown: the network's weights.
        activation: of its hidden layers.
    """

    def __init__(self, dataset: Dataset, shown: WeightsShown, activation: Activation) -> None:
        self.shown = shown
        self._dataset, self._activation = dataset, activation
        self._classes: dict[int, tuple[Rows, NDArray[np.float32]]] = {}

    @property
    def nbytes(self) -> int:
        """Bytes kept for the classes read so far."""
        return sum(hidden.nbytes for _, hidden in self._classes.values())

    def nearest(self, image: Floats, label: int, count: int) -> list[Neighbour]:
        """Return the training images of one class that are nearest to an image, nearest first.

        Of two at the same distance the one that comes first in the data set. Fewer than `count`
        where the class has fewer; none where the weights are not finite.

        Args:
            image: (features,), scaled as the training images are.
            label: the class.
            count: how many, at least 1.
        """
        rows, hidden = self._class(label)
        own = self._read(image[np.newaxis], np.zeros(1, np.intp))
        places = nearest_rows(hidden, own[0], count) if len(rows) else []
        return [Neighbour(int(rows[place]), distance) for place, distance in places]

    def _class(self, label: int) -> tuple[Rows, NDArray[np.float32]]:
        if label in self._classes:
            return self._classes[label]
        rows = np.flatnonzero(self._dataset.train_labels == label)
        found = rows, self._read(self._dataset.train_images, rows)
        # Without hidden layers these are the images themselves, all of MNIST 172 MB: no second
        # copy of them for the 10 ms that it takes to gather a class.
        if len(layer_weights(self.shown.weights)) > 1:
            self._classes[label] = found
        return found

    def _read(self, images: Floats, rows: Rows) -> NDArray[np.float32]:
        return last_hidden(self.shown.weights, images, rows, self._activation)


def nearest_rows(
    points: NDArray[np.float32], query: NDArray[np.float32], count: int
) -> list[tuple[int, float]]:
    """Return the row and distance of the nearest points, nearest first; exact.

    Differences are squared, not expanded to |p|² - 2 pq + |q|²: that would be one matrix product,
    but near points would lose the digits in which they differ. 5,500 points of 128 numbers take
    3 ms.

    Args:
        points: (samples, width).
        query: (width,).
        count: how many; all finite ones if there are fewer.
    """
    # d² = Σ (p - q)² in float32, off by less than (width + 2) ε d² (Higham 2002, section 3.1):
    # only what lies within twice that of the last one wanted can be among the nearest.
    with np.errstate(over="ignore", invalid="ignore"):
        difference = points - query
        squares = np.einsum("ij,ij->i", difference, difference)
    squares[np.isnan(squares)] = np.inf
    wanted = min(count, len(squares)) - 1
    last = np.partition(squares, wanted)[wanted]
    margin = 4 * (points.shape[1] + 2) * float(np.finfo(np.float32).eps)
    candidates = np.flatnonzero(np.isfinite(squares) & (squares <= last * (1 + margin)))
    # Those few again in float64, which decides.
    exact = np.linalg.norm(points[candidates].astype(np.float64) - query, axis=1)
    order = np.argsort(exact, kind="stable")[:count]
    return [(int(candidates[n]), float(exact[n])) for n in order]
