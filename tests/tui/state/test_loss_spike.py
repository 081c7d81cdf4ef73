"""A loss that jumps up is noticed, and an ordinary noisy one is not."""

import math
import random
from collections.abc import Iterable
from itertools import count

import pytest

from mlpwatch.core.config import RecipeName
from mlpwatch.core.data.dataset import batch_order, dataset_for, steps_per_epoch
from mlpwatch.core.data.registry import pace_for
from mlpwatch.core.network.optimizers import learning_rate_at
from mlpwatch.core.recipes import RECIPES, from_recipe
from mlpwatch.core.training.launch import engine_on
from mlpwatch.tui.state.loss_spike import REMEMBERED, STRETCH, LossSpikes


def fed(losses: Iterable[float], spikes: LossSpikes | None = None, first: int = 1) -> LossSpikes:
    found = spikes or LossSpikes()
    for step, loss in zip(count(first), losses, strict=False):
        found.add(step, loss)
    return found


def falling(steps: int, *, noise: float = 0.8, seed: int = 1) -> list[float]:
    moments = random.Random(seed)
    return [
        (0.02 + 2.3 * math.exp(-n / 300)) * math.exp(moments.gauss(0, noise)) for n in range(steps)
    ]


@pytest.mark.parametrize("seed", range(20))
def test_a_noisy_loss_that_falls_or_stays_is_no_spike(seed: int) -> None:
    assert fed(falling(6_000, seed=seed)).began is None


def test_a_jump_is_a_spike_from_its_first_stretch_on_until_it_ends() -> None:
    calm = falling(32 * 40)
    spikes = fed(calm)
    fed([1.5] * 2 * STRETCH, spikes, len(calm) + 1)
    assert spikes.began == len(calm)
    assert spikes.lasts
    assert spikes.times > 10
    assert spikes.is_news
    now = len(calm) + 2 * STRETCH
    fed([0.03] * REMEMBERED * STRETCH, spikes, now + 1)
    assert not spikes.lasts
    assert spikes.is_news, "it is over, and still offered"
    fed([0.03] * 2 * STRETCH, spikes, now + REMEMBERED * STRETCH + 1)
    assert not spikes.is_news


def test_near_zero_a_loss_may_triple() -> None:
    calm = falling(32 * 80)
    assert fed([0.3] * 500, fed(calm), len(calm) + 1).began is None


@pytest.mark.parametrize("loss", [math.nan, math.inf])
def test_a_loss_that_is_not_finite_is_one_at_once(loss: float) -> None:
    spikes = fed([2.3, 2.2, loss])
    assert (spikes.began, spikes.times, spikes.lasts) == (0, math.inf, True)
    spikes.end(3)
    assert spikes.began == 0, "not again"
    after = fed([2.3] * STRETCH)
    after.end(40)
    assert after.began == 40, "weights that are not finite have no loss"


def test_sums_of_batches_give_the_same_verdict() -> None:
    calm = falling(32 * 40)
    one, summed = fed([*calm, *[1.5] * 64]), LossSpikes()
    losses = [*calm, *[1.5] * 64]
    for first in range(0, len(losses), 16):
        part = losses[first : first + 16]
        summed.add(first + len(part), sum(part) / len(part), len(part))
    assert summed.began == one.began == len(calm)


def recipe_losses(recipe: RecipeName, rise: int | None = None) -> list[float]:
    """Return the losses of a recipe's first 2,500 steps on digits.

    Args:
        recipe: to train.
        rise: the step at which the learning rate is multiplied by 300, if any.
    """
    config = from_recipe(recipe, **{**pace_for("digits", recipe), "data": "digits", "threads": 1})
    dataset = dataset_for(config, None)
    engine = engine_on(dataset, "numpy", config)
    per_epoch = steps_per_epoch(dataset.train_count, config.batch_size)
    total = config.epochs * per_epoch
    for step in range(min(total, 2_500)):
        epoch, batch = divmod(step, per_epoch)
        if not batch:
            order = batch_order(config.seed, epoch, dataset.train_count)
        factor = 300.0 if rise is not None and step >= rise else 1.0
        engine.set_learning_rate(factor * learning_rate_at(step, total, config))
        engine.train_batch(order[batch * config.batch_size : (batch + 1) * config.batch_size])
    return engine.take_losses()


@pytest.mark.slow
@pytest.mark.parametrize("recipe", ["twin", "overfitting", "best"])
def test_a_learning_rate_that_is_suddenly_too_high_is_noticed(recipe: RecipeName) -> None:
    spikes = fed(recipe_losses(recipe, rise=130))
    assert spikes.began is not None
    assert 128 - STRETCH <= spikes.began <= 130 + 2 * STRETCH


@pytest.mark.slow
@pytest.mark.parametrize("recipe", RECIPES)
def test_no_recipe_s_curve_is_a_false_alarm(recipe: RecipeName) -> None:
    spikes = fed(recipe_losses(recipe))
    assert spikes.began is None
