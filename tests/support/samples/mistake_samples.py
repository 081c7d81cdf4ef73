"""What the mistakes screen shows, and what it should show, to be compared."""

from collections.abc import Sequence

from mlpwatch.core.analysis.mistakes import MistakeList, SortOrder, SplitEvaluations, mistake_rows
from mlpwatch.core.config import EngineName
from mlpwatch.tui.mistakes.digit_view import DigitView
from tests.support.samples.scenes import (
    digits,
    evaluation,
)
from tests.support.stage import Stage

EPOCHS: dict[EngineName, int] = {"numpy": 5, "torch": 3}


def rows_of(
    which: MistakeList,
    true: int | None = None,
    predicted: int | None = None,
    order: SortOrder = "image",
) -> list[int]:
    """The rows of a list, of which tests/core proves that they are the right ones."""
    now = {name: evaluation(name, epoch) for name, epoch in EPOCHS.items()}
    before = {name: evaluation(name, epoch - 1) for name, epoch in EPOCHS.items()}
    readings = SplitEvaluations(digits().validation_labels, now, before)
    return [int(row) for row in mistake_rows(readings, which, true, predicted, order)]


def without_margins(rows: Sequence[str]) -> list[str]:
    """The rows that have ink, without the blanks around it."""
    inked = [row for row in rows if row.strip()]
    left = min(len(row) - len(row.lstrip()) for row in inked)
    return [row[left:].rstrip() for row in inked]


def drawn(stage: Stage) -> list[str]:
    """The rows of the drawn digit, without the blanks around it."""
    return without_margins(stage.app.screen.query_one(DigitView).text().split("\n"))
