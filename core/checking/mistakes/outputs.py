"""The outputs of the forward pass, held against the reference's."""

from collections.abc import Sequence

import numpy as np

from mlpwatch.core.checking.case import Case
from mlpwatch.core.checking.comparison import Distance, distance, fitted
from mlpwatch.core.checking.findings import Check, Finding, Report
from mlpwatch.core.checking.job import Job
from mlpwatch.core.checking.mistakes.forward import (
    ForwardChange,
    changed_forward,
    describe,
    find_forward_change,
)
from mlpwatch.core.checking.reference import Array, Pass


def shown_outputs(case: Case, result: Pass) -> list[Array]:
    """Return what `forward` may return for a pass: one form, or several of a PyTorch module."""
    logits, p = result.sums[-1], result.outputs
    if not case.is_module:
        return [logits if case.spec.output == "logits" else p]
    with np.errstate(all="ignore"):
        return [logits, p, np.asarray(np.log(p))]


def _distance(case: Case, i: int, result: Pass) -> Distance:
    given = case.given(f"batch {i}", "outputs")
    rounding = case.truths[i].rounding["outputs"]
    found = [
        distance(given, form, rounding, case.precision) for form in shown_outputs(case, result)
    ]
    return min(found, key=lambda d: d.difference)


def check_outputs(case: Case, report: Report) -> ForwardChange | None:
    """Compare the outputs; return the change of the forward pass that gives the user's.

    None where no known change does.
    """
    places = [i for i in case.plain if case.given(f"batch {i}", "outputs") is not None]
    if not places:
        return ForwardChange()
    found = [_distance(case, i, case.truths[i].result) for i in places]
    worst = max(found, key=lambda d: d.difference - d.allowed)
    passed = all(d.passed for d in found)
    report.checks.append(Check("outputs", passed, worst.difference, worst.rounding))
    if passed:
        return ForwardChange()
    if _is_random(case):
        report.add(Finding("dropout-while-evaluating", ("outputs",),
            "the same images give other outputs each time: something is drawn at random (dropout) "
            "while the network is evaluated; the reference draws nothing (model.eval(), and "
            "training=self.training where F.dropout is called)."))  # fmt: skip
        return None
    if _report_shape(case, report, places):
        return None
    wrong = [i for i, d in zip(places, found, strict=True) if not d.passed]
    tried = sorted(wrong, key=lambda i: len(case.job.batches[i].images))[:3] + places[2:3]
    change = find_forward_change(case.spec, _widths(case.job), lambda c: _fits(case, c, tried))
    if change is not None and _fits(case, change, places):
        for code, tensors, text in describe(change, case.spec, len(case.job.weights)):
            is_twice = case.is_module and change.output == "softmax"
            report.add(Finding("double-softmax" if is_twice else code, tensors, text))
        return change
    if len(wrong) < len(places):
        _report_some_batches(case, report, wrong, places)
        return None
    report.add(_unknown_outputs(case, places[-1]))
    return None


def _widths(job: Job) -> list[int]:
    return [len(job.weights[0]), *(w.shape[1] for w in job.weights)]


def _fits(case: Case, change: ForwardChange, places: Sequence[int]) -> bool:
    for i in places:
        with np.errstate(all="ignore"):
            result = changed_forward(
                case.spec, case.job.weights, case.job.biases, case.job.batches[i].images, change
            )
        form = result.outputs if change.output or not case.is_module else None
        given = case.given(f"batch {i}", "outputs")
        rounding = case.truths[i].rounding["outputs"]
        if form is None:
            near = any(distance(given, f, rounding, case.precision).passed
                       for f in shown_outputs(case, result))  # fmt: skip
        else:
            shown = form if change.output or case.spec.output != "logits" else result.sums[-1]
            near = distance(given, shown, rounding, case.precision).passed
        if not near:
            return False
    return True


def _is_random(case: Case) -> bool:
    first, second = case.given("evaluation", "first"), case.given("evaluation", "second")
    if first is None or second is None or first.values is None or second.values is None:
        return False
    return first.shape == second.shape and not np.array_equal(first.values, second.values)


def _report_shape(case: Case, report: Report, places: Sequence[int]) -> bool:
    for i in places:
        given = case.given(f"batch {i}", "outputs")
        truth = case.truths[i].result.outputs
        if given is None or fitted(given, truth) is not None:
            continue
        is_columns = case.spec.layout == "columns"
        expected = truth.shape[::-1] if is_columns else truth.shape
        shown = given.shape if given.shape is not None else given.type_name
        is_turned = given.shape == truth.shape if is_columns else given.shape == truth.shape[::-1]
        report.add(Finding("transposed" if is_turned else "shape", ("outputs",),
            f"forward returned {shown} for {case.job.batches[i].name}; expected {expected}, "
            f"images as {case.spec.layout}."))  # fmt: skip
        return True
    return False


def _report_some_batches(
    case: Case, report: Report, wrong: Sequence[int], places: Sequence[int]
) -> None:
    names = ", ".join(case.job.batches[i].name for i in wrong)
    right = ", ".join(case.job.batches[i].name for i in places if i not in wrong)
    sizes = {len(case.job.batches[i].images) for i in wrong}
    others = {len(case.job.batches[i].images) for i in places if i not in wrong}
    code = "short-batch" if not sizes & others else "unknown"
    report.add(Finding(code, ("outputs",),
        f"the outputs differ for {names} and are right for {right}."))  # fmt: skip


def _unknown_outputs(case: Case, i: int) -> Finding:
    given, truth = case.given(f"batch {i}", "outputs"), case.truths[i].result.outputs
    values = None if given is None else fitted(given, truth)
    if values is None or not np.isfinite(values).all():
        return Finding("not-finite", ("outputs",), "forward returns NaN or infinity.")
    off = np.abs(values - truth)
    return Finding("unknown", ("outputs",),
        f"the outputs differ from the reference's by up to {off.max():.3g} (sums over the classes: "
        f"{values.sum(axis=1).min():.4g} to {values.sum(axis=1).max():.4g}); none of the known "
        "mistakes gives them.")  # fmt: skip


def check_huge(case: Case, report: Report) -> None:
    """Look for NaN and infinity where the pixels are 10,000 times as large."""
    for i, batch in enumerate(case.job.batches):
        if not batch.is_huge:
            continue
        outputs = case.given(f"batch {i}", "outputs")
        if outputs is None or outputs.values is None:
            continue
        finite = bool(np.isfinite(outputs.values).all())
        report.checks.append(Check(f"outputs, {batch.name}", finite, None, None))
        if not finite:
            fine = all(
                (g := case.given(f"batch {j}", "outputs")) is not None
                and g.values is not None and np.isfinite(g.values).all()
                for j in case.plain
            )  # fmt: skip
            if fine:
                report.add(Finding("softmax-overflow", ("outputs",),
                    f"NaN or infinity with {batch.name}: exp(z) overflows; the reference takes the "
                    "largest z out first, p = exp(z - max z) / Σ exp(z - max z)."))  # fmt: skip
