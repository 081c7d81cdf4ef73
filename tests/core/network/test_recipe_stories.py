"""Each recipe shows on the bundled digits what its story says; the NumPy engine trains."""

import math
from typing import Any, NamedTuple

import numpy as np
import pytest
from numpy.typing import NDArray

from mlpwatch.core.analysis.features import dead_units
from mlpwatch.core.arrays import Floats
from mlpwatch.core.cli.options import add_training_options, config_from
from mlpwatch.core.cli.parser import Parser
from mlpwatch.core.config import RecipeName, RunConfig
from mlpwatch.core.data.dataset import Dataset, batch_order, dataset_for
from mlpwatch.core.network.engine import Engine
from mlpwatch.core.network.losses import loss_for
from mlpwatch.core.training.launch import engine_on
from tests.support.samples.engines import batches

pytestmark = pytest.mark.slow


class Trained(NamedTuple):
    engine: Engine
    data: Dataset
    config: RunConfig
    train_losses: list[float]
    """By epoch."""
    validation_losses: list[float]

    def accuracy(self, images: Floats, labels: Any) -> float:  # noqa: ANN401
        return float((self.engine.logits(images).argmax(axis=1) == labels).mean())

    @property
    def train_accuracy(self) -> float:
        return self.accuracy(self.data.train_images, self.data.train_labels)

    @property
    def validation_accuracy(self) -> float:
        return self.accuracy(self.data.validation_images, self.data.validation_labels)


def trained(recipe: RecipeName, *options: str, epochs: int | None = None) -> Trained:
    """Train the recipe, as the command line has it, with a constant learning rate."""
    parser = Parser()
    add_training_options(parser)
    config = config_from(parser.parse_args(["--data", "digits", "--recipe", recipe, *options]))
    data = dataset_for(config)
    engine, loss = engine_on(data, "numpy", config), loss_for(config, "numpy")
    train: list[float] = []
    validation: list[float] = []
    for epoch in range(epochs or config.epochs):
        for rows in batches(batch_order(config.seed, epoch, data.train_count), config.batch_size):
            engine.train_batch(rows)
        train.append(float(np.mean(engine.take_losses())))
        logits = engine.logits(data.validation_images)
        validation.append(float(loss.per_image(logits, data.validation_labels).mean()))
    return Trained(engine, data, config, train, validation)


def test_overfitting_learns_its_images_by_heart_and_validation_gets_worse() -> None:
    run = trained("overfitting")
    assert run.train_accuracy == 1
    assert run.validation_accuracy < 0.92
    best = int(np.argmin(run.validation_losses))
    assert 0 < best < len(run.validation_losses) // 2
    assert run.validation_losses[-1] > 1.2 * run.validation_losses[best]
    more = trained("overfitting", "--train-size", "1000", epochs=20)
    assert more.validation_accuracy > 0.95


def test_most_relus_die_and_stay_dead() -> None:
    early, late = (trained("dead-relus", epochs=epochs) for epochs in (2, 4))
    first, second = (
        dead_units(run.engine.weights(), run.data.train_images) for run in (early, late)
    )
    assert [int(layer.sum()) for layer in first] == pytest.approx([64, 64], abs=24)
    assert (second[0] >= first[0]).all(), "nothing changes the weights of a dead unit"
    assert late.validation_accuracy < 0.15
    assert trained("dead-relus", "--learning-rate", "0.1", epochs=6).validation_accuracy > 0.85


def test_ten_sigmoid_layers_hardly_pass_a_gradient_to_the_first() -> None:
    run = trained("vanishing-gradients", epochs=3)
    assert abs(run.train_losses[-1] - math.log(10)) < 0.03
    _, gradient = run.engine.loss_and_gradient(np.arange(500))
    norms = [float(np.linalg.norm(g)) for name, g in gradient.items() if name.endswith("weight")]
    assert norms[0] < 1e-4 * norms[-1]
    assert norms[1:] == sorted(norms[1:]), "less from layer to layer"
    one = trained("vanishing-gradients", "--hidden", "32", epochs=10)
    assert one.validation_accuracy > 0.8


def test_units_that_start_alike_stay_alike() -> None:
    """Some kernels of OpenBLAS round the columns of a product unlike: then 0.13 of the largest."""
    run = trained("zero-initialization")
    w = run.engine.weights()
    assert np.abs(w["layers.0.weight"]).max() > 0.1
    assert most_unlike(w["layers.0.weight"]) < 0.3
    assert most_unlike(w["layers.1.weight"].T) < 0.3
    assert run.validation_accuracy < 0.5
    scaled = trained("zero-initialization", "--initialization", "scaled")
    assert most_unlike(scaled.engine.weights()["layers.0.weight"]) > 1
    assert scaled.validation_accuracy > 0.9


def most_unlike(rows: NDArray[np.floating[Any]]) -> float:
    """Return the largest difference between two rows, as a share of the largest number."""
    return float(np.ptp(rows, axis=0).max() / np.abs(rows).max())
