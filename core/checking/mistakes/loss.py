"""The user's loss: held against the reference's, and against the user's own gradient."""

import numpy as np

from mlpwatch.core.checking.case import Case
from mlpwatch.core.checking.findings import Check, Finding, Report
from mlpwatch.core.checking.job import LEARNING_RATE
from mlpwatch.core.checking.mistakes.factors import meanings
from mlpwatch.core.checking.reference import Array, loss_per_image

GUARDS = (0.0, 1e-15, 1e-12, 1e-10, 1e-9, 1e-8, 1e-7, 1e-6, 1e-5)
"""Constants that keep logarithms from 0 in hand-written losses."""

FD_STEP = 1e-5
"""Of central differences in float64: rounding and curvature both cost about 1e-10."""

LOSS_FIT = {"float64": 1e-6, "float32": 1e-3, "float16": 5e-2}
FD_FIT = 1e-3


def _mean_loss(p: Array, y: Array, loss: str, guard: float, how: str) -> float:
    if how == "added" and loss in {"cross-entropy", "bce"}:
        if loss == "cross-entropy":
            return float(-(y * np.log(p + guard)).sum(axis=1).mean())
        terms = y * np.log(p + guard) + (1 - y) * np.log(1 - p + guard)
        return float(-terms.sum(axis=1).mean())
    kept = np.clip(p, guard, 1 - guard) if loss in {"cross-entropy", "bce"} else p
    return float(loss_per_image(kept, y, loss).mean())


def check_loss(case: Case, report: Report) -> None:
    """Compare `loss_value` with the reference's loss of the same outputs."""
    if not case.has.get("loss_value"):
        return
    places = [i for i in case.plain if case.given(f"batch {i}", "loss") is not None]
    if not places:
        return
    theirs = [_number(case, i) for i in places]
    ours = [_reference(case, i, case.spec.loss) for i in places]
    near = all(any(_near(case, a, b) for b in forms) for a, forms in zip(theirs, ours, strict=True))
    worst = max(abs(a - forms[0]) for a, forms in zip(theirs, ours, strict=True))
    scale = max(abs(forms[0]) for forms in ours)
    report.checks.append(Check("loss", near, worst, scale * LOSS_FIT[case.precision]))
    if not near:
        outputs_differ = any(c.name == "outputs" and not c.passed for c in report.checks)
        for finding in _name(case, places, theirs, ours, outputs_differ=outputs_differ):
            report.add(finding)
    _check_extreme(case, report)


def _number(case: Case, i: int) -> float:
    given = case.given(f"batch {i}", "loss")
    return float("nan") if given is None or given.values is None else float(given.values)


def _near(case: Case, a: float, b: float) -> bool:
    return abs(a - b) <= LOSS_FIT[case.precision] * max(abs(b), 1e-12)


def _reference(case: Case, i: int, loss: str) -> list[float]:
    """Return the loss of the right outputs, without and with the usual guards."""
    truth = case.truths[i]
    with np.errstate(all="ignore"):
        return [
            _mean_loss(truth.result.outputs, truth.y, loss, guard, how)
            for guard in GUARDS
            for how in ("clipped", "added")
        ]


def _name(
    case: Case,
    places: list[int],
    theirs: list[float],
    ours: list[list[float]],
    *,
    outputs_differ: bool,
) -> list[Finding]:
    sizes = [len(case.truths[i].y) for i in places]
    if not all(np.isfinite(theirs)):
        return [Finding("log-of-zero", ("loss",), "loss_value returns NaN or infinity.")]
    factors = [a / forms[0] for a, forms in zip(theirs, ours, strict=True)]
    said = meanings(factors, sizes, case.job.classes, LEARNING_RATE)
    if said:
        return [Finding(m.code, ("loss",), f"loss_value: yours is the reference's {m.text}.",
                        factors[-1]) for m in said]  # fmt: skip
    for other in ("cross-entropy", "mse", "half-mse", "bce"):
        if other == case.spec.loss:
            continue
        factors = [a / _reference(case, i, other)[0] for a, i in zip(theirs, places, strict=True)]
        said = meanings(factors, sizes, case.job.classes, LEARNING_RATE)
        if said is not None:
            return [Finding("own-loss-differs", ("loss",),
                f"loss_value is {other}; the reference's loss is {case.spec.loss}.")]  # fmt: skip
    if outputs_differ:  # then the loss has to differ, too
        return []
    return [Finding("own-loss-differs", ("loss",),
        f"loss_value is {theirs[-1]:.6g} where the reference's {case.spec.loss} is "
        f"{ours[-1][0]:.6g}.")]  # fmt: skip


def _check_extreme(case: Case, report: Report) -> None:
    """Look for log(0) where the outputs are 0 and 1."""
    for i, batch in enumerate(case.job.batches):
        if not batch.is_huge or case.given(f"batch {i}", "loss") is None:
            continue
        outputs = case.given(f"batch {i}", "outputs")
        sound = outputs is not None and outputs.values is not None and (
            np.isfinite(outputs.values).all()
        )  # fmt: skip
        if sound and not np.isfinite(_number(case, i)):
            report.add(Finding("log-of-zero", ("loss",),
                f"loss_value is {_number(case, i)} with {batch.name}, where an output is exactly 0 "
                "or 1: log(0). Keep the logarithm from it, as in log(max(p, 1e-12)), or calculate "
                "the loss from the logits."))  # fmt: skip


def check_own_loss(case: Case, report: Report) -> None:
    """Hold the user's gradient against finite differences of the user's own loss."""
    slopes = case.given("own loss", "slopes")
    if slopes is None or slopes.values is None or case.precision != "float64":
        return
    places = case.job.coordinates
    given = case.answers.arrays.get(f"batch {case.job.FIRST} gradients", {})
    own = np.array([_entry(given.get(name), at) for name, at in places])
    wanted = slopes.values
    if own.shape != wanted.shape or not (np.isfinite(own).all() and np.isfinite(wanted).all()):
        return
    scale = float(np.abs(wanted).max(initial=0.0))
    worst = float(np.abs(own - wanted).max(initial=0.0))
    agrees = worst <= FD_FIT * max(scale, 1e-12)
    report.checks.append(Check("own loss", agrees, worst, scale * 1e-7))
    gradient_differs = any("gradient" in c.name and not c.passed for c in report.checks)
    loss_differs = any(c.name == "loss" and not c.passed for c in report.checks)
    outputs_differ = any(c.name == "outputs" and not c.passed for c in report.checks)
    if outputs_differ:
        said = "is" if agrees else "is not"
        report.notes.append(f"your gradient {said} that of your own loss_value")
        return
    if agrees and gradient_differs and loss_differs:
        finding = Finding("own-loss-differs", ("own loss",),
            "your backward pass is right for your loss; the loss is another one than the "
            "reference's.")  # fmt: skip
        others = [f for f in report.findings if f.code != "own-loss-differs"]
        if others and others[0].code != "unknown":  # a named mistake, in both
            report.add(finding)
        else:
            report.findings.insert(0, finding)
    elif not agrees and not gradient_differs:
        report.add(Finding("own-loss-differs", ("own loss",),
            "your gradient is the reference's, but not that of your loss_value: finite differences "
            f"of it are up to {worst:.3g} away."))  # fmt: skip
    elif not agrees:
        report.notes.append(
            "your gradient is not that of your own loss_value either: finite differences of it "
            f"are up to {worst:.3g} away (largest {scale:.3g})"
        )


def _entry(given: object, at: tuple[int, ...]) -> float:
    values = getattr(given, "values", None)
    if values is None:
        return float("nan")
    flat = np.asarray(values)
    if len(at) == 1:
        flat = flat.ravel()
    try:
        return float(flat[at])
    except IndexError:
        return float("nan")
