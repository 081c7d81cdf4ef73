"""Every gradient held against the reference's, from the output side back."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from mlpwatch.core.checking.case import Case
from mlpwatch.core.checking.comparison import distance
from mlpwatch.core.checking.findings import Check, Report
from mlpwatch.core.checking.job import LEARNING_RATE
from mlpwatch.core.checking.mistakes.forward import (
    ForwardChange,
    changed_forward,
)
from mlpwatch.core.checking.mistakes.gradient_search import GradientSearch, Setting
from mlpwatch.core.checking.reference import Pass
from mlpwatch.core.specification import Specification


def user_passes(case: Case, change: ForwardChange | None) -> list[Pass]:
    """Return the forward passes that the user's gradients are held against: their own."""
    if change is None or change.is_none:
        return [t.result for t in case.truths]
    with np.errstate(all="ignore"):
        return [
            changed_forward(case.spec, case.job.weights, case.job.biases, b.images, change)
            for b in case.job.batches
        ]


def check_gradients(
    case: Case, report: Report, change: ForwardChange | None, passes: Sequence[Pass]
) -> None:
    """Compare every gradient from the output side back, and name what is wrong."""
    places = [i for i in case.plain if f"batch {i} gradients" in case.answers.arrays]
    if not places or (case.spec.optimizer == "adam" and not case.has.get("backward", True)):
        return
    passed = _compare_gradients(case, report, places)
    if passed:
        return
    spec, activations = _own_specification(case, change)
    # Gradients are made by the search; of a truth it takes the pass.
    truths = [replace(case.truths[i], result=passes[i]) for i in places]
    setting = Setting(
        spec, activations, case.job.weights, truths,
        [case.answers.arrays[f"batch {i} gradients"] for i in places],
        case.job.classes, LEARNING_RATE, case.precision,
    )  # fmt: skip
    with np.errstate(all="ignore"):
        found = GradientSearch(setting).run()
    for finding in found:
        report.add(finding)


def _own_specification(
    case: Case, change: ForwardChange | None
) -> tuple[Specification, tuple[str, ...]]:
    """Return the specification after a change of the forward pass, and each layer's activation."""
    count = len(case.job.weights) - 1
    names = [case.spec.activation_key] * count
    if change is None:
        return case.spec, tuple(names)
    for k, name in change.activations:
        names[k] = name
    if change.output in {"softmax", "sigmoid", "linear"} and not case.is_module:
        return replace(case.spec, output_activation=change.output), tuple(names)  # type: ignore[arg-type]
    return case.spec, tuple(names)


def _compare_gradients(case: Case, report: Report, places: Sequence[int]) -> bool:
    """Add a check for each gradient, the output side first; return whether all passed."""
    everything = True
    for k in reversed(range(len(case.job.weights))):
        kinds = (("w", "weight"), ("b", "bias")) if case.spec.bias else (("w", "weight"),)
        for letter, word in kinds:
            name = f"{letter}{k}"
            found = [
                distance(
                    case.given(f"batch {i} gradients", name),
                    case.truths[i].array(name),
                    case.truths[i].rounding[name],
                    case.precision,
                )
                for i in places
            ]
            worst = max(found, key=lambda d: d.difference - d.allowed)
            passed = all(d.passed for d in found)
            everything = everything and passed
            report.checks.append(
                Check(f"{word} gradient {k}", passed, worst.difference, worst.rounding)
            )
    return everything
