"""The norms of a measured step, against a float64 recomputation; measuring changes no bit."""

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from mlpwatch.core.arrays import Tensors
from mlpwatch.core.config import ENGINE_NAMES, EngineName, OptimizerName, RunConfig
from mlpwatch.core.network.optimizers import OPTIMIZERS
from mlpwatch.core.network.step_norms import LayerNorms
from tests.support.network_files import NetworkFile
from tests.support.samples.engines import assert_same_bits, build, small_config, small_images
from tests.support.samples.user_networks import TORCH_FILE, config_for, torch_config

USERS = [
    NetworkFile((4, 3), "tanh"),
    NetworkFile((4, 3), "tanh", layout="columns", style="functions"),
    NetworkFile((4, 3), "tanh", style="update"),
    NetworkFile((4, 3), "tanh", style="train"),
]

STEPS = [np.arange(8), np.arange(3, 11), np.arange(5)]
"""The last batch is shorter."""


def long_norm(array: NDArray[np.float64]) -> float:
    """Return the root of the sum of squares, number by number in float64."""
    return math.sqrt(math.fsum(float(x) ** 2 for x in array.ravel()))


def matrices(tensors: Tensors) -> list[NDArray[np.float64]]:
    return [array.astype(np.float64) for name, array in tensors.items() if name.endswith(".weight")]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("name", ENGINE_NAMES)
def test_norms_are_those_of_a_float64_recomputation(
    name: EngineName, optimizer: OptimizerName, dtype: str
) -> None:
    config = replace(small_config(hidden=(4, 3), optimizer=optimizer), dtype=dtype)  # type: ignore[arg-type]
    engine = build(name, config, small_images())
    for rows in STEPS:
        gradient = matrices(engine.loss_and_gradient(rows)[1])
        before = matrices(engine.weights())
        norms = engine.train_batch(rows, measured=True)
        after = matrices(engine.weights())
        changes = [a - b for a, b in zip(after, before, strict=True)]
        for found, g, w, change in zip(norms, gradient, before, changes, strict=True):
            expected = long_norm(g), long_norm(w), long_norm(change)
            assert tuple(found) == pytest.approx(
                expected, rel=1e-6 if dtype == "float32" else 1e-13
            )
            assert found.update_ratio == found.update / found.weights


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("name", ENGINE_NAMES)
def test_measuring_changes_no_bit(name: EngineName, optimizer: OptimizerName) -> None:
    config = small_config(optimizer=optimizer, dropout=0.2, dtype="float32")
    measured, plain = (build(name, config, small_images()) for _ in range(2))
    for rows in STEPS * 2:
        assert len(measured.train_batch(rows, measured=True)) == 2
        assert plain.train_batch(rows) == ()
    assert measured.take_losses() == plain.take_losses()
    assert_same_bits(measured.state().weights, plain.state().weights)
    assert_same_bits(measured.state().slots, plain.state().slots)


def test_weights_that_were_0_have_no_ratio() -> None:
    assert LayerNorms(1.0, 0.0, 0.0).update_ratio == 0
    assert LayerNorms(1.0, 0.0, 0.5).update_ratio == math.inf
    assert math.isnan(LayerNorms(math.nan, math.nan, math.nan).update_ratio)


@pytest.mark.parametrize("name", ENGINE_NAMES)
def test_what_diverged_is_not_finite_and_raises_nothing(name: EngineName) -> None:
    config = small_config(dtype="float32", learning_rate=1e30)
    engine = build(name, config, small_images())
    for rows in STEPS:
        norms = engine.train_batch(rows, measured=True)
    assert not any(math.isfinite(layer.update_ratio) for layer in norms)


def config_of(kind: NetworkFile | None, folder: Path) -> RunConfig:
    return config_for(kind, folder) if kind else torch_config(folder)


@pytest.mark.parametrize("kind", [*USERS, None], ids=lambda kind: kind.style if kind else "torch")
def test_a_users_network_is_measured_by_what_its_step_leaves(
    kind: NetworkFile | None, tmp_path: Path
) -> None:
    config = config_of(kind, tmp_path)
    name: EngineName = "numpy" if kind else "torch"
    measured, plain = (build(name, config, small_images()) for _ in range(2))
    own = build(name, replace(config, network=None, network_torch=None), small_images())
    for rows in STEPS:
        found = measured.train_batch(rows, measured=True)
        plain.train_batch(rows)
        for one, expected in zip(found, own.train_batch(rows, measured=True), strict=True):
            assert tuple(one) == pytest.approx(tuple(expected), rel=1e-9)
    assert_same_bits(measured.weights(), plain.weights())
    assert measured.take_losses() == plain.take_losses()
    assert measured.activation is None, "its units can't be looked into"


def test_a_gradient_that_a_users_step_leaves_nowhere_is_unknown(tmp_path: Path) -> None:
    forgets = """
def train_step(model, optimizer, x, labels):
    optimizer.zero_grad()
    nn.functional.cross_entropy(model(x), labels).backward()
    optimizer.step()
    optimizer.zero_grad()
"""
    config = torch_config(tmp_path, TORCH_FILE.format(features=5) + forgets)
    norms = build("torch", config, small_images()).train_batch(STEPS[0], measured=True)
    assert all(math.isnan(layer.gradient) and layer.update > 0 for layer in norms)
