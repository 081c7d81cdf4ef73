"""One epoch of the same network, by us and by everything that a user would pick instead."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.neural_network import MLPClassifier
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from mlpwatch.core.config import EngineName, RunConfig
from mlpwatch.core.network.build import initial_weights, layer_sizes
from mlpwatch.core.training.launch import engine_on
from tests.bench.bench_data import BenchData
from tests.bench.turns import Epoch

CLASSES = 10


@dataclass(frozen=True, slots=True)
class Shape:
    """A network and its batch size."""

    hidden: tuple[int, ...]
    batch_size: int
    samples: int
    """Images per timed round."""

    @property
    def name(self) -> str:
        """As people write it."""
        return "-".join(str(n) for n in (784, *self.hidden, CLASSES))

    def config(self, **settings: object) -> RunConfig:
        """Return the settings of the `twin` recipe at this shape."""
        values = {"hidden": self.hidden, "batch_size": self.batch_size} | settings
        return RunConfig(**values)  # type: ignore[arg-type]


SHAPES = (Shape((50,), 100, 55_000), Shape((128,), 64, 55_000), Shape((512, 512), 128, 12_800))


def engine_epoch(
    name: EngineName, shape: Shape, data: BenchData, threads: int, **settings: object
) -> Epoch:
    """Our engine, through the calls that the trainer makes.

    An order of all images is drawn when the one before is used up, as the trainer does.
    """
    engine = engine_on(data.dataset, name, shape.config(**settings))
    order_of = np.random.default_rng(0)
    left = np.empty(0, np.int64)

    def epoch() -> None:
        nonlocal left
        engine.use_threads(threads)
        if len(left) < shape.samples:
            left = order_of.permutation(data.dataset.train_count)
        order, left = left[: shape.samples], left[shape.samples :]
        for first in range(0, shape.samples, shape.batch_size):
            engine.train_batch(order[first : first + shape.batch_size])
        engine.take_losses()

    return epoch


def sequential(shape: Shape) -> nn.Sequential:
    """Return the network as tutorials write it."""
    layers: list[nn.Module] = []
    width = 784
    for fan_out in shape.hidden:
        layers += [nn.Linear(width, fan_out), nn.ReLU()]
        width = fan_out
    return nn.Sequential(*layers, nn.Linear(width, CLASSES))


def data_loader_epoch(shape: Shape, data: BenchData) -> Epoch:
    """The loop of PyTorch's tutorials: DataLoader, nn.Sequential, optim.SGD."""
    images = torch.from_numpy(np.array(data.images[: shape.samples]))
    labels = torch.from_numpy(np.array(data.labels[: shape.samples]))
    loader = DataLoader(TensorDataset(images, labels), batch_size=shape.batch_size, shuffle=True)
    network, loss_of = sequential(shape), nn.CrossEntropyLoss()
    optimizer = torch.optim.SGD(network.parameters(), lr=0.1)

    def epoch() -> None:
        for x, y in loader:
            optimizer.zero_grad()
            loss_of(network(x), y).backward()
            optimizer.step()

    return epoch


def eager_epoch(shape: Shape, data: BenchData) -> Epoch:
    """PyTorch eager on tensors: no DataLoader, one gather per batch."""
    images = torch.from_numpy(np.array(data.images))
    labels = torch.from_numpy(np.array(data.labels))
    network, loss_of = sequential(shape), nn.CrossEntropyLoss()
    optimizer = torch.optim.SGD(network.parameters(), lr=0.1)

    def epoch() -> None:
        order = torch.randperm(len(images))[: shape.samples]
        for rows in torch.split(order, shape.batch_size):
            optimizer.zero_grad()
            loss_of(network(images[rows]), labels[rows]).backward()
            optimizer.step()

    return epoch


def scikit_learn_epoch(shape: Shape, data: BenchData) -> Epoch:
    """scikit-learn's MLPClassifier with the same settings; one `partial_fit` is an epoch."""
    images, labels = data.images[: shape.samples], data.labels[: shape.samples]
    network = MLPClassifier(
        shape.hidden,
        solver="sgd",
        alpha=0.0,
        batch_size=shape.batch_size,
        learning_rate_init=0.1,
        momentum=0.0,
        nesterovs_momentum=False,
    )
    classes = np.arange(CLASSES)

    def epoch() -> None:
        network.partial_fit(images, labels, classes=classes)

    return epoch


def products_epoch(shape: Shape, data: BenchData, *, transposed: bool) -> Epoch:
    """The matrix products of a step alone, on the same batch again and again: the floor.

    Args:
        shape: of the network.
        data: gives one batch.
        transposed: keep weights as (fan_out, fan_in), as `torch.nn.Linear` does, which makes
            the forward products slower; False for (fan_in, fan_out), as our engine does.
    """
    sizes = layer_sizes(784, shape.hidden, CLASSES)
    named = initial_weights(sizes, shape.config())
    stored = [w for name, w in named.items() if name.endswith("weight")]
    weights = stored if transposed else [np.ascontiguousarray(w.T) for w in stored]
    gradients = [np.empty_like(w) for w in weights]
    a: list[NDArray[np.floating]] = [np.array(data.images[: shape.batch_size])]
    a += [np.zeros((shape.batch_size, n), np.float32) for n in sizes[1:]]
    delta = [np.zeros_like(layer) for layer in a[1:]]

    def step() -> None:
        for k, w in enumerate(weights):
            np.matmul(a[k], w.T if transposed else w, out=a[k + 1])
        for k in reversed(range(len(weights))):
            left, right = (delta[k], a[k]) if transposed else (a[k], delta[k])
            np.matmul(left.T, right, out=gradients[k])
            if k:
                w = weights[k]
                np.matmul(delta[k], w if transposed else w.T, out=delta[k - 1])

    def epoch() -> None:
        for _ in range(shape.samples // shape.batch_size):
            step()

    return epoch
