"""Neighbours in the last hidden layer are scikit-learn's, by brute force, and quick on MNIST."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray
from sklearn.neighbors import NearestNeighbors

from mlpwatch.core.analysis.features import extract_features
from mlpwatch.core.analysis.neighbours import NeighbourIndex, nearest_rows
from mlpwatch.core.analysis.weight_store import WeightSnapshot
from mlpwatch.core.config import RunConfig
from mlpwatch.core.data.dataset import Dataset, load_dataset
from mlpwatch.core.network.build import initial_weights, layer_sizes

COUNT = 5


@pytest.fixture(scope="module")
def digits() -> Dataset:
    return load_dataset("digits", 0, "0..1")


def index_of(data: Dataset, hidden: tuple[int, ...]) -> NeighbourIndex:
    """Random weights tell images apart as trained ones do."""
    config = RunConfig(hidden=hidden)
    weights = initial_weights(layer_sizes(data.features, hidden, data.classes), config)
    return NeighbourIndex(data, WeightSnapshot("numpy", 1, 1, weights), "relu")


@pytest.mark.parametrize("hidden", [(), (16,), (32, 16)], ids=len)
def test_they_are_scikit_learns_by_brute_force(digits: Dataset, hidden: tuple[int, ...]) -> None:
    index, data = index_of(digits, hidden), digits
    everything = np.arange(len(data.images))
    features = extract_features(index.shown.weights, data.images, everything, "relu")
    points = features.astype(np.float64)
    for label in range(data.classes):
        rows = np.flatnonzero(data.train_labels == label)
        search = NearestNeighbors(n_neighbors=COUNT, algorithm="brute").fit(points[rows])
        for image in range(7):
            query = points[data.train_count + image]
            distances, places = search.kneighbors(query[np.newaxis])
            found = index.nearest(data.validation_images[image], label, COUNT)
            assert [one.row for one in found] == [int(rows[place]) for place in places[0]]
            assert [one.distance for one in found] == pytest.approx(distances[0], rel=1e-5)
    index.prepare()
    kept = 4 * data.train_count * points.shape[1] if hidden else 0
    assert index.nbytes == kept, "each class is kept once; the images themselves are not"


def test_a_class_with_few_images_gives_them_all_and_an_absent_one_none(digits: Dataset) -> None:
    index = index_of(digits, (16,))
    in_class = int((digits.train_labels == 3).sum())
    found = index.nearest(digits.validation_images[0], 3, 10_000)
    assert len({one.row for one in found}) == in_class
    assert [one.distance for one in found] == sorted(one.distance for one in found)
    assert index.nearest(digits.validation_images[0], 99, COUNT) == []


def test_no_more_is_kept_than_there_is_room_for(digits: Dataset) -> None:
    plain = index_of(digits, (16,))
    sizes = np.bincount(digits.train_labels) * 16 * 4
    room = int(sizes[:3].sum())
    small = NeighbourIndex(digits, plain.shown, "relu", most_bytes=room)
    small.prepare()
    assert small.nbytes == room, "three classes"
    for label in (*range(digits.classes), 0):
        image = digits.validation_images[label]
        assert small.nearest(image, label, COUNT) == plain.nearest(image, label, COUNT)
        assert small.nbytes <= room
    tiny = NeighbourIndex(digits, plain.shown, "relu", most_bytes=1)
    tiny.prepare()
    assert tiny.nbytes == 0
    tiny.nearest(digits.validation_images[0], 4, COUNT)
    tiny.nearest(digits.validation_images[0], 7, COUNT)
    assert tiny.nbytes == sizes[7], "the newest stays"


@given(
    arrays(np.float32, st.tuples(st.integers(1, 40), st.integers(1, 5)),
           elements=st.integers(-3, 3).map(float)),
    st.integers(1, 6),
)  # fmt: skip
def test_ties_go_to_the_first(points: NDArray[np.float32], count: int) -> None:
    query = points[-1]
    exact = np.linalg.norm(points.astype(np.float64) - query, axis=1)
    order = np.argsort(exact, kind="stable")[:count]
    found = nearest_rows(points, query, count)
    assert found == [(int(row), float(exact[row])) for row in order]


def test_points_that_float32_cannot_tell_from_afar_are_told_apart() -> None:
    """At a distance of 1e-3 from each other and 1e4 from zero, |p|² has no digit left for them."""
    random = np.random.default_rng(0)
    points = (1e4 + random.uniform(-1, 1, (500, 64)) * 1e-1).astype(np.float32)
    query = points[17] + np.float32(1e-3)
    found = nearest_rows(points, query, 3)
    exact = np.linalg.norm(points.astype(np.float64) - query, axis=1)
    assert [row for row, _ in found] == list(np.argsort(exact, kind="stable")[:3])


def test_rounding_in_float32_does_not_decide() -> None:
    """The same numbers in another order: float32 sums differ, the distances hardly do."""
    random = np.random.default_rng(1)
    difference = random.normal(size=97).astype(np.float32)
    points = np.array([random.permutation(difference) for _ in range(300)])
    query = np.zeros(97, np.float32)
    sums = np.einsum("ij,ij->i", points, points)
    exact = np.linalg.norm(points.astype(np.float64), axis=1)
    order = np.argsort(exact, kind="stable")
    assert list(np.argsort(sums, kind="stable")[:5]) != list(order[:5])
    assert [row for row, _ in nearest_rows(points, query, 5)] == list(order[:5])


def test_weights_that_diverged_have_no_neighbours(digits: Dataset) -> None:
    index = index_of(digits, (16,))
    for value in (np.nan, np.inf):
        broken = dict(index.shown.weights)
        broken["layers.0.bias"] = np.full(16, value, np.float32)
        other = NeighbourIndex(digits, WeightSnapshot("numpy", 1, 1, broken), "relu")
        assert other.nearest(digits.validation_images[0], 3, COUNT) == []


@pytest.mark.xdist_group("mnist")
def test_on_mnist_two_classes_are_found_exactly(mnist_path: Path) -> None:
    data = load_dataset(str(mnist_path), 0, "0..1")
    index = index_of(data, (128,))
    points = extract_features(index.shown.weights, data.images, np.arange(len(data.images)), "relu")
    for label in (4, 9):
        rows = np.flatnonzero(data.train_labels == label)
        search = NearestNeighbors(n_neighbors=COUNT, algorithm="brute").fit(points[rows])
        _, places = search.kneighbors(points[data.train_count : data.train_count + 3])
        for image in range(3):
            found = index.nearest(data.validation_images[image], label, COUNT)
            assert [one.row for one in found] == [int(rows[place]) for place in places[image]]
