"""A report as lines for a terminal: what was compared, and what is wrong with it and why."""

from textwrap import wrap

from mlpwatch.core.checking.findings import Check, Report
from mlpwatch.core.text import printable

WIDTH = 96
"""Columns of a folded line."""


def report_text(report: Report) -> str:
    """Return a report in lines."""
    name = f"{printable(report.file)}:{printable(report.name)}" if report.name else report.file
    head = "passed" if report.passed else "failed"
    lines = [f"{name}: {head}", ""]
    width = max((len(check.name) for check in report.checks), default=0)
    lines += [f"  {_check_line(check, width)}" for check in report.checks]
    if report.checks:
        lines.append("")
    for number, finding in enumerate(report.findings, 1):
        factor = "" if finding.factor is None else f", factor {finding.factor:.6g}"
        lines.append(f"  {number}. {finding.code}  ({', '.join(finding.tensors)}{factor})")
        lines += [f"     {line}" for line in wrap(printable(finding.text), WIDTH - 5)]
    for note in report.notes:
        lines += [f"  note: {line}" if i == 0 else f"        {line}"
                  for i, line in enumerate(wrap(printable(note), WIDTH - 8))]  # fmt: skip
    if report.passed:
        lines.append("  every number is the reference's, to rounding")
    return "\n".join(lines).rstrip() + "\n"


def _check_line(check: Check, width: int) -> str:
    mark = "ok  " if check.passed else "FAIL"
    line = f"{mark} {check.name:<{width}}"
    if check.largest_difference is not None:
        line += f"  differs by {check.largest_difference:8.2g}"
        if check.rounding is not None:
            line += f"  (rounding {check.rounding:7.1g})"
    return line
