"""The confusion matrix: zeros are dots, the diagonal is dim, mistakes are bright."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

from textual.binding import Binding, BindingType
from textual.events import Click, Focus
from textual.message import Message

from mlpwatch.tui.dashboard.confusion_cells import CellTexts, MatrixFacts
from mlpwatch.tui.dashboard.confusion_layout import (
    HEAD_ROWS,
    LONGEST_NAME,
    Layout,
    fit,
    mistakes,
    most_per_class,
)
from mlpwatch.tui.dashboard.score_table import (
    GAP,
    PAIRS_WIDTH,
    SCORES_WIDTH,
    differences_canvas,
    scores_canvas,
)
from mlpwatch.tui.kit.cells import Canvas, CellView
from mlpwatch.tui.kit.theme import Role

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

NO_MEMORY = "no memory for this matrix"

_ROOMY_CELL = 6
"""Scores may be shown beside cells of this width; narrower cells are widened first."""


class ConfusionMatrix(CellView, can_focus=True):
    """Counts by true class (down) and predicted class (across), with a cursor."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up", "move(-1, 0)", "Up", show=False),
        Binding("down", "move(1, 0)", "Down", show=False),
        Binding("left", "move(0, -1)", "Left", show=False),
        Binding("right", "move(0, 1)", "Right", show=False),
        Binding("enter", "open", "Open cell", show=False),
    ]

    class _CellMessage(Message):
        def __init__(self, matrix: "ConfusionMatrix", true: int, predicted: int) -> None:
            super().__init__()
            self.matrix = matrix
            self.true = true
            self.predicted = predicted

        @property
        def control(self) -> "ConfusionMatrix":
            """The matrix that sent the message."""
            return self.matrix

    class CursorMoved(_CellMessage):
        """The cursor moved to a cell."""

    class Opened(_CellMessage):
        """Enter was pressed on a cell, or it was clicked twice."""

    def __init__(
        self, *, name: str | None = None, id: str | None = None, classes: str | None = None
    ) -> None:
        super().__init__(name=name, id=id, classes=classes)
        self._counts: NDArray[np.int64] | None = None
        self._names: tuple[str, ...] = ()
        self._title = ""
        self._role = Role.TEXT
        self._cursor: tuple[int, int] | None = None
        self._first = (0, 0)
        self._facts = MatrixFacts()

    @property
    def cursor(self) -> tuple[int, int] | None:
        """True and predicted class under the cursor; None without a cursor."""
        return self._cursor

    @property
    def has_room_for_scores(self) -> bool:
        """Whether there is room for scores beside or below the matrix."""
        return (
            self.is_on_screen
            and self._facts.mode in ("counts", "percent")
            and bool(self._names)
            and self._room_for_scores(*self.size) is not None
        )

    def update(
        self,
        counts: "NDArray[np.int64] | None",
        names: Sequence[str],
        title: str,
        role: Role,
        *,
        cursor: tuple[int, int] | None = None,
        facts: MatrixFacts | None = None,
    ) -> None:
        """Show these counts.

        Args:
            counts: (classes, classes), true class down, predicted class across; None before
                the first evaluation.
            names: one per class; a string gives one character to each.
            title: first words of the first row.
            role: the model's, for the title.
            cursor: true and predicted class to put the cursor on; None leaves it where it is.
            facts: how to show the counts and what to show beside them; None for counts alone.

        Raises:
            ValueError: the counts are not square, or there is not one name per class.
        """
        if counts is not None and counts.shape != (len(names), len(names)):
            raise ValueError(f"counts {counts.shape}: expected a square for {len(names)} names")
        before, facts = self._look(), facts or MatrixFacts()
        is_new, self._facts = not facts.same(self._facts), facts
        self._counts, self._names, self._title = counts, tuple(names), title
        self._role = role
        wanted = cursor or self._cursor
        if wanted is not None and names:
            last = len(names) - 1
            self._cursor = (min(max(wanted[0], 0), last), min(max(wanted[1], 0), last))
        if is_new or self._look() != before:
            self.repaint()

    def _look(self) -> tuple[object, ...]:
        """Return everything that the picture depends on; counts are never changed in place."""
        return id(self._counts), self._names, self._title, self._role, self._cursor

    def paint(self, width: int, height: int) -> Canvas:
        """Return title, predicted classes and one row per true class, as many as fit."""
        try:
            return self._picture(width, height)
        except MemoryError:
            # Training continues; the next matrix tries again.
            canvas = Canvas(width, height)
            canvas.put(0, 0, self._title, self._role)
            canvas.put(0, 1, NO_MEMORY, Role.BAD)
            return canvas

    def _picture(self, width: int, height: int) -> Canvas:
        canvas = Canvas(width, height)
        end = canvas.put(0, 0, self._title, self._role)
        if self._facts.mode == "plane":
            canvas.paste(self._facts.plane or Canvas(0, 0), 0, 1)
        elif self._counts is None or not self._names:
            word = self._facts.absent
            canvas.put(max(0, (width - len(word)) // 2), height // 2, word, Role.DIM)
        elif self._facts.is_page:
            canvas.paste(self._page(width, height - 1), 0, 1)
        else:
            scores = self._scores_place(width, height)
            layout = self._layout(self._counts, *self._matrix_size(width, height))
            self._put_hint(canvas, end + 2, layout, self._counts)
            self._put_names(canvas, layout)
            self._put_cells(canvas, layout, self._counts)
            if scores and self._facts.scores:
                x, y = scores
                table = (width - x, height - y)
                drawn = scores_canvas(self._facts.scores, self._names, *table, self.look)
                canvas.paste(drawn, x, y)
        return canvas

    def _put_cells(self, canvas: Canvas, layout: Layout, counts: "NDArray[np.int64]") -> None:
        zero = "." if self.look.ascii_only else "·"
        cells = CellTexts(counts, self._facts, zero, int(mistakes(counts).max()))
        for y, true in enumerate(layout.rows, start=HEAD_ROWS):
            for n, (x, text, role) in enumerate(cells.row(true, layout)):
                at_cursor = (true, layout.columns[n]) == self._cursor
                if at_cursor:
                    left = min(x, layout.edge(n))
                    canvas.put(left, y, " " * (layout.edge(n + 1) - left), Role.CURSOR)
                canvas.put(x, y, text, Role.CURSOR if at_cursor else role)

    def _page(self, width: int, height: int) -> Canvas:
        """Return the page that is shown in place of the matrix."""
        facts = self._facts
        if facts.differences is not None:
            return differences_canvas(
                facts.differences, self._names, width, height, titles=facts.titles
            )
        if facts.scores is None:
            return Canvas(width, height)
        return scores_canvas(facts.scores, self._names, width, height, self.look)

    def _matrix_size(self, width: int, height: int) -> tuple[int, int]:
        """Return the columns and rows that the scores leave for the matrix."""
        x, y = self._scores_place(width, height) or (0, 0)
        return x - GAP if x else width, y - 1 if y > 1 else height

    def _scores_place(self, width: int, height: int) -> tuple[int, int] | None:
        """Return the upper left corner of the scores: beside the matrix, below it, or None."""
        return self._room_for_scores(width, height) if self._facts.scores else None

    def _room_for_scores(self, width: int, height: int) -> tuple[int, int] | None:
        classes, label = len(self._names), min(max(map(len, self._names)), LONGEST_NAME)
        matrix = label + 1 + classes * _ROOMY_CELL
        if matrix + GAP + SCORES_WIDTH + GAP + PAIRS_WIDTH + 3 * (label - 1) <= width:
            return matrix + GAP, 1
        below = HEAD_ROWS + classes + 1
        return (0, below) if below + 1 + classes <= height else None

    def leave(self) -> None:
        """Remove the cursor."""
        self._cursor = None
        self.repaint()

    def action_move(self, down: int, right: int) -> None:
        """Move the cursor; the first press puts it on the most frequent mistake."""
        if not self._names or self._facts.mode == "plane":
            return
        last = len(self._names) - 1
        true, predicted = self._cursor or self._worst()
        if self._cursor is not None:
            true, predicted = true + down, predicted + right
        self._move_to(min(max(true, 0), last), min(max(predicted, 0), last))

    def action_open(self) -> None:
        """Ask to open the cell under the cursor; without a cursor, show one."""
        if self._counts is None or self._facts.mode == "plane":
            return
        if self._cursor is None:
            self._move_to(*self._worst())
        else:
            self.post_message(self.Opened(self, *self._cursor))

    def on_focus(self, _event: Focus) -> None:
        """Show the cursor that the keys will move."""
        shows_matrix = self._counts is not None and self._facts.mode != "plane"
        if self._cursor is None and shows_matrix:
            self._move_to(*self._worst())

    def on_click(self, event: Click) -> None:
        """Move the cursor to the cell; a double click opens it."""
        place = event.get_content_offset(self)
        if place is None or self._counts is None or self._facts.is_page:
            return
        layout = self._layout(self._counts, *self._matrix_size(*self.size))
        row, column = place.y - HEAD_ROWS, layout.column_at(place.x)
        if 0 <= row < len(layout.rows) and column is not None:
            self._move_to(layout.rows[row], layout.columns[column])
            if event.chain == 2:  # noqa: PLR2004
                self.action_open()

    def _move_to(self, true: int, predicted: int) -> None:
        if self._cursor != (true, predicted):
            self._cursor = (true, predicted)
            self.repaint()
            self.post_message(self.CursorMoved(self, true, predicted))

    def _worst(self) -> tuple[int, int]:
        if self._counts is None:
            return 0, 0
        try:
            return divmod(int(mistakes(self._counts).argmax()), len(self._counts))
        except MemoryError:
            return 0, 0

    def _layout(self, counts: "NDArray[np.int64]", width: int, height: int) -> Layout:
        at = self._cursor or self._first
        layout = fit(self._names, most_per_class(counts), width, height, first=self._first, at=at)
        self._first = (layout.rows.start, layout.columns.start)
        return layout

    def _put_names(self, canvas: Canvas, layout: Layout) -> None:
        for n, predicted in enumerate(layout.columns):
            text = self._names[predicted][: layout.cell - 1]
            canvas.put(layout.edge(n + 1) - len(text), 1, text, self._name_role(1, predicted))
        for y, true in enumerate(layout.rows, start=HEAD_ROWS):
            name = self._names[true][:LONGEST_NAME]
            canvas.put(0, y, f"{name:>{layout.label - 1}}", self._name_role(0, true))

    def _name_role(self, axis: int, number: int) -> Role:
        at_cursor = self._cursor is not None and self._cursor[axis] == number
        return Role.STRONG if at_cursor else Role.DIM

    def _put_hint(
        self, canvas: Canvas, start: int, layout: Layout, counts: "NDArray[np.int64]"
    ) -> None:
        """Write the longest hint that fits at the right of the first row."""
        hints = ["true down, predicted across"] if self.look.ascii_only else ["true ↓  predicted →"]
        total = len(self._names)
        if len(layout.rows) < total or len(layout.columns) < total:
            part = layout.rows if len(layout.rows) < total else layout.columns
            hints = [
                f"{part.start + 1}-{part.stop} of {total}",
                "..." if self.look.ascii_only else "…",
            ]
        if self._cursor is not None:
            true, predicted = self._cursor
            names = self._names[true][:LONGEST_NAME], self._names[predicted][:LONGEST_NAME]
            number = self._number_at(counts, true, predicted)
            brief = f"{names[0]} as {names[1]}: {number}"
            hints = [f"{names[0]} predicted as {names[1]}: {number}", brief, *hints]
        for hint in hints:
            if start + len(hint) <= canvas.width:
                canvas.put(canvas.width - len(hint), 0, hint, Role.DIM)
                return

    def _number_at(self, counts: "NDArray[np.int64]", true: int, predicted: int) -> str:
        """Return a cell's number in full."""
        count, other = int(counts[true, predicted]), self._facts.subtracted
        if self._facts.mode == "percent":
            return f"{100 * count / max(1, int(counts[true].sum())):.1f} %"
        if other is None:
            return f"{count:,}"
        difference = count - int(other[true, predicted])
        return f"{difference:+,}" if difference else "0"
