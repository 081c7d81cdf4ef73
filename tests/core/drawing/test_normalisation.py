"""Drawings are scaled and centred as the data sets' makers did, and are then read rightly."""

from pathlib import Path

import numpy as np
import pytest

from mlpwatch.core.config import RunConfig
from mlpwatch.core.data.dataset import Dataset, batch_order, load_dataset
from mlpwatch.core.data.source import NormalisationName
from mlpwatch.core.drawing.normalisation import CENTRINGS, centre, network_input
from mlpwatch.core.drawing.sketch import Sketch
from mlpwatch.core.network.build import build_engine
from mlpwatch.core.network.engine import Engine
from tests.support.samples.drawn_digits import input_of, sketch_of

MNIST = CENTRINGS["centre-of-mass"]
PLACES = [(1.0, (0.0, 0.0)), (0.6, (0.05, 0.3)), (0.8, (0.2, -0.02))]


def mass_centre(image: np.ndarray) -> tuple[float, float]:
    """Return (y, x) of the centre of mass, in pixels from the top left corner."""
    half = np.arange(len(image)) + 0.5
    total = image.sum()
    return float(image.sum(axis=1) @ half / total), float(image.sum(axis=0) @ half / total)


@pytest.mark.parametrize("digit", ["0", "1", "2", "3", "7"])
@pytest.mark.parametrize(("size", "at"), PLACES)
def test_as_in_mnist_ink_fits_a_box_of_20_around_its_centre_of_mass(
    digit: str, size: float, at: tuple[float, float]
) -> None:
    image = centre(sketch_of(digit, (28, 28), size=size, at=at).fine, (28, 28), MNIST)
    assert image.shape == (28, 28)
    rows, columns = (np.flatnonzero(image.any(axis=axis)) for axis in (1, 0))
    assert max(np.ptp(rows), np.ptp(columns)) + 1 == 20
    y, x = mass_centre(image)
    # Moved by whole pixels, so half a pixel is the best that can be asked for.
    assert abs(y - 14) <= 0.501
    assert abs(x - 14) <= 0.501


def test_real_mnist_images_look_like_that(mnist_path: Path) -> None:
    with np.load(mnist_path) as arrays:
        images = arrays["x_train"][:500].astype(np.float32) / 255
    for image in images:
        rows, columns = (np.flatnonzero(image.any(axis=axis)) for axis in (1, 0))
        assert max(np.ptp(rows), np.ptp(columns)) + 1 <= 20
        y, x = mass_centre(image)
        assert abs(y - 14) <= 1
        assert abs(x - 14) <= 1


def test_proportions_are_kept() -> None:
    sketch = Sketch((28, 28))
    sketch.draw((10, 6), (10, 16))
    sketch.draw((10, 16), (15, 16))
    image = centre(sketch.fine, (28, 28), MNIST)
    rows, columns = (np.flatnonzero(image.any(axis=axis)) for axis in (1, 0))
    # 10 + 2 x 1.4 high, 5 + 2 x 1.4 wide
    assert np.ptp(columns) + 1 == pytest.approx(20 * 7.8 / 12.8, abs=1)
    assert np.ptp(rows) + 1 == 20


@pytest.mark.parametrize("shape", [(28, 28), (8, 8), (16, 16), (20, 12)])
@pytest.mark.parametrize("name", CENTRINGS)
def test_where_it_was_drawn_does_not_matter(
    shape: tuple[int, int], name: NormalisationName
) -> None:
    images = []
    for right, down in ((0, 0), (1, 1)):
        sketch = sketch_of("7", shape, size=0.5, at=(0.0, 0.1))
        sketch.shift(right, down)
        images.append(centre(sketch.fine, shape, CENTRINGS[name]))
    assert images[0].shape == shape
    np.testing.assert_allclose(images[0], images[1], atol=1e-5)
    assert 0 <= images[0].min() < images[0].max() <= 1


def test_the_bundled_digits_fill_their_field_from_top_to_bottom() -> None:
    image = centre(sketch_of("0", (8, 8), size=0.7).fine, (8, 8), CENTRINGS["full-height"])
    assert (image.sum(axis=1) > 0).all()
    # 20 of 32 columns, in the middle: 1.5 pixels stay free at either side.
    assert (image[:, [0, 7]] == 0).all()
    np.testing.assert_array_equal(image * 16, np.round(image * 16))


@pytest.mark.parametrize("name", CENTRINGS)
def test_blank_paper_stays_blank(name: NormalisationName) -> None:
    assert not centre(Sketch((8, 8)).fine, (8, 8), CENTRINGS[name]).any()


def test_networks_read_the_range_that_the_run_trains_on() -> None:
    ink = np.linspace(0, 1, 6, dtype=np.float32).reshape(2, 3)
    np.testing.assert_allclose(network_input(ink, "0..1"), ink.reshape(1, 6))
    np.testing.assert_allclose(network_input(ink, "-1..1"), ink.reshape(1, 6) * 2 - 1, atol=1e-7)
    assert ink.max() == 1, "the drawing itself is not scaled"


def trained(dataset: Dataset, config: RunConfig, epochs: int) -> Engine:
    images, labels = dataset.train_images, dataset.train_labels
    engine = build_engine("numpy", config, images, labels, dataset.classes)
    for epoch in range(epochs):
        order = batch_order(0, epoch, dataset.train_count)
        for first in range(0, len(order), config.batch_size):
            engine.train_batch(order[first : first + config.batch_size])
    return engine


def readings(engine: Engine, dataset: Dataset, config: RunConfig) -> dict[str, list[str]]:
    """What the network makes of each drawn digit at three sizes and places."""
    return {
        digit: [
            str(engine.logits(input_of(sketch_of(digit, dataset.image_shape, size=size, at=at),
                                       dataset, config.pixel_range)).argmax())
            for size, at in PLACES
        ]
        for digit in ("0", "1", "7")
    }  # fmt: skip


@pytest.mark.parametrize("pixel_range", ["0..1", "-1..1"])
def test_a_network_trained_on_the_bundled_digits_reads_a_drawn_0_1_and_7(pixel_range: str) -> None:
    rate = 0.3 if pixel_range == "0..1" else 0.03
    config = RunConfig(data="digits", hidden=(32,), learning_rate=rate, pixel_range=pixel_range)  # type: ignore[arg-type]
    dataset = load_dataset("digits", 0, config.pixel_range)
    read = readings(trained(dataset, config, 40), dataset, config)
    assert read == {digit: [digit] * 3 for digit in ("0", "1", "7")}


def test_a_network_trained_on_mnist_reads_a_drawn_0_1_and_7(mnist_path: Path) -> None:
    config = RunConfig(data=str(mnist_path), hidden=(32,))
    dataset = load_dataset(config.data, 0, config.pixel_range)
    read = readings(trained(dataset, config, 1), dataset, config)
    assert read == {digit: [digit] * 3 for digit in ("0", "1", "7")}
