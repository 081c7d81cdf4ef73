"""Losses against PyTorch's and scikit-learn's, and far beyond the range of exp."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.metrics import log_loss

from core.config import LossMean, RunConfig
from core.engine import Floats, Labels
from core.losses import CrossEntropy, Loss, SquaredError, loss_for

LOGITS = np.random.default_rng(0).normal(0, 3, (9, 4))
LABELS: Labels = np.arange(9, dtype=np.int64) % 4
ALL: tuple[Loss, ...] = (CrossEntropy(), SquaredError("batch"), SquaredError("element"))


def value_and_delta(loss: Loss, logits: Floats, labels: Labels) -> tuple[float, Floats]:
    delta = np.full_like(logits, np.nan)
    return loss.value_and_delta(logits.copy(), labels, delta), delta


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
        reduction = "mean" if name == "element" else "sum"
        targets = one_hot(y, logits.shape[1]).to(z.dtype)
        loss = MSELoss(reduction=reduction)(torch.sigmoid(z), targets)
        loss = loss if name == "element" else loss / len(logits)
    loss.backward()  # type: ignore[no-untyped-call]
    assert z.grad is not None
    return float(loss.detach()), z.grad.numpy()


@pytest.mark.parametrize(
    ("name", "loss"), zip(("cross-entropy", "batch", "element"), ALL, strict=True)
)
def test_value_and_gradient_are_pytorchs(name: str, loss: Loss) -> None:
    value, delta = value_and_delta(loss, LOGITS, LABELS)
    expected_value, expected_delta = by_torch(name, LOGITS, LABELS)
    assert value == pytest.approx(expected_value, rel=1e-13)
    np.testing.assert_allclose(delta, expected_delta, rtol=1e-11, atol=1e-14)


def test_cross_entropy_is_scikit_learns_log_loss() -> None:
    loss = CrossEntropy()
    expected = log_loss(LABELS, loss.probabilities(LOGITS))
    assert value_and_delta(loss, LOGITS, LABELS)[0] == pytest.approx(expected, rel=1e-13)


def test_squared_error_sums_over_the_classes_or_averages_over_them() -> None:
    error = 1 / (1 + np.exp(-LOGITS)) - np.eye(4)[LABELS]
    batch, element = (value_and_delta(SquaredError(m), LOGITS, LABELS) for m in MEANS)
    assert batch[0] == pytest.approx((error**2).sum() / 9, rel=1e-13)
    assert element[0] == pytest.approx((error**2).mean(), rel=1e-13)
    np.testing.assert_allclose(batch[1], 4 * element[1], rtol=1e-13)


MEANS: tuple[LossMean, ...] = ("batch", "element")


@pytest.mark.parametrize("loss", ALL)
def test_the_mean_of_the_images_losses_is_the_value(loss: Loss) -> None:
    per_image = loss.per_image(LOGITS, LABELS)
    assert per_image.shape == (9,)
    assert per_image.mean() == pytest.approx(value_and_delta(loss, LOGITS, LABELS)[0], rel=1e-13)


def test_probabilities_are_softmax_or_one_sigmoid_per_class() -> None:
    shares = CrossEntropy().probabilities(LOGITS)
    np.testing.assert_allclose(shares, np.exp(LOGITS) / np.exp(LOGITS).sum(1, keepdims=True), 1e-12)
    np.testing.assert_allclose(
        SquaredError("batch").probabilities(LOGITS), 1 / (1 + np.exp(-LOGITS)), 1e-11
    )


@pytest.mark.parametrize("loss", ALL)
@given(
    arrays(np.float64, (3, 4), elements=st.sampled_from([-1e4, -50.0, 0.0, 50.0, 1e4])),
    arrays(np.int64, 3, elements=st.integers(0, 3)),
    st.sampled_from(["float32", "float64"]),
)
@settings(max_examples=40)
def test_logits_of_ten_thousand_stay_finite(
    loss: Loss, logits: Floats, labels: Labels, dtype: str
) -> None:
    logits = logits.astype(dtype)
    value, delta = value_and_delta(loss, logits, labels)  # a warning is an error here
    assert 0 <= value <= 2.1e4
    assert delta.dtype == dtype
    assert np.abs(delta).max() <= 1
    assert np.isfinite(loss.per_image(logits, labels)).all()
    probabilities = loss.probabilities(logits)
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
    values = [
        value_and_delta(loss_for(config, name), LOGITS, LABELS)[0] for name in ("numpy", "torch")
    ]
    assert values[0] == pytest.approx(4 * values[1], rel=1e-13)
    plain = loss_for(RunConfig(), "torch")
    assert plain.per_image(LOGITS, LABELS).mean() == pytest.approx(
        value_and_delta(CrossEntropy(), LOGITS, LABELS)[0], rel=1e-13
    )
