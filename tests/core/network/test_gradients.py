"""The hand-written gradient is the gradient: by finite differences, by autograd, on paper."""

import math
from dataclasses import replace
from itertools import product
from typing import get_args

import numpy as np
import pytest

from mlpwatch.core.arrays import Floats, Rows
from mlpwatch.core.config import (
    Activation,
    Dtype,
    EngineName,
    LossMean,
    LossName,
    OptimizerName,
    OutputActivation,
    RunConfig,
)
from mlpwatch.core.network.activations import ACTIVATIONS
from mlpwatch.core.network.engine import Engine
from mlpwatch.core.network.numpy_mlp import NumpyMLP
from mlpwatch.core.network.torch_mlp import TorchMLP
from mlpwatch.core.specification import LEAK, OUTPUT_OF_LOSS, UNDEFINED_LOSSES
from tests.support.samples.engines import (
    assert_close,
    assert_same_bits,
    build,
    build_both,
    finite_differences,
    small_config,
    small_images,
    smallest_relu_sum,
)

NAMES: tuple[Activation, ...] = tuple(ACTIVATIONS)
DEPTHS = ((), (4,), (4, 3), (4, 3, 4))
ROWS: Rows = np.array([0, 3, 4, 7, 8, 9, 2], np.intp)


def gradient(engine: Engine, rows: Rows = ROWS) -> tuple[float, dict[str, Floats]]:
    return engine.loss_and_gradient(rows)


@pytest.mark.parametrize("hidden", DEPTHS, ids=len)
@pytest.mark.parametrize("loss", ["cross-entropy", "mse"])
@pytest.mark.parametrize("activation", NAMES)
def test_the_gradient_by_hand_equals_finite_differences(
    activation: Activation, loss: LossName, hidden: tuple[int, ...]
) -> None:
    check_finite_differences("numpy", small_config(hidden=hidden, activation=activation, loss=loss))


@pytest.mark.parametrize("mean", ["batch", "element"])
@pytest.mark.parametrize("activation", NAMES)
def test_both_means_of_the_squared_error_in_torch_equal_finite_differences(
    activation: Activation, mean: LossMean
) -> None:
    config = small_config(activation=activation, loss="mse", torch_loss_mean=mean)
    check_finite_differences("torch", config)


OUTPUTS_AND_LOSSES: list[tuple[OutputActivation, LossName]] = [
    pair for pair in product(get_args(OutputActivation), get_args(LossName))
    if pair[::-1] not in UNDEFINED_LOSSES
]  # fmt: skip
NOT_USUAL = [pair for pair in OUTPUTS_AND_LOSSES if OUTPUT_OF_LOSS[pair[1]] != pair[0]]
OF_SIGMOIDS: list[tuple[OutputActivation, LossName]] = [("sigmoid", "half-mse"), ("sigmoid", "bce")]


@pytest.mark.parametrize("name", ["numpy", "torch"])
@pytest.mark.parametrize(("output", "loss"), [*NOT_USUAL, *OF_SIGMOIDS])
def test_every_loss_of_every_output_equals_finite_differences(
    output: OutputActivation, loss: LossName, name: EngineName
) -> None:
    config = small_config(activation="tanh", loss=loss, output_activation=output)
    for mean in ("batch", "element"):
        check_finite_differences(name, replace(config, torch_loss_mean=mean))


@pytest.mark.parametrize(("dtype", "tolerance"), [("float64", 1e-12), ("float32", 2e-5)])
@pytest.mark.parametrize(("output", "loss"), [*NOT_USUAL, *OF_SIGMOIDS])
def test_both_engines_train_alike_with_every_loss_of_every_output(
    output: OutputActivation, loss: LossName, dtype: Dtype, tolerance: float
) -> None:
    config = small_config(
        activation="leaky-relu", negative_slope=0.2, loss=loss, output_activation=output,
        optimizer="momentum", dtype=dtype,
    )  # fmt: skip
    one, other = build_both(config, small_images())
    for _ in range(20):
        for engine in (one, other):
            engine.train_batch(ROWS)
    np.testing.assert_allclose(one.take_losses(), other.take_losses(), tolerance)
    assert_close(one.weights(), other.weights(), tolerance)


@pytest.mark.parametrize("slope", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("name", ["numpy", "torch"])
def test_another_slope_of_the_leaky_relu_has_its_own_gradient(
    name: EngineName, slope: float
) -> None:
    config = small_config(hidden=(4, 3), activation="leaky-relu", negative_slope=slope)
    engine = build(name, config, small_images())
    usual = build(name, replace(config, negative_slope=LEAK), small_images())
    usual.load_state(engine.state())
    check_finite_differences(name, config)
    assert gradient(engine)[0] != gradient(usual)[0]


@pytest.mark.parametrize("name", ["numpy", "torch"])
def test_without_biases_the_gradient_equals_finite_differences(name: EngineName) -> None:
    config = small_config(hidden=(4, 3), activation="tanh", bias=False)
    check_finite_differences(name, config)
    engine = build(name, config, small_images())
    for tensor, slope in gradient(engine)[1].items():
        assert slope.any() == tensor.endswith("weight"), tensor
        assert engine.weights()[tensor].any() == tensor.endswith("weight"), tensor


@pytest.mark.parametrize("optimizer", get_args(OptimizerName))
@pytest.mark.parametrize(("dtype", "tolerance"), [("float64", 1e-11), ("float32", 2e-5)])
def test_both_engines_train_alike_without_biases(
    dtype: Dtype, tolerance: float, optimizer: OptimizerName
) -> None:
    config = small_config(
        hidden=(4, 3), activation="tanh", bias=False, optimizer=optimizer, weight_decay=0.01,
        dtype=dtype,
    )  # fmt: skip
    one, other = build_both(config, small_images())
    for _ in range(20):
        for engine in (one, other):
            engine.train_batch(ROWS)
    np.testing.assert_allclose(one.take_losses(), other.take_losses(), tolerance)
    assert_close(one.weights(), other.weights(), tolerance)
    assert_close(one.state().slots, other.state().slots, tolerance)
    assert not any(w.any() for n, w in other.weights().items() if n.endswith("bias"))
    # Either opens the other's state.
    one.load_state(other.state())
    other.load_state(one.state())
    assert_same_bits(one.state().slots, other.state().slots)


def check_finite_differences(name: EngineName, config: RunConfig) -> None:
    images = small_images()
    engine = build(name, config, images)
    if config.activation in ("relu", "leaky-relu") and config.hidden:
        # 1e-5 to either side of a weight moves a sum by less than 1e-4.
        leak = config.negative_slope if config.activation == "leaky-relu" else 0.0
        assert smallest_relu_sum(engine.state().weights, images.pixels[ROWS], leak) > 1e-3
    found = np.concatenate([array.ravel() for array in gradient(engine)[1].values()])
    differences = finite_differences(engine, ROWS)
    expected = np.concatenate([array.ravel() for array in differences.values()])
    assert np.linalg.norm(expected) > 1e-3
    assert np.linalg.norm(found - expected) < 1e-7 * np.linalg.norm(expected)


@pytest.mark.parametrize(("dtype", "tolerance"), [("float64", 1e-12), ("float32", 1e-5)])
@pytest.mark.parametrize("hidden", DEPTHS, ids=len)
@pytest.mark.parametrize("loss", ["cross-entropy", "mse"])
@pytest.mark.parametrize("activation", NAMES)
def test_both_engines_compute_the_same_loss_and_gradient(
    activation: Activation, loss: LossName, hidden: tuple[int, ...], dtype: Dtype, tolerance: float
) -> None:
    config = small_config(hidden=hidden, activation=activation, loss=loss, dtype=dtype)
    by_hand, by_autograd = (gradient(one) for one in build_both(config, small_images()))
    assert by_hand[0] == pytest.approx(by_autograd[0], rel=tolerance)
    assert list(by_hand[1]) == list(by_autograd[1])
    assert {array.dtype for array in by_hand[1].values()} == {np.dtype(dtype)}
    assert_close(by_hand[1], by_autograd[1], tolerance)


def test_the_element_mean_shrinks_loss_and_gradient_by_the_class_count() -> None:
    images = small_images(classes=4)
    config = small_config(loss="mse", torch_loss_mean="element")
    by_hand, by_autograd = (gradient(one) for one in build_both(config, images))
    assert by_hand[0] == pytest.approx(4 * by_autograd[0], rel=1e-12)
    assert_close(by_hand[1], {name: 4 * g for name, g in by_autograd[1].items()}, 1e-12)


def test_a_gradient_is_a_copy_and_changes_no_weight() -> None:
    for engine in build_both(small_config(), small_images()):
        before = engine.state()
        first = gradient(engine)[1]
        kept = {name: array.copy() for name, array in first.items()}
        gradient(engine, ROWS[:2])
        assert_close(first, kept, 0)
        assert_close(engine.state().weights, before.weights, 0)
        assert engine.take_losses() == []


# One image x = (1, 2) of class 1 through a 2-2-2 network with ReLU:
#     W0 = [[1, 0], [0.5, -1]]   b0 = (0, 0.5)    z0 = (1, 0.5 - 2 + 0.5) = (1, -1)   a = (1, 0)
#     W1 = [[1, 2], [-1, 3]]     b1 = (0, 1)      z1 = (1, -1 + 1) = (1, 0)
PAPER_WEIGHTS = {
    "layers.0.weight": np.array([[1.0, 0.0], [0.5, -1.0]]),
    "layers.0.bias": np.array([0.0, 0.5]),
    "layers.1.weight": np.array([[1.0, 2.0], [-1.0, 3.0]]),
    "layers.1.bias": np.array([0.0, 1.0]),
}
S = 1 / (1 + math.exp(-1))  # σ(1), and the softmax of (1, 0)


def paper_gradient(delta: tuple[float, float]) -> dict[str, Floats]:
    """∂L/∂W1 = δ aᵀ and ∂L/∂b1 = δ with a = (1, 0).

    Back through W1: (δ0·1 + δ1·(-1), δ0·2 + δ1·3). ReLU' = (1, 0) keeps the first,
    e = δ0 - δ1, and ∂L/∂W0 = (e, 0) xᵀ with x = (1, 2).
    """
    e = delta[0] - delta[1]
    return {
        "layers.0.weight": np.array([[e * 1, e * 2], [0.0, 0.0]]),
        "layers.0.bias": np.array([e, 0.0]),
        "layers.1.weight": np.array([[delta[0], 0.0], [delta[1], 0.0]]),
        "layers.1.bias": np.array(delta),
    }


PAPER = {
    # p = (S, 1 - S), L = -log p1, δ = p - (0, 1).
    "cross-entropy": (-math.log(1 - S), (S, -S)),
    # a = (S, 0.5), L = S² + 0.5², δ = 2 (a - y) a (1 - a) = (2 S·S(1 - S), 2·(-0.5)·0.25).
    "mse": (S**2 + 0.25, (2 * S * S * (1 - S), -0.25)),
    "half-mse": ((S**2 + 0.25) / 2, (S * S * (1 - S), -0.125)),
    # L = -log(1 - S) - log 0.5, δ = a - y = (S, 0.5 - 1).
    "bce": (-math.log(1 - S) - math.log(0.5), (S, -0.5)),
}


@pytest.mark.parametrize(("name", "loss"), product(["numpy", "torch"], get_args(LossName)))
def test_a_network_of_2_2_2_agrees_with_paper(name: EngineName, loss: LossName) -> None:
    config = RunConfig(hidden=(2,), loss=loss, dtype="float64", learning_rate=0.5)
    engine_type = NumpyMLP if name == "numpy" else TorchMLP
    pixels, labels = np.array([[1, 2]], np.float32), np.array([1], np.int64)
    engine = engine_type(config, pixels, labels, PAPER_WEIGHTS)
    expected_loss, delta = PAPER[loss]
    assert engine.logits(pixels).tolist() == [[1.0, 0.0]]
    row = np.zeros(1, np.intp)
    found_loss, found = engine.loss_and_gradient(row)
    assert found_loss == pytest.approx(expected_loss, rel=1e-14)
    assert_close(found, paper_gradient(delta), 1e-14)
    engine.train_batch(row)
    assert engine.take_losses() == [found_loss]
    after = {name: w - 0.5 * paper_gradient(delta)[name] for name, w in PAPER_WEIGHTS.items()}
    assert_close(engine.state().weights, after, 1e-14)
