"""Losses against PyTorch's and scikit-learn's, and far beyond the range of exp."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.metrics import log_loss

from mlpwatch.core.arrays import Floats, Labels
from mlpwatch.core.config import ENGINE_NAMES, Dtype, LossName, RunConfig
from mlpwatch.core.network.losses import CrossEntropy, Loss, SquaredError, loss_for
from mlpwatch.core.network.numpy_mlp import NumpyMLP

LOGITS = np.random.default_rng(0).normal(0, 3, (9, 4)).astype(np.float32).astype(np.float64)
LABELS: Labels = np.arange(9, dtype=np.int64) % 4
ALL: tuple[Loss, ...] = (CrossEntropy(), SquaredError("batch"), SquaredError("element"))
NAMES: tuple[LossName, ...] = ("cross-entropy", "mse")


def value_and_gradient(
    loss: LossName, logits: Floats, labels: Labels, dtype: Dtype = "float64"
) -> tuple[float, Floats]:
    """Return the NumPy network's loss and ∂L/∂Z (batch, classes) at these logits.

    One layer with W = 1 and b = 0 passes its images on as logits, and the gradient of b over
    a batch of one image is that image's row of ∂L/∂Z.
    """
    batch, classes = logits.shape
    config = RunConfig(hidden=(), loss=loss, dtype=dtype)
    weights = {
        "layers.0.weight": np.eye(classes, dtype=dtype),
        "layers.0.bias": np.zeros(classes, dtype),
    }
    network = NumpyMLP(config, logits.astype(np.float32), labels, weights)
    value, _ = network.loss_and_gradient(np.arange(batch, dtype=np.intp))
    rows = [network.loss_and_gradient(np.array([b], np.intp))[1] for b in range(batch)]
    return value, np.stack([row["layers.0.bias"] for row in rows]) / batch


def by_torch(name: str, logits: Floats, labels: Labels) -> tuple[float, Floats]:
    """Return PyTorch's own loss and its gradient by autograd."""
    import torch
    from torch.nn import MSELoss
    from torch.nn.functional import cross_entropy, one_hot

    z = torch.tensor(logits, requires_grad=True)
    y = torch.tensor(labels)
    if name == "cross-entropy":
        loss = cross_entropy(z, y)
    else:
        # `mse` and `batch` sum over the classes
        reduction = "mean" if name == "element" else "sum"
        targets = one_hot(y, logits.shape[1]).to(z.dtype)
        loss = MSELoss(reduction=reduction)(torch.sigmoid(z), targets)
        loss = loss if name == "element" else loss / len(logits)
    loss.backward()  # type: ignore[no-untyped-call]
    assert z.grad is not None
    return float(loss.detach()), z.grad.numpy()


@pytest.mark.parametrize("name", NAMES)
def test_value_and_gradient_are_pytorchs(name: LossName) -> None:
    value, gradient = value_and_gradient(name, LOGITS, LABELS)
    expected_value, expected_gradient = by_torch(name, LOGITS, LABELS)
    assert value == pytest.approx(expected_value, rel=1e-13)
    np.testing.assert_allclose(gradient, expected_gradient, rtol=1e-11, atol=1e-14)


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


@pytest.mark.parametrize(
    ("name", "loss"), zip(("cross-entropy", "batch", "element"), ALL, strict=True)
)
def test_the_losses_of_single_images_average_to_pytorchs(name: str, loss: Loss) -> None:
    per_image = loss.per_image(LOGITS, LABELS)
    assert per_image.shape == (9,)
    assert per_image.mean() == pytest.approx(by_torch(name, LOGITS, LABELS)[0], rel=1e-13)


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
    for name in NAMES:
        value, gradient = value_and_gradient(name, logits, labels, dtype)  # warnings are errors
        assert 0 <= value <= 2.1e4
        assert gradient.dtype == dtype
        assert np.abs(gradient).max() <= 1
    for loss in ALL:
        assert np.isfinite(loss.per_image(logits.astype(dtype), labels)).all()
        probabilities = loss.probabilities(logits.astype(dtype))
        assert (probabilities >= 0).all()
        assert (probabilities <= 1).all()


def test_reading_leaves_the_logits_alone() -> None:
    for loss in ALL:
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
