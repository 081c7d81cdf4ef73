"""Losses against PyTorch's and scikit-learn's, and far beyond the range of exp."""

from typing import get_args

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.metrics import log_loss

from mlpwatch.core.arrays import Floats, Labels
from mlpwatch.core.config import (
    ENGINE_NAMES,
    Dtype,
    LossMean,
    LossName,
    OutputActivation,
    RunConfig,
)
from mlpwatch.core.errors import ConfigError
from mlpwatch.core.network.losses import LOSSES, CrossEntropy, Loss, SquaredError, loss_for
from mlpwatch.core.network.numpy_mlp import NumpyMLP
from mlpwatch.core.specification import UNDEFINED_LOSSES

LOGITS = np.random.default_rng(0).normal(0, 3, (9, 4)).astype(np.float32).astype(np.float64)
LABELS: Labels = np.arange(9, dtype=np.int64) % 4
ALL: tuple[Loss, ...] = (CrossEntropy(), SquaredError("batch"), SquaredError("element"))
PAIRS: tuple[tuple[LossName, OutputActivation], ...] = tuple(
    (loss, output)
    for loss in get_args(LossName)
    for output in get_args(OutputActivation)
    if (loss, output) not in UNDEFINED_LOSSES
)
OTHERS: tuple[Loss, ...] = tuple(LOSSES[loss](output, "batch") for loss, output in PAIRS)


def value_and_gradient(
    loss: LossName,
    logits: Floats,
    labels: Labels,
    dtype: Dtype = "float64",
    output: OutputActivation | None = None,
) -> tuple[float, Floats]:
    """Return the NumPy network's loss and ∂L/∂Z (batch, classes) at these logits.

    One layer with W = 1 and b = 0 passes its images on as logits, and the gradient of b over
    a batch of one image is that image's row of ∂L/∂Z.
    """
    batch, classes = logits.shape
    config = RunConfig(hidden=(), loss=loss, dtype=dtype, output_activation=output)
    weights = {
        "layers.0.weight": np.eye(classes, dtype=dtype),
        "layers.0.bias": np.zeros(classes, dtype),
    }
    network = NumpyMLP(config, logits.astype(np.float32), labels, weights)
    value, _ = network.loss_and_gradient(np.arange(batch, dtype=np.intp))
    rows = [network.loss_and_gradient(np.array([b], np.intp))[1] for b in range(batch)]
    return value, np.stack([row["layers.0.bias"] for row in rows]) / batch


def by_torch(
    name: str, logits: Floats, labels: Labels, output: str = "", mean: str = "batch"
) -> tuple[float, Floats]:
    """Return the loss of PyTorch's own module and its gradient by autograd."""
    import torch
    from torch import nn

    z = torch.tensor(logits, requires_grad=True)
    y = torch.tensor(labels)
    targets = nn.functional.one_hot(y, logits.shape[1]).to(z.dtype)
    reduction = "mean" if mean == "element" else "sum"
    shown = {"softmax": z.softmax(1), "sigmoid": z.sigmoid(), "linear": z}.get(output, z.sigmoid())
    match (name, output):
        case ("cross-entropy", "" | "softmax"):
            loss = nn.CrossEntropyLoss()(z, y)
        case ("cross-entropy", _):
            loss = nn.NLLLoss()(shown.log(), y)
        case ("bce", "" | "sigmoid"):
            loss = nn.BCEWithLogitsLoss(reduction=reduction)(z, targets)
        case ("bce", _):
            loss = nn.BCELoss(reduction=reduction)(shown, targets)
        case _:
            loss = nn.MSELoss(reduction=reduction)(shown, targets)
            loss = loss / 2 if name == "half-mse" else loss
    loss = loss / len(logits) if mean == "batch" and name != "cross-entropy" else loss
    loss.backward()
    assert z.grad is not None
    return float(loss.detach()), z.grad.numpy()


@pytest.mark.parametrize(("name", "output"), PAIRS)
def test_value_and_gradient_are_pytorchs(name: LossName, output: OutputActivation) -> None:
    value, gradient = value_and_gradient(name, LOGITS, LABELS, output=output)
    expected_value, expected_gradient = by_torch(name, LOGITS, LABELS, output)
    assert value == pytest.approx(expected_value, rel=1e-12)
    np.testing.assert_allclose(gradient, expected_gradient, rtol=1e-10, atol=1e-14)


def test_cross_entropy_is_scikit_learns_log_loss() -> None:
    expected = log_loss(LABELS, CrossEntropy().probabilities(LOGITS))
    value, _ = value_and_gradient("cross-entropy", LOGITS, LABELS)
    assert value == pytest.approx(expected, rel=1e-13)


def test_squared_error_sums_over_the_classes_or_averages_over_them() -> None:
    error = 1 / (1 + np.exp(-LOGITS)) - np.eye(4)[LABELS]
    value, _ = value_and_gradient("mse", LOGITS, LABELS)
    assert value == pytest.approx((error**2).sum() / 9, rel=1e-13)
    element = SquaredError("element").per_image(LOGITS, LABELS)
    assert element.mean() == pytest.approx((error**2).mean(), rel=1e-13)


@pytest.mark.parametrize("mean", ["batch", "element"])
@pytest.mark.parametrize(("name", "output"), PAIRS)
def test_the_losses_of_single_images_average_to_pytorchs(
    name: LossName, output: OutputActivation, mean: LossMean
) -> None:
    per_image = LOSSES[name](output, mean).per_image(LOGITS, LABELS)
    assert per_image.shape == (9,)
    expected, _ = by_torch(name, LOGITS, LABELS, output, mean)
    assert per_image.mean() == pytest.approx(expected, rel=1e-12)


def test_probabilities_are_softmax_or_one_sigmoid_per_class() -> None:
    shares = CrossEntropy().probabilities(LOGITS)
    np.testing.assert_allclose(shares, np.exp(LOGITS) / np.exp(LOGITS).sum(1, keepdims=True), 1e-12)
    np.testing.assert_allclose(
        SquaredError("batch").probabilities(LOGITS), 1 / (1 + np.exp(-LOGITS)), 1e-11
    )


@given(
    arrays(np.float64, (3, 4), elements=st.sampled_from([-1e4, -50.0, 0.0, 50.0, 1e4])),
    arrays(np.int64, 3, elements=st.integers(0, 3)),
    st.sampled_from(["float32", "float64"]),
)
@settings(max_examples=60)
def test_logits_of_ten_thousand_stay_finite(logits: Floats, labels: Labels, dtype: Dtype) -> None:
    for name, output in PAIRS:
        # Warnings are errors.
        value, gradient = value_and_gradient(name, logits, labels, dtype, output)
        assert 0 <= value <= (5e8 if output == "linear" else 5e4)
        assert gradient.dtype == dtype
        assert np.abs(gradient).max() <= (1e4 if output == "linear" else 1)
    for loss in (*ALL, *OTHERS):
        assert np.isfinite(loss.per_image(logits.astype(dtype), labels)).all()
        probabilities = loss.probabilities(logits.astype(dtype))
        assert (probabilities >= 0).all()
        assert (probabilities <= 1).all()


def test_reading_leaves_the_logits_alone() -> None:
    for loss in (*ALL, *OTHERS):
        logits = LOGITS.copy()
        loss.probabilities(logits)
        loss.per_image(logits, LABELS)
        np.testing.assert_array_equal(logits, LOGITS)


def test_each_engine_gets_the_loss_of_the_settings() -> None:
    config = RunConfig(loss="mse", torch_loss_mean="element")
    by_hand, in_torch = (loss_for(config, name).per_image(LOGITS, LABELS) for name in ENGINE_NAMES)
    np.testing.assert_allclose(by_hand, 4 * in_torch, rtol=1e-13)
    plain = loss_for(RunConfig(), "torch").per_image(LOGITS, LABELS)
    np.testing.assert_array_equal(plain, CrossEntropy().per_image(LOGITS, LABELS))


@pytest.mark.parametrize("loss", ["cross-entropy", "bce"])
def test_a_logarithm_of_linear_outputs_is_refused(loss: LossName) -> None:
    with pytest.raises(ConfigError, match=r"'linear' with loss .*use softmax or sigmoid"):
        RunConfig(loss=loss, output_activation="linear")
