"""Two updates and fifty steps of training, held against the optimizer that the file names."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from mlpwatch.core.checking.case import Case
from mlpwatch.core.checking.comparison import distance, fitted
from mlpwatch.core.checking.findings import Check, Finding, Report
from mlpwatch.core.checking.job import LEARNING_RATE, TRAINING_STEPS
from mlpwatch.core.checking.mistakes.outputs import shown_outputs
from mlpwatch.core.checking.mistakes.update import Steps, Updates, find_update_mistake
from mlpwatch.core.checking.reference import Array, ReferenceOptimizer, backward, forward, one_hot
from mlpwatch.core.foreign.torch_optimizers import our_name
from mlpwatch.core.network.optimizers import optimizer_named

TRAINED = 1e-4
"""Largest difference of outputs after 50 steps that rounding and guards explain."""


def check_updates(case: Case, report: Report) -> None:
    """Compare two updates with what the optimizer makes of the user's own gradients."""
    if _has_dropout(case):
        report.notes.append("updates are not compared: the network draws a dropout mask")
        return
    made = case.facts.get("optimizer")
    if made and not our_name(made):
        report.notes.append(f"updates are not compared: the reference has no {made['name']}")
        return
    updates = _updates(case)
    if updates is None:
        return
    # Settings that the file declares, and the reference has not.
    declared = [one for one in report.findings if {*one.tensors} <= {"update 1", "update 2"}]
    findings = find_update_mistake(updates)
    if declared and updates.declared is None:
        findings = [one for one in findings if one.code != "unknown"]
    wrong = {tensor for finding in declared + findings for tensor in finding.tensors}
    for number in (1, 2):
        name = f"update {number}"
        passed = not wrong or (number == 1 and wrong == {"update 2"})
        report.checks.append(Check(name, passed, None, None))
    for finding in findings:
        report.add(finding)
    if report.passed:
        _check_training(case, report)


def _has_dropout(case: Case) -> bool:
    first = case.given("evaluation", "training first")
    second = case.given("evaluation", "training second")
    if first is None or second is None or first.values is None or second.values is None:
        return False
    return not np.array_equal(first.values, second.values)


def _names(case: Case) -> list[str]:
    layers = range(len(case.job.weights))
    biases = [f"b{k}" for k in layers] if case.spec.bias else []
    return [f"w{k}" for k in layers] + biases


def _updates(case: Case) -> Updates | None:
    """Return what two updates added, and the gradients that they were made with."""
    names = _names(case)
    before = {f"w{k}": w for k, w in enumerate(case.job.weights)}
    before |= {f"b{k}": b for k, b in enumerate(case.job.biases)}
    steps: list[list[Array]] = []
    gradients: list[list[Array]] = []
    weights: list[list[Array]] = []
    for number in (1, 2):
        after = _values(case, f"update {number}", names, before)
        used = _gradients(case, number, names, before)
        if after is None or used is None:
            return None
        weights.append([before[n] for n in names])
        steps.append([after[n] - before[n] for n in names])
        gradients.append([used[n] for n in names])
        before = after
    name = case.spec.optimizer
    declared = declared_steps(case.facts.get("optimizer"), _rate(case), weights, gradients)
    return Updates(names, gradients, steps, name, _rate(case), case.precision, declared)


def declared_steps(
    made: Mapping[str, Any] | None, rate: float, weights: Steps, gradients: Steps
) -> Steps | None:
    """Return what a described optimizer adds at each update, with its own constants and decay."""
    if made is None or {row[0] for row in made["unlike"]} - {"betas", "alpha", "eps"}:
        return None
    name, decay = our_name(made), float(made.get("weight_decay", 0.0))
    decouples = (rule := optimizer_named(name)) is not None and rule.decouples
    constants = {key: made[key] for key in ("momentum", "betas", "alpha", "eps") if key in made}
    optimizer = ReferenceOptimizer(name, rate, **constants)
    steps = []
    for own, g in zip(weights, gradients, strict=True):
        if decouples:
            # W ← W - η λ W, then Adam
            moves = zip(optimizer.steps(g), own, strict=True)
            steps.append([move - rate * decay * w for move, w in moves])
        else:
            # g ← g + λ W
            steps.append(optimizer.steps([a + decay * w for a, w in zip(g, own, strict=True)]))
    return steps


def _rate(case: Case) -> float:
    described = case.facts.get("optimizer")
    if isinstance(described, dict) and isinstance(described.get("lr"), (int, float)):
        return float(described["lr"])
    return LEARNING_RATE


def _values(
    case: Case, scenario: str, names: list[str], like: dict[str, Array]
) -> dict[str, Array] | None:
    found = {n: fitted(case.given(scenario, n), like[n]) for n in names}
    return None if any(v is None for v in found.values()) else {
        n: v for n, v in found.items() if v is not None
    }  # fmt: skip


def _gradients(
    case: Case, number: int, names: list[str], at: dict[str, Array]
) -> dict[str, Array] | None:
    """Return the user's own gradients of an update; of a whole step the reference's, scaled."""
    own = _values(case, f"update {number} gradients", names, at)
    if own is not None:
        return own
    batch = case.job.batches[case.job.UPDATES[number - 1]]
    weights = [at[f"w{k}"] for k in range(len(case.job.weights))]
    biases = [at.get(f"b{k}", b) for k, b in enumerate(case.job.biases)]
    with np.errstate(all="ignore"):
        result = forward(case.spec, weights, biases, batch.images)
        by_weights, by_biases = backward(
            case.spec, weights, result, one_hot(batch.labels, case.job.classes)
        )
    named = {f"w{k}": g for k, g in enumerate(by_weights)}
    named |= {f"b{k}": g for k, g in enumerate(by_biases)}
    factor = _factor(case)
    return None if factor is None else {n: factor * named[n] for n in names}


def _factor(case: Case) -> float | None:
    """Return the user's gradient ÷ the reference's on the whole batch, None if it is no factor."""
    given = case.answers.arrays.get(f"batch {case.job.WHOLE} gradients", {})
    truth = case.truths[case.job.WHOLE]
    last = f"w{len(case.job.weights) - 1}"
    wanted = truth.array(last)
    values = fitted(given.get(last), wanted)
    norm = float((wanted * wanted).sum())
    if values is None or norm == 0:
        return None
    factor = float((values * wanted).sum()) / norm
    for name in _names(case):
        right = truth.array(name)
        own = fitted(given.get(name), right)
        limit = 1e-4 * float(np.abs(right).max(initial=0.0)) * max(1.0, abs(factor))
        if own is None or np.abs(own - factor * right).max(initial=0.0) > limit:
            return None
    return factor


def _check_training(case: Case, report: Report) -> None:
    """Train the reference as long as the user's network, and compare what both predict."""
    given = case.given("training", "outputs")
    if given is None or (case.is_module and case.facts.get("optimizer")):
        return
    job, spec = case.job, case.spec
    weights = [w.copy() for w in job.weights]
    biases = [b.copy() for b in job.biases]
    optimizer = ReferenceOptimizer(spec.optimizer, LEARNING_RATE)
    for step in range(TRAINING_STEPS):
        batch = job.batches[job.UPDATES[step % 2]]
        result = forward(spec, weights, biases, batch.images)
        gradients = backward(spec, weights, result, one_hot(batch.labels, job.classes))
        flat = [*gradients[0], *(gradients[1] if spec.bias else [])]
        moves = optimizer.steps(flat)
        arrays = [*weights, *(biases if spec.bias else [])]
        for array, move in zip(arrays, moves, strict=True):
            array += move  # noqa: PLW2901 - in place
    result = forward(spec, weights, biases, job.batches[job.WHOLE].images)
    forms = shown_outputs(case, result)
    found = min(
        (distance(given, form, 0.0, case.precision) for form in forms), key=lambda d: d.difference
    )
    allowed = TRAINED if case.precision == "float64" else 0.1
    passed = found.difference <= allowed * max(1.0, float(np.abs(forms[0]).max(initial=0.0)))
    report.checks.append(Check("50 steps of training", passed, found.difference, None))
    if not passed:
        report.add(Finding("unknown", ("training",),
            f"after {TRAINING_STEPS} steps the outputs differ by {found.difference:.3g}, though "
            "two steps are right: something changes with the number of steps."))  # fmt: skip
