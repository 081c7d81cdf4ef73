"""The optimizers' formulas, read as text and computed, make the very step that the engines make."""

from dataclasses import replace

import numpy as np
import pytest

from mlpwatch.core.analysis.one_unit.weight_step import (
    assignments,
    value_of,
    weight_step,
    with_numbers,
)
from mlpwatch.core.analysis.step_trace import trace_step
from mlpwatch.core.config import EngineName, OptimizerName
from mlpwatch.core.data.dataset import Dataset
from mlpwatch.core.errors import MlpwatchError
from mlpwatch.core.network.optimizers import OPTIMIZERS
from mlpwatch.tui.explain.tour_formulas import update_formulas
from tests.core.analysis.test_step_trace import BASE, STEPS, digits, trained

__all__ = ["digits"]  # the fixture

VALUES = {"θ": 0.5, "g": -0.25, "η": 0.1, "m": 0.02, "v": 0.04, "t": 3.0, "∂L/∂θ": -0.25}


@pytest.mark.parametrize("name", ["numpy", "torch"])
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("source", [20, None])
def test_the_formula_with_its_numbers_is_the_step_of_the_engine(
    digits: Dataset, optimizer: OptimizerName, name: EngineName, source: int | None
) -> None:
    config = replace(BASE, optimizer=optimizer, learning_rate=0.01)
    engine = trained(name, config, digits, STEPS)
    before = engine.state()
    trace = trace_step(config, digits, {name: before}).engines[name]
    engine.train_batch(trace.rows)
    after = engine.state()
    formulas = update_formulas(config)
    step = weight_step(trace, formulas, 0, 4, source)
    key = "layers.0.bias" if source is None else "layers.0.weight"
    place = (4,) if source is None else (4, source)
    assert step.before == before.weights[key][place]
    assert step.after == after.weights[key][place]
    assert step.gradient == trace.before.gradient[key][place] != 0
    # Each slot has its symbol, and its numbers before and after.
    names = OPTIMIZERS[optimizer].slot_names
    assert len(step.slots) == len(names)
    for slot, own in zip(step.slots, names, strict=True):
        assert slot.before == before.slots[f"{own}.{key}"][place]
        assert slot.after == after.slots[f"{own}.{key}"][place]
        assert slot.symbol in "mv"
    # What the text computes is what the engine did.
    values = {slot.symbol: slot.before for slot in step.slots} | {
        "θ": step.before, "g": step.gradient, "∂L/∂θ": step.gradient,
        "η": step.learning_rate, "t": STEPS + 1,
    }  # fmt: skip
    for symbol, text in assignments(formulas):
        values[symbol] = value_of(text, values)
    assert values["θ"] - step.before == pytest.approx(step.after - step.before, rel=1e-6)
    for slot in step.slots:
        assert values[slot.symbol] == pytest.approx(slot.after, rel=1e-9)
    assert step.put_in[-1].startswith("θ ← ")
    assert step.put_in[-1].endswith(f" = {step.after:.4g}".replace("-", "−"))


@pytest.mark.parametrize(
    ("text", "numbers", "value"),
    [
        ("θ − η g", "0.5 − 0.1 · (−0.25)", 0.525),
        ("0.9 v + g", "0.9 · 0.04 + (−0.25)", -0.214),
        ("0.999 v + 0.001 g²", "0.999 · 0.04 + 0.001 · (−0.25)²", 0.0400225),
        ("θ − η g / (√v + 1e-8)", "0.5 − 0.1 · (−0.25) / (√0.04 + 1e-8)", 0.62499999375),
        ("m / (1 − 0.9ᵗ)", "0.02 / (1 − 0.9^3)", 0.02 / 0.271),
        ("√(v / (1 − 0.999ᵗ))", "√(0.04 / (1 − 0.999^3))", (0.04 / (1 - 0.999**3)) ** 0.5),
        ("θ − η 0.01 θ", "0.5 − 0.1 · 0.01 · 0.5", 0.4995),
        ("∂L/∂θ + 0.01 θ", "(−0.25) + 0.01 · 0.5", -0.245),
        ("θ − η (g + 0.9 v)", "0.5 − 0.1 · ((−0.25) + 0.9 · 0.04)", 0.5214),
    ],
)
def test_numbers_stand_for_symbols_and_are_computed_alike(
    text: str, numbers: str, value: float
) -> None:
    assert with_numbers(text, VALUES) == numbers
    assert value_of(text, VALUES) == pytest.approx(value, rel=1e-9)


def test_what_is_no_formula_is_said_to_be_none() -> None:
    for text in ("θ − ", "(θ", "θ )", "θ ; η", "q"):
        with pytest.raises(MlpwatchError, match="formula"):
            value_of(text, VALUES)
    assert np.isnan(value_of("g / (θ − θ)", VALUES))
    assert np.isnan(value_of("√g", VALUES))


def test_formulas_are_split_into_what_they_assign() -> None:
    rows = ["v ← 0.9 v + g    θ ← θ − η v    with g = ∂L/∂θ"]
    assert assignments(rows) == [("v", "0.9 v + g"), ("θ", "θ − η v")]
    assert assignments(["g = ∂L/∂θ + 0.01 θ", "θ ← θ − η g"])[0] == ("g", "∂L/∂θ + 0.01 θ")


def test_without_the_optimizers_memory_no_numbers_are_put_in(digits: Dataset) -> None:
    config = replace(BASE, optimizer="adam")
    trace = trace_step(config, digits, {"numpy": trained("numpy", config, digits, 1).state()})
    one = trace.engines["numpy"]
    blind = replace(one, state=replace(one.state, slots={}), updated=replace(one.updated, slots={}))
    step = weight_step(blind, update_formulas(config), 0, 0, 20)
    assert (step.slots, step.put_in) == ((), ())
    assert step.after != step.before
