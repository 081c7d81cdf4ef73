"""The runs screen: all saved runs, to open, compare, resume, rename, delete and export."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import replace
from functools import partial
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal
from textual.events import Click, Key
from textual.widgets import Input

from mlpwatch.core.errors import error_text
from mlpwatch.core.runs.listing import RunIndex, RunSummary
from mlpwatch.core.spectating import LOOKS_ONLY, looks_only
from mlpwatch.core.text import printable
from mlpwatch.tui import formatting
from mlpwatch.tui.kit.base_screen import ClosesOnce, can_draw
from mlpwatch.tui.kit.dialogs import TypedLine
from mlpwatch.tui.kit.keys import Where, bindings
from mlpwatch.tui.kit.lines import Footer, TextLine
from mlpwatch.tui.kit.theme import Role
from mlpwatch.tui.runs.actions import RunActions
from mlpwatch.tui.runs.columns import COLUMNS, ListedRun
from mlpwatch.tui.runs.others import OtherIndex, why_not_here
from mlpwatch.tui.runs.run_list import MOST_MARKED, RunList
from mlpwatch.tui.runs.table import RunTable, empty_text, selected_text
from mlpwatch.tui.state.run_state import MESSAGE_SECONDS

if TYPE_CHECKING:
    from mlpwatch.tui.runs.host import RunsHost

LOOK_SECONDS = 2.0
"""Time between two reads of the list; a read takes 0.08 s for a thousand runs."""

LOOK_SHARE = 0.05
"""Largest share of time spent on reading: ten times as many runs are read less often."""


class RunsScreen(ClosesOnce[None]):
    """Lists the runs of a folder, and follows their changes.

    Args:
        host: keeps the run that trains here.
        saved: the folder.
        starts_new: whether to ask for the options of a new run, once the list is there.
    """

    WHERE: ClassVar[Where] = "runs"
    BINDINGS: ClassVar[list[BindingType]] = bindings(WHERE)
    # The filter's line takes keys only after `/`.
    AUTO_FOCUS = ""

    def __init__(self, host: "RunsHost", saved: Path, *, starts_new: bool = False) -> None:
        super().__init__()
        self._host, self._runs = host, RunList()
        self._index, self._others = RunIndex(saved), OtherIndex(saved)
        self._run_actions = RunActions(host, self, self._runs)
        self._error = ""
        """Why the list can't be read."""
        self._has_read = self._is_reading = self._is_stale = self._is_asking = False
        self._awaits_dialog, self._starts_new = False, starts_new
        self._not_before = 0.0
        self._message: tuple[str, Role] = ("", Role.DIM)

    def compose(self) -> ComposeResult:
        """Make header, filter, list, a line about the selected run, message and footer."""
        yield TextLine(id="header")
        with Horizontal(id="filter-row"):
            yield TextLine(id="filter-label")
            yield TypedLine("", id="filter", placeholder=_FILTERED_BY)
        yield RunTable(self._runs, id="run-table")
        yield TextLine(id="selected")
        yield TextLine(id="message")
        yield Footer("runs", self._host.main)

    def on_mount(self) -> None:
        """Start reading."""
        self.query_one("#filter-label", TextLine).update([(" / ", Role.STRONG)])
        self.set_interval(LOOK_SECONDS, self.look)
        self.call_after_refresh(self.look)
        self.call_after_refresh(self.draw)

    def update(self, *, numbers: bool = False) -> None:
        """Draw nothing: the progress of runs is read from their folders."""

    def draw(self) -> None:
        """Draw what has changed."""
        if not can_draw(self):
            return
        self.query_one("#header", TextLine).update(*self._header())
        note = empty_text(self._index.saved, self._runs, self._error, has_read=self._has_read)
        self.query_one(RunTable).update(note)
        self.query_one("#selected", TextLine).update(
            selected_text(self._runs.selected, self.size.width)
        )
        text, role = self._message
        self.query_one("#message", TextLine).update([(f" {text}", role)])

    def look(self, *, at_once: bool = False) -> None:
        """Read the list again in a thread, unless it was read very recently.

        Args:
            at_once: something has changed; if a read is running, another follows it.
        """
        self._is_stale |= self._is_reading and at_once
        if self._is_reading or (monotonic() < self._not_before and not at_once):
            return
        self._is_reading, self._is_stale = True, False
        self.run_worker(self._read())

    def say(self, text: str, *, bad: bool = False) -> None:
        """Show a message above the footer."""
        self._message = text, Role.BAD if bad else Role.TEXT
        self.draw()
        if text:
            self.set_timer(MESSAGE_SECONDS, partial(self._forget, self._message))

    def _forget(self, message: tuple[str, Role]) -> None:
        if self._message is message:
            self.say("")

    def is_here(self, run: ListedRun) -> bool:
        """Return whether a run is the one on the dashboard, training or ended."""
        return self._is_path_here(run.summary.path)

    def on_click(self, event: Click) -> None:
        """Select the clicked run; a second click opens it."""
        table = self.query_one(RunTable)
        row = table.row_at(event.screen_y - table.region.y)
        if event.widget is table and row is not None:
            self._runs.row = row
            self.draw()
            if event.chain > 1:
                self.action_open()

    def action_move(self, rows: int) -> None:
        """Move the cursor by some runs."""
        self._runs.move(rows)
        self.say("")

    def action_move_page(self, pages: int) -> None:
        """Move the cursor by some pages."""
        self.action_move(pages * self.query_one(RunTable).page)

    def action_end(self, direction: int) -> None:
        """Move the cursor to the first or the last run."""
        self.action_move(direction * self._runs.count)

    def action_sort(self, steps: int) -> None:
        """Sort by the next column."""
        self._runs.sort_by(steps)
        self.draw()

    def action_reverse(self) -> None:
        """Reverse the order."""
        self._runs.reverse()
        self.draw()

    def action_filter(self) -> None:
        """Focus the filter, for words that a run must contain."""
        # At once, not through the queue: the next keys are meant for the line.
        self.set_focus(self.query_one("#filter", Input))

    def on_input_changed(self, event: Input.Changed) -> None:
        """Show the runs that match what has been typed."""
        self._runs.filter_by(event.value)
        self.say("")

    def on_input_submitted(self, _event: Input.Submitted) -> None:
        """Keep the filter; keys act on the list again."""
        self.set_focus(None)

    def action_mark(self) -> None:
        """Mark the selected run for a comparison or an export."""
        if (run := self._runs.selected) and (why := why_not_here(run)):
            self.say(why, bad=True)
        elif self._runs.toggle_mark():
            self.say("")
        else:
            text = f"{MOST_MARKED} runs fit into one chart; " + formatting.with_keys(
                "{m} takes a mark away"
            )
            self.say(text, bad=True)

    def action_open(self) -> None:
        """Show the selected run on a dashboard."""
        self._run_actions.open()

    def action_compare(self) -> None:
        """Show the marked runs' curves in the same charts; without marks the selected run's."""
        self._run_actions.compare()

    async def action_resume(self) -> None:
        """Resume the selected run here."""
        self._replace_here(self._run_actions.resume())

    def action_start_new(self) -> None:
        """Start a new run here, with the options of the selected one to begin with."""
        self._replace_here(self._run_actions.start_new())

    async def action_branch(self) -> None:
        """Start a branch of the selected run here."""
        self._replace_here(self._run_actions.branch())

    def _replace_here(self, action: Coroutine[object, object, None]) -> None:
        if looks_only():
            action.close()
            self.say(LOOKS_ONLY)
            return
        # A worker of the app, not of the screen, which is gone once the run is replaced.
        self._awaits_dialog = True
        self.app.run_worker(self._guarded(action), exclusive=True, group="resume")

    async def action_rename(self) -> None:
        """Give the selected run another name."""
        self._ask(self._run_actions.rename)

    async def action_delete(self) -> None:
        """Delete the selected run."""
        self._ask(self._run_actions.delete)

    async def action_export(self, kind: str) -> None:
        """Write the metrics of the marked runs, or of the selected one, to a file."""
        export = self._run_actions.export("csv" if kind == "csv" else "json")
        self.run_worker(self._guarded(export))

    def action_export_as(self) -> None:
        """Write the selected run as a report, figures, a notebook or a model."""
        self._ask(self._run_actions.export_as)

    def action_back(self) -> None:
        """Clear the filter, then close the screen."""
        line = self.query_one("#filter", Input)
        if line.has_focus or line.value:
            line.value = ""
            self.set_focus(None)
        else:
            self.dismiss()

    def take_key(self, _event: Key) -> bool:
        """Drop keys typed before a requested dialog has opened: they are not commands."""
        return self._is_asking or self._awaits_dialog

    def on_screen_suspend(self) -> None:
        """A dialog is open now, and takes the keys itself."""
        self._awaits_dialog = False

    def _ask(self, action: Callable[[], Awaitable[None]]) -> None:
        """Start an action that asks first; keys typed before its question start no other action."""

        async def asked() -> None:
            try:
                await self._guarded(action())
            finally:
                self._is_asking = False

        if not self._is_asking:
            self._is_asking = True
            self.run_worker(asked())

    async def _guarded(self, action: Awaitable[None]) -> None:
        try:
            await action
            self._awaits_dialog = False
        except Exception as error:  # files may contain anything; training continues
            self.say(error_text(error), bad=True)

    async def _read(self) -> None:
        began = monotonic()
        try:
            found, others = await asyncio.to_thread(self._read_all)
            self._runs.replace([*map(self._listed, found), *map(self._placed, others)])
            self._error = ""
        except Exception as error:  # files may contain anything; training continues
            self._runs.replace(())
            self._error = error_text(error)
        self._not_before = monotonic() + (monotonic() - began) / LOOK_SHARE
        self._is_reading, self._has_read = False, True
        self.draw()
        if self._starts_new:
            self._starts_new = False
            self.action_start_new()
        if self._is_stale:
            self.look(at_once=True)

    def _read_all(self) -> tuple[list[RunSummary], list[ListedRun]]:
        return self._index.read(), self._others.read()

    def _placed(self, other: ListedRun) -> ListedRun:
        return replace(other, is_here=self._is_path_here(other.summary.path))

    def _listed(self, summary: RunSummary) -> ListedRun:
        watch, is_here = self._host.main, self._is_path_here(summary.path)
        # A follower ends with its screen, the run does not.
        trains_main = is_here and not watch.attached
        trains_here = trains_main or self._host.trains_beside(summary.path)
        has_ended = trains_main and watch.session is not None and watch.session.ended
        return ListedRun(summary, is_here, trains_here, has_ended_here=has_ended)

    def _is_path_here(self, path: Path) -> bool:
        session = self._host.main.session
        return session is not None and Path(session.run.path).resolve() == path.resolve()

    def _header(self) -> tuple[list[tuple[str, Role]], list[tuple[str, Role]]]:
        runs, shown = self._runs, len(self._runs.shown)
        count = formatting.count(runs.count, "run") if self._has_read else "reading …"
        if runs.filter:
            count = f"{shown:,} of {count}"
        left = [(" runs", Role.STRONG), (f"  {printable(self._index.saved)} · {count}", Role.TEXT)]
        if runs.marked:
            left.append((f" · {len(runs.marked)} marked", Role.TEXT))
        way = "descending" if runs.descends else "ascending"
        return left, [(f"by {COLUMNS[runs.column].heading}, {way} ", Role.DIM)]


_FILTERED_BY = "words of " + ", ".join(column.heading for column in COLUMNS)
