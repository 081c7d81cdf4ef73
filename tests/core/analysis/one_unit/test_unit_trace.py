"""The numbers of a single unit are those that autograd finds, written out once more in float64."""

from dataclasses import replace
from math import isnan
from typing import Any

import numpy as np
import pytest
import torch

from mlpwatch.core.analysis.one_unit.unit_trace import (
    UnitChoice,
    UnitTrace,
    busiest_unit,
    image_place,
    trace_unit,
    unit_counts,
)
from mlpwatch.core.analysis.step_trace import StepTrace, trace_step
from mlpwatch.core.config import EngineName, RunConfig
from mlpwatch.core.data.dataset import Dataset
from mlpwatch.core.network.dropout import DropoutMasks
from tests.core.analysis.test_step_trace import BASE, STEPS, VARIANTS, both, digits, trained

__all__ = ["digits"]  # the fixture


def by_autograd(
    config: RunConfig, dataset: Dataset, trace: StepTrace, name: EngineName, weights: dict[str, Any]
) -> tuple[list[Any], list[Any], list[Any], dict[str, np.ndarray]]:
    """What enters each layer, its sums with their gradient, its outputs, and all gradients."""
    one = trace.engines[name]
    tensors = {k: torch.tensor(np.float64(w), requires_grad=True) for k, w in weights.items()}
    a = torch.tensor(np.float64(dataset.train_images[one.rows]))
    fan_ins = [w.shape[1] for k, w in weights.items() if k.endswith("weight")]
    masks = DropoutMasks(config, fan_ins).draw(one.state.updates, len(one.rows))
    entering, sums, outputs = [], [], []
    for k, mask in enumerate(masks):
        x = a if mask is None else a * torch.tensor(mask)
        z = x @ tensors[f"layers.{k}.weight"].T + tensors[f"layers.{k}.bias"]
        z.retain_grad()
        a = getattr(torch, config.activation)(z) if k < len(masks) - 1 else z
        entering.append(x.detach().numpy())
        sums.append(z)
        outputs.append(a.detach().numpy())
    y = torch.tensor(one.labels)
    if config.loss == "cross-entropy":
        loss = torch.nn.functional.cross_entropy(a, y)
        outputs[-1] = torch.softmax(a, dim=1).detach().numpy()
    else:
        error = (torch.sigmoid(a) - torch.nn.functional.one_hot(y, 10)) ** 2
        element = config.loss_mean(name) == "element"
        loss = error.mean() if element else error.sum(dim=1).mean()
        outputs[-1] = torch.sigmoid(a).detach().numpy()
    loss.backward()  # type: ignore[no-untyped-call]
    return entering, sums, outputs, {k: np.asarray(t.grad) for k, t in tensors.items()}


def check(
    unit: UnitTrace, choice: UnitChoice, numbers: tuple[Any, ...], weights: dict[str, Any]
) -> None:
    """Hold every number of a unit against autograd's."""
    entering, sums, outputs, gradients = numbers
    k, j, _ = choice
    n = unit.place
    w = weights[f"layers.{k}.weight"][j]
    np.testing.assert_allclose(unit.inputs, entering[k][n], rtol=1e-9, atol=1e-15)
    np.testing.assert_array_equal(unit.weights, w)
    np.testing.assert_allclose(unit.terms, w * entering[k][n], rtol=1e-9, atol=1e-15)
    assert unit.z == pytest.approx(float(sums[k][n, j].detach()), rel=1e-9, abs=1e-14)
    assert unit.output == pytest.approx(outputs[k][n, j], rel=1e-9, abs=1e-14)
    assert unit.delta == pytest.approx(float(sums[k].grad[n, j]), rel=1e-8, abs=1e-16)
    np.testing.assert_allclose(unit.gradient, gradients[f"layers.{k}.weight"][j], 1e-8, 1e-15)
    assert unit.bias_gradient == pytest.approx(gradients[f"layers.{k}.bias"][j], rel=1e-8)
    if unit.derivative is not None:
        returned = unit.derivative * unit.kept * unit.returning.sum()
        assert returned == pytest.approx(unit.delta, rel=1e-9, abs=1e-18)


@pytest.mark.parametrize("name", ["numpy", "torch"])
@pytest.mark.parametrize("variant", VARIANTS)
def test_every_number_of_a_unit_is_the_one_that_autograd_finds(
    digits: Dataset, variant: str, name: EngineName
) -> None:
    config = replace(BASE, **VARIANTS[variant])
    engine = trained(name, config, digits, STEPS)
    shown = trace_step(config, digits, {name: engine.state()})
    engine.train_batch(shown.engines[name].rows)
    trace = trace_step(config, digits, {name: engine.state()}, shown)
    one = trace.engines[name]
    widths = unit_counts(one)
    assert widths == [*config.hidden, 10]
    for after, weights in ((False, one.state.weights), (True, engine.weights())):
        numbers = by_autograd(config, digits, trace, name, weights)
        for k, width in enumerate(widths):
            for unit, rank in ((0, 0), (width - 1, 7), (width // 2, 49)):
                choice = UnitChoice(k, unit, rank)
                found = trace_unit(config, trace, name, choice, after=after)
                assert found.place == one.worst_first[rank]
                check(found, choice, numbers, weights)


def test_in_float32_it_is_within_rounding(digits: Dataset) -> None:
    config = replace(BASE, dtype="float32")
    trace = trace_step(config, digits, both(config, digits, 2, 2))
    for name, one in trace.engines.items():
        _, sums, outputs, _ = by_autograd(config, digits, trace, name, dict(one.state.weights))
        unit = trace_unit(config, trace, name, UnitChoice(1, 3, 5))
        assert unit.z == pytest.approx(float(sums[1][unit.place, 3].detach()), rel=1e-5, abs=1e-6)
        assert unit.output == pytest.approx(outputs[1][unit.place, 3], rel=1e-5, abs=1e-6)


def test_engines_at_the_same_step_show_the_same_image_others_their_own(digits: Dataset) -> None:
    same = trace_step(BASE, digits, both(BASE, digits, 2, 2)).engines
    assert [image_place(same, name, 4) for name in same] == [same["numpy"].worst_first[4]] * 2
    apart = trace_step(BASE, digits, both(BASE, digits, 3, 1)).engines
    assert [image_place(apart, name, 4) for name in apart] == [
        one.worst_first[4] for one in apart.values()
    ]
    assert image_place(apart, "torch", 999) == apart["torch"].worst_first[-1]


def test_the_busiest_unit_has_the_greatest_gradient(digits: Dataset) -> None:
    trace = trace_step(BASE, digits, both(BASE, digits, 2, 2))
    for layer in range(3):
        gradient = trace.engines["numpy"].before.gradient[f"layers.{layer}.weight"]
        norms = [float(np.linalg.norm(row)) for row in gradient]
        assert norms[busiest_unit(trace, layer)] == max(norms)


def test_a_diverged_network_has_no_number_but_no_error_either(digits: Dataset) -> None:
    state = trained("numpy", BASE, digits, 1).state()
    state.weights["layers.0.weight"][0, :2] = np.inf, -np.inf
    state.weights["layers.1.weight"][:] = np.nan
    trace = trace_step(BASE, digits, {"numpy": state})
    with np.errstate(all="ignore"):
        assert isnan(trace_unit(BASE, trace, "numpy", UnitChoice(0, 0, 0)).z)
        assert isnan(trace_unit(BASE, trace, "numpy", UnitChoice(2, 0, 0)).delta)


def test_a_step_that_was_not_taken_has_no_numbers_after_it(digits: Dataset) -> None:
    trace = trace_step(BASE, digits, {"numpy": trained("numpy", BASE, digits, 1).state()})
    with pytest.raises(ValueError, match="not taken yet"):
        trace_unit(BASE, trace, "numpy", UnitChoice(0, 0, 0), after=True)
