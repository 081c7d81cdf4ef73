"""The slowest rank waits for nobody, the others for it."""

import numpy as np
import pytest

from mlpwatch.core.events import RanksMeasured
from mlpwatch.core.training.ranks.meter import PAUSE_SECONDS, RankMeter

COMPUTING = (0.01, 0.03)
TIMES = np.array([[0.01, 0.025, 0.0], [0.03, 0.005, 0.0]])
"""Rank 0 computes 10 ms and waits 20 for rank 1; the transfer takes 5."""


def measured(meter: RankMeter, idle: float = 0.0, steps: int = 100) -> list[RanksMeasured]:
    found = [meter.add(TIMES, idle, step) for step in range(1, steps + 1)]
    return [one for one in found if one is not None]


def test_speed_waiting_and_transfer_are_those_of_the_steps() -> None:
    first, *_ = measured(RankMeter("numpy", 2, 65))
    assert first.engine == "numpy"
    assert first.samples_per_second == pytest.approx((32 / 0.01, 33 / 0.03))
    assert first.waiting == pytest.approx((20 / 35, 0))
    assert first.transfer == pytest.approx(5 / 35)
    assert first.step == 30  # the first one is left out, 29 of 35 ms are a second


def test_a_pause_is_nobodys_fault() -> None:
    meter = RankMeter("numpy", 2, 64)
    assert measured(meter, idle=2 * PAUSE_SECONDS, steps=50) == []
    paused = np.array([[0.01, 0.025, 0.0], [0.03, 60.0, 0.0]])
    meter.add(TIMES, 60.0, 51)
    meter.add(paused, 0.0, 52)
    found = measured(meter)
    assert found[0].waiting == pytest.approx((20 / 35, 0))
