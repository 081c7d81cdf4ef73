"""What a cell of a confusion matrix says, as a count, a share of its row, or a difference."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NamedTuple, get_args

from mlpwatch.tui.dashboard.confusion_layout import Layout, count_role, count_text, places
from mlpwatch.tui.kit.theme import HEAT, Role

if TYPE_CHECKING:
    # The first frame comes before there are counts, and importing NumPy takes 0.1 s.
    import numpy as np
    from numpy.typing import NDArray

    from mlpwatch.core.analysis.scores import ClassScores, PairDifference

MatrixMode = Literal["counts", "percent", "difference", "scores"]
MATRIX_MODES: tuple[MatrixMode, ...] = get_args(MatrixMode)

_DECIMAL_COLUMNS = 6
"""Columns from which a percentage has a decimal: `100.0` and a blank."""


@dataclass(frozen=True, slots=True, eq=False)
class MatrixFacts:
    """How a matrix is shown, and what is told beside it or in its place."""

    mode: MatrixMode = "counts"
    other: "NDArray[np.int64] | None" = None
    """The other model's counts, which are subtracted in mode `difference`."""
    scores: "ClassScores | None" = None
    """Told beside or below the matrix where there is room; in mode `scores` in its place."""
    differences: "tuple[PairDifference, ...] | None" = None
    """Told in place of the matrix."""
    absent: str = "after the first epoch"
    """Said where there are no counts."""

    @property
    def is_page(self) -> bool:
        """Whether something else is told in place of the matrix."""
        return self.mode == "scores" or self.differences is not None

    def same(self, other: "MatrixFacts") -> bool:
        """Return whether both show the very same objects."""
        return (
            (self.mode, self.absent) == (other.mode, other.absent)
            and self.other is other.other
            and self.scores is other.scores
            and self.differences == other.differences
        )


class CellTexts(NamedTuple):
    """Writes the cells of one matrix."""

    counts: "NDArray[np.int64]"
    """(classes, classes)"""
    facts: MatrixFacts
    zero: str
    """What stands for none."""
    largest: int
    """The most frequent mistake."""

    def row(self, true: int, layout: Layout) -> list[tuple[int, str, Role]]:
        """Return where each cell's text begins, the text and its role, of a row's cells in view.

        No two numbers touch, but for differences, which their signs tell apart.
        """
        gap = 0 if self.facts.mode == "difference" and self.facts.other is not None else 1
        starts, looks = [-1], []
        # Shorter where not all fit in full: five differences beyond 99 or more in one row.
        for width in (layout.cell, layout.cell - 1):
            if starts[0] < layout.label:
                looks = [self.look(true, predicted, width) for predicted in layout.columns]
                starts = places([text for text, _ in looks], layout, gap)
        return [(x, *look) for x, look in zip(starts, looks, strict=True)]

    def look(self, true: int, predicted: int, width: int) -> tuple[str, Role]:
        """Return a cell's text and its role.

        It has at most `width` columns; a difference, one more for its sign.
        """
        count, diagonal = int(self.counts[true, predicted]), true == predicted
        if self.facts.mode == "difference" and self.facts.other is not None:
            return self._difference(count - int(self.facts.other[true, predicted]), width)
        if self.facts.mode == "percent":
            total = int(self.counts[true].sum())
            return percent_text(count, total, width, self.zero), share_role(count, total, diagonal)
        return count_text(count, width, self.zero), count_role(count, diagonal, self.largest)

    def _difference(self, difference: int, width: int) -> tuple[str, Role]:
        if difference == 0:
            return self.zero, Role.DIM
        sign, role = ("+", Role.NUMPY) if difference > 0 else ("-", Role.TORCH)
        return sign + count_text(abs(difference), width, ""), role


def percent_text(count: int, total: int, width: int, zero: str) -> str:
    """Return the percentage of `count` in `total`, with a decimal where there is room."""
    if count == 0:
        return zero
    percent = 100 * count / total
    if width >= _DECIMAL_COLUMNS:
        return f"{percent:.1f}"
    rounded = str(round(percent)) if percent >= 0.5 else "<1"  # noqa: PLR2004 - rounds to 1
    return rounded if len(rounded) <= width else ">" * width


def share_role(count: int, total: int, diagonal: bool) -> Role:
    """Return how a share of a row looks; a mistake is hotter beyond 1, 2, 4 and 8 %."""
    if count == 0:
        return Role.DIM
    if diagonal:
        return Role.DIAGONAL
    limits = (0.01, 0.02, 0.04, 0.08)
    return HEAT[sum(count > limit * total for limit in limits)]
