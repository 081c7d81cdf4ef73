"""Mistakes of the update: what two updates did to the weights, held against the optimizer's."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import get_args

import numpy as np

from mlpwatch.core.checking.findings import Finding
from mlpwatch.core.checking.mistakes.factors import FIT
from mlpwatch.core.checking.reference import Array, ReferenceOptimizer
from mlpwatch.core.specification import OptimizerName

Steps = list[list[Array]]
"""By update, then by tensor: what was added."""


@dataclass(frozen=True, slots=True)
class Updates:
    """Two updates of one network."""

    names: list[str]
    """Of the tensors: `w0`, …, `b0`, …"""
    gradients: Steps
    """The user's own gradients at each update."""
    steps: Steps
    """What each update added to each tensor."""
    optimizer: str
    learning_rate: float
    precision: str
    declared: Steps | None = None
    """What a PyTorch optimizer adds with the settings that it says of itself."""


def _series(name: str, rate: float, gradients: Steps) -> Steps:
    optimizer = ReferenceOptimizer(name, rate)
    return [optimizer.steps(g) for g in gradients]


def _velocity(decay: float, v: Array, g: Array) -> Array:
    return decay * v + g


def _with_memory(rate: float, gradients: Steps, rule: Callable[[Array, Array], Array]) -> Steps:
    """Return -η v, v ← rule(v, g), of each update."""
    memory = [np.zeros_like(g) for g in gradients[0]]
    steps = []
    for update in gradients:
        memory = [rule(v, g) for v, g in zip(memory, update, strict=True)]
        steps.append([-rate * v for v in memory])
    return steps


def _adam(rate: float, gradients: Steps, *, first: bool, second: bool, root: bool = True) -> Steps:
    """Adam with its bias corrections, or without one or both."""
    b1, b2, eps = ReferenceOptimizer.BETA_1, ReferenceOptimizer.BETA_2, ReferenceOptimizer.EPSILON
    m = [np.zeros_like(g) for g in gradients[0]]
    v = [np.zeros_like(g) for g in gradients[0]]
    steps = []
    for t, update in enumerate(gradients, 1):
        m = [b1 * x + (1 - b1) * g for x, g in zip(m, update, strict=True)]
        v = [b2 * x + (1 - b2) * g * g for x, g in zip(v, update, strict=True)]
        c1, c2 = (1 - b1**t if first else 1.0), (1 - b2**t if second else 1.0)
        steps.append([
            np.asarray(-rate * (x / c1) / ((np.sqrt(y / c2) if root else y / c2) + eps))
            for x, y in zip(m, v, strict=True)
        ])  # fmt: skip
    return steps


def _candidates(u: Updates) -> list[tuple[str, str, Steps]]:
    """Return code, text and steps of each known way to update, the right one first."""
    eta, g = u.learning_rate, u.gradients
    mu = ReferenceOptimizer.MOMENTUM
    right = _series(u.optimizer, eta, g)
    rows: list[tuple[str, str, Steps]] = [("", "", right)]
    if u.optimizer in {"momentum", "nesterov"}:
        rows += [
            ("momentum-differs", "yours is v = μ v + (1 - μ) g; the reference has v = μ v + g "
             "(PyTorch's): yours moves a tenth as far at first",
             _with_memory(eta, g, lambda v, x: mu * v + (1 - mu) * x)),
            ("momentum-differs", "yours has no memory: v starts from 0 at each update; the "
             "reference keeps v = μ v + g", _series("sgd", eta, g)),
        ]  # fmt: skip
        rows += [
            ("momentum-differs", f"yours has μ = {other}; the reference has μ = 0.9",
             _with_memory(eta, g, partial(_velocity, other)))
            for other in (0.5, 0.8, 0.95, 0.99, 0.1)
        ]  # fmt: skip
        other_name = "nesterov" if u.optimizer == "momentum" else "momentum"
        rows.append((
            "momentum-differs", f"yours is {other_name}; the reference is {u.optimizer}",
            _series(other_name, eta, g),
        ))  # fmt: skip
    if u.optimizer in {"adam", "adamw"}:
        for first, second, text in (
            (False, False, "both bias corrections"), (False, True, "m's bias correction"),
            (True, False, "v's bias correction"),
        ):  # fmt: skip
            rows.append((
                "adam-bias-correction-missing",
                f"yours lacks {text}; the reference divides m by 1 - β₁ᵗ and v by 1 - β₂ᵗ",
                _adam(eta, g, first=first, second=second),
            ))  # fmt: skip
    squared = [[-eta * eta * x for x in update] for update in g]
    rows += [
        ("learning-rate-twice", "yours is W -= η² ∂L/∂W: the learning rate is multiplied twice; "
         "the reference has W -= η ∂L/∂W", squared),
        ("learning-rate-twice", "yours is W -= ∂L/∂W, without the learning rate; the reference "
         "has W -= η ∂L/∂W", [[-x for x in update] for update in g]),
        ("gradient-sign", "yours adds what the reference subtracts: W += η ∂L/∂W climbs",
         [[-x for x in update] for update in right]),
    ]  # fmt: skip
    # Without decay AdamW is Adam.
    for name in get_args(OptimizerName):
        if name.removesuffix("w") == name != u.optimizer.removesuffix("w"):
            rows.append((
                "momentum-differs" if "momentum" in (name, u.optimizer) else "unknown",
                f"yours updates as {name} does; the reference is {u.optimizer}",
                _series(name, eta, g),
            ))  # fmt: skip
    if len(g) > 1:
        summed = [g[0], [a + b for a, b in zip(g[0], g[1], strict=True)]]
        rows.append((
            "zero-grad-missing", "the second update is made with the sum of both gradients: they "
            "are not set to zero between (optimizer.zero_grad())",
            _series(u.optimizer, eta, summed),
        ))  # fmt: skip
    return rows


def find_update_mistake(u: Updates) -> list[Finding]:
    """Return the mistakes of two updates; none where they are right, or as declared."""
    if _matches(u, _candidates(u)[0][2], u.names):
        return []
    if u.declared is not None and _matches(u, u.declared, u.names):
        return []
    moved = {name: any(np.any(s[i]) for s in u.steps) for i, name in enumerate(u.names)}
    wanted = {name: any(np.any(s[i]) for s in u.gradients) for i, name in enumerate(u.names)}
    if not any(moved.values()):
        return [Finding("nothing-updated", ("update 1",),
            "the update changes neither weights nor biases: it must change self.weights and "
            "self.biases in place (W -= η ∂L/∂W), not copies of them.")]  # fmt: skip
    still = [name for name in u.names if wanted[name] and not moved[name]]
    findings = []
    biases = [name for name in u.names if name.startswith("b")]
    if still and set(still) == {name for name in biases if wanted[name]}:
        findings.append(Finding("biases-not-updated", ("update 1",),
            "the update changes no bias; the reference has b -= η ∂L/∂b."))  # fmt: skip
    elif still:
        tensors = ", ".join(map(_long, still))
        findings.append(Finding("nothing-updated", ("update 1",),
            f"the update leaves {tensors} as they are."))  # fmt: skip
    rest = [name for name in u.names if name not in still]
    if findings and _matches(u, _candidates(u)[0][2], rest):
        return findings
    first_only = _matches(u, _candidates(u)[0][2], rest, updates=1)
    for code, text, steps in _candidates(u)[1:]:
        if _matches(u, steps, rest):
            where = "update 2" if first_only else "update 1"
            return [*findings, Finding(code, (where,), f"{text}.")]
    partial = _by_tensor(u, rest)
    if partial:
        return [*findings, *partial]
    where = "update 2" if first_only else "update 1"
    factor = _factor(u, rest, 1 if first_only else 0)
    said = "" if factor is None else f" It moves {factor:.4g} times as far."
    findings.append(Finding("unknown", (where,),
        f"{where} changes the weights otherwise than {u.optimizer} does with your own gradients."
        + said, factor))  # fmt: skip
    return findings


def _by_tensor(u: Updates, names: Sequence[str]) -> list[Finding]:
    """Find updates that are wrong for some tensors only, such as the biases."""
    right = _candidates(u)[0][2]
    wrong = [name for name in names if not _matches(u, right, [name])]
    if not wrong or len(wrong) == len(names):
        return []
    for code, text, steps in _candidates(u)[1:]:
        if _matches(u, steps, wrong):
            return [Finding(code, ("update 1",), f"{', '.join(map(_long, wrong))}: {text}.")]
    return []


def _matches(u: Updates, steps: Steps, names: Sequence[str], updates: int = 2) -> bool:
    places: Mapping[str, int] = {name: i for i, name in enumerate(u.names)}
    for own, wanted in list(zip(u.steps, steps, strict=True))[:updates]:
        for name in names:
            a, b = own[places[name]], wanted[places[name]]
            limit = FIT[u.precision] * float(np.abs(b).max(initial=0.0)) + 1e-14
            if a.shape != b.shape or not np.isfinite(a).all() or np.abs(a - b).max() > limit:
                return False
    return True


def _factor(u: Updates, names: Sequence[str], update: int) -> float | None:
    right = _candidates(u)[0][2][update]
    places = [u.names.index(name) for name in names]
    own = np.concatenate([u.steps[update][i].ravel() for i in places])
    wanted = np.concatenate([right[i].ravel() for i in places])
    norm = float(wanted @ wanted)
    if norm == 0 or not np.isfinite(own).all():
        return None
    c = float(own @ wanted) / norm
    limit = FIT[u.precision] * float(np.abs(own).max(initial=0.0))
    return c if np.abs(own - c * wanted).max() <= limit else None


def _long(name: str) -> str:
    return f"{'weights' if name[0] == 'w' else 'biases'} {name[1:]}"
