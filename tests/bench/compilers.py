"""One epoch of the same network by compilers: JAX's `jit` over a whole epoch, and `torch.compile`.

Both are optional: `.venv/bin/pip install -e '.[bench]'` brings JAX, and `torch.compile` needs a C++
compiler. A missing one is left out of the table, and its reason printed.
"""

from __future__ import annotations

from functools import partial
from importlib.util import find_spec
from shutil import which
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import nn

from tests.bench.bench_data import BenchData
from tests.bench.contenders import CLASSES, Shape, sequential
from tests.bench.turns import Epoch

if TYPE_CHECKING:
    from jax import Array

    Weights = list[tuple[Array, Array]]


def compiled_epochs(shape: Shape, data: BenchData) -> dict[str, Epoch]:
    """Return the contenders that this machine can run; print why one is missing."""
    epochs = {}
    if find_spec("jax") is None:
        print("JAX is left out: pip install -e '.[bench]' brings it")  # noqa: T201
    else:
        epochs["JAX, scan of an epoch"] = jax_scan_epoch(shape, data)
    if which("g++") is None and which("clang++") is None:
        print("torch.compile is left out: it needs g++ or clang++")  # noqa: T201
    else:
        epochs["PyTorch, torch.compile"] = torch_compile_epoch(shape, data)
    return epochs


def jax_scan_epoch(shape: Shape, data: BenchData) -> Epoch:
    """`jax.jit` of `lax.scan` over all batches of an epoch: no Python between two steps.

    Weights are donated, and images and labels stay on the device.
    """
    import jax
    import jax.numpy as jnp

    generator = np.random.default_rng(0)
    weights: Weights = []
    width = 784
    for fan_out in (*shape.hidden, CLASSES):
        scale = 1 / np.sqrt(width)
        w = generator.uniform(-scale, scale, (width, fan_out)).astype(np.float32)
        weights.append((jnp.asarray(w), jnp.zeros(fan_out, jnp.float32)))
        width = fan_out
    images, labels = jnp.asarray(data.images), jnp.asarray(data.labels)

    def loss_of(weights: Weights, x: Array, y: Array) -> Array:
        for w, b in weights[:-1]:
            x = jax.nn.relu(x @ w + b)
        w, b = weights[-1]
        log_p = jax.nn.log_softmax(x @ w + b)
        return -jnp.mean(jnp.take_along_axis(log_p, y[:, None], axis=1))

    def step(weights: Weights, rows: Array) -> tuple[Weights, Array]:
        loss, gradient = jax.value_and_grad(loss_of)(weights, images[rows], labels[rows])
        pairs = zip(weights, gradient, strict=True)
        return [(w - 0.1 * dw, b - 0.1 * db) for (w, b), (dw, db) in pairs], loss

    @partial(jax.jit, donate_argnums=0)
    def train(weights: Weights, order: Array) -> tuple[Weights, Array]:
        trained, losses = jax.lax.scan(step, weights, order)
        return trained, losses

    batches = shape.samples // shape.batch_size

    def epoch() -> None:
        nonlocal weights
        order = generator.permutation(len(data.images))[: batches * shape.batch_size]
        weights, losses = train(weights, order.reshape(batches, shape.batch_size))
        losses.block_until_ready()

    return epoch


def torch_compile_epoch(shape: Shape, data: BenchData) -> Epoch:
    """PyTorch on tensors with the forward pass and the loss compiled; one gather per batch."""
    images = torch.from_numpy(np.array(data.images))
    labels = torch.from_numpy(np.array(data.labels))
    network: nn.Sequential = sequential(shape)
    loss_of = nn.CrossEntropyLoss()
    optimizer = torch.optim.SGD(network.parameters(), lr=0.1)

    @torch.compile
    def loss_on(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        loss: torch.Tensor = loss_of(network(x), y)
        return loss

    def epoch() -> None:
        order = torch.randperm(len(images))[: shape.samples]
        for rows in torch.split(order, shape.batch_size):
            optimizer.zero_grad()
            loss_on(images[rows], labels[rows]).backward()  # type: ignore[no-untyped-call]
            optimizer.step()

    return epoch
