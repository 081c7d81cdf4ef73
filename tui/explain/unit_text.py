"""The page about one unit: its sum term by term, and what comes back to it, for each model."""

from collections.abc import Sequence
from math import floor, isfinite, log10
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from mlpwatch.core.analysis.one_unit.unit_trace import (
    UnitChoice,
    UnitTrace,
    trace_unit,
    unit_counts,
)
from mlpwatch.core.analysis.step_trace import StepTrace
from mlpwatch.core.config import EngineName
from mlpwatch.core.data.dataset import Dataset
from mlpwatch.core.network.losses import loss_for
from mlpwatch.tui.explain.choice import ShownStep
from mlpwatch.tui.explain.layout import beside
from mlpwatch.tui.explain.losses_text import differs_by_mean
from mlpwatch.tui.explain.tour_formulas import ascii_table, averaging_module
from mlpwatch.tui.formatting import clipped, three_digits
from mlpwatch.tui.kit.lines import ACCENTS
from mlpwatch.tui.kit.look import Look
from mlpwatch.tui.kit.text_block import Row
from mlpwatch.tui.kit.theme import Role

_SUM_COLUMNS, _GRADIENT_COLUMNS = 35, 31
"""Columns of the tables: at 140 columns two fit for each of two models, at 220 all three."""
_DIGITS = 5
"""Of the greatest number of a sum; float32 has seven."""
_LOWEST_POWER = -2
"""Numbers below 0.01 are shown as multiples of a power of 1,000."""
_GAP = 2
_ROOMY = 16
"""Rows of a model's tables, one below the other, from which f'(z) has a row of its own."""
_SUM_ROWS, _BACK_ROWS = 4, 1
"""Rows of the tables besides their numbers."""


class Sum(NamedTuple):
    """A sum as it is shown: its numbers add up to the total digit by digit."""

    parts: list[str]
    total: str
    unit: str
    """What all numbers are multiples of: ` 1e-6`, or empty for 1."""


def adding_up(parts: Sequence[float], total: float) -> Sum:
    """Return numbers with equally many decimals that add up to the total as they are shown.

    Each differs from the exact number by less than one unit of the last decimal: where rounding to
    the nearest misses the total, those are rounded the other way that lose least.

    Args:
        parts: whose sum is the total but for rounding.
        total: the sum.
    """
    greatest = max(map(abs, [*parts, total]), default=0.0)
    if not all(map(isfinite, [*parts, total])):
        return Sum([three_digits(part) for part in parts], three_digits(total), "")
    power = floor(log10(greatest)) if greatest else 0
    thousands = 0 if _LOWEST_POWER <= power < _DIGITS else 3 * (power // 3)
    decimals = _DIGITS - 1 - (power - thousands)
    scale = 10.0 ** (decimals - thousands)
    scaled = [part * scale for part in parts]
    whole, wanted = [round(number) for number in scaled], round(total * scale)
    missing = wanted - sum(whole)
    sign = 1 if missing > 0 else -1
    by_loss = sorted(range(len(parts)), key=lambda n: sign * (whole[n] - scaled[n]))
    for n in by_loss[: abs(missing)]:
        whole[n] += sign
    *shown, last = (f"{number / 10**decimals:.{decimals}f}" for number in (*whole, wanted))
    return Sum(shown, last, f" 1e{thousands}" if thousands else "")


def choice_text(trace: StepTrace, choice: UnitChoice) -> str:
    """Return which unit is shown."""
    widths = unit_counts(next(iter(trace.engines.values())))
    return f"layer {choice.layer}, unit {choice.unit} of {widths[choice.layer]}"


def _sum_formula(shown: ShownStep) -> str:
    return "z = Σ w x + b" if shown.config.bias else "z = Σ w x"


def unit_formulas(shown: ShownStep, look: Look) -> list[str]:
    """Return the formulas of the unit's numbers; δ of an output unit comes from the loss."""
    config = shown.config
    there, back = [_sum_formula(shown)], ["∂L/∂w = Σ x δ over the batch"]
    if shown.choice.layer < len(config.hidden):
        there.append(f"a = {config.activation}(z)")
        back.insert(0, f"δ = {'m ' if config.dropout else ''}f'(z) Σ w δ")
    else:
        gradient = loss_for(config, config.engine_names[0]).formulas[1].partition(",")[0]
        back.insert(0, gradient.replace("∂L/∂Z", "δ"))
    # The words of plain ASCII need two rows.
    rows = [there, back] if look.ascii_only else [there + back]
    if shown.choice.layer == len(config.hidden) and differs_by_mean(config):
        title = clipped(config.title("torch"), 18)
        rows.append([f"{averaging_module(config)} divides {title}'s δ by the classes too"])
    return ["    ".join(row) for row in rows]


def source_name(n: int, layer: int, dataset: Dataset) -> str:
    """Return the name of one of a unit's inputs: a pixel by row and column, x1, x2, or a unit."""
    if layer:
        return str(n)
    if dataset.are_points:
        return f"x{n + 1}"
    row, column = divmod(n, dataset.image_shape[1])
    return f"{row},{column}"


def source_kind(layer: int, dataset: Dataset) -> str:
    """Return what the inputs of a layer's units are called."""
    if layer:
        return "unit"
    return "input" if dataset.are_points else "pixel"


def unit_tables(shown: ShownStep, columns: int, height: int, look: Look) -> list[Row]:
    """Return the numbers of every model, beside each other, in this many columns and rows."""
    names = list(shown.trace.engines)
    share = (columns + _GAP) // len(names) - _GAP
    merged: list[Row] = []
    for n, name in enumerate(names):
        rows = _engine_rows(name, shown, share, height, look)
        merged = beside(merged, rows, n * (share + _GAP) - _GAP) if n else rows
    return merged


def _engine_rows(
    name: EngineName, shown: ShownStep, share: int, height: int, look: Look
) -> list[Row]:
    one, config, choice = shown.trace.engines[name], shown.config, shown.choice
    unit = trace_unit(config, shown.trace, name, choice)
    after = trace_unit(config, shown.trace, name, choice, after=True) if one.after else None
    label = int(one.labels[unit.place])
    class_name = shown.dataset.class_names[label]
    taken = " taken" if after else ""
    text = f"step {one.state.updates + 1:,}{taken}, row {unit.place}, label {class_name}"
    title: Row = [(f"{clipped(config.title(name), 18):<8} ", ACCENTS[name]), (text, Role.DIM)]
    facts = _facts(unit, after, shown, label)
    is_narrow = share < _SUM_COLUMNS + _GAP + _GRADIENT_COLUMNS
    if is_narrow and height < _ROOMY:
        facts = facts[:1] + facts[-1:]
    room = height - 1 - len(facts) - _SUM_ROWS

    def plain(rows: list[Row]) -> list[Row]:
        # Before they are put beside each other: the words are longer than the signs.
        return ascii_table(rows) if look.ascii_only else rows

    if is_narrow:
        back = max(1, (room - _BACK_ROWS) // 3)
        sums = _sum_table(unit, shown, max(1, room - _BACK_ROWS - back))
        return plain([title, *sums, *facts, *_gradient_table(unit, shown, back)])
    rows = plain([*_sum_table(unit, shown, max(1, room)), *facts])
    right = plain(_gradient_table(unit, shown, height - 1 - _BACK_ROWS))
    rows = beside(rows, right, _SUM_COLUMNS, _GAP)
    columns = _SUM_COLUMNS + _GAP + _GRADIENT_COLUMNS + _GAP
    if len(unit.returning) and share >= columns + _SUM_COLUMNS:
        rows = beside(rows, plain(_returning_table(unit, height - 1)), columns - _GAP, _GAP)
    return [title, *rows]


def _largest(values: NDArray[np.floating], count: int) -> list[int]:
    return [int(n) for n in (-abs(values)).argsort(kind="stable")[:count]]


def _number(value: float, columns: int) -> str:
    text = three_digits(value)
    return f"{text if len(text) < columns else f'{value:.0e}':>{columns}}"


def _sum_table(unit: UnitTrace, shown: ShownStep, count: int) -> list[Row]:
    terms, w, x, layer = unit.terms, unit.weights, unit.inputs, shown.choice.layer
    chosen = _largest(terms, max(1, count))
    if len(terms) - len(chosen) == 1:
        chosen = _largest(terms, max(0, count - 1))  # a single other term would hide its factors
    rest = unit.z - unit.bias - float(terms[chosen].sum())
    others = len(terms) - len(chosen)
    parts = [float(terms[n]) for n in chosen] + [rest] * (others > 0)
    parts += [unit.bias] * shown.config.bias
    numbers, total, scale = adding_up(parts, unit.z)
    head = source_kind(layer, shown.dataset)
    rows: list[Row] = [[(f"{head:<8}{'w':>8}{'x':>8}{'w·x' + scale:>11}", Role.DIM)]]
    for n, text in zip(chosen, numbers, strict=False):
        factors = f"{_number(w[n], 8)}{_number(x[n], 8)}"
        rows.append([(f"{source_name(n, layer, shown.dataset):<8}{factors}{text:>11}", Role.TEXT)])
    if others:
        rows.append([(f"the other {others:,}".ljust(24) + f"{numbers[len(chosen)]:>11}", Role.DIM)])
    if shown.config.bias:
        rows.append([(f"{'b':<24}{numbers[-1]:>11}", Role.TEXT)])
    rows.append([(f"{_sum_formula(shown):<24}{total:>11}", Role.STRONG)])
    return rows


def _facts(unit: UnitTrace, after: UnitTrace | None, shown: ShownStep, label: int) -> list[Row]:
    """Return a, f'(z) and δ; of an output unit its probability, its target and δ."""
    output = three_digits(unit.output) + (f" → {three_digits(after.output)}" if after else "")
    facts = {f"a = {shown.config.activation}(z)": output}
    if unit.derivative is None:
        share = "p" if shown.config.output_function == "softmax" else "a"
        is_label = int(shown.choice.unit == label)
        name = shown.dataset.class_names[shown.choice.unit]
        facts = {f"{share} of class {name}": output, "should be": str(is_label)}
    else:
        facts["f'(z)"] = three_digits(unit.derivative)
        if shown.config.dropout or shown.config.of("torch").dropout:
            facts["m, of dropout"] = three_digits(unit.kept)
    facts["δ"] = three_digits(unit.delta)
    return [[(f"{name:<17}{value:>18}", Role.STRONG)] for name, value in facts.items()]


def _gradient_table(unit: UnitTrace, shown: ShownStep, count: int) -> list[Row]:
    """Return the largest of ∂L/∂w, and what this image adds to them; the bias if there is room."""
    layer = shown.choice.layer
    head = source_kind(layer, shown.dataset)
    rows: list[Row] = [[(f"{head:<8}{'x·δ':>11}{'∂L/∂w':>12}", Role.DIM)]]
    weights = count - (count > 1)
    pairs = {
        source_name(n, layer, shown.dataset): (unit.inputs[n] * unit.delta, unit.gradient[n])
        for n in _largest(unit.gradient, weights)
    }
    if count > 1 and shown.config.bias:
        pairs["b"] = unit.delta, unit.bias_gradient
    for name, (own, batch) in pairs.items():
        text = f"{name:<8}{three_digits(own):>11}{three_digits(batch):>12}"
        rows.append([(text, Role.TEXT)])
    return rows


def _returning_table(unit: UnitTrace, height: int) -> list[Row]:
    sent = unit.returning
    count = len(sent) if len(sent) <= height - 2 else height - 3
    chosen = _largest(sent, count)
    rest = float(sent.sum() - sent[chosen].sum())
    others = len(sent) - len(chosen)
    parts = [float(sent[n]) for n in chosen] + [rest] * (others > 0)
    shown, total, scale = adding_up(parts, float(sent.sum()))
    rows: list[Row] = [[(f"{'to unit':<8}{'w':>8}{'δ':>9}{'w·δ' + scale:>10}", Role.DIM)]]
    for n, text in zip(chosen, shown, strict=False):
        factors = f"{_number(unit.next_weights[n], 8)}{_number(unit.next_deltas[n], 9)}"
        rows.append([(f"{n:<8}{factors}{text:>10}", Role.TEXT)])
    if others:
        rows.append([(f"the other {others:,}".ljust(24) + f"{shown[-1]:>11}", Role.DIM)])
    rows.append([(f"{'Σ w δ':<24}{total:>11}", Role.STRONG)])
    return rows
