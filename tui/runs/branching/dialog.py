"""The dialog of a branch: all settings in groups, as they are; change some, and start."""

from textwrap import wrap
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical
from textual.events import Key, Paste
from textual.geometry import Size
from textual.screen import ModalScreen

from mlpwatch.tui.kit.base_screen import ClosesOnce, can_draw
from mlpwatch.tui.kit.cells import Canvas, CellView, cut_to
from mlpwatch.tui.kit.keys import Where, bindings
from mlpwatch.tui.kit.text_block import TextBlock
from mlpwatch.tui.kit.theme import Role
from mlpwatch.tui.runs.branching.form import EPOCH, FATE, NAME, BranchForm, BranchPlan, Row

LABEL_COLUMNS, VALUE_COLUMNS = 19, 14
NOTE_AT = LABEL_COLUMNS + VALUE_COLUMNS

WORDS_ROWS = 8
"""Of the dialog around the rows, without its title: frame, what would happen in two rows, keys."""

BOX_COLUMNS = 72
"""Of the text in the box, on a screen that is wide enough."""


class BranchDialog(ModalScreen[BranchPlan | None], ClosesOnce[BranchPlan | None]):
    """Shows a form; dismissed with its plan, or with None.

    Args:
        form: to fill in.
        parent: name of the parent, safe to print.
        about: what becomes of the run on the dashboard where nothing is to be decided, and why
            the form begins with changes; a line each.
    """

    WHERE: ClassVar[Where] = "branch"
    BINDINGS: ClassVar[list[BindingType]] = bindings(WHERE)

    def __init__(self, form: BranchForm, parent: str, about: tuple[str, ...] = ()) -> None:
        super().__init__()
        self.form, self._parent_name, self._about = form, parent, about

    def compose(self) -> ComposeResult:
        """Make the box."""
        with Vertical(classes="box"):
            yield TextBlock(id="question")
            yield FormRows(self.form, self._parent_name, (self._title, *self._about))
            yield TextBlock(id="fault")

    def on_mount(self) -> None:
        """Show the form."""
        about = [[(line, Role.TEXT)] for line in self._about]
        self.query_one("#question", TextBlock).update([[(self._title, Role.STRONG)], *about, []])
        self._show()

    @property
    def _title(self) -> str:
        return f"Branch of {self._parent_name}: a new run that begins after one of its epochs"

    def on_key(self, event: Key) -> None:
        """Take what is typed into the row at the cursor."""
        if self.take_key(event):
            event.stop()
            event.prevent_default()

    def on_paste(self, event: Paste) -> None:
        """Take pasted text, without what can't be shown."""
        for character in filter(str.isprintable, event.text):
            self.form.type(character)
        self._draw()

    def take_key(self, event: Key) -> bool:
        """Take a key that is typed, also one that came before the dialog had opened.

        Keys with a binding too: a binding runs after the next keys of a burst have been typed.
        """
        moves = {"up": -1, "down": 1}
        turns = {"left": -1, "right": 1}
        if event.key in moves:
            self.form.move(moves[event.key])
        elif event.key in turns:
            self.form.turn(turns[event.key])
        elif event.key == "enter":
            self.action_start()
            return True
        elif event.key == "escape":
            self.action_cancel()
            return True
        elif event.key == "backspace":
            self.form.erase()
        elif event.key in ("tab", "pagedown"):
            self.form.next_group()
        elif event.key in ("ctrl+u", "delete"):
            self.form.clear()
        elif event.is_printable and event.character:
            self.form.type(event.character)
        else:
            return False
        self._draw()
        return True

    def action_move(self, rows: int) -> None:
        """Move the cursor by some rows."""
        self.form.move(rows)
        self._draw()

    def action_turn(self, by: int) -> None:
        """Take the next or the previous value."""
        self.form.turn(by)
        self._draw()

    def action_start(self) -> None:
        """Dismiss with the plan; no effect while something is wrong, which is shown."""
        if not self.form.fault():
            self.dismiss(self.form.plan())

    def action_cancel(self) -> None:
        """Dismiss with None."""
        self.dismiss(None)

    def _draw(self) -> None:
        if can_draw(self):
            self._show()

    def _show(self) -> None:
        self.query_one(FormRows).repaint()
        fault = self.form.fault()
        said = (fault, Role.BAD) if fault else (self.form.effect(), Role.TEXT)
        keys = ("↑↓ row  tab group  ←→ value, or type it  ", "enter starts  escape cancels")
        arrows = "up, down, tab  left, right or type: value  "
        first = arrows if self.query_one(FormRows).look.ascii_only else keys[0]
        self.query_one("#fault", TextBlock).update([[], [said], [(first + keys[1], Role.DIM)]])


class FormRows(CellView):
    """The rows of a form, in groups; as many as fit around the cursor.

    Args:
        form: whose rows they are.
        parent: name of the parent, safe to print.
        above: the lines above, which may take several rows each.
    """

    def __init__(self, form: BranchForm, parent: str, above: tuple[str, ...] = ()) -> None:
        super().__init__(id="form")
        self._form, self._parent_name, self._above = form, parent, above
        self._first = 0

    def get_content_height(self, _container: Size, _viewport: Size, _width: int) -> int:
        """Return the rows of all groups, or as many as the screen has room for."""
        columns = max(1, min(BOX_COLUMNS, self.app.size.width - 4))
        above = sum(len(wrap(line, columns)) for line in self._above)
        return min(len(_lines(self._form)), max(3, self.app.size.height - WORDS_ROWS - above))

    def paint(self, width: int, height: int) -> Canvas:
        """Return the rows around the cursor."""
        form, lines = self._form, _lines(self._form)
        at = lines.index(form.row)
        # The heading above the first row of a group is seen, too.
        top = at - 1 if at and isinstance(lines[at - 1], str) else at
        self._first = max(min(self._first, top), at - height + 1)
        self._first = max(0, min(self._first, len(lines) - height))
        canvas = Canvas(width, height)
        for y, line in enumerate(lines[self._first : self._first + height]):
            if isinstance(line, str):
                canvas.put(0, y, line, Role.DIM)
            else:
                self._put_row(canvas, y, line)
        for y, is_cut, sign in (
            (0, self._first > 0, "^" if self.look.ascii_only else "↑"),
            (height - 1, self._first + height < len(lines), "v" if self.look.ascii_only else "↓"),
        ):
            if is_cut:
                canvas.put(width - 1, y, sign, Role.DIM)
        return canvas

    def _put_row(self, canvas: Canvas, y: int, row: Row) -> None:
        form, is_here = self._form, row == self._form.row
        text = form.texts[row.key]
        mark = (">" if self.look.ascii_only else "▸") if is_here else " "
        is_changed = text != row.before and row.key not in (EPOCH, NAME)
        role = Role.STRONG if is_here or is_changed else Role.TEXT
        canvas.put(0, y, f"{mark} {row.label}", role)
        room = max(VALUE_COLUMNS, canvas.width - LABEL_COLUMNS) if row.key == NAME else 0
        value = cut_to(text, max(1, (room or VALUE_COLUMNS) - 1))
        end = canvas.put(LABEL_COLUMNS, y, value, role)
        if is_here and not row.choices:
            end = canvas.put(end, y, "_" if self.look.ascii_only else "▏", Role.STRONG)
        note, x = self._note(row, text, is_here=is_here), max(end + 1, NOTE_AT)
        canvas.put(x, y, cut_to(note, max(0, canvas.width - 2 - x)), Role.DIM)

    def _note(self, row: Row, text: str, *, is_here: bool) -> str:
        """Return what is said beside a value."""
        form = self._form
        if row.key == EPOCH:
            from mlpwatch.core.runs.history import kept_text  # noqa: PLC0415 - it imports NumPy

            return f"kept: {kept_text(form.kept)}"
        if row.key == NAME:
            return "" if text else f"{self._parent_name}-at-{form.texts[EPOCH]}"
        if is_here and row.choices:
            others = [one for one in row.choices if one != text]
            arrows = "left, right: " if self.look.ascii_only else "←→ "
            return arrows + ", ".join(others)
        if row.key == FATE:
            return f"{form.here} trains here now"
        if text != row.before:
            return f"was {row.before or 'not set'}"
        return ""


def _lines(form: BranchForm) -> list[Row | str]:
    """Return the rows, each group below its heading; the first needs none."""
    lines: list[Row | str] = []
    for row in form.rows:
        if lines and row.group not in ("branch", *(one for one in lines if isinstance(one, str))):
            lines.append(row.group)
        lines.append(row)
    return lines
