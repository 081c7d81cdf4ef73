"""MNIST where it is, random images of the same shape where it is not."""

import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mlpwatch.core.data.dataset import Dataset, load_dataset
from mlpwatch.core.errors import DataError
from tests.support.checkout import CHECKOUT

SIDE, CLASSES, SAMPLES = 28, 10, 60_000


@dataclass(frozen=True, slots=True)
class BenchData:
    """A data set, and what to call it in a table."""

    dataset: Dataset
    source: str

    @property
    def images(self) -> NDArray[np.float32]:
        """Training images (train, 784)."""
        return self.dataset.train_images

    @property
    def labels(self) -> NDArray[np.int64]:
        """Training labels (train,)."""
        return self.dataset.train_labels


def load_bench_data(folder: Path) -> BenchData:
    """Return MNIST from `MLPWATCH_MNIST`, beside the checkout or from the cache, else random.

    Args:
        folder: where the random images are written, as an .npz file.
    """
    with suppress(DataError):
        return BenchData(load_dataset(find_mnist(), 0, "0..1"), "MNIST")
    random = np.random.default_rng(0)
    images = random.integers(0, 256, (SAMPLES, SIDE, SIDE), np.uint8)
    path = folder / "random.npz"
    np.savez(path, x=images, y=random.integers(0, CLASSES, SAMPLES))
    return BenchData(load_dataset(str(path), 0, "0..1"), "random images of MNIST's shape")


def find_mnist() -> str:
    """Return what `--data` takes for MNIST: `MLPWATCH_MNIST`, beside the checkout, or the cache."""
    beside = CHECKOUT.parent / "shared/data/mnist.npz"
    return os.environ.get("MLPWATCH_MNIST") or (str(beside) if beside.is_file() else "mnist")
