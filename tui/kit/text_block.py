"""Several rows of text in roles; long rows are folded between words."""

from collections.abc import Sequence
from textwrap import wrap

from textual.geometry import Size

from mlpwatch.core.text import printable
from mlpwatch.tui.kit.cells import Canvas, CellView
from mlpwatch.tui.kit.theme import Role

Piece = tuple[str, Role]
Row = Sequence[Piece]


class TextBlock(CellView):
    """As high as its text."""

    _rows: Sequence[Row] = ()

    def update(self, rows: Sequence[Row]) -> None:
        """Show rows of pieces; a row of a single piece is folded, others are cut."""
        before, self._rows = self._rows, rows
        # Folded: a longer text may need more lines even if it has no more rows.
        width = self.size.width
        if self.is_attached and len(folded(rows, width)) != len(folded(before, width)):
            self.refresh(layout=True)
        self.repaint()

    def get_content_height(self, _container: Size, _viewport: Size, width: int) -> int:
        """Return the rows that the text needs at this width."""
        return len(folded(self._rows, width))

    def paint(self, width: int, height: int) -> Canvas:
        """Return the text."""
        canvas = Canvas(width, height)
        for y, row in enumerate(folded(self._rows, width)):
            x = 0
            for text, role in row:
                x = canvas.put(x, y, printable(text), role)
            whole = "".join(text for text, _ in row)
            canvas.mark_cut(x - (len(whole) - len(whole.rstrip())), y)
        return canvas


def folded(rows: Sequence[Row], width: int) -> list[Row]:
    """Return rows of which those of a single long piece are folded between words."""
    lines: list[Row] = []
    for row in rows:
        if len(row) == 1 and len(row[0][0]) > width > 0:
            text, role = row[0]
            lines += [[(line, role)] for line in wrap(text, width)]
        else:
            lines.append(row)
    return lines


def without_blanks(rows: Sequence[Row], width: int, height: int) -> list[Row]:
    """Return rows with blank ones removed, from the end, until they fit."""
    kept = list(rows)
    for n in reversed(range(len(kept))):
        if not kept[n] and len(folded(kept, width)) > height:
            del kept[n]
    return kept


def squeezed(rows: Sequence[Row], width: int, height: int) -> list[Row]:
    """Return rows that fit: blank ones are removed first, then rows before the last.

    The first rows are the subject, the last says what to do.
    """
    kept = without_blanks(rows, width, height)
    while len(kept) > 1 and len(folded(kept, width)) > height > 2:  # noqa: PLR2004 - ends stay
        del kept[-2]
    return kept
