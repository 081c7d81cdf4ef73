"""Exact search for the training images nearest to an image in a network's features."""

from collections.abc import Callable
from dataclasses import dataclass
from threading import Lock

import numpy as np
from numpy.typing import NDArray

from mlpwatch.core.analysis.features import extract_features, hidden_width
from mlpwatch.core.analysis.weight_store import WeightSnapshot
from mlpwatch.core.arrays import Floats, Rows
from mlpwatch.core.data.dataset import Dataset
from mlpwatch.core.network.activations import AnyActivation


@dataclass(frozen=True, slots=True)
class Neighbour:
    """One training image and its distance from another image."""

    row: int
    """Row of `Dataset.train_images`."""
    distance: float
    """Euclidean, in the last hidden layer; without a hidden layer, in the pixels."""


MOST_BYTES = 128 * 2**20
"""Most bytes kept of one network: 55,000 images of MNIST at 600 units, or one class at 6,000."""


class NeighbourIndex:
    """The training images' features in one network, class by class.

    A class is computed at the first question about it, or earlier by `prepare`, and kept as
    float32: 2.8 MB for a class of MNIST at 128 units, 28 MB for all ten. Without a hidden layer
    nothing is kept. An index belongs to its weights: other weights need another index. One thread
    may prepare while another asks: at worst both compute the same class.

    Args:
        dataset: its training images and labels.
        shown: the network's weights.
        activation: of its hidden layers.
        most_bytes: above this the class computed first is removed.
    """

    def __init__(
        self,
        dataset: Dataset,
        shown: WeightSnapshot,
        activation: AnyActivation,
        most_bytes: int = MOST_BYTES,
    ) -> None:
        self.shown = shown
        self._dataset, self._activation, self._most_bytes = dataset, activation, most_bytes
        self._classes: dict[int, tuple[Rows, NDArray[np.float32]]] = {}
        self._lock = Lock()

    @property
    def nbytes(self) -> int:
        """Size of the classes computed so far, in bytes."""
        with self._lock:
            return sum(hidden.nbytes for _, hidden in self._classes.values())

    def prepare(self, stopped: Callable[[], bool] = lambda: False) -> None:
        """Compute the missing classes, as many as fit; 0.2 s at 784-128 on MNIST.

        Args:
            stopped: whether to stop early; called before each class.
        """
        width = hidden_width(self.shown.weights) or 0
        counts = np.bincount(self._dataset.train_labels, minlength=self._dataset.classes)
        for label, count in enumerate(counts.tolist()):
            fits = self.nbytes + 4 * width * count <= self._most_bytes
            if self._is_direct or not fits or stopped():
                return
            if label not in self._classes:
                self._class(label)

    def nearest(self, image: Floats, label: int, count: int) -> list[Neighbour]:
        """Return the training images of one class that are nearest to an image, nearest first.

        At equal distance the one first in the data set comes first. Fewer than `count` if the class
        has fewer; none if the weights are not finite.

        Args:
            image: (features,), scaled like the training images.
            label: the class.
            count: how many, at least 1.
        """
        rows, hidden = self._class(label)
        own = self._read(image[np.newaxis], np.zeros(1, np.intp))
        places = nearest_rows(hidden, own[0], count) if len(rows) else []
        return [Neighbour(int(rows[place]), distance) for place, distance in places]

    @property
    def _is_direct(self) -> bool:
        """Whether images are compared by their pixels because there is no hidden layer."""
        return hidden_width(self.shown.weights) is None

    def _class(self, label: int) -> tuple[Rows, NDArray[np.float32]]:
        known = self._classes.get(label)
        if known is not None:
            return known
        rows = np.flatnonzero(self._dataset.train_labels == label)
        found = rows, self._read(self._dataset.train_images, rows)
        # Without hidden layers these are the images themselves, 172 MB for MNIST. A second copy
        # is not worth it: gathering a class takes 10 ms.
        if not self._is_direct:
            self._keep(label, found)
        return found

    def _keep(self, label: int, found: tuple[Rows, NDArray[np.float32]]) -> None:
        with self._lock:
            self._classes[label] = found
            kept = sum(hidden.nbytes for _, hidden in self._classes.values())
            # The newest stays, however large: the next question may need it again.
            while kept > self._most_bytes and len(self._classes) > 1:
                kept -= self._classes.pop(next(iter(self._classes)))[1].nbytes

    def _read(self, images: Floats, rows: Rows) -> NDArray[np.float32]:
        return extract_features(self.shown.weights, images, rows, self._activation)


def nearest_rows(
    points: NDArray[np.float32], query: NDArray[np.float32], count: int
) -> list[tuple[int, float]]:
    """Return the rows and distances of the nearest points, nearest first; exact.

    Differences are squared, not expanded to |p|² - 2 pq + |q|²: the expansion is one matrix
    product, but near points would lose the digits in which they differ. 5,500 points of 128 numbers
    take 3 ms.

    Args:
        points: (samples, width).
        query: (width,).
        count: how many; all finite points if there are fewer.
    """
    # d² = Σ (p - q)² in float32 has an error below (width + 2) ε d² (Higham 2002, section 3.1).
    # Only points within twice that error of the last wanted point can be among the nearest.
    with np.errstate(over="ignore", invalid="ignore"):
        difference = points - query
        squares = np.einsum("ij,ij->i", difference, difference)
    squares[np.isnan(squares)] = np.inf
    wanted = min(count, len(squares)) - 1
    last = np.partition(squares, wanted)[wanted]
    margin = 4 * (points.shape[1] + 2) * float(np.finfo(np.float32).eps)
    candidates = np.flatnonzero(np.isfinite(squares) & (squares <= last * (1 + margin)))
    # These few are computed again in float64, which decides.
    exact = np.linalg.norm(points[candidates].astype(np.float64) - query, axis=1)
    order = np.argsort(exact, kind="stable")[:count]
    return [(int(candidates[n]), float(exact[n])) for n in order]
