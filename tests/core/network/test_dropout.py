"""Dropout leaves out the stated share, alike in both engines, and only while training."""

import numpy as np
import pytest

from mlpwatch.core.arrays import Rows
from mlpwatch.core.config import EngineName
from mlpwatch.core.network.dropout import DropoutMasks
from tests.support.samples.engines import (
    assert_close,
    assert_same_bits,
    build,
    build_both,
    finite_differences,
    small_config,
    small_images,
    train_steps,
)

NAMES: tuple[EngineName, ...] = ("numpy", "torch")
ROWS: Rows = np.arange(7, dtype=np.intp)
BOTH = {"dropout": 0.4, "input_dropout": 0.25, "hidden": (6, 4), "activation": "tanh"}


def test_a_mask_keeps_the_expected_sum() -> None:
    """Of 200,000 numbers, 5 standard deviations of the share kept are 0.006."""
    config = small_config(dropout=0.4, input_dropout=0.25)
    for mask, share in zip(DropoutMasks(config, (400, 400)).draw(0, 500), (0.25, 0.4), strict=True):
        assert mask is not None
        assert mask.dtype == np.float64
        assert np.unique(mask).tolist() == pytest.approx([0, 1 / (1 - share)])
        assert (mask > 0).mean() == pytest.approx(1 - share, abs=0.006)
        assert mask.mean() == pytest.approx(1, abs=0.01)


def test_masks_follow_from_seed_and_step_alone() -> None:
    masks = DropoutMasks(small_config(**BOTH), (5, 6, 4))
    again = DropoutMasks(small_config(**BOTH), (5, 6, 4))
    other = DropoutMasks(small_config(**BOTH, seed=1), (5, 6, 4))
    again.draw(3, 9)
    for k in range(3):
        np.testing.assert_array_equal(masks.draw(8, 7)[k], again.draw(8, 7)[k])
        for different in (masks.draw(9, 7)[k], other.draw(8, 7)[k]):
            assert (masks.draw(8, 7)[k] != different).any()  # type: ignore[union-attr]


def test_no_share_no_mask() -> None:
    assert DropoutMasks(small_config(), (5, 4)).draw(0, 7) == [None, None]
    only_hidden = DropoutMasks(small_config(dropout=0.5), (5, 4)).draw(0, 7)
    assert [mask is None for mask in only_hidden] == [True, False]


@pytest.mark.parametrize("name", NAMES)
def test_the_gradient_under_dropout_equals_finite_differences(name: EngineName) -> None:
    engine = build(name, small_config(**BOTH), small_images())
    found = engine.loss_and_gradient(ROWS)[1]
    assert_close(found, finite_differences(engine, ROWS), 1e-8)


@pytest.mark.parametrize(
    ("dropout", "input_dropout"),
    [
        (0.4, 0.25),
        (0.4, 0.0),
        (0.0, 0.25),
    ],
)
def test_both_engines_leave_out_the_same_numbers(dropout: float, input_dropout: float) -> None:
    shares = {"dropout": dropout, "input_dropout": input_dropout}
    by_hand, in_torch = build_both(small_config(**BOTH | shares), small_images())
    losses = train_steps(by_hand, [ROWS] * 5)
    assert losses == pytest.approx(train_steps(in_torch, [ROWS] * 5), rel=1e-12)
    without = {"dropout": 0.0, "input_dropout": 0.0}
    plain = build("numpy", small_config(**BOTH | without), small_images())
    assert train_steps(plain, [ROWS] * 5)[0] != pytest.approx(losses[0], rel=1e-3)


@pytest.mark.parametrize("name", NAMES)
def test_reading_leaves_nothing_out(name: EngineName) -> None:
    images = small_images()
    dropping = build(name, small_config(**BOTH), images)
    plain = build(name, small_config(**BOTH | {"dropout": 0.0, "input_dropout": 0.0}), images)
    assert_same_bits(dropping.state().weights, plain.state().weights)
    np.testing.assert_array_equal(dropping.logits(images.pixels), plain.logits(images.pixels))
