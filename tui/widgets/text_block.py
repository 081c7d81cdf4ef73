"""Several rows of text in roles; long rows are folded at words."""

from collections.abc import Sequence
from textwrap import wrap

from textual.geometry import Size

from tui.formatting import one_line
from tui.palette import Role
from tui.widgets.cells import Canvas, CellView

Piece = tuple[str, Role]
Row = Sequence[Piece]


class TextBlock(CellView):
    """As high as its text."""

    _rows: Sequence[Row] = ()

    def draw(self, rows: Sequence[Row]) -> None:
        """Show rows of pieces; a row of one piece is folded, others are cut."""
        higher = len(rows) != len(self._rows)
        self._rows = rows
        if higher and self.is_attached:
            self.refresh(layout=True)
        self.repaint()

    def get_content_height(self, _container: Size, _viewport: Size, width: int) -> int:
        """Return the rows that the text needs at this width."""
        return len(self._folded(width))

    def paint(self, width: int, height: int) -> Canvas:
        """Return the text."""
        canvas = Canvas(width, height)
        for y, row in enumerate(self._folded(width)):
            x = 0
            for text, role in row:
                x = canvas.put(x, y, one_line(text), role)
            whole = "".join(text for text, _ in row)
            canvas.mark_cut(x - (len(whole) - len(whole.rstrip())), y)
        return canvas

    def _folded(self, width: int) -> list[Row]:
        rows: list[Row] = []
        for row in self._rows:
            if len(row) == 1 and len(row[0][0]) > width > 0:
                text, role = row[0]
                rows += [[(line, role)] for line in wrap(text, width)]
            else:
                rows.append(row)
        return rows
