"""How long the nearest training images take to find: `python -m tests.bench.neighbours`.

Trains one epoch on MNIST per network, then asks for the five nearest images of two classes for 100
validation images: with nothing read yet, and with both classes read. One BLAS thread.
"""

import tempfile
from pathlib import Path
from statistics import median
from time import perf_counter

import numpy as np

from core.blas_threads import set_numpy_threads
from core.config import RunConfig
from core.data import batch_order
from core.engine import build_engine
from core.neighbours import NeighbourIndex
from core.saliency import logit_gradient
from core.weights_board import WeightsShown
from tests.bench.bench_data import BenchData, load_bench_data

NETWORKS = ((), (50,), (128,), (512, 256))
COUNT, QUERIES, ROUNDS = 5, 100, 5
TWO_CLASSES = (4, 9)


def trained(data: BenchData, hidden: tuple[int, ...]) -> WeightsShown:
    """Return the weights of the NumPy network after one epoch."""
    config = RunConfig(hidden=hidden)
    engine = build_engine("numpy", config, data.images, data.labels, data.dataset.classes)
    order = batch_order(0, 0, len(data.images))
    for start in range(0, len(order), config.batch_size):
        engine.train_batch(order[start : start + config.batch_size])
    return WeightsShown("numpy", 1, len(order) // config.batch_size, engine.weights())


def measure(data: BenchData, shown: WeightsShown) -> tuple[float, float, float, float]:
    """Return ms of a first question, of later ones (median, worst), and of a gradient."""
    images, first = data.dataset.validation_images, []
    for _ in range(ROUNDS):
        index = NeighbourIndex(data.dataset, shown, "relu")
        first.append(_ask(index, images[0]))
    later = [_ask(index, image) for image in images[:QUERIES]]
    started = perf_counter()
    for image in images[:QUERIES]:
        logit_gradient(shown.weights, image[np.newaxis], np.array([4]), "relu")
    gradient = (perf_counter() - started) / QUERIES
    return 1e3 * median(first), 1e3 * median(later), 1e3 * max(later), 1e3 * gradient


def _ask(index: NeighbourIndex, image: np.ndarray) -> float:
    started = perf_counter()
    for label in TWO_CLASSES:
        index.nearest(image, label, COUNT)
    return perf_counter() - started


def main() -> None:
    """Measure and print."""
    set_numpy_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        data = load_bench_data(Path(folder))
    print(  # noqa: T201
        f"{data.source}: the {COUNT} nearest of {len(data.images):,} training images, in each of"
        f" two classes; ms\n{'hidden':<10}{'first':>8}{'later':>8}{'worst':>8}{'gradient':>10}"
        f"{'MB, all':>9}"
    )
    for hidden in NETWORKS:
        shown = trained(data, hidden)
        first, later, worst, gradient = measure(data, shown)
        index = NeighbourIndex(data.dataset, shown, "relu")
        for label in range(data.dataset.classes):
            index.nearest(data.dataset.validation_images[0], label, COUNT)
        name = "-".join(map(str, hidden)) or "none"
        print(  # noqa: T201
            f"{name:<10}{first:>8.1f}{later:>8.1f}{worst:>8.1f}{gradient:>10.2f}"
            f"{index.nbytes / 1e6:>9.1f}"
        )


if __name__ == "__main__":
    main()
