"""The list of runs on the screen: heading, rows, and one line about the selected run."""

from pathlib import Path

from mlpwatch.core.config import ENGINE_NAMES
from mlpwatch.core.text import printable
from mlpwatch.tui import formatting
from mlpwatch.tui.formatting import TITLES, with_keys
from mlpwatch.tui.kit.cells import Canvas, CellView, columns_of, cut_to
from mlpwatch.tui.kit.lines import ACCENTS
from mlpwatch.tui.kit.theme import RUNS, Role, Text
from mlpwatch.tui.runs.columns import (
    COLUMN_GAP,
    COLUMNS,
    Column,
    ListedRun,
    batch_text,
    fitting_columns,
    hidden_text,
    rate_text,
    when_text,
)
from mlpwatch.tui.runs.run_list import RunList

_LEFT = 3
"""Columns before the first: cursor, mark and a blank."""

_DESCENDS = {True: "↓", False: "↑"}


class RunTable(CellView):
    """Paints only the visible rows: ten thousand runs cost as much as forty.

    When the cursor leaves the page, the page scrolls by half its height: one page is sent per
    twenty rows instead of one per row.
    """

    def __init__(self, runs: RunList, *, id: str) -> None:
        super().__init__(id=id)
        self._runs = runs
        self._top = 0
        self._note: tuple[str, Role] = ("", Role.DIM)

    @property
    def page(self) -> int:
        """Number of rows that fit."""
        return max(1, self.size.height - 1)

    def update(self, note: tuple[str, Role]) -> None:
        """Show the present list; if it is empty, a note."""
        self._note = note
        self.repaint()

    def row_at(self, y: int) -> int | None:
        """Return the run in a row of the view, counted from the heading; None if there is none."""
        row = self._top + y - 1
        return row if y > 0 and row < len(self._runs.shown) else None

    def paint(self, width: int, height: int) -> Canvas:
        """Return heading and rows."""
        canvas = Canvas(width, height)
        if not self._runs.shown:
            text, role = self._note
            canvas.put(_LEFT, min(2, height - 1), text, role)
            return canvas
        self._scroll(height - 1)
        columns = fitting_columns(width - _LEFT, self._runs.longest_name)
        self._put_headings(canvas, columns)
        for y, run in enumerate(self._runs.shown[self._top : self._top + height - 1], start=1):
            self._put_run(canvas, y, run, columns)
        return canvas

    def _scroll(self, page: int) -> None:
        row, last = self._runs.row, max(0, len(self._runs.shown) - page)
        if not self._top <= row < self._top + page:
            ahead = page // 2
            self._top = row - ahead if row >= self._top + page else row - (page - 1 - ahead)
        self._top = max(0, min(self._top, last))

    def _put_headings(self, canvas: Canvas, columns: list[tuple[Column, int]]) -> None:
        sorted_by = COLUMNS[self._runs.column]
        x = _LEFT
        for column, width in columns:
            is_sorted = column is sorted_by
            arrow = _DESCENDS[self._runs.descends] if is_sorted else ""
            text = cut_to(f"{column.heading}{arrow}", width)
            text = _right(text, width) if column.is_number else text
            canvas.put(x, 0, text, Role.STRONG if is_sorted else column.role)
            x += width + COLUMN_GAP

    def _put_run(
        self, canvas: Canvas, y: int, run: ListedRun, columns: list[tuple[Column, int]]
    ) -> None:
        is_selected = run is self._runs.selected
        canvas.put(0, y, "▸" if is_selected else " ", Role.STRONG)
        number = self._runs.mark_number(run)
        if number is not None:
            canvas.put(1, y, str(number + 1), RUNS[number])
        x = _LEFT
        for column, width in columns:
            text, role = column.cell(run)
            text = cut_to(text, width)
            if is_selected and column is COLUMNS[0]:
                role = Role.CURSOR
            canvas.put(x, y, _right(text, width) if column.is_number else text, role)
            x += width + COLUMN_GAP


def empty_text(saved: Path, runs: RunList, error: str, *, has_read: bool) -> tuple[str, Role]:
    """Return the note shown in place of an empty list."""
    if error:
        return error, Role.BAD
    if not has_read:
        return "reading …", Role.DIM
    if runs.count:
        return f"nothing matches '{printable(runs.filter)}'; " + with_keys(
            "{escape} shows all runs"
        ), Role.DIM
    return f"no runs in {printable(saved)} yet; mlpwatch trains one and saves it", Role.DIM


def selected_text(run: ListedRun | None, width: int) -> Text:
    """Return a line about a run: its error, or its settings and progress.

    Without room for both models their progress is left out: the list shows each model's accuracy.
    """
    if run is None:
        return []
    summary = run.summary
    if run.note and not summary.reason:
        return [(f" {run.note}", Role.TEXT)]
    if summary.reason:
        return [(f" {summary.reason}", Role.BAD)]
    begun = f"branch of {summary.parent}" if summary.parent else None
    facts = [
        *filter(None, [begun]),
        when_text(summary),
        summary.dataset,
        summary.recipe,
        f"hidden {hidden_text(summary)}",
    ]
    if summary.optimizer is not None:
        rate, batch = rate_text(summary), batch_text(summary)
        facts.append(f"{summary.optimizer}, rate {rate}, batch {batch}")
    what: Text = [(" " + " · ".join(str(fact) for fact in facts), Role.TEXT)]
    both = [*what, *_progress(run)]
    return both if sum(columns_of(text) for text, _ in both) <= width else what


def _progress(run: ListedRun) -> Text:
    pieces: Text = []
    for name in ENGINE_NAMES:
        engine = run.engine(name)
        if engine is None:
            continue
        known = [formatting.count(engine.epochs_done, "epoch")]
        for split, share in (("val", engine.val_accuracy), ("test", engine.test_accuracy)):
            if share is not None:
                known.append(f"{split} {share:.2%}")
        pieces += [
            (f"   {engine.network or TITLES[name]} ", ACCENTS[name]),
            (", ".join(known), Role.TEXT),
        ]
    return pieces


def _right(text: str, columns: int) -> str:
    return " " * (columns - columns_of(text)) + text
