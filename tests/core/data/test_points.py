"""Points of two features: made by formula from the run's seed, or read from the user's file."""

from pathlib import Path

import numpy as np
import pytest

from mlpwatch.core.data.dataset import Dataset, load_dataset
from mlpwatch.core.data.points import POINTS, circles, moons, spiral, xor
from mlpwatch.core.data.registry import sources_for
from mlpwatch.core.data.splits import SplitSizes
from mlpwatch.core.errors import DataError

NAMES = [source.name for source in POINTS]


def made(name: str, seed: int = 0) -> Dataset:
    return load_dataset(name, seed, "-1..1")


@pytest.mark.parametrize("name", NAMES)
def test_each_is_two_balanced_classes_in_a_square_from_minus_one_to_one(name: str) -> None:
    data = made(name)
    assert (data.features, data.image_shape, data.classes) == (2, (1, 2), 2)
    assert data.are_points
    assert data.grey_levels is None
    sizes = len(data.train_labels), len(data.validation_labels), len(data.test_labels)
    assert sizes == (2_000, 400, 1_000)
    for labels in (data.train_labels, data.validation_labels, data.test_labels):
        assert 0.4 < labels.mean() < 0.6
    assert (data.images.min(axis=0) == -1).all()
    assert (data.images.max(axis=0) == 1).all()


@pytest.mark.parametrize("name", NAMES)
def test_the_seed_makes_the_points_and_no_point_is_in_two_splits(name: str) -> None:
    data, same, other = made(name), made(name), made(name, seed=1)
    assert (data.images == same.images).all()
    assert data.sha256 == same.sha256 != other.sha256
    rows = [tuple(row) for row in np.concatenate([data.images, data.test_images]).tolist()]
    assert len(set(rows)) == len(rows)


def test_the_range_and_the_sizes_can_be_chosen() -> None:
    data = load_dataset("moons", 0, "0..1", sizes=SplitSizes(validation=300, train=50))
    assert (len(data.train_labels), len(data.validation_labels)) == (50, 300)
    assert 0 <= data.images.min() < data.images.max() <= 1


def random() -> np.random.Generator:
    return np.random.default_rng(7)


def test_the_moons_are_half_circles_of_radius_one() -> None:
    points, classes = moons(500, random())
    centres = np.array([[0.0, 0.0], [1.0, 0.5]])[classes]
    radii = np.linalg.norm(points - centres, axis=1)
    assert radii.mean() == pytest.approx(1, abs=0.03)
    assert (points[classes == 0, 1].mean(), points[classes == 1, 1].mean()) == pytest.approx(
        (2 / np.pi, 0.5 - 2 / np.pi), abs=0.05
    )


def test_one_circle_is_half_as_large_as_the_other() -> None:
    points, classes = circles(500, random())
    radii = np.linalg.norm(points, axis=1)
    assert radii[classes == 0].mean() == pytest.approx(1, abs=0.03)
    assert radii[classes == 1].mean() == pytest.approx(0.5, abs=0.03)


def test_the_arms_of_the_spiral_are_turned_by_half_a_turn() -> None:
    points, classes = spiral(2_000, random())
    one, other = points[classes == 0], points[classes == 1]
    # The noise is 0.3 at most in each direction.
    assert np.abs(one + other).max() < 4 * 0.3
    angle = 2 * np.pi * 1.75 * np.arange(1_000) / 1_000
    radius = 5 * np.arange(1_000) / 1_000
    assert np.abs(one - radius[:, None] * np.stack([np.sin(angle), np.cos(angle)], 1)).max() < 0.31


def test_xor_is_the_sign_of_the_product_but_for_few_points_and_the_axes_are_empty() -> None:
    points, classes = xor(2_000, random())
    assert np.abs(points).min() >= 0.3
    assert (classes == (points.prod(axis=1) > 0)).mean() == pytest.approx(1, abs=0.01)


def test_auto_never_means_points() -> None:
    assert not set(sources_for("auto")) & set(NAMES)


def saved(path: Path, points: np.ndarray, labels: np.ndarray) -> str:
    np.savez(path, x_train=points, y_train=labels)
    return str(path)


def test_two_columns_of_ones_own_are_points_each_feature_in_its_own_range(tmp_path: Path) -> None:
    # Of another size each: a time in seconds since 1970, and a temperature.
    points = np.stack([1.7e9 + 60.0 * np.arange(90), np.tile([-20.0, 5.0, 40.0], 30)], axis=1)
    data = load_dataset(saved(tmp_path / "own.npz", points, np.arange(90) % 3), 0, "-1..1")
    assert (data.are_points, data.image_shape, data.classes) == (True, (1, 2), 3)
    assert data.bounds == ((1.7e9, 1.7e9 + 5340), (-20, 40))
    images = np.concatenate([data.images, data.test_images])
    assert sorted(set(images[:, 1].tolist())) == pytest.approx([-1, -1 / 6, 1])
    assert len(set(images[:, 0].tolist())) == 90  # float32 itself has steps of 128 there


def test_bytes_are_points_too(tmp_path: Path) -> None:
    points = np.arange(120, dtype=np.uint8).reshape(60, 2)
    data = load_dataset(saved(tmp_path / "bytes.npz", points, np.arange(60) % 2), 0, "0..1")
    assert data.grey_levels is None
    assert data.bounds == ((0, 118), (1, 119))


@pytest.mark.parametrize(
    ("column", "said"), [(5.0, r"feature 1 is 5 in every row"), (np.nan, r"NaN or infinity")]
)
def test_a_feature_that_says_nothing_is_refused(tmp_path: Path, column: float, said: str) -> None:
    points = np.stack([np.full(60, column), np.arange(60.0)], axis=1)
    with pytest.raises(DataError, match=said):
        load_dataset(saved(tmp_path / "own.npz", points, np.arange(60) % 2), 0, "0..1")
