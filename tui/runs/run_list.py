"""The state of the runs screen: filter, order, cursor and marks."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from mlpwatch.core.text import printable
from mlpwatch.tui.kit.cells import columns_of
from mlpwatch.tui.runs.columns import (
    COLUMNS,
    NEWEST_FIRST,
    ListedRun,
    as_families,
    matches,
    sorted_runs,
)

MOST_MARKED = 4
"""So many curves can be distinguished in a chart."""


class RunList:
    """Keeps cursor and marks on their runs when runs appear, disappear or move."""

    def __init__(self) -> None:
        self._all: list[ListedRun] = []
        self.shown: list[ListedRun] = []
        """Filtered and sorted."""
        self.row = 0
        """The cursor's row."""
        self.column = NEWEST_FIRST
        """The sort column."""
        self.descends = COLUMNS[NEWEST_FIRST].descends
        self.filter = ""
        self._marks: list[Path | None] = [None] * MOST_MARKED

    @property
    def count(self) -> int:
        """Number of runs, shown or not."""
        return len(self._all)

    @property
    def longest_name(self) -> int:
        """Cells of the longest name, including hidden runs: a filter moves no column."""
        return max((columns_of(run.tree_name) for run in [*self._all, *self.shown]), default=0)

    @property
    def selected(self) -> ListedRun | None:
        """The run under the cursor."""
        return self.shown[self.row] if self.shown else None

    @property
    def marked(self) -> list[ListedRun]:
        """The marked runs, in the order of their numbers."""
        by_path = {run.summary.path: run for run in self._all}
        return [by_path[path] for path in self._marks if path in by_path]

    def replace(self, runs: Iterable[ListedRun]) -> None:
        """Replace the list by a newer one."""
        self._all = list(runs)
        self._arrange()

    def filter_by(self, text: str) -> None:
        """Show only runs that match."""
        self.filter = text
        self._arrange()

    def sort_by(self, steps: int) -> None:
        """Sort by the column some places to the right; after the last comes the first."""
        self.column = (self.column + steps) % len(COLUMNS)
        self.descends = COLUMNS[self.column].descends
        self._arrange()

    def reverse(self) -> None:
        """Reverse the order."""
        self.descends = not self.descends
        self._arrange()

    def move(self, rows: int) -> None:
        """Move the cursor, not beyond the ends."""
        self.row = max(0, min(self.row + rows, len(self.shown) - 1))

    def go_to(self, path: Path) -> None:
        """Put the cursor on a run, if it is shown."""
        self.row = _row_of(self.shown, path, self.row)

    def mark_number(self, run: ListedRun) -> int | None:
        """Return the number of a run's mark, 0 to 3; None without one."""
        path = run.summary.path
        return self._marks.index(path) if path in self._marks else None

    def toggle_mark(self) -> bool:
        """Mark the selected run, or remove its mark; return False if no mark is left."""
        run = self.selected
        if run is None:
            return True
        there = {one.summary.path for one in self._all}
        # The mark of a missing run is freed only here: a list that was read just before a
        # run was renamed does not have its new name.
        free = [number for number, path in enumerate(self._marks) if path not in there]
        number = self.mark_number(run)
        if number is not None:
            self._marks[number] = None
        elif free:
            self._marks[free[0]] = run.summary.path
        return number is not None or bool(free)

    def follow(self, old: Path, new: Path) -> None:
        """Keep cursor and mark on a renamed run."""
        self._marks = [new if path == old else path for path in self._marks]
        self._all = [_renamed(run, new) if run.summary.path == old else run for run in self._all]
        self._arrange()
        self.go_to(new)

    def _arrange(self) -> None:
        selected = self.selected
        found = (
            [run for run in self._all if matches(run, self.filter)] if self.filter else self._all
        )
        self.shown = sorted_runs(found, COLUMNS[self.column], descends=self.descends)
        if self.column == NEWEST_FIRST and self.descends and not self.filter:
            self.shown = as_families(self.shown)
        self.row = max(0, min(self.row, len(self.shown) - 1))
        if selected is not None:
            self.row = _row_of(self.shown, selected.summary.path, self.row)


def _renamed(run: ListedRun, path: Path) -> ListedRun:
    return replace(run, summary=replace(run.summary, name=printable(path.name), path=path))


def _row_of(runs: Sequence[ListedRun], path: Path, default: int) -> int:
    return next((n for n, run in enumerate(runs) if run.summary.path == path), default)
