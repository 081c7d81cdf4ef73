"""Dropout masks: from seed and step alone, with the share that was asked for."""

from dataclasses import replace

import numpy as np
import pytest

from mlpwatch.core.network.dropout import DropoutMasks
from tests.support.samples.engines import build_both, small_config, small_images

SHARES = {"dropout": 0.3, "input_dropout": 0.2}


def test_masks_depend_on_seed_and_step_alone() -> None:
    config = small_config(**SHARES)
    first, again = (DropoutMasks(config, [5, 4]).draw(7, 6) for _ in range(2))
    other_step = DropoutMasks(config, [5, 4]).draw(8, 6)
    other_seed = DropoutMasks(replace(config, seed=1), [5, 4]).draw(7, 6)
    for mask, same, later, foreign in zip(first, again, other_step, other_seed, strict=True):
        assert mask is not None
        assert same is not None
        np.testing.assert_array_equal(mask, same)
        assert (mask != later).any()
        assert (mask != foreign).any()


def test_a_mask_leaves_out_its_share_and_keeps_the_mean() -> None:
    pixels, hidden = DropoutMasks(small_config(**SHARES), [200, 300]).draw(0, 500)
    assert pixels is not None
    assert hidden is not None
    # 100,000 and 150,000 draws: 0.01 is more than seven standard deviations.
    assert (pixels == 0).mean() == pytest.approx(0.2, abs=0.01)
    assert (hidden == 0).mean() == pytest.approx(0.3, abs=0.01)
    assert set(np.unique(pixels)) == {0.0, 1 / 0.8}
    assert set(np.unique(hidden)) == {0.0, 1 / 0.7}


def test_a_share_of_zero_draws_nothing() -> None:
    assert DropoutMasks(small_config(), [5, 4]).draw(0, 6) == [None, None]
    pixels, hidden = DropoutMasks(small_config(dropout=0.5), [5, 4]).draw(0, 6)
    assert pixels is None
    assert hidden is not None


def test_a_network_that_is_read_leaves_nothing_out() -> None:
    images = small_images()
    plain = build_both(small_config(), images)
    dropping = build_both(small_config(**SHARES), images)
    for one, other in zip(plain, dropping, strict=True):
        np.testing.assert_array_equal(one.logits(images.pixels), other.logits(images.pixels))
