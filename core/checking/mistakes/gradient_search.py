"""Walks back from the output layer and says of each gradient which mistake made it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from mlpwatch.core.checking.comparison import Truth, fitted
from mlpwatch.core.checking.findings import Finding
from mlpwatch.core.checking.foreign.process import Given
from mlpwatch.core.checking.mistakes.factors import FIT, SAME, Meaning, factors_between, meanings
from mlpwatch.core.checking.mistakes.gradient import (
    Variant,
    bias_gradients,
    hidden_derivatives,
    output_deltas,
    products,
    weight_gradients,
)
from mlpwatch.core.checking.reference import Array
from mlpwatch.core.specification import Specification

NEGLIGIBLE = 1e-10


@dataclass(frozen=True, slots=True)
class Setting:
    """What the search needs to know of the check."""

    spec: Specification
    activations: tuple[str, ...]
    """Of each hidden layer, as the user's forward pass has them."""
    weights: Sequence[Array]
    truths: Sequence[Truth]
    """By batch, after the user's own forward pass."""
    given: Sequence[dict[str, Given]]
    """The user's gradients by batch: `w0`, `b0`, …"""
    classes: int
    learning_rate: float
    precision: str


@dataclass(frozen=True, slots=True)
class Match:
    """A way to calculate a layer's gradients that gives the user's."""

    variants: tuple[Variant, ...]
    deltas: list[Array]
    """δ by batch, with the user's factor."""
    meanings: list[Meaning]
    factor: float | None


class GradientSearch:
    """Names the mistakes of one network's gradients.

    Args:
        setting: what is known.
    """

    def __init__(self, setting: Setting) -> None:
        self._set = setting
        self._sizes = [len(t.y) for t in setting.truths]
        self.findings: list[Finding] = []
        self.factor: float | None = 1.0
        """Of all gradients: theirs ÷ the reference's; None where it depends on the batch."""
        self._named: set[tuple[str, str]] = set()

    def run(self) -> list[Finding]:
        """Return the findings, the output side first."""
        last = len(self._set.weights) - 1
        match = self._output_layer(last)
        for k in reversed(range(last)):
            match = self._hidden_layer(k, match)
        return self.findings

    def _output_layer(self, k: int) -> Match:
        candidates = [
            (d, (v,)) for v in output_deltas(self._set.spec, self._set.truths) for d in [v.values]
        ]
        right = candidates[0][0]
        match = self._matching(k, candidates)
        if match is not None:
            self.factor = match.factor
        return self._take(k, match, right)

    def _hidden_layer(self, k: int, before: Match) -> Match:
        candidates = list(self._deltas_of(k, before.deltas))
        right = candidates[0][0]
        match = self._matching(k, candidates)
        return self._take(k, match, right)

    def _deltas_of(
        self, k: int, deltas: list[Array]
    ) -> Iterator[tuple[list[Array], tuple[Variant, ...]]]:
        s = self._set
        steps = self._values(f"w{k + 1}", s.weights[k + 1].shape)
        scaled = None if steps is None else [-s.learning_rate * g for g in steps]
        derivatives = list(hidden_derivatives(s.activations[k], s.truths, k))
        back = list(products(s.weights, k, deltas, scaled))
        pairs = sorted(
            ((p, d) for p in back for d in derivatives),
            key=lambda pair: bool(pair[0].code) + bool(pair[1].code),
        )
        for p, d in pairs:
            yield [x * y for x, y in zip(p.values, d.values, strict=True)], (p, d)

    def _values(self, name: str, shape: tuple[int, ...]) -> list[Array] | None:
        """Return the user's tensor on each batch, None where one is missing or misshapen."""
        template = np.empty(shape)
        found = [fitted(g.get(name), template) for g in self._set.given]
        return None if any(v is None for v in found) else [v for v in found if v is not None]

    def _matching(
        self, k: int, candidates: Sequence[tuple[list[Array], tuple[Variant, ...]]]
    ) -> Match | None:
        """Return the first candidate δ, with no or a named factor, that gives ∂L/∂W_k."""
        values = self._values(f"w{k}", self._set.weights[k].shape)
        if values is None:
            return self._matching_bias(k, candidates)
        odd: Match | None = None
        for deltas, variants in candidates:
            forms = weight_gradients(self._set.truths, self._set.weights, k, deltas)
            for form in forms:
                found = self._fit(values, form, deltas, (*variants, form))
                if found is None:
                    continue
                if found.meanings or found.factor == 1.0:
                    return found
                odd = odd or found
        return odd

    def _matching_bias(
        self, k: int, candidates: Sequence[tuple[list[Array], tuple[Variant, ...]]]
    ) -> Match | None:
        values = self._values(f"b{k}", (self._set.weights[k].shape[1],))
        if values is None:
            return None
        for deltas, variants in candidates:
            form = next(iter(bias_gradients(k, deltas)))
            found = self._fit(values, form, deltas, variants)
            if found is not None and (found.meanings or found.factor == 1.0):
                return found
        return None

    def _fit(
        self, values: list[Array], form: Variant, deltas: list[Array], variants: tuple[Variant, ...]
    ) -> Match | None:
        result = factors_between(values, form.values, self._set.precision)
        if result is None or len(result.factors) != len(values):
            return None
        s = self._set
        said = meanings(result.factors, self._sizes, s.classes, s.learning_rate)
        scaled = [c * d for c, d in zip(result.factors, deltas, strict=True)]
        factor = 1.0 if said == [] else result.factor
        if said is None:
            return Match(variants, scaled, [], factor if factor is not None else float("nan"))
        return Match(variants, scaled, said, factor)

    def _take(self, k: int, match: Match | None, right: list[Array]) -> Match:
        """Note what a layer's match says, look at its bias, and return what goes further back."""
        name = f"weight gradient {k}"
        if match is None:
            match = self._special(k, right)
        else:
            self._note(k, name, match)
            shape = self._set.weights[k].shape
            if self._values(f"w{k}", shape) is None:  # found by its bias
                if self._is_missing(f"w{k}"):
                    self._special(k, right)
                else:
                    self._shape(f"w{k}", name, shape)
        self._bias(k, match, right)
        return match

    def _note(self, k: int, name: str, match: Match) -> None:
        for variant in match.variants:
            if variant.code:
                self._add(Finding(variant.code, (name,), variant.text + "."))
        for meaning in match.meanings:
            where = "every gradient" if k == len(self._set.weights) - 1 else f"layer {k}"
            text = f"{where}: yours is the reference's {meaning.text}."
            self._add(Finding(meaning.code, (name,), text, match.factor))
        if not match.meanings and match.factor != 1.0:
            factor = match.factor if match.factor == match.factor else None
            said = "a factor that depends on the batch" if factor is None else f"{factor:.6g} times"
            self._add(Finding("unknown", (name,), f"layer {k}: yours is {said} the reference's.",
                              factor))  # fmt: skip

    def _special(self, k: int, right: list[Array]) -> Match:
        """A gradient that is no δ of the catalogue: missing, with a penalty on W, or unknown."""
        plain = Match((), right, [], 1.0)
        name = f"weight gradient {k}"
        s = self._set
        if self._is_missing(f"w{k}"):
            self._add(Finding("gradient-missing", (name,),
                f"layer {k}: yours is missing, or 0 everywhere; the reference has ∂L/∂W = aᵀ δ."
            ))  # fmt: skip
            return plain
        values = self._values(f"w{k}", s.weights[k].shape)
        if values is None:
            self._shape(f"w{k}", name, s.weights[k].shape)
            return plain
        penalty = self._penalty(k, values, right)
        if penalty is not None:
            self._add(penalty)
            return plain
        self._add(self._unknown(k, name, values, right))
        return plain

    def _is_missing(self, tensor: str) -> bool:
        given = [g.get(tensor) for g in self._set.given]
        return all(
            g is None or g.shape is None or (g.values is not None and not g.values.any())
            for g in given
        )

    def _shape(self, tensor: str, name: str, expected: tuple[int, ...]) -> None:
        given = next((g[tensor] for g in self._set.given if tensor in g), None)
        shape = None if given is None else given.shape
        is_turned = shape is not None and shape == expected[::-1] and len(set(expected)) > 1
        code = "transposed" if is_turned else "shape"
        what = f"shape {shape}" if given is None or not given.type_name else given.type_name
        turned = self._set.spec.columns_of_weights
        wanted = expected[::-1] if turned and len(expected) > 1 else expected
        if turned and is_turned:
            what = f"shape {expected}"
        self._add(Finding(code, (name,), f"yours has {what}; expected {wanted}, as the weights."))

    def _penalty(self, k: int, values: list[Array], right: list[Array]) -> Finding | None:
        """Find U = c ∂L/∂W + λ W, or + λ sign(W)."""
        s = self._set
        w = s.weights[k]
        for extra, formula in ((w, "λ W"), (np.sign(w), "λ sign(W)")):
            strengths = []
            for value, truth, d in zip(values, s.truths, right, strict=True):
                base = truth.result.inputs[k].T @ d
                columns = np.stack([base.ravel(), extra.ravel()], axis=1)
                solution, *_ = np.linalg.lstsq(columns, value.ravel(), rcond=None)
                rest = np.abs(columns @ solution - value.ravel()).max()
                if rest > FIT[s.precision] * np.abs(value).max():
                    break
                strengths.append(float(solution[1]))
            else:
                same = max(strengths) - min(strengths) <= 1e-2 * abs(strengths[0])
                size = (
                    f"λ = {strengths[0]:.4g}"
                    if same
                    else (f"λ = {strengths[0] * self._sizes[0]:.4g} / batch size")
                )
                return Finding(
                    "regularisation-differs", (f"weight gradient {k}",),
                    f"layer {k}: yours is ∂L/∂W + {formula}, {size}; the reference has no penalty "
                    "on the weights (weight decay).",
                )  # fmt: skip
        return None

    def _unknown(self, k: int, name: str, values: list[Array], right: list[Array]) -> Finding:
        """Say as exactly as can be where an unknown difference lies."""
        s = self._set
        wanted = [t.result.inputs[k].T @ d for t, d in zip(s.truths, right, strict=True)]
        at = max(range(len(values)), key=lambda i: self._sizes[i])
        u, v = values[at], wanted[at]
        limit = FIT[s.precision] * float(np.abs(v).max(initial=0.0))
        off = np.abs(u - v) > limit
        rows, columns = np.flatnonzero(off.any(axis=1)), np.flatnonzero(off.any(axis=0))
        where = []
        if len(rows) < off.shape[0]:
            where.append(f"rows (fan_in) {_some(rows)}")
        if len(columns) < off.shape[1]:
            where.append(f"columns (fan_out) {_some(columns)}")
        place = " and ".join(where) if where else "all rows and columns"
        right_on = [
            t.batch.name for t, a, b in zip(s.truths, values, wanted, strict=True)
            if np.abs(a - b).max(initial=0.0) <= FIT[s.precision] * np.abs(b).max(initial=0.0)
        ]  # fmt: skip
        also = f"; right on {', '.join(right_on)}" if right_on else ""
        return Finding(
            "unknown", (name,),
            f"layer {k}: ∂L/∂W differs from the reference's in {place}{also}; largest difference "
            f"{np.abs(u - v).max():.3g}, largest number {np.abs(v).max():.3g}. None of the known "
            "mistakes gives it.",
        )  # fmt: skip

    def _bias(self, k: int, match: Match, right: list[Array]) -> None:
        s = self._set
        if not s.spec.bias:
            return
        tensor, name = f"b{k}", f"bias gradient {k}"
        width = s.weights[k].shape[1]
        if self._is_missing(tensor):
            self._add(Finding("gradient-missing", (name,),
                f"layer {k}: yours is missing, or 0 everywhere; the reference has Σ_batch δ."
            ))  # fmt: skip
            return
        values = self._values(tensor, (width,))
        if values is None:
            self._bias_shape(k, tensor, name, width)
            return
        odd: Finding | None = None
        # A weight gradient may leave out what its bias gradient has: then δ is the right one.
        ways = [match.deltas] if match.deltas is right else [match.deltas, right]
        variants = [variant for deltas in ways for variant in bias_gradients(k, deltas)]
        if match.variants and _is_negligible(values, variants[0].values):
            # Σ_classes (p - y) is 0, so that one number for all units shows as none.
            self._note(k, name, Match((variants[-1],), match.deltas, [], 1.0))
            return
        fits = [(v, factors_between(values, v.values, s.precision)) for v in variants]
        # First what needs no factor: a mean is no sum with a factor.
        fits.sort(key=lambda pair: pair[1] is None or not _is_one(pair[1].factors))
        for variant, result in fits:
            if result is None or len(result.factors) != len(values):
                continue
            said = meanings(result.factors, self._sizes, s.classes, s.learning_rate)
            if said is None:
                odd = odd or Finding("unknown", (name,),
                    f"layer {k}: yours is {result.factors[-1]:.6g} times the reference's.",
                    result.factor)  # fmt: skip
                continue
            self._note(k, name, Match((variant,), match.deltas, said,
                                      1.0 if not said else result.factor))  # fmt: skip
            return
        self._add(odd or Finding("unknown", (name,),
            f"layer {k}: ∂L/∂b differs from the reference's Σ_batch δ; none of the known mistakes "
            "gives it."))  # fmt: skip

    def _bias_shape(self, k: int, tensor: str, name: str, width: int) -> None:
        shapes = [g[tensor].shape for g in self._set.given if tensor in g]
        batches = self._sizes
        not_summed = any(
            (shape is not None and sorted(shape) == sorted((b, width))) or shape == (b,)
            for shape, b in zip(shapes, batches, strict=False)
        )
        shown = shapes[-1] if shapes else None
        if not_summed:
            self._add(Finding("bias-gradient-not-summed", (name,),
                f"layer {k}: yours has shape {shown}, {batches[-1]} images and {width} units; the "
                f"reference has Σ_batch δ, shape ({width},)."))  # fmt: skip
        else:
            self._add(Finding("shape", (name,),
                f"yours has shape {shown}; expected {width} numbers."))  # fmt: skip

    def _add(self, finding: Finding) -> None:
        """Keep a finding, once for each code and text."""
        key = (finding.code, finding.text.split(":")[-1])
        if key not in self._named:
            self._named.add(key)
            self.findings.append(finding)


def _is_one(factors: Sequence[float]) -> bool:
    return all(abs(f - 1) < SAME for f in factors)


def _is_negligible(given: Sequence[Array], wanted: Sequence[Array]) -> bool:
    """Whether the given numbers are rounding and nothing else."""
    return all(
        np.abs(u).max(initial=0.0) <= NEGLIGIBLE * np.abs(v).max(initial=0.0)
        for u, v in zip(given, wanted, strict=True)
    )


def _some(numbers: np.ndarray[tuple[int], np.dtype[np.intp]]) -> str:
    shown = ", ".join(str(n) for n in numbers[:6])
    return shown + (f" and {len(numbers) - 6} more" if len(numbers) > 6 else "")  # noqa: PLR2004
