"""The update of a single weight: the optimizer's formulas with this weight's numbers put in.

The formulas are the text that each optimizer has of itself, so that a new optimizer appears with
its memory without a change here.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from math import nan, sqrt

from mlpwatch.core.analysis.step_trace import EngineTrace
from mlpwatch.core.errors import MlpwatchError

Formula = tuple[str, str]
"""A symbol and what it becomes: `v`, `0.9 v + g`."""

GRADIENT, WEIGHT, RATE, STEP = "∂L/∂θ", "θ", "η", "t"

_TOKEN = re.compile(r"\s*(∂L/∂θ|\d[\d.]*(?:e[-+]?\d+)?|[()+−/√²ᵗ]|[^\W\d_])")


@dataclass(frozen=True, slots=True)
class Slot:
    """One number of the optimizer's memory for a weight."""

    symbol: str
    """As in the formulas."""
    before: float
    after: float


@dataclass(frozen=True, slots=True)
class WeightStep:
    """The update of one weight, or bias, by one engine."""

    before: float
    """θ"""
    after: float
    """θ after the step, by the engine."""
    gradient: float
    """∂L/∂θ"""
    learning_rate: float
    slots: tuple[Slot, ...]
    put_in: tuple[str, ...]
    """The formulas with numbers, each with its result: `v ← 0.9 · 0.5 + 0.1 = 0.55`.

    Empty if the optimizer's memory is not known.
    """


def weight_step(
    trace: EngineTrace, formulas: Sequence[str], layer: int, unit: int, source: int | None
) -> WeightStep:
    """Return the update of one weight.

    Args:
        trace: of the engine's step.
        formulas: of the optimizer, as text.
        layer: of the weight; 0 is the first.
        unit: the row of the layer's weights.
        source: the column: a pixel, or a unit of the layer before; None for the bias.
    """
    key = f"layers.{layer}.{'bias' if source is None else 'weight'}"
    place = (unit,) if source is None else (unit, source)
    assigned = assignments(formulas)
    names = dict.fromkeys(name.partition(".")[0] for name in trace.state.slots)
    # The formulas assign the memory in the order of its names.
    symbols = [s for s in dict.fromkeys(symbol for symbol, _ in assigned) if s not in "θg"]
    own, new = trace.state.slots, trace.updated.slots
    slots = tuple(
        Slot(symbol or name, float(own[f"{name}.{key}"][place]), float(new[f"{name}.{key}"][place]))
        for name, symbol in zip_longest(names, symbols[: len(names)])
    )
    before = float(trace.state.weights[key][place])
    gradient = float(trace.before.gradient[key][place])
    values = {
        WEIGHT: before,
        GRADIENT: gradient,
        "g": gradient,
        RATE: trace.learning_rate,
        STEP: float(trace.state.updates + 1),
    }
    values |= {slot.symbol: slot.before for slot in slots}
    put_in = []
    # A user's own update may keep its memory to itself: then there is nothing to put in.
    if len(slots) == len(symbols):
        for symbol, text in assigned:
            numbers = with_numbers(text, values)
            values[symbol] = value_of(text, values)
            put_in.append(f"{symbol} ← {numbers} = {short(values[symbol])}")
    after = float(trace.updated.weights[key][place])
    return WeightStep(before, after, gradient, trace.learning_rate, slots, tuple(put_in))


def assignments(formulas: Sequence[str]) -> list[Formula]:
    """Return what the formulas assign, in order; `g = ∂L/∂θ` alone is left out."""
    parts = [part.strip().removeprefix("with ") for row in formulas for part in row.split("    ")]
    split = [re.split(" ← | = ", part, maxsplit=1) for part in parts if part]
    return [(pair[0], pair[1]) for pair in split if len(pair) > 1 and pair[1] != GRADIENT]


def short(number: float) -> str:
    """Return four significant digits with a proper minus sign: `0.1234`, `−1.2e-05`."""
    return f"{number:.4g}".replace("-", "−", 1) if number < 0 else f"{number:.4g}"


def with_numbers(text: str, values: Mapping[str, float]) -> str:
    """Return an expression in which numbers stand for the symbols, and · for products."""
    written, follows = "", False
    for token in _tokens(text):
        if token in "²ᵗ":
            written += f"^{values[STEP]:.0f}" if token == "ᵗ" else token
            continue
        if token in "+−/":
            written, follows = f"{written} {token} ", False
            continue
        if token != ")" and follows:
            written += " · "
        shown = token
        if token in values:
            shown = short(values[token])
            shown = f"({shown})" if values[token] < 0 else shown
        written, follows = written + shown, token not in "(√"
    return written


def value_of(text: str, values: Mapping[str, float]) -> float:
    """Return the value of an expression: `+ − /`, products without a sign, √, ², ᵗ, brackets.

    Raises:
        MlpwatchError: the text is none.
    """
    reader = _Reader(_tokens(text), values)
    try:
        value = reader.sum()
    except (ZeroDivisionError, OverflowError):
        return nan
    if reader.rest:
        raise MlpwatchError(f"formula {text!r}: {reader.rest[0]!r} was not expected")
    return value


def _tokens(text: str) -> list[str]:
    found, place = [], 0
    text = text.strip()
    while place < len(text):
        match = _TOKEN.match(text, place)
        if match is None:
            raise MlpwatchError(f"formula {text!r}: {text[place:]!r} is not understood")
        found.append(match[1])
        place = match.end()
    return found


class _Reader:
    """Reads an expression from left to right."""

    def __init__(self, tokens: list[str], values: Mapping[str, float]) -> None:
        self.rest, self._values = tokens, values

    def sum(self) -> float:
        value = self._product()
        while self.rest and self.rest[0] in "+−":
            sign = 1 if self.rest.pop(0) == "+" else -1
            value += sign * self._product()
        return value

    def _product(self) -> float:
        value = self._power()
        while self.rest and self.rest[0] not in "+−)":
            if self.rest[0] == "/":
                self.rest.pop(0)
                value /= self._power()
            else:
                value *= self._power()
        return value

    def _power(self) -> float:
        value = self._number()
        while self.rest and self.rest[0] in "²ᵗ":
            value **= 2 if self.rest.pop(0) == "²" else self._values[STEP]
        return value

    def _number(self) -> float:
        if not self.rest:
            raise MlpwatchError("formula: a number is missing at the end")
        token = self.rest.pop(0)
        if token == "√":
            value = self._power()
            return sqrt(value) if value >= 0 else nan
        if token == "(":
            value = self.sum()
            if self.rest[:1] != [")"]:
                raise MlpwatchError("formula: a bracket is not closed")
            self.rest.pop(0)
            return value
        if token in self._values:
            return self._values[token]
        try:
            return float(token)
        except ValueError:
            raise MlpwatchError(f"formula: {token!r} has no value") from None
