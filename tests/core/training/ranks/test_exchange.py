"""Any number of ranks computes what one process does."""

import numpy as np
import pytest
from numpy.typing import NDArray

from mlpwatch.core.config import EngineName
from mlpwatch.core.network.optimizers import OPTIMIZERS
from mlpwatch.core.training.ranks.exchange import RankLostError, RanksEndedError, share_of
from tests.support.samples.engines import (
    SAMPLES,
    assert_close,
    assert_same_bits,
    batches,
    build,
    small_config,
    small_images,
)
from tests.support.samples.ranks import Meeting, in_all_ranks, ranked_engine, train_on_ranks

ENGINES: tuple[EngineName, ...] = ("numpy", "torch")
STEPS = batches(np.arange(SAMPLES), 4) * 3
"""Of 4, 4 and 3 images."""


def test_the_shares_are_a_batch_as_even_as_possible() -> None:
    for count in (1, 3, 64, 100):
        for size in (1, 2, 3, 7):
            rows = [np.arange(count)[share_of(count, rank, size)] for rank in range(size)]
            assert np.concatenate(rows).tolist() == list(range(count))
            lengths = {len(one) for one in rows}
            assert max(lengths) - min(lengths) <= 1


@pytest.mark.parametrize("size", [1, 2, 3, 7])
@pytest.mark.parametrize("name", ENGINES)
def test_ranks_learn_what_one_process_does(name: EngineName, size: int) -> None:
    config = small_config(dropout=0.3, input_dropout=0.2, optimizer="adam", weight_decay=0.01)
    alone = build(name, config, small_images())
    losses = []
    for number, rows in enumerate(STEPS):
        alone.set_learning_rate(0.05 / (1 + number))
        alone.train_batch(rows)
        losses += alone.take_losses()
    engines, found = train_on_ranks(name, config, small_images(), STEPS, size)
    for engine, one in zip(engines, found, strict=True):
        assert_close(engine.weights(), alone.weights(), 1e-13)
        np.testing.assert_allclose(one, losses, 1e-13)
        assert_same_bits(engine.weights(), engines[0].weights())
        assert_same_bits(engine.state().slots, engines[0].state().slots)


@pytest.mark.parametrize("optimizer", tuple(OPTIMIZERS))
@pytest.mark.parametrize("loss", ["mse", "cross-entropy"])
def test_every_optimizer_and_loss_is_the_same_on_ranks(optimizer: str, loss: str) -> None:
    config = small_config(optimizer=optimizer, loss=loss, torch_loss_mean="element")
    for name in ENGINES:
        engines, _ = train_on_ranks(name, config, small_images(), STEPS[:4], 2)
        alone = build(name, config, small_images())
        for number, rows in enumerate(STEPS[:4]):
            alone.set_learning_rate(0.05 / (1 + number))
            alone.train_batch(rows)
        assert_close(engines[1].weights(), alone.weights(), 1e-12)


def test_the_same_number_of_ranks_gives_numpy_the_same_bits() -> None:
    config = small_config(dtype="float32", dropout=0.3)
    first, second = (train_on_ranks("numpy", config, small_images(), STEPS, 3) for _ in range(2))
    assert_same_bits(first[0][0].weights(), second[0][2].weights())
    assert first[1] == second[1]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_learning_rate_travels_exactly(dtype: str) -> None:
    meeting, rates = Meeting(2), [0.1, 1 / 3, 1e-30, 9.9e29, 0.30000000000000004]
    pairs = [
        ranked_engine("numpy", small_config(dtype=dtype), small_images(), meeting, rank)
        for rank in range(2)
    ]
    found: list[float] = []

    def work(rank: int) -> None:
        for rate in rates:
            _, arrived = pairs[rank][1].sum(0.0, rate if rank == 0 else 5.0)
            if rank == 1:
                found.append(arrived)

    in_all_ranks(2, work)
    assert found == rates


def test_rank_0_ends_the_others_before_the_step_that_they_have_begun() -> None:
    meeting = Meeting(2)
    pairs = [
        ranked_engine("numpy", small_config(), small_images(), meeting, rank) for rank in range(2)
    ]
    before = pairs[1][0].weights()
    ended: list[int] = []

    def work(rank: int) -> None:
        engine, exchange = pairs[rank]
        if rank == 0:
            exchange.end()
            return
        try:
            engine.train_batch(STEPS[0])
        except RanksEndedError:
            ended.append(rank)

    in_all_ranks(2, work)
    assert ended == [1]
    assert_same_bits(pairs[1][0].weights(), before)
    assert pairs[1][0].take_losses() == []


def test_after_a_lost_rank_the_weights_are_those_before_the_step() -> None:
    engine, exchange = ranked_engine("numpy", small_config(), small_images(), Meeting(1), 0)
    exchange.explain = lambda error: f"rank 1 has ended ({error})"

    class Broken:
        tail: NDArray[np.floating] = np.zeros(exchange.spare)

        def sum(self) -> None:
            raise RuntimeError("closed")

    exchange.connect(Broken())
    before = engine.weights()
    with pytest.raises(RankLostError) as raised:
        engine.train_batch(STEPS[0])
    assert str(raised.value) == "rank 1 has ended (closed)"
    assert_same_bits(engine.weights(), before)
    assert engine.take_losses() == []


def test_each_rank_reports_its_times_and_that_it_was_asked_to_stop() -> None:
    meeting = Meeting(3)
    pairs = [
        ranked_engine("numpy", small_config(), small_images(), meeting, rank) for rank in range(3)
    ]
    seen: list[np.ndarray] = []
    pairs[0][1].on_step = lambda times, _idle: seen.append(times.copy())
    pairs[2][1].is_asked_to_stop = True

    def work(rank: int) -> None:
        for rows in STEPS[:2]:
            pairs[rank][0].train_batch(rows)

    in_all_ranks(3, work)
    assert [one.shape for one in seen] == [(3, 3), (3, 3)]
    assert seen[1][:, 2].tolist() == [0, 0, 1]
    assert (seen[1][:, :2] > 0).all()
    assert (seen[0][:, 1] == 0).all()
