"""From what a network gave to what is wrong with it."""

from mlpwatch.core.checking.case import Case
from mlpwatch.core.checking.findings import Report
from mlpwatch.core.checking.mistakes.faults import check_precision, faults, is_not_finite
from mlpwatch.core.checking.mistakes.gradients import check_gradients, user_passes
from mlpwatch.core.checking.mistakes.loss import check_loss, check_own_loss
from mlpwatch.core.checking.mistakes.outputs import check_huge, check_outputs
from mlpwatch.core.checking.mistakes.repeated_calls import check_repeated_calls
from mlpwatch.core.checking.mistakes.update_checks import check_updates

NOTABLE = 1e3
"""Times rounding: a gradient read off a step, (before - after) / η, differs by up to 20 of it."""


def diagnose(case: Case, report: Report) -> None:
    """Add all checks and findings of a case to a report, the likeliest cause first."""
    late = faults(case, report)
    if is_not_finite(case, report):
        return
    check_precision(case, report)
    change = check_outputs(case, report)
    check_gradients(case, report, change, user_passes(case, change))
    check_loss(case, report)
    check_repeated_calls(case, report)
    check_huge(case, report)
    check_own_loss(case, report)
    check_updates(case, report)
    for finding in late:
        report.add(finding)
    _note_small_differences(case, report)


def _note_small_differences(case: Case, report: Report) -> None:
    """Say what differences mean that pass, though another order of the sums is not enough."""
    found = [
        check.largest_difference
        for check in report.checks
        if check.largest_difference and check.rounding
        and check.largest_difference > NOTABLE * check.rounding
    ]  # fmt: skip
    if found and report.passed and case.precision == "float64":
        report.notes.append(
            f"{max(found):.1g} is more than rounding in float64, and no mistake: a part of it "
            "calculates in float32, or a small constant keeps a logarithm or quotient from 0"
        )
