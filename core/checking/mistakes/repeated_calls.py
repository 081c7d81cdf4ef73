"""What a network leaves behind: inputs changed, outputs overwritten, gradients that add up."""

import numpy as np

from mlpwatch.core.checking.case import Case
from mlpwatch.core.checking.findings import Check, Finding, Report
from mlpwatch.core.checking.foreign.process import Given
from mlpwatch.core.checking.mistakes.factors import FIT


def check_repeated_calls(case: Case, report: Report) -> None:
    """Compare what a network gives at once with what it gives after other batches."""
    if any(flags.get("input_changed") for flags in case.answers.flags.values()):
        report.add(Finding("input-changed", ("outputs",),
            "forward changes the images that it is given (x *= …, x[...] = …, x -= …); the next "
            "batch, and the test, then see other images. Work on a copy."))  # fmt: skip
    changed_by = case.answers.flags.get("again", {}).get("changed_by")
    if changed_by:
        report.add(Finding("outputs-overwritten", ("outputs",),
            f"the outputs that forward returned are changed by {changed_by}: they share memory "
            "with a buffer. Return a copy, or work on one."))  # fmt: skip
    _again(case, report)
    _short(case, report)


def _again(case: Case, report: Report) -> None:
    fresh = case.answers.arrays.get(f"batch {case.job.SECOND} gradients")
    again = case.answers.arrays.get("again")
    if fresh is None or again is None:
        return
    names = [name for name in fresh if name in again]
    wrong = [name for name in names if not _equal(fresh[name], again[name], case.precision)]
    report.checks.append(Check("second backward", not wrong, _largest(fresh, again, names), None))
    if not wrong:
        return
    before = case.answers.arrays.get(f"batch {case.job.FIRST} gradients", {})
    adds = all(_is_sum(before.get(n), fresh[n], again[n], case.precision) for n in wrong)
    where = tuple(_long(name) for name in wrong)
    if adds:
        report.add(Finding("gradient-accumulates", where,
            "a second call of backward returns the sum of both gradients: yours adds to what the "
            "first call left (+=); the reference begins with 0."))  # fmt: skip
    elif not _equal(
        case.given(f"batch {case.job.SECOND}", "outputs"), again.get("outputs"), case.precision
    ):
        report.add(Finding("unknown", ("outputs", *where),
            "the outputs of a batch depend on the batch before it: something is kept that should "
            "be made again for each batch."))  # fmt: skip
    else:
        report.add(Finding("unknown", where,
            "the gradients of a batch depend on the batch before it: something is kept that should "
            "be made again for each batch."))  # fmt: skip


def _short(case: Case, report: Report) -> None:
    fresh = case.answers.arrays.get(f"batch {case.job.SHORT} gradients")
    after = case.answers.arrays.get("short batch")
    if fresh is None or after is None:
        return
    names = [name for name in fresh if name in after]
    wrong = [name for name in names if not _equal(fresh[name], after[name], case.precision)]
    report.checks.append(Check("short batch", not wrong, _largest(fresh, after, names), None))
    if wrong and not any(f.code == "gradient-accumulates" for f in report.findings):
        report.add(Finding("short-batch", tuple(_long(name) for name in wrong),
            "a short batch after a whole one has other gradients than by itself: a buffer or a "
            "number of the whole batch is still in use."))  # fmt: skip


def _equal(a: Given | None, b: Given | None, precision: str) -> bool:
    if a is None or b is None or a.values is None or b.values is None:
        return (a is None or a.values is None) == (b is None or b.values is None)
    if a.values.shape != b.values.shape:
        return False
    limit = FIT[precision] * float(np.abs(a.values).max(initial=0.0))
    return bool(np.allclose(a.values, b.values, rtol=0, atol=limit, equal_nan=True))


def _is_sum(first: Given | None, fresh: Given, again: Given, precision: str) -> bool:
    arrays = [g.values for g in (first, fresh, again) if g is not None]
    if len(arrays) != 3 or any(a is None for a in arrays):  # noqa: PLR2004
        return False
    one, two, both = (np.asarray(a) for a in arrays)
    if not one.shape == two.shape == both.shape:
        return False
    limit = 2 * FIT[precision] * float(np.abs(both).max(initial=0.0))
    return bool(np.allclose(one + two, both, rtol=0, atol=limit))


def _largest(a: dict[str, Given], b: dict[str, Given], names: list[str]) -> float | None:
    found = [
        float(np.abs(x - y).max(initial=0.0))
        for name in names
        if (x := a[name].values) is not None
        and (y := b[name].values) is not None
        and x.shape == y.shape
    ]
    return max(found, default=None)


def _long(name: str) -> str:
    return f"{'weight' if name[0] == 'w' else 'bias'} gradient {name[1:]}"
