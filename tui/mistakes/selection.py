"""The state of the mistakes screen: list, filters, order, and the place in the list."""

import numpy as np

from mlpwatch.core.analysis.mistakes import (
    SORT_ORDERS,
    MistakeList,
    SortOrder,
    SplitEvaluations,
    mistake_rows,
)


class MistakeSelection:
    """Selects again when predictions, list, filters or order change; moving only looks up places.

    Args:
        which: the initial list.
        true: only images of this class.
        predicted: only images for which this class is predicted.
    """

    def __init__(
        self, which: MistakeList, true: int | None = None, predicted: int | None = None
    ) -> None:
        self.which, self.true, self.predicted = which, true, predicted
        self.order: SortOrder = "image"
        self.row: int | None = None
        """The image under the cursor; it stays when a new epoch drops it from the list."""
        self.predictions = SplitEvaluations(np.empty(0, np.int64))
        self.rows = np.empty(0, np.intp)
        self._place = 0
        self._counts: dict[MistakeList, int] = {}

    @property
    def is_filtered(self) -> bool:
        """Whether only some labels are shown."""
        return self.true is not None or self.predicted is not None

    @property
    def is_here(self) -> bool:
        """Whether the image under the cursor is in the list."""
        return 0 <= self._place < len(self.rows) and self.rows[self._place] == self.row

    @property
    def place(self) -> int:
        """Place in the list of the image under the cursor, from 0; the last known one."""
        return self._place

    def is_news(self, predictions: SplitEvaluations) -> bool:
        """Return whether these predictions differ from the present ones."""
        return not _same(predictions, self.predictions)

    def take(self, predictions: SplitEvaluations) -> bool:
        """Select from these predictions; return False if they are the present ones."""
        if not self.is_news(predictions):
            return False
        if self.row is not None and self.row >= len(predictions.labels):
            self.row, self._place = None, 0  # an image of another split
        self.predictions = predictions
        self._counts.clear()
        self._select()
        return True

    def count(self, which: MistakeList) -> int:
        """Return the length of a list without filters."""
        if which not in self._counts:
            self._counts[which] = len(mistake_rows(self.predictions, which))
        return self._counts[which]

    def start_with(self, predictions: SplitEvaluations) -> None:
        """Switch to the first image of another split."""
        self.predictions = predictions
        self._counts.clear()
        self._start_over()

    def choose_list(self, which: MistakeList) -> None:
        """Switch to the first image of a list."""
        self.which = which
        self._start_over()

    def filter(self, true: int | None, predicted: int | None) -> None:
        """Keep only these classes; None keeps all."""
        self.true, self.predicted = true, predicted
        self._start_over()

    def next_true(self, classes: int) -> None:
        """Keep only the next true class; after the last, all."""
        self.filter(_following(self.true, classes), self.predicted)

    def next_predicted(self, classes: int) -> None:
        """Keep only the next predicted class; after the last, all."""
        self.filter(self.true, _following(self.predicted, classes))

    def next_order(self) -> None:
        """Sort in the next way, and switch to the first image."""
        self.order = SORT_ORDERS[(SORT_ORDERS.index(self.order) + 1) % len(SORT_ORDERS)]
        self._start_over()

    def move(self, by: int) -> None:
        """Move by some images, from the last to the first and back."""
        # The place of an image that left the list is now that of the next image.
        by -= not self.is_here and by > 0
        if len(self.rows):
            self.go_to((self._place + by) % len(self.rows))

    def move_within(self, by: int) -> None:
        """Move by some images, not beyond the ends."""
        self.go_to(max(0, self._place + by))

    def go_to(self, place: int) -> None:
        """Go to a place from 0, or counted from the end if negative; not beyond the ends."""
        if len(self.rows):
            last = len(self.rows) - 1
            self._place = min(max(place + len(self.rows) if place < 0 else place, 0), last)
            self.row = int(self.rows[self._place])

    def _start_over(self) -> None:
        self.row, self._place = None, 0
        self._select()

    def _select(self) -> None:
        self.rows = mistake_rows(
            self.predictions, self.which, self.true, self.predicted, self.order
        )
        if self.row is None:
            self.go_to(0)
            return
        found = np.flatnonzero(self.rows == self.row)
        if len(found):
            self._place = int(found[0])
        elif self.order == "image":
            self._place = int(np.searchsorted(self.rows, self.row))


def _following(number: int | None, classes: int) -> int | None:
    following = 0 if number is None else number + 1
    return following if following < classes else None


def _same(one: SplitEvaluations, other: SplitEvaluations) -> bool:
    """Return whether two sets of predictions contain the very same evaluations."""
    pairs = ((one.now, other.now), (one.before, other.before))
    return all(a.keys() == b.keys() and all(a[name] is b[name] for name in a) for a, b in pairs)
