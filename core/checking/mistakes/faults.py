"""Exceptions, calls that do not end, returns that are not understood, numbers with few digits."""

import numpy as np

from mlpwatch.core.checking.case import Case
from mlpwatch.core.checking.findings import Check, Finding, Report
from mlpwatch.core.checking.foreign.process import Fault
from mlpwatch.core.checking.job import Job


def faults(case: Case, report: Report) -> list[Finding]:
    """Report exceptions, calls that do not end, and returns that are not understood.

    Returns:
        Those of later calls, which a wrong gradient may have caused, and those of other batches
        than the whole one, which has gradients: what is wrong with these is named first.
    """
    late = []
    seen: set[str] = set()
    has_whole = f"batch {case.job.WHOLE} gradients" in case.answers.arrays
    failed = {f.scenario for f in case.answers.faults}
    for fault in case.answers.faults:
        if fault.text in seen or (fault.code == "timeout" and not fault.scenario):
            continue
        seen.add(fault.text)
        finding = _finding_of(fault, failed, case.job)
        is_first = fault.scenario.startswith("batch") and not has_whole
        if is_first or fault.code == "timeout":
            report.add(finding)
        else:
            late.append(finding)
    return late


def _finding_of(fault: Fault, failed: set[str], job: Job) -> Finding:
    where = f" ({fault.where})" if fault.where else ""
    tensor = _tensor_of(fault)
    # What took too long names its call itself.
    call = "" if fault.code == "timeout" else f"{fault.call}: "
    text = f"{call}{fault.text}{where}."
    if "non-broadcastable output operand" in fault.text and fault.call.startswith(("train", "upd")):
        return Finding("bias-gradient-not-summed", (tensor,),
            f"{text} Yours has a row for each image; the reference has Σ_batch δ.")  # fmt: skip
    one_batch = {f"batch {i}" for i in range(len(job.batches))} & failed
    if fault.code == "exception" and one_batch and one_batch == _without_last_class(job):
        return Finding("exception", (tensor,),
            f"{text} It fails on each batch without an image of the last class, and on no other: "
            f"the number of classes, {job.classes}, seems to be taken from the batch's labels "
            "(y.max() + 1).")  # fmt: skip
    if fault.code == "exception" and (failed == {"short batch"} or _only_sizes(one_batch)):
        return Finding("short-batch", (tensor,),
            f"{text} Other batch sizes work: nothing may be made for one size only.")  # fmt: skip
    if fault.code == "shape":
        return Finding("gradient-missing" if "nothing" in fault.text else "shape", (tensor,), text)
    return Finding(fault.code, (tensor,), text)


def _without_last_class(job: Job) -> set[str]:
    return {f"batch {i}" for i, b in enumerate(job.batches) if b.labels.max() < job.classes - 1}


def _only_sizes(failed: set[str]) -> bool:
    """Whether just batches of other sizes than the whole one fail."""
    sizes = {f"batch {i}" for i in (0, 1, 3, 5)}
    return bool(failed) and failed <= sizes | {"batch 4", "batch 6", "batch 7"} and (
        sizes <= failed or failed == {"batch 3"}
    )  # fmt: skip


def _tensor_of(fault: Fault) -> str:
    if fault.call.startswith(("backward", "train")):
        return "gradients"
    if fault.call.startswith("update"):
        return "update 1"
    return "loss" if fault.call.startswith("loss") else "outputs"


def check_precision(case: Case, report: Report) -> None:
    """Say that a network calculates in fewer digits than its file declares."""
    order = ("float64", "float32", "float16")
    declared = case.spec.dtype
    if order.index(case.precision) > order.index(declared) and not case.is_module:
        digits = {"float32": 7, "float16": 3}[case.precision]
        report.add(Finding("low-precision", ("outputs",),
            f"yours calculates in {case.precision}, about {digits} digits; it got float64. If "
            f'that is meant, the file says so: dtype = "{case.precision}".'))  # fmt: skip
    elif case.precision != "float64":
        report.notes.append(f"low-precision: it calculates in {case.precision}, as declared")


def is_not_finite(case: Case, report: Report) -> bool:
    """Report outputs that hold NaN or infinity on every batch; nothing else can be said then."""
    found = [
        g.values
        for i in case.plain
        if (g := case.given(f"batch {i}", "outputs")) is not None and g.values is not None
    ]
    if not found or any(np.isfinite(values).all() for values in found):
        return False
    report.checks.append(Check("outputs", passed=False, largest_difference=None, rounding=None))
    report.add(Finding("not-finite", ("outputs",),
        "forward returns NaN or infinity for every batch."))  # fmt: skip
    return True
