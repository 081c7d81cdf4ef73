"""The sweep's table on the screen: heading and rows, and the line about the selected one."""

from mlpwatch.core.text import printable
from mlpwatch.tui.formatting import with_keys
from mlpwatch.tui.groups.columns import (
    GAP,
    Line,
    SettingLine,
    SweepColumn,
    TrialLine,
    fitting,
)
from mlpwatch.tui.groups.setting_list import SettingList, failed_reasons
from mlpwatch.tui.kit.cells import Canvas, CellView, columns_of, cut_to
from mlpwatch.tui.kit.text_block import Row
from mlpwatch.tui.kit.theme import Role

_LEFT = 2
"""Columns before the first: the cursor, or a setting's sign, and a blank."""

_DESCENDS = {True: "↓", False: "↑"}
_FOLDS = {True: "-", False: "+"}
"""Sign of a setting, by whether its trials are listed."""


class SettingTable(CellView):
    """Paints only the visible rows: a thousand settings cost as much as twenty.

    When the cursor leaves the page, the page scrolls by half its height, as in the list of runs.
    """

    def __init__(self, settings: SettingList, *, id: str) -> None:
        super().__init__(id=id)
        self._list = settings
        self._top = 0
        self._note: tuple[str, Role] = ("", Role.DIM)

    @property
    def page(self) -> int:
        """Number of rows that fit."""
        return max(1, self.size.height - 1)

    def update(self, note: tuple[str, Role]) -> None:
        """Show the present rows; if there are none, a note."""
        self._note = note
        self.repaint()

    def row_at(self, y: int) -> int | None:
        """Return the row of the list in a row of the view, or None; 0 is the heading."""
        row = self._top + y - 1
        return row if y > 0 and row < len(self._list.lines) else None

    def paint(self, width: int, height: int) -> Canvas:
        """Return heading and rows."""
        canvas = Canvas(width, height)
        columns = fitting(self._list.known_columns, width - _LEFT)
        self._put_headings(canvas, columns)
        if not self._list.lines:
            text, role = self._note
            canvas.mark_cut(canvas.put(_LEFT, min(2, height - 1), text, role), min(2, height - 1))
            return canvas
        self._scroll(height - 1)
        shown = self._list.lines[self._top : self._top + height - 1]
        for y, line in enumerate(shown, start=1):
            self._put_line(canvas, y, line, columns)
        return canvas

    def _scroll(self, page: int) -> None:
        row, last = self._list.row, max(0, len(self._list.lines) - page)
        if not self._top <= row < self._top + page:
            ahead = page // 2
            self._top = row - ahead if row >= self._top + page else row - (page - 1 - ahead)
        self._top = max(0, min(self._top, last))

    def _put_headings(self, canvas: Canvas, columns: list[SweepColumn]) -> None:
        place = self._list.column
        sorts = self._list.columns[place] if place >= 0 else None
        x = _LEFT
        for column in columns:
            is_sorted = column is sorts
            arrow = _DESCENDS[self._list.descends] if is_sorted else ""
            text = cut_to(f"{column.heading}{arrow}", column.width)
            canvas.put(x, 0, _aligned(text, column), Role.STRONG if is_sorted else column.role)
            x += column.width + GAP

    def _put_line(self, canvas: Canvas, y: int, line: Line, columns: list[SweepColumn]) -> None:
        is_selected = line is self._list.selected
        if is_selected:
            canvas.put(0, y, "▸", Role.STRONG)
        elif isinstance(line, SettingLine):
            canvas.put(0, y, _FOLDS[line.is_open], Role.DIM)
        x = _LEFT
        for n, column in enumerate(columns):
            text, role = column.cell(line)
            if is_selected and n == 0:
                role = Role.CURSOR
            canvas.put(x, y, _aligned(cut_to(text, column.width), column), role)
            x += column.width + GAP


def _aligned(text: str, column: SweepColumn) -> str:
    return " " * (column.width - columns_of(text)) * column.is_number + text


def empty_note(settings: SettingList, waits_for: str, error: str) -> tuple[str, Role]:
    """Return the note shown in place of an empty table.

    Args:
        settings: of the sweep.
        waits_for: what happens before there is a reading.
        error: why the folder can't be read; empty if it can.
    """
    if error:
        return error, Role.BAD
    if settings.picture is None:
        return waits_for, Role.DIM
    return f"no setting has {printable(settings.filter)}; " + with_keys(
        "{escape} shows all"
    ), Role.DIM


SELECTED_ROWS = 2
"""Of what the selected row says; always as many, so that nothing below moves with the cursor."""


def selected_rows(settings: SettingList, width: int) -> list[Row]:
    """Return what the selected row says in words: the verdict, and why trials have failed.

    Args:
        settings: with the cursor.
        width: of the screen; a verdict that does not fit beside its setting takes the second row.
    """
    line, picture = settings.selected, settings.picture
    if line is None or picture is None:
        return [[]] * SELECTED_ROWS
    if isinstance(line, TrialLine):
        return _trial_rows(line)
    label = line.row.setting.label or "all seeds"
    said = line.row.verdict
    reasons = failed_reasons(picture.reading.rows_of(line.number))
    first: Row = [(f" {label}", Role.STRONG)]
    if columns_of(label) + len(said) + 4 <= width:
        failed = f" failed: {reasons[0]}" if reasons else ""
        return [[*first, (f"   {said}", Role.TEXT)], _cut(failed, Role.BAD)]
    return [first, _cut(f" {said}", Role.TEXT)]


def _trial_rows(line: TrialLine) -> list[Row]:
    row = line.row
    first = _cut(f" {printable(row.trial.name)}", Role.STRONG)
    if row.reason:
        return [first, _cut(f" {row.reason}", Role.BAD)]
    says = "has not begun" if row.state == "waiting" else with_keys("{enter} opens it")
    return [first, _cut(f" {says}", Role.DIM)]


def _cut(text: str, role: Role) -> Row:
    """Return a row that is cut, not folded, where it does not fit: of two pieces."""
    return [(text, role), ("", role)]
