"""The processes that train a run together: their speeds, and which one the others wait for."""

from typing import TYPE_CHECKING

from textual.app import ComposeResult
from textual.containers import Horizontal

from mlpwatch.core.config import EngineName
from mlpwatch.tui import formatting
from mlpwatch.tui.kit.bars import share_bar
from mlpwatch.tui.kit.cells import Canvas, CellView
from mlpwatch.tui.kit.theme import Role

if TYPE_CHECKING:
    from mlpwatch.core.events import RanksMeasured
    from mlpwatch.tui.state.run_state import RunState

MOST_STRIPS = 8
"""Most ranks that have a row of their own."""

ROWS_ABOVE_STRIPS = 30
"""With less height there is one line: the charts need the rows."""

NOTABLE = 0.1
"""A rank is named as the slowest if another waits for so large a share of the time."""

_BAR_FROM, _NUMBERS = 12, 35
"""Least columns of a bar, and those that a row needs beside it."""


def strip_rows(ranks: int, height: int) -> int:
    """Return the rows for so many ranks on a screen of this height; none for one rank."""
    if ranks < 2:  # noqa: PLR2004 - one process waits for nobody
        return 0
    return 1 if height < ROWS_ABOVE_STRIPS else 1 + min(ranks, MOST_STRIPS)


def slowest_rank(measured: "RanksMeasured") -> int | None:
    """Return the rank that the others wait for; None if no one waits long."""
    waits = measured.waiting
    longest = max(waits)
    return waits.index(min(waits)) if longest - min(waits) >= NOTABLE else None


class RankStrips(CellView):
    """One model's ranks: a line about all, then a row for each, as many as fit."""

    def __init__(self, *, id: str, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self._measured: RanksMeasured | None = None

    def update(self, measured: "RanksMeasured | None") -> None:
        """Show the newest means; None before the first."""
        if measured is not self._measured:
            self._measured = measured
            self.repaint()

    def paint(self, width: int, height: int) -> Canvas:
        """Return the rows; the slowest is always among them."""
        canvas = Canvas(width, height)
        if (measured := self._measured) is None:
            return canvas
        slowest, count = slowest_rank(measured), len(measured.waiting)
        x = canvas.put(0, 0, f"{count} ranks  ", Role.TEXT)
        x = canvas.put(x, 0, f"sum {measured.transfer:.0%}  ", Role.DIM)
        if slowest is not None:
            text = f"rank {slowest} is slowest: others wait {max(measured.waiting):.0%}"
            canvas.put(x, 0, text, Role.WARNING)
            canvas.mark_cut(x + len(text), 0)
        for y, rank in enumerate(self._ranks_in(count, height - 1, slowest), start=1):
            self._put_rank(canvas, y, rank, measured, is_slowest=rank == slowest)
        return canvas

    @staticmethod
    def _ranks_in(count: int, rows: int, slowest: int | None) -> list[int]:
        shown = list(range(min(count, rows)))
        if shown and slowest is not None and slowest not in shown:
            shown[-1] = slowest
        return shown

    def _put_rank(
        self, canvas: Canvas, y: int, rank: int, measured: "RanksMeasured", *, is_slowest: bool
    ) -> None:
        waiting, speed = measured.waiting[rank], measured.samples_per_second[rank]
        computing = max(0.0, 1 - waiting - measured.transfer)
        role = Role.WARNING if is_slowest else Role.TEXT
        columns = canvas.width - _NUMBERS
        x = canvas.put(0, y, f"{rank:>3} ", role)
        if columns >= _BAR_FROM:
            canvas.put(x, y, share_bar(computing, columns, self.look), role)
            x += columns + 1
        x = canvas.put(x, y, f"waits {waiting:>4.0%}  ", role)
        canvas.put(x, y, f"{formatting.rate(speed)} samples/s", Role.DIM)


class RankRow(Horizontal):
    """The strips of both models side by side; hidden unless several processes train the run.

    Args:
        names: the engines that train, left to right.
    """

    def __init__(self, names: tuple[EngineName, ...]) -> None:
        super().__init__(id="ranks")
        self._names = names

    def compose(self) -> ComposeResult:
        """Make a column for each model."""
        for number, name in enumerate(self._names):
            yield RankStrips(id=f"{name}-ranks", classes="second" if number else None)

    def update(self, state: "RunState", height: int) -> None:
        """Show the newest means while the run trains, on a screen of this height."""
        counts = [len(one.waiting) for one in state.ranks.values()]
        rows = 0 if state.ended or not counts else strip_rows(max(counts), height)
        if self.display != (rows > 0) or rows:
            self.display, self.styles.height = rows > 0, rows
        for name in self._names:
            self.query_one(f"#{name}-ranks", RankStrips).update(state.ranks.get(name))
