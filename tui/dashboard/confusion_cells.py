"""The text of a confusion matrix's cells: a count, a share of its row, or a difference."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NamedTuple, get_args

from mlpwatch.core.config import TITLES
from mlpwatch.tui.dashboard.confusion_layout import Layout, count_role, count_text, places
from mlpwatch.tui.kit.cells import Canvas
from mlpwatch.tui.kit.theme import HEAT, Role

if TYPE_CHECKING:
    # The first frame comes before there are counts, and importing NumPy takes 0.1 s.
    import numpy as np
    from numpy.typing import NDArray

    from mlpwatch.core.analysis.scores import ClassScores, PairDifference

MatrixMode = Literal["plane", "counts", "percent", "difference", "parent", "scores"]
MATRIX_MODES: tuple[MatrixMode, ...] = get_args(MatrixMode)

_DECIMAL_COLUMNS = 6
"""Percentages have a decimal from this cell width on: `100.0` and a blank."""


@dataclass(frozen=True, slots=True, eq=False)
class MatrixFacts:
    """How a matrix is shown, and what is shown beside it or in its place."""

    mode: MatrixMode = "counts"
    other: "NDArray[np.int64] | None" = None
    """What is subtracted: in mode `difference` the other model's counts, in mode `parent` those of
    a branch's parent at the same epoch."""
    scores: "ClassScores | None" = None
    """Shown beside or below the matrix if there is room; in mode `scores` in its place."""
    differences: "tuple[PairDifference, ...] | None" = None
    """Shown in place of the matrix."""
    titles: tuple[str, ...] = tuple(TITLES.values())
    """Names of the models whose difference it is."""
    absent: str = "after the first epoch"
    """Shown if there are no counts."""
    plane: Canvas | None = None
    """Decision regions, shown in mode `plane` in place of the matrix."""

    @property
    def subtracted(self) -> "NDArray[np.int64] | None":
        """What is subtracted from the counts; None in other modes."""
        return self.other if self.mode in ("difference", "parent") else None

    @property
    def is_page(self) -> bool:
        """Whether something else is shown in place of the matrix."""
        return self.mode in ("scores", "plane") or self.differences is not None

    def same(self, other: "MatrixFacts") -> bool:
        """Return whether both show the very same objects."""
        return (
            (self.mode, self.absent) == (other.mode, other.absent)
            and self.other is other.other
            and self.scores is other.scores
            and self.differences == other.differences
            and self.plane is other.plane
        )


class CellTexts(NamedTuple):
    """Writes the cells of one matrix."""

    counts: "NDArray[np.int64]"
    """(classes, classes)"""
    facts: MatrixFacts
    zero: str
    """The text of a zero."""
    largest: int
    """The most frequent mistake."""

    def row(self, true: int, layout: Layout) -> list[tuple[int, str, Role]]:
        """Return each cell's first column, text and role, for the cells of a row in view.

        No two numbers touch, except differences, which their signs separate.
        """
        gap = 0 if self.facts.subtracted is not None else 1
        starts, looks = [-1], []
        # Shorter if not all fit in full: five differences beyond 99 or more in one row.
        for width in (layout.cell, layout.cell - 1):
            if starts[0] < layout.label:
                looks = [self.look(true, predicted, width) for predicted in layout.columns]
                starts = places([text for text, _ in looks], layout, gap)
        return [(x, *look) for x, look in zip(starts, looks, strict=True)]

    def look(self, true: int, predicted: int, width: int) -> tuple[str, Role]:
        """Return a cell's text and its role.

        It has at most `width` columns; a difference has one more for its sign.
        """
        count, diagonal = int(self.counts[true, predicted]), true == predicted
        if (other := self.facts.subtracted) is not None:
            difference = count - int(other[true, predicted])
            return self._difference(difference, width, diagonal=diagonal)
        if self.facts.mode == "percent":
            total = int(self.counts[true].sum())
            return percent_text(count, total, width, self.zero), share_role(count, total, diagonal)
        return count_text(count, width, self.zero), count_role(count, diagonal, self.largest)

    def _difference(self, difference: int, width: int, *, diagonal: bool) -> tuple[str, Role]:
        if difference == 0:
            return self.zero, Role.DIM
        sign, role = ("+", Role.NUMPY) if difference > 0 else ("-", Role.TORCH)
        if self.facts.mode == "parent":
            # More on the diagonal is better than the parent, more beside it worse.
            role = Role.GOOD if (difference > 0) == diagonal else Role.BAD
        return sign + count_text(abs(difference), width, ""), role


def percent_text(count: int, total: int, width: int, zero: str) -> str:
    """Return the percentage of `count` in `total`, with a decimal if there is room."""
    if count == 0:
        return zero
    percent = 100 * count / total
    if width >= _DECIMAL_COLUMNS:
        return f"{percent:.1f}"
    rounded = str(round(percent)) if percent >= 0.5 else "<1"  # noqa: PLR2004 - rounds to 1
    return rounded if len(rounded) <= width else ">" * width


def share_role(count: int, total: int, diagonal: bool) -> Role:
    """Return the role of a share of a row; a mistake is hotter beyond 1, 2, 4 and 8 %."""
    if count == 0:
        return Role.DIM
    if diagonal:
        return Role.DIAGONAL
    limits = (0.01, 0.02, 0.04, 0.08)
    return HEAT[sum(count > limit * total for limit in limits)]
