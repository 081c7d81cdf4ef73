"""How long the nearest training images take to find: `python -m tests.bench.neighbours`.

Trains one epoch on MNIST per network, then asks for the five nearest images of two classes for 100
validation images: after the preparation that begins as soon as the mistakes are opened, and without
it; and scikit-learn the same. One BLAS thread.
"""

import argparse
import tempfile
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from time import perf_counter

import numpy as np
from sklearn.neighbors import NearestNeighbors

from mlpwatch.core.analysis.features import extract_features
from mlpwatch.core.analysis.neighbours import NeighbourIndex
from mlpwatch.core.analysis.weight_store import WeightSnapshot
from mlpwatch.core.config import RunConfig
from mlpwatch.core.data.dataset import batch_order
from mlpwatch.core.network.build import build_engine
from mlpwatch.core.scheduling import set_numpy_threads
from tests.bench.bench_data import BenchData, load_bench_data

NETWORKS = ((), (50,), (128,), (512, 256))
COUNT, QUERIES, ROUNDS = 5, 100, 5
TWO_CLASSES = (4, 9)


def trained(data: BenchData, hidden: tuple[int, ...]) -> WeightSnapshot:
    """Return the weights of the NumPy network after one epoch."""
    config = RunConfig(hidden=hidden)
    engine = build_engine("numpy", config, data.images, data.labels, data.dataset.classes)
    order = batch_order(0, 0, len(data.images))
    for start in range(0, len(order), config.batch_size):
        engine.train_batch(order[start : start + config.batch_size])
    return WeightSnapshot("numpy", 1, len(order) // config.batch_size, engine.weights())


@dataclass(frozen=True, slots=True)
class Times:
    """Milliseconds, medians where nothing else is said."""

    prepare: float
    """Reading all training images ahead of questions."""
    unprepared: float
    """A question with nothing read."""
    first: float
    """The first question after the preparation."""
    later: float
    worst: float
    """The longest of all after the preparation."""
    brute: float
    """The same questions to scikit-learn, which is given what the preparation read."""
    megabytes: float


def measure(data: BenchData, shown: WeightSnapshot) -> Times:
    """Time questions about both classes, and see that scikit-learn finds the same images."""
    images, prepares, unprepared, first = data.dataset.validation_images[:QUERIES], [], [], []
    for _ in range(ROUNDS):
        unprepared.append(_ask(NeighbourIndex(data.dataset, shown, "relu"), images[0]))
        index = NeighbourIndex(data.dataset, shown, "relu")
        started = perf_counter()
        index.prepare()
        prepares.append(perf_counter() - started)
        first.append(_ask(index, images[0]))
    later = [_ask(index, image) for image in images]
    return Times(
        prepare=1e3 * median(prepares),
        unprepared=1e3 * median(unprepared),
        first=1e3 * median(first),
        later=1e3 * median(later),
        worst=1e3 * max(*first, *later),
        brute=1e3 * median(_brute_force(data, shown, index)),
        megabytes=index.nbytes / 1e6,
    )


def _brute_force(data: BenchData, shown: WeightSnapshot, index: NeighbourIndex) -> list[float]:
    weights, images = shown.weights, data.dataset.validation_images[:QUERIES]
    queries = extract_features(weights, images, np.arange(QUERIES), "relu")
    searches, seconds = {}, []
    for label in TWO_CLASSES:
        rows = np.flatnonzero(data.labels == label)
        search = NearestNeighbors(n_neighbors=COUNT, algorithm="brute")
        searches[label] = rows, search.fit(extract_features(weights, data.images, rows, "relu"))
    for image, query in zip(images, queries, strict=True):
        started = perf_counter()
        found = {label: one.kneighbors(query[np.newaxis]) for label, (_, one) in searches.items()}
        seconds.append(perf_counter() - started)
        for label, (rows, _) in searches.items():
            ours = [one.distance for one in index.nearest(image, label, COUNT)]
            # scikit-learn expands the square in float32, which costs it digits.
            np.testing.assert_allclose(ours, found[label][0][0], rtol=1e-2)
            same = {one.row for one in index.nearest(image, label, COUNT)}
            assert len(same & set(rows[found[label][1][0]])) >= COUNT - 1
    return seconds


def _ask(index: NeighbourIndex, image: np.ndarray) -> float:
    started = perf_counter()
    for label in TWO_CLASSES:
        index.nearest(image, label, COUNT)
    return perf_counter() - started


def main() -> None:
    """Measure and print."""
    argparse.ArgumentParser(description=__doc__).parse_args()
    set_numpy_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        data = load_bench_data(Path(folder))
    print(  # noqa: T201
        f"{data.source}: the {COUNT} nearest of {len(data.images):,} training images, in each of"
        f" two classes; ms\n{'hidden':<10}{'prepare':>9}{'first':>8}{'later':>8}{'worst':>8}"
        f"{'scikit-learn':>14}{'unprepared':>12}{'MB':>8}"
    )
    for hidden in NETWORKS:
        t = measure(data, trained(data, hidden))
        name = "-".join(map(str, hidden)) or "none"
        print(  # noqa: T201
            f"{name:<10}{t.prepare:>9.0f}{t.first:>8.1f}{t.later:>8.1f}{t.worst:>8.1f}"
            f"{t.brute:>14.1f}{t.unprepared:>12.1f}{t.megabytes:>8.1f}"
        )


if __name__ == "__main__":
    main()
