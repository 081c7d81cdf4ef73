"""From what a network gave to what is wrong with it."""

from mlpwatch.core.checking.case import Case
from mlpwatch.core.checking.findings import Report
from mlpwatch.core.checking.mistakes.faults import check_precision, faults, is_not_finite
from mlpwatch.core.checking.mistakes.gradients import check_gradients, user_passes
from mlpwatch.core.checking.mistakes.loss import check_loss, check_own_loss
from mlpwatch.core.checking.mistakes.outputs import check_huge, check_outputs
from mlpwatch.core.checking.mistakes.repeated_calls import check_repeated_calls
from mlpwatch.core.checking.mistakes.update_checks import check_updates


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
