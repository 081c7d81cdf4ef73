"""The plane of points: pixels and places fit together, regions are what a network predicts."""

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import pytest

from mlpwatch.core.analysis.plane.regions import predictor, regions_of, sample_of
from mlpwatch.core.analysis.plane.window import Window, edges, window_for
from mlpwatch.core.analysis.weight_store import WeightSnapshot
from mlpwatch.core.analysis.weight_tiles import TILE_SIDE, units_over_plane
from mlpwatch.core.arrays import Tensors
from mlpwatch.core.config import Activation, PixelRange, RunConfig
from mlpwatch.core.data.dataset import Dataset, load_dataset

LINEAR = RunConfig(data="xor", hidden=(), pixel_range="-1..1")


@cache
def xor() -> Dataset:
    return load_dataset("xor", 0, "-1..1")


def line(x: float, y: float, bias: float = 0.0) -> Tensors:
    """A network without hidden layer that predicts class 1 where x a + y b + bias > 0."""
    w = np.array([[0, 0], [x, y]], np.float32)
    return {"layers.0.weight": w, "layers.0.bias": np.array([0, bias], np.float32)}


def test_the_middle_of_every_pixel_is_in_that_pixel_and_the_top_row_comes_first() -> None:
    window = Window(-1.0, 1.0, columns=6, rows=4)
    centres = window.centres()
    assert centres[0] == pytest.approx((-1 + 1 / 6, 1 - 1 / 4))
    rows, columns = window.places(centres)
    assert (6 * rows + columns).tolist() == list(range(24))


def test_points_outside_are_left_out() -> None:
    window = Window(-1.0, 1.0, columns=2, rows=2)
    rows, columns = window.places(np.array([[0.5, 0.5], [1.5, 0.0], [0.0, -1.5]], np.float32))
    assert (rows.tolist(), columns.tolist()) == ([0], [1])


@pytest.mark.parametrize(("pixel_range", "ends"), [("-1..1", (-1.1, 1.1)), ("0..1", (-0.05, 1.05))])
def test_the_window_is_the_range_and_a_margin(
    pixel_range: PixelRange, ends: tuple[float, float]
) -> None:
    window = window_for(pixel_range, 3, 3)
    assert (window.low, window.high) == pytest.approx(ends)


def test_its_edges_in_the_numbers_of_the_source() -> None:
    assert edges(((0, 10), (-2, 2))) == ((-0.5, 10.5), (-2.2, 2.2))


@pytest.mark.parametrize(("weights", "at"), [
    (line(9, 0), lambda x, _y: x > 0),
    (line(0, 9), lambda _x, y: y > 0),
    (line(9, 9, bias=-4.5), lambda x, y: x + y > 0.5),
])  # fmt: skip
def test_regions_are_the_classes_at_known_points(weights: Tensors, at: Callable[..., Any]) -> None:
    window = window_for("-1..1", 30, 20)
    shown = regions_of(predictor(LINEAR, "numpy", weights, xor()), xor(), window)
    x, y = window.centres().T
    assert (shown.classes.ravel() == at(x, y)).mean() == 1
    # Far from the line it is sure, on it it is not.
    assert shown.sureness.min() < 0.7
    assert shown.sureness.max() > 0.95


def test_wrong_points_are_those_on_the_other_side() -> None:
    data = xor()
    shown = regions_of(
        predictor(LINEAR, "numpy", line(9, 0), data), data, window_for("-1..1", 4, 4)
    )
    wrong = (data.validation_images[:, 0] > 0) != (data.validation_labels == 1)
    assert shown.wrong.tolist() == np.flatnonzero(wrong).tolist()
    assert shown.accuracy == pytest.approx(1 - wrong.mean())


def test_a_diverged_network_still_has_a_picture() -> None:
    shown = regions_of(
        predictor(LINEAR, "torch", line(np.nan, 1), xor()), xor(), window_for("-1..1", 4, 4)
    )
    assert shown.classes.shape == (4, 4)


def test_more_room_shows_more_points_and_keeps_those_that_were_there() -> None:
    few, more = sample_of(100, 10).tolist(), sample_of(100, 40).tolist()
    assert more[:10] == few
    assert sorted(sample_of(100, 500).tolist()) == list(range(100))


@pytest.mark.parametrize(("activation", "f"), [
    ("relu", lambda z: np.maximum(z, 0)),
    ("tanh", np.tanh),
    ("sigmoid", lambda z: 1 / (1 + np.exp(-z))),
])  # fmt: skip
def test_a_tile_is_the_activation_of_its_unit(
    activation: Activation, f: Callable[..., Any]
) -> None:
    config = RunConfig(hidden=(3,), activation=activation, pixel_range="-1..1")
    w, b = np.array([[1, 0], [0, 2], [1, -1]], np.float32), np.array([0, 0.5, -0.25], np.float32)
    shown = WeightSnapshot("numpy", 0, 0, {"layers.0.weight": w, "layers.0.bias": b})
    layer = units_over_plane(shown, config)
    x = window_for("-1..1", TILE_SIDE, TILE_SIDE).centres()
    np.testing.assert_allclose(layer.tiles.reshape(3, -1), f(x @ w.T + b).T, atol=1e-6)
