"""A step taken apart shows the numbers of that very step, as plain NumPy and autograd find them."""

from dataclasses import replace
from pathlib import Path
from time import monotonic, sleep
from typing import Any

import numpy as np
import pytest
import torch

from mlpwatch.core.analysis.step_trace import StepTrace, trace_step
from mlpwatch.core.config import EngineName, RunConfig
from mlpwatch.core.data.dataset import Dataset, batch_order, load_dataset
from mlpwatch.core.network.build import build_engine
from mlpwatch.core.network.dropout import DropoutMasks
from mlpwatch.core.network.engine import Engine, EngineState
from mlpwatch.core.recipes import from_recipe
from mlpwatch.core.remote.follower import RunFollower
from mlpwatch.core.runs.run import Run
from tests.core.training.test_session import hooked_session, left_alone
from tests.support.samples.training import SECONDS

BASE = RunConfig(data="digits", hidden=(12, 7), dtype="float64", batch_size=50, learning_rate=0.1)
STEPS = 3

VARIANTS: dict[str, dict[str, Any]] = {
    "relu": {},
    "sigmoid": {"activation": "sigmoid"},
    "tanh": {"activation": "tanh"},
    "mse": {"loss": "mse"},
    "mse-element": {"loss": "mse", "torch_loss_mean": "element"},
    "momentum": {"optimizer": "momentum"},
    "adam": {"optimizer": "adam", "learning_rate": 0.01, "schedule": "linear"},
    "dropout": {"dropout": 0.3, "input_dropout": 0.2},
    "softmax-regression": {"hidden": ()},
    "minus-one-to-one": {"pixel_range": "-1..1"},
}


@pytest.fixture(scope="module")
def digits() -> Dataset:
    return load_dataset("digits", 0, "0..1")


def batch(config: RunConfig, dataset: Dataset, step: int) -> np.ndarray:
    """The rows of a step, counted from 0, by the definition of the batch order."""
    order = batch_order(config.seed, 0, dataset.train_count)
    return order[step * config.batch_size : (step + 1) * config.batch_size]


def trained(name: EngineName, config: RunConfig, dataset: Dataset, steps: int) -> Engine:
    images, labels = dataset.train_images, dataset.train_labels
    engine = build_engine(name, config, images, labels, dataset.classes)
    for step in range(steps):
        engine.train_batch(batch(config, dataset, step))
    return engine


def by_autograd(
    config: RunConfig, dataset: Dataset, weights: dict[str, np.ndarray], step: int, element: bool
) -> tuple[float, list[np.ndarray], dict[str, np.ndarray]]:
    """Loss, what reaches each layer and the logits, and gradients: written out once more."""
    rows = batch(config, dataset, step)
    tensors = {k: torch.tensor(w, requires_grad=True) for k, w in weights.items()}
    x = torch.tensor(dataset.train_images[rows].astype(np.float64))
    y = torch.tensor(dataset.train_labels[rows])
    fan_ins = [w.shape[1] for k, w in weights.items() if k.endswith("weight")]
    masks = DropoutMasks(config, fan_ins).draw(step, len(rows))
    reached = []
    for k, mask in enumerate(masks):
        reached.append(x.detach().numpy())
        x = x if mask is None else x * torch.tensor(mask)
        x = x @ tensors[f"layers.{k}.weight"].T + tensors[f"layers.{k}.bias"]
        if k < len(masks) - 1:
            x = getattr(torch, config.activation)(x)
    reached.append(x.detach().numpy())
    if config.loss == "cross-entropy":
        loss = torch.nn.functional.cross_entropy(x, y)
    else:
        error = (torch.sigmoid(x) - torch.nn.functional.one_hot(y, 10)) ** 2
        loss = error.mean() if element else error.sum(dim=1).mean()
    loss.backward()  # type: ignore[no-untyped-call]
    gradients = {k: np.asarray(t.grad) for k, t in tensors.items()}
    return float(loss.detach()), reached, gradients


@pytest.mark.parametrize("name", ["numpy", "torch"])
@pytest.mark.parametrize("variant", VARIANTS)
def test_before_the_step_everything_is_as_autograd_finds_it(
    digits: Dataset, variant: str, name: EngineName
) -> None:
    config = replace(BASE, **VARIANTS[variant])
    state = trained(name, config, digits, STEPS).state()
    trace = trace_step(config, digits, {name: state}).engines[name]
    element = config.loss_mean(name) == "element"
    loss, reached, gradients = by_autograd(config, digits, state.weights, STEPS, element)
    before = trace.before
    assert (trace.epoch, trace.batch, trace.after) == (0, STEPS, None)
    np.testing.assert_array_equal(trace.rows, batch(config, digits, STEPS))
    assert before.loss == pytest.approx(loss, rel=1e-9)
    assert before.image_losses.mean() == pytest.approx(loss, rel=1e-9)
    if config.loss == "cross-entropy":
        np.testing.assert_allclose(-np.log(before.label_probabilities), before.image_losses, 1e-9)
    assert [output.shape for output in before.outputs] == [array.shape for array in reached]
    for output, array in zip(before.outputs, reached, strict=True):
        assert output.mean == pytest.approx(array.mean(), rel=1e-6, abs=1e-9)
        assert output.std == pytest.approx(array.std(), rel=1e-6)
    for kind, norms in (("weight", before.gradient_norms), ("bias", before.bias_gradient_norms)):
        found = [np.linalg.norm(g) for k, g in gradients.items() if k.endswith(kind)]
        np.testing.assert_allclose(norms, found, rtol=1e-8)


@pytest.mark.parametrize("name", ["numpy", "torch"])
@pytest.mark.parametrize("variant", VARIANTS)
def test_the_update_shown_beforehand_is_the_one_that_training_makes(
    digits: Dataset, variant: str, name: EngineName
) -> None:
    config = replace(BASE, **VARIANTS[variant])
    engine = trained(name, config, digits, STEPS)
    before = engine.state()
    steps = config.epochs * -(-digits.train_count // config.batch_size)
    shown = trace_step(config, digits, {name: before})
    rate = config.learning_rate * (1 - STEPS / steps if config.schedule == "linear" else 1)
    assert shown.engines[name].learning_rate == pytest.approx(rate, rel=1e-12)
    engine.set_learning_rate(rate)
    engine.train_batch(batch(config, digits, STEPS))
    after = engine.state()
    changes = [np.linalg.norm(after.weights[k] - before.weights[k])
               for k in before.weights if k.endswith("weight")]  # fmt: skip
    np.testing.assert_allclose(shown.engines[name].update_norms, changes, rtol=1e-9)
    taken = trace_step(config, digits, {name: after}, shown).engines[name]
    np.testing.assert_allclose(taken.update_norms, changes, rtol=1e-9)
    norms = [np.linalg.norm(w) for k, w in before.weights.items() if k.endswith("weight")]
    np.testing.assert_allclose(taken.weight_norms, norms, rtol=1e-9)
    assert taken.batch == STEPS
    assert taken.before.loss == shown.engines[name].before.loss
    # The same batch and masks, the new weights.
    element = config.loss_mean(name) == "element"
    loss, _, gradients = by_autograd(config, digits, after.weights, STEPS, element)
    assert taken.after is not None
    assert taken.after.loss == pytest.approx(loss, rel=1e-9)
    norms = [np.linalg.norm(g) for k, g in gradients.items() if k.endswith("weight")]
    np.testing.assert_allclose(taken.after.gradient_norms, norms, rtol=1e-8)


def both(config: RunConfig, dataset: Dataset, numpy_steps: int, torch_steps: int) -> dict[
    EngineName, EngineState
]:  # fmt: skip
    return {
        "numpy": trained("numpy", config, dataset, numpy_steps).state(),
        "torch": trained("torch", config, dataset, torch_steps).state(),
    }


def test_by_hand_and_autograd_agree_at_the_same_weights_whatever_step_each_has_reached(
    digits: Dataset,
) -> None:
    config = replace(BASE, dropout=0.2, optimizer="adam")
    trace = trace_step(config, digits, both(config, digits, 4, 1))
    assert [one.batch for one in trace.engines.values()] == [4, 1]
    assert len(trace.differences) == 3
    assert max(trace.differences) < 1e-12


def test_the_known_factor_of_a_loss_convention_is_no_difference(digits: Dataset) -> None:
    config = from_recipe("seed", dtype="float64")
    trace = trace_step(config, digits, both(config, digits, 1, 1))
    # PyTorch's loss is a tenth of NumPy's, one of ten classes, and so is its gradient.
    assert trace.engines["numpy"].before.gradient_norms[0] > 1e-3
    assert max(trace.differences) < 1e-12


def test_an_engine_that_stands_still_keeps_its_numbers_while_the_other_goes_on(
    digits: Dataset,
) -> None:
    start = trace_step(BASE, digits, both(BASE, digits, 1, 1))
    half = trace_step(BASE, digits, both(BASE, digits, 2, 1), start)
    assert half.engines["numpy"].after is not None
    assert half.engines["torch"] is start.engines["torch"]
    whole = trace_step(BASE, digits, both(BASE, digits, 2, 2), half)
    assert whole.engines["numpy"] is half.engines["numpy"]
    assert whole.engines["torch"].after is not None
    assert trace_step(BASE, digits, both(BASE, digits, 2, 2), whole) is whole


def test_after_more_than_one_step_it_starts_afresh(digits: Dataset) -> None:
    start = trace_step(BASE, digits, {"numpy": trained("numpy", BASE, digits, 1).state()})
    later = trace_step(BASE, digits, {"numpy": trained("numpy", BASE, digits, 4).state()}, start)
    assert later.engines["numpy"].after is None
    assert later.engines["numpy"].batch == 4


def test_the_worst_images_come_first(digits: Dataset) -> None:
    trace = trace_step(BASE, digits, {"numpy": trained("numpy", BASE, digits, 1).state()})
    one = trace.engines["numpy"]
    losses = one.before.image_losses[one.worst_first]
    assert sorted(one.worst_first) == list(range(BASE.batch_size))
    assert (np.diff(losses) <= 0).all()
    assert losses[0] > losses[-1]


def test_units_without_a_slope_are_counted(digits: Dataset) -> None:
    state = trained("numpy", BASE, digits, 1).state()
    state.weights["layers.0.bias"][:5] = -1e3
    trace = trace_step(BASE, digits, {"numpy": state})
    images, first, *_, logits = trace.engines["numpy"].before.outputs
    assert images.saturated is logits.saturated is None
    assert first.saturated is not None
    assert 5 <= first.saturated < 12
    config = replace(BASE, activation="sigmoid")
    state = trained("numpy", config, digits, 1).state()
    state.weights["layers.0.bias"][:] = np.linspace(-9, -4, 12)
    _, (_, a, *_), _ = by_autograd(config, digits, state.weights, 1, element=False)
    slopes = 4 * a * (1 - a)
    flat = (slopes < 0.01).all(axis=0).sum()
    assert flat < (slopes.mean(axis=0) < 0.01).sum(), "some are steeper on a few images alone"
    assert (
        trace_step(config, digits, {"numpy": state}).engines["numpy"].before.outputs[1].saturated
        == flat
    )


def test_a_network_that_has_diverged_is_shown_without_an_error(digits: Dataset) -> None:
    state = trained("numpy", BASE, digits, 1).state()
    state.weights["layers.1.weight"][:] = np.inf
    trace = trace_step(BASE, digits, {"numpy": state})
    assert not np.isfinite(trace.engines["numpy"].before.loss)


@pytest.mark.parametrize("recipe", ["twin", "seed", "best"])
def test_a_finished_run_shows_one_more_step(digits: Dataset, recipe: str) -> None:
    config = from_recipe(recipe, hidden=(8,), epochs=1, only="numpy")  # type: ignore[arg-type]
    steps = -(-digits.train_count // config.batch_size)
    last = trained("numpy", config, digits, steps).state()
    # Beyond the end too, where an older log knows fewer epochs than were trained.
    for place in (0, 5):
        state = EngineState(last.weights, last.slots, last.updates + place)
        one = trace_step(config, digits, {"numpy": state}).engines["numpy"]
        assert (one.epoch, one.batch) == (1, place)
        assert one.learning_rate == (0 if recipe == "best" else config.learning_rate)


def test_a_paused_session_walks_and_one_step_shows_before_and_after(
    tmp_path: Path, digits: Dataset
) -> None:
    config = RunConfig(data="digits", hidden=(16,), epochs=2, threads=2)
    session, _ = hooked_session(tmp_path, digits, config)
    with left_alone(session):
        session.pause()
        session.start()
        trace: StepTrace = session.trace_step()
        assert {one.batch for one in trace.engines.values()} == {0}
        session.step()
        for name in config.engine_names:
            while session.ask(name, lambda engine: engine.state().updates).result(SECONDS) < 1:
                pass
        taken = session.trace_step(trace)
        for one in taken.engines.values():
            assert one.after is not None
            assert one.after.loss < one.before.loss
        assert max(taken.differences) < 1e-6


def test_a_saved_run_walks_through_the_step_after_its_newest_checkpoint(
    tmp_path: Path, digits: Dataset
) -> None:
    config = RunConfig(data="digits", hidden=(16,), epochs=1, threads=2)
    session, _ = hooked_session(tmp_path, digits, config)
    session.start()
    assert session.join(SECONDS)
    shown = session.trace_step()
    follower = RunFollower(Run.open(session.run.path.parent, session.run.path.name))
    follower.start()
    try:
        deadline = monotonic() + SECONDS
        while not follower.dataset.train_count and monotonic() < deadline:
            sleep(0.01)
        saved = follower.trace_step()
    finally:
        follower.leave()
        follower.join(SECONDS)
    for name, one in saved.engines.items():
        assert one.before.loss == pytest.approx(shown.engines[name].before.loss, rel=1e-6)
        assert one.update_norms == pytest.approx(shown.engines[name].update_norms, rel=1e-6)
