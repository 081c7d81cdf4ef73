"""The gap between both networks: measured layer by layer, and as small as rounding on MNIST."""

from pathlib import Path

import numpy as np
import pytest

from mlpwatch.core.analysis.gap import PENDING_BYTES, GapMeter, PublishedWeights, layer_differences
from mlpwatch.core.config import Dtype, EngineName
from mlpwatch.core.events import GapMeasured
from mlpwatch.core.recipes import from_recipe
from mlpwatch.core.training.launch import new_session

pytestmark = pytest.mark.slow

W, B = "layers.0.weight", "layers.0.bias"


def published(
    engine: EngineName, epoch: int, shift: float = 0.0, size: int = 2
) -> PublishedWeights:
    weights = {
        W: np.full((size, size), 1.0 + shift),
        B: np.zeros(size),
        "layers.1.weight": np.ones((1, size)),
        "layers.1.bias": np.full(1, shift / 4),
    }
    return PublishedWeights(engine, epoch, epoch * 10, 0.5 + shift, weights)


def test_the_second_engine_of_an_epoch_measures_the_gap() -> None:
    meter = GapMeter()
    assert meter.publish(published("numpy", 1)) is None
    assert meter.publish(published("numpy", 2)) is None
    gap = meter.publish(published("torch", 1, shift=-0.25))
    assert gap == GapMeasured("torch", 1, 10, 0.25, (0.25, 0.0625), 0.25)
    late = meter.publish(published("torch", 2, shift=0.5))
    assert late is not None
    assert late.weight_difference == 0.5


def test_an_engine_alone_never_measures_a_gap() -> None:
    meter = GapMeter()
    assert [meter.publish(published("numpy", epoch)) for epoch in (1, 2, 3)] == [None] * 3


def test_a_nan_is_not_passed_over() -> None:
    broken = dict(published("torch", 1).weights) | {B: np.array([np.nan, 0.0])}
    first, second = layer_differences(published("numpy", 1).weights, broken)
    assert np.isnan(first)
    assert second == 0.0


def test_an_engine_far_ahead_does_not_fill_the_memory() -> None:
    meter = GapMeter()
    side = 600
    one = published("numpy", 1, size=side)
    most = PENDING_BYTES // one.size
    for epoch in range(1, most + 3):
        meter.publish(published("numpy", epoch, size=side))
    # The slower engine comes to the oldest epochs first: those are kept.
    assert meter.publish(published("torch", 1, size=side)) is not None
    assert meter.publish(published("torch", most + 2, size=side)) is None


def test_the_room_of_what_was_measured_is_used_again() -> None:
    meter, side = GapMeter(), 1_000
    most = PENDING_BYTES // published("numpy", 1, size=side).size
    for epoch in range(1, 2 * most + 2):
        own = published("numpy", epoch, size=side)
        assert meter.publish(own) is None
        # As a trainer that goes on: what waits is a copy.
        own.weights[W][:] = np.nan
        gap = meter.publish(published("torch", epoch, shift=0.5, size=side))
        assert gap is not None
        assert gap.weight_difference == 0.5


def test_a_network_larger_than_what_may_wait_is_measured_all_the_same() -> None:
    meter, side = GapMeter(), 1_500
    assert published("numpy", 1, size=side).size > PENDING_BYTES
    for epoch in (1, 2):
        meter.publish(published("numpy", epoch, size=side))
    assert meter.publish(published("torch", 1, size=side)) is not None
    assert meter.publish(published("torch", 2, size=side)) is None


@pytest.mark.xdist_group("mnist")
@pytest.mark.parametrize(("dtype", "bound"), [("float32", 1e-3), ("float64", 1e-9)])
@pytest.mark.rare
def test_the_twins_stay_together_over_an_epoch_of_mnist(
    mnist_path: Path, tmp_path: Path, dtype: Dtype, bound: float
) -> None:
    config = from_recipe("twin", data=str(mnist_path), epochs=1, dtype=dtype)
    session = new_session(config, tmp_path, None, lambda _: None)
    session.start()
    assert session.join(120)
    gaps = [e for e in session.mailbox.drain().events if isinstance(e, GapMeasured)]
    assert len(gaps) == 1
    assert 0 < gaps[0].weight_difference < bound
    assert session.result()["max_weight_difference"] == gaps[0].weight_difference
