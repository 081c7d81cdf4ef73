"""The source of a page as rows: both engines beside each other, or one below the other."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal, NamedTuple

from mlpwatch.core.config import EngineName, RunConfig
from mlpwatch.tui.explain.layout import beside, longest
from mlpwatch.tui.explain.source_lines import Excerpt, PageName, is_comment, source_lines
from mlpwatch.tui.formatting import clipped
from mlpwatch.tui.kit.lines import ACCENTS
from mlpwatch.tui.kit.text_block import Row
from mlpwatch.tui.kit.theme import Role

Extent = Literal["whole", "short", "first"]
"""Whole functions; their last lines; the last lines of the most important function."""

_GAP = 2


class SourceOf(NamedTuple):
    """A page of a run whose source is shown."""

    page: PageName
    config: RunConfig
    folder: Path | None = None
    """Of the run, which has a copy of a user's own network."""


def source_rows(
    of: SourceOf, width: int, extent: Extent, *, only: EngineName | None = None
) -> list[Row]:
    """Return the source of a page: ours, and PyTorch's opposite.

    Args:
        of: page and run.
        width: columns; beside each other if both fit without a cut.
        extent: how much of it.
        only: one engine's; None for all that train.
    """
    sides = {n: side for n, side in _sides(of, extent).items() if only in (None, n)}
    if len(sides) < 2:  # noqa: PLR2004 - one alone
        return [row for side in sides.values() for row in side]
    left, right = sides.values()
    rest = width - _GAP - longest(right)
    if longest(left) <= rest:
        return beside(left, right, max(longest(left), min(rest, (width - _GAP) // 2)), _GAP)
    return [*left, *right]


def source_column(of: SourceOf, extent: Extent) -> list[Row]:
    """Return the same with both engines below each other."""
    rows: list[Row] = []
    for side in _sides(of, extent).values():
        rows += [[], *side] if rows else side
    return rows


def _sides(of: SourceOf, extent: Extent) -> Mapping[EngineName, list[Row]]:
    sides = {}
    for name in of.config.engine_names:
        found = source_lines(of.page, name, of.config, of.folder)
        chosen = found[:1] if extent == "first" else found
        sides[name] = _excerpts(name, of.config.title(name), chosen, extent)
    return sides


def _excerpts(name: EngineName, engine: str, found: Sequence[Excerpt], extent: Extent) -> list[Row]:
    rows: list[Row] = []
    for one in found:
        title = f"{clipped(engine, 18):<8} " if not rows else " " * 9
        # Where there is little room both engines just fit beside each other in 80 columns.
        file = one.file if extent == "whole" else one.file.rpartition("/")[2]
        rows.append([(title, ACCENTS[name]), (f"{file}  {one.name}", Role.DIM)])
        lines = one.lines if extent == "whole" else one.short
        rows += [[(line, Role.DIM if is_comment(line) else Role.TEXT)] for line in lines]
    return rows
