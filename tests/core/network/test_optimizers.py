"""Optimizers: on paper, against `torch.optim`, and both engines over many steps."""

import math
from collections.abc import Callable
from functools import partial
from itertools import islice
from typing import get_args

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.optim.lr_scheduler import LRScheduler

from mlpwatch.core.arrays import Rows
from mlpwatch.core.config import Activation, OptimizerName, RunConfig, Schedule
from mlpwatch.core.data.dataset import batch_order
from mlpwatch.core.network.optimizers import OPTIMIZERS, learning_rate_at, rate_note
from tests.support.samples.engines import (
    SAMPLES,
    assert_close,
    batches,
    build,
    build_both,
    small_config,
    small_images,
    train_steps,
)

NAMES: tuple[OptimizerName, ...] = tuple(OPTIMIZERS)
STEPS = 25


def steps_of(batch_size: int, seed: int = 0, count: int = STEPS) -> list[Rows]:
    """Return the first batches of a run over the small images."""
    epochs = (batches(batch_order(seed, epoch, SAMPLES), batch_size) for epoch in range(count))
    return list(islice((rows for epoch in epochs for rows in epoch), count))


@given(
    optimizer=st.sampled_from(NAMES),
    activation=st.sampled_from(get_args(Activation)),
    loss=st.sampled_from(["cross-entropy", "mse"]),
    hidden=st.lists(st.integers(1, 6), max_size=3).map(tuple),
    classes=st.integers(2, 5),
    batch_size=st.sampled_from([1, 4, 10, 11, 50]),
    seed=st.integers(0, 2**63 - 1),
    shares=st.sampled_from([(0.0, 0.0), (0.3, 0.2)]),
    momentum=st.sampled_from([0.9, 0.5]),
    weight_decay=st.sampled_from([0.0, 0.1]),
)
@settings(max_examples=25, deadline=None)
def test_both_engines_stay_together_step_by_step(
    classes: int, batch_size: int, shares: tuple[float, float], **choices: object
) -> None:
    config = small_config(dropout=shares[0], input_dropout=shares[1], **choices)
    by_hand, in_torch = build_both(config, small_images(classes))
    steps = steps_of(batch_size, config.seed)
    losses = train_steps(by_hand, steps)
    assert len(losses) == STEPS
    assert losses == pytest.approx(train_steps(in_torch, steps), abs=1e-10, rel=1e-10)
    assert_close(by_hand.state().weights, in_torch.state().weights, 1e-10)
    assert_close(by_hand.state().slots, in_torch.state().slots, 1e-10)
    assert by_hand.state().updates == in_torch.state().updates == STEPS


def test_the_batches_of_that_property_hold_a_short_one() -> None:
    assert {len(rows) for rows in steps_of(4)} == {4, 3}
    assert {len(rows) for rows in steps_of(10)} == {10, 1}


@pytest.mark.parametrize("optimizer", NAMES)
def test_float32_engines_stay_together(optimizer: OptimizerName) -> None:
    both = build_both(small_config(dtype="float32", optimizer=optimizer), small_images())
    for engine in both:
        train_steps(engine, steps_of(4))
    assert_close(both[0].state().weights, both[1].state().weights, 1e-4)


def test_adam_is_algorithm_1_of_the_paper() -> None:
    alpha, beta1, beta2, epsilon = 0.001, 0.9, 0.999, 1e-8
    gradients = [0.5, -2.0, 0.25, 1e-9, 3.0]
    theta, m, v = 1.5, 0.0, 0.0
    found = np.array([theta])
    adam = OPTIMIZERS["adam"](alpha, found)
    for t, g in enumerate(gradients, start=1):
        m = beta1 * m + (1 - beta1) * g
        v = beta2 * v + (1 - beta2) * g**2
        m_hat = m / (1 - beta1**t)
        v_hat = v / (1 - beta2**t)
        theta = theta - alpha * m_hat / (math.sqrt(v_hat) + epsilon)
        adam.update(found, np.array([g]))
        assert found[0] == pytest.approx(theta, rel=1e-14)
        assert adam.slots["adam_mean"][0] == pytest.approx(m, rel=1e-14)
        assert adam.slots["adam_square"][0] == pytest.approx(v, rel=1e-14)
    assert adam.updates == len(gradients)


def test_momentum_on_paper() -> None:
    """Velocity: v = 1, then 0.9 + 1 = 1.9, then 1.71 - 2 = -0.29; θ = 1 - 0.1 (1 + 1.9 - 0.29)."""
    theta = np.array([1.0])
    momentum = OPTIMIZERS["momentum"](0.1, theta)
    for g in (1.0, 1.0, -2.0):
        momentum.update(theta, np.array([g]))
    assert theta[0] == pytest.approx(0.739, rel=1e-14)
    assert momentum.slots["momentum"][0] == pytest.approx(-0.29, rel=1e-14)


def test_nesterov_on_paper() -> None:
    """Velocity: v = 1, 1.9, -0.29; θ = 1 - 0.1 ((1 + 0.9) + (1 + 1.71) + (-2 - 0.261))."""
    theta = np.array([1.0])
    nesterov = OPTIMIZERS["nesterov"](0.1, theta)
    for g in (1.0, 1.0, -2.0):
        nesterov.update(theta, np.array([g]))
    assert theta[0] == pytest.approx(0.7651, rel=1e-14)
    assert nesterov.slots["momentum"][0] == pytest.approx(-0.29, rel=1e-14)


def test_rmsprop_on_paper() -> None:
    """Mean square: v = 0.01 · 4 = 0.04, then 0.0396 + 0.0036 = 0.0432.

    θ = 1 - 0.1 (2 / 0.2 + 0.6 / √0.0432)
    """
    theta = np.array([1.0])
    rmsprop = OPTIMIZERS["rmsprop"](0.1, theta)
    for g in (2.0, 0.6):
        rmsprop.update(theta, np.array([g]))
    assert rmsprop.slots["rmsprop_square"][0] == pytest.approx(0.0432, rel=1e-14)
    assert theta[0] == pytest.approx(-0.06 / 0.0432**0.5, rel=1e-6)


def test_weight_decay_is_coupled_but_in_adamw() -> None:
    """With no gradient, λ = 0.5 and η = 0.1, AdamW shrinks θ by 1 - ηλ; Adam takes a step of η."""
    ends = {}
    for name in NAMES:
        theta = np.array([2.0])
        OPTIMIZERS[name](0.1, theta, weight_decay=0.5).update(theta, np.array([0.0]))
        ends[name] = float(theta[0])
    assert ends["sgd"] == ends["momentum"] == pytest.approx(2 - 0.1 * 0.5 * 2, rel=1e-15)
    assert ends["nesterov"] == pytest.approx(2 - 0.1 * 1.9, rel=1e-15)
    assert ends["rmsprop"] == pytest.approx(2 - 0.1 / 0.01**0.5, rel=1e-6)
    assert ends["adam"] == pytest.approx(2 - 0.1, rel=1e-6)
    assert ends["adamw"] == pytest.approx(2 * (1 - 0.1 * 0.5), rel=1e-15)


def test_the_linear_schedule_ends_just_above_0() -> None:
    config = RunConfig(learning_rate=0.8, schedule="linear")
    rates = [learning_rate_at(step, 4, config) for step in range(4)]
    assert rates == pytest.approx([0.8, 0.6, 0.4, 0.2], rel=1e-15)
    constant = RunConfig(learning_rate=0.8)
    assert {learning_rate_at(step, 4, constant) for step in range(4)} == {0.8}


def rates_in_torch(make: Callable[[torch.optim.Optimizer], LRScheduler], steps: int) -> list[float]:
    """Return the learning rate of each step under a scheduler of PyTorch."""
    rule = torch.optim.SGD([torch.zeros(1)], lr=0.8)
    schedule, rates = make(rule), []
    for _ in range(steps):
        rates.append(rule.param_groups[0]["lr"])
        rule.step()
        schedule.step()
    return rates


@pytest.mark.parametrize("warmup", [0, 1, 7])
@pytest.mark.parametrize("schedule", get_args(Schedule))
def test_a_schedule_is_that_of_pytorch(schedule: Schedule, warmup: int) -> None:
    """As users chain them: `LinearLR` first, then the schedule over the other steps."""
    from torch.optim import lr_scheduler as in_torch

    steps = warmup + 30

    def fall(rule: torch.optim.Optimizer) -> LRScheduler:
        if schedule == "cosine":
            return in_torch.CosineAnnealingLR(rule, T_max=30)
        if schedule == "step":
            return in_torch.StepLR(rule, step_size=10, gamma=0.1)
        end = 0.0 if schedule == "linear" else 1.0
        return in_torch.LinearLR(rule, start_factor=1.0, end_factor=end, total_iters=30)

    def make(rule: torch.optim.Optimizer) -> LRScheduler:
        if not warmup:
            return fall(rule)
        rise = in_torch.LinearLR(rule, start_factor=1 / (warmup + 1), total_iters=warmup)
        return in_torch.SequentialLR(rule, [rise, fall(rule)], milestones=[warmup])

    config = RunConfig(learning_rate=0.8, schedule=schedule, warmup=warmup)
    rates = [learning_rate_at(step, steps, config) for step in range(steps)]
    assert rates == pytest.approx(rates_in_torch(make, steps), rel=1e-12)
    assert all(rate > 0 for rate in rates)


def test_a_warm_up_longer_than_the_run_only_rises() -> None:
    config = RunConfig(learning_rate=0.8, schedule="linear", warmup=9)
    rates = [learning_rate_at(step, 4, config) for step in range(5)]
    assert rates == pytest.approx([0.08, 0.16, 0.24, 0.32, 0.4], rel=1e-14)


def test_each_third_of_a_run_of_any_length_has_a_step() -> None:
    config = RunConfig(learning_rate=1.0, schedule="step")
    for third in range(1, 200):
        rates = [learning_rate_at(n * third, 3 * third, config) for n in range(3)]
        assert rates == pytest.approx([1.0, 0.1, 0.01], rel=1e-15)


@pytest.mark.parametrize("decay", [0.0, 0.1])
@pytest.mark.parametrize("name", ["numpy", "torch"])
@pytest.mark.parametrize("optimizer", NAMES)
def test_training_equals_torch_optim_under_its_own_linear_schedule(
    optimizer: OptimizerName, name: str, decay: float
) -> None:
    """A plain PyTorch loop as users write it: `nn.Sequential`, `LambdaLR`, `step()`."""
    from torch import nn

    config = small_config(optimizer=optimizer, schedule="linear", momentum=0.8, weight_decay=decay)
    images = small_images()
    engine = build("numpy" if name == "numpy" else "torch", config, images)
    network = nn.Sequential(nn.Linear(5, 4), nn.ReLU(), nn.Linear(4, 3)).double()
    values = [torch.tensor(array) for array in engine.state().weights.values()]
    network.load_state_dict(dict(zip(network.state_dict(), values, strict=True)))
    optim = torch.optim
    rules: dict[OptimizerName, Callable[..., torch.optim.Optimizer]] = {
        "sgd": partial(optim.SGD, fused=True),
        "momentum": partial(optim.SGD, momentum=0.8, fused=True),
        "nesterov": partial(optim.SGD, momentum=0.8, nesterov=True, fused=True),
        "rmsprop": optim.RMSprop,
        "adam": partial(optim.Adam, fused=True),
        "adamw": partial(optim.AdamW, fused=True),
    }
    rule = rules[optimizer](network.parameters(), lr=0.05, weight_decay=decay)
    schedule = torch.optim.lr_scheduler.LambdaLR(rule, lambda step: 1 - step / STEPS)
    x, y = torch.tensor(images.pixels).double(), torch.tensor(images.labels)
    for step, rows in enumerate(steps_of(4)):
        rule.zero_grad()
        loss: torch.Tensor = nn.CrossEntropyLoss()(network(x[rows]), y[rows])
        loss.backward()  # type: ignore[no-untyped-call]
        rule.step()
        schedule.step()
        engine.set_learning_rate(learning_rate_at(step, STEPS, config))
        engine.train_batch(rows)
    state = engine.state()
    memories = {"momentum": "momentum_buffer", "rmsprop_square": "square_avg"} | {
        "adam_mean": "exp_avg", "adam_square": "exp_avg_sq",
    }  # fmt: skip
    expected = [array.numpy() for array in network.state_dict().values()]
    found = list(state.weights.values())
    for slot in OPTIMIZERS[optimizer].slot_names:
        expected += [rule.state[p][memories[slot]].numpy() for p in network.parameters()]
        found += [a for tensor, a in state.slots.items() if tensor.startswith(f"{slot}.")]
    for own, array in zip(found, expected, strict=True):
        if name == "torch":
            np.testing.assert_array_equal(own, array)
        np.testing.assert_allclose(own, array, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize(
    ("optimizer", "rate", "warns"),
    [("adam", 0.3, True), ("rmsprop", 0.03, True), ("adamw", 0.01, False), ("sgd", 5.0, False)],
)
def test_a_rate_that_seldom_learns_is_warned_of(
    optimizer: OptimizerName, rate: float, warns: bool
) -> None:
    note = rate_note(RunConfig(optimizer=optimizer, learning_rate=rate))
    assert ("--learning-rate 0.001 is usual" in note) is warns
