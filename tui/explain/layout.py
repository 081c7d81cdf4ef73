"""Places the parts of a page: which of them fit, one below the other or beside each other."""

from collections.abc import Sequence
from dataclasses import dataclass

from mlpwatch.tui.kit.cells import columns_of, cut_to
from mlpwatch.tui.kit.text_block import Row, folded
from mlpwatch.tui.kit.theme import Role


@dataclass(frozen=True, slots=True)
class Section:
    """Rows that are shown together."""

    rows: Sequence[Row]
    rank: int = 0
    """0 for what is always shown; of the others those with low ranks come first."""
    is_joined: bool = False
    """Whether no blank row comes before it."""
    is_room: bool = False
    """Whether its rows are kept free for the pictures below the text."""


def sections_that_fit(sections: Sequence[Section], width: int, height: int) -> list[Row]:
    """Return the rows of the sections that fit, with blank rows between them if there is room."""
    heights = [len(folded(section.rows, width)) for section in sections]
    chosen = {n for n, section in enumerate(sections) if section.rank == 0}
    for n in sorted(range(len(sections)), key=lambda n: sections[n].rank):
        if sum(heights[k] for k in chosen | {n}) <= height:
            chosen.add(n)
    spare = height - sum(heights[n] for n in chosen)
    rows: list[Row] = []
    for n in sorted(chosen):
        section = sections[n]
        if section.is_room or not section.rows:
            continue
        if rows and not section.is_joined and spare > 0:
            rows.append([])
            spare -= 1
        rows += section.rows
    return rows


def beside(left: Sequence[Row], right: Sequence[Row], columns: int, gap: int = 2) -> list[Row]:
    """Return rows in which the right ones begin after the left ones' columns and a gap."""
    count = max(len(left), len(right))
    return [
        [*padded(left[n] if n < len(left) else [], columns), (" " * gap, Role.TEXT),
         *(right[n] if n < len(right) else [])]
        if n < len(right) and right[n]
        else list(left[n]) if n < len(left) else []
        for n in range(count)
    ]  # fmt: skip


def padded(row: Row, columns: int) -> list[tuple[str, Role]]:
    """Return a row of exactly this many columns, cut with an ellipsis if it is longer."""
    pieces: list[tuple[str, Role]] = []
    left = columns
    for text, role in row:
        kept = cut_to(text, left)
        pieces.append((kept, role))
        left -= columns_of(kept)
        if kept != text:
            break
    return [*pieces, (" " * left, Role.TEXT)] if left > 0 else pieces


def longest(rows: Sequence[Row]) -> int:
    """Return the columns of the longest row."""
    return max((sum(columns_of(text) for text, _ in row) for row in rows), default=0)
