"""The sweep's screen: a table of settings, the curves of one, and its trials to open."""

import asyncio
from collections.abc import Callable
from functools import partial
from pathlib import Path
from time import monotonic
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal
from textual.events import Click, Resize
from textual.widgets import Input

from mlpwatch.core.errors import error_text
from mlpwatch.core.sweeps.reading import TrialRow, group_state
from mlpwatch.tui import formatting
from mlpwatch.tui.charts.chart import AFTER_EPOCH, Chart
from mlpwatch.tui.groups.columns import SettingLine, TrialLine
from mlpwatch.tui.groups.curves import (
    QUANTITY_TITLES,
    SWEEP_QUANTITIES,
    SweepAxes,
    SweepQuantity,
    curve_series,
)
from mlpwatch.tui.groups.setting_list import GRID_ORDER, SettingList, SweepPicture
from mlpwatch.tui.groups.source import SweepSource
from mlpwatch.tui.groups.table import SELECTED_ROWS, SettingTable, empty_note, selected_rows
from mlpwatch.tui.kit.base_screen import ClosesOnce, can_draw
from mlpwatch.tui.kit.dialogs import TypedLine
from mlpwatch.tui.kit.keys import Where, bindings
from mlpwatch.tui.kit.lines import Footer, TextLine
from mlpwatch.tui.kit.text_block import TextBlock
from mlpwatch.tui.kit.theme import Role, Text
from mlpwatch.tui.state.run_state import MESSAGE_SECONDS
from mlpwatch.tui.state.watch import Followed, Watch, watch_of

LOOK_SECONDS = 1.0
"""Time between two reads of the sweep's folder."""

LOOK_SHARE = 0.1
"""Largest share of time spent on reading: a thousand trials are read less often."""

STOP_AGAIN_SECONDS = 5.0
"""A second press of the stop key within this time confirms the first."""

LINE_ROWS = 4 + SELECTED_ROWS
"""Header, filter, message and footer, and what the selected row says."""

LEAST_OF_BOTH = 15
"""Rows from which table and charts are both shown."""

WIDE = 132
"""Columns from which the charts' titles also say what the curves are, beside the legend."""

NO_RUN_HERE = ("toggle_pause", "step", "save", "faster", "slower")
"""Actions on a run that the footer leaves out here."""

_HINT = formatting.with_keys(
    "{enter} lists a setting's trials, then opens one; {G} shows single lines, or bands"
)

_FILTERED_BY = "lr>=0.1 hidden=128, or words"


class GroupScreen(ClosesOnce[None]):
    """Shows a sweep's settings with their means, differences and curves.

    Args:
        source: reads the sweep's folder.
        view: shows a trial until the user comes back.
        watch: of no run; the footer knows by it whether leaving ends the sweep.
    """

    WHERE: ClassVar[Where] = "sweep"
    BINDINGS: ClassVar[list[BindingType]] = bindings(WHERE)
    # The filter's line takes keys only after `/`.
    AUTO_FOCUS = ""

    def __init__(self, source: SweepSource, view: Callable[[Followed], None], watch: Watch) -> None:
        super().__init__()
        self._source, self._view, self._watch = source, view, watch
        self._list, self._axes = SettingList(), SweepAxes()
        self._bands, self._log = True, False
        self._zoom = 0
        """0: table and charts; 1: charts alone; 2: the table alone."""
        self._error = ""
        self.is_reading = self._is_stale = False
        self._not_before = 0.0
        self._stop_asked_at = -STOP_AGAIN_SECONDS
        self._message = (_HINT, Role.DIM)

    def compose(self) -> ComposeResult:
        """Make header, filter, table, what the selected row says, charts, message and footer."""
        yield TextLine(id="header")
        with Horizontal(id="filter-row"):
            yield TextLine(id="filter-label")
            yield TypedLine("", id="filter", placeholder=_FILTERED_BY)
        yield SettingTable(self._list, id="sweep-table")
        yield TextBlock(id="sweep-selected")
        with Horizontal(id="sweep-charts", classes="panel"):
            for quantity, classes in zip(SWEEP_QUANTITIES, (None, "second"), strict=True):
                yield Chart(id=f"sweep-{quantity}", classes=classes)
        yield TextLine(id="message")
        yield Footer("sweep", self._watch)

    def on_mount(self) -> None:
        """Start reading."""
        self.query_one("#filter-label", TextLine).update([(" / ", Role.STRONG)])
        self.query_one(Footer).update(NO_RUN_HERE)
        self.set_interval(LOOK_SECONDS, self.look)
        self.call_after_refresh(self.look)
        self.call_after_refresh(self.draw)

    def on_resize(self, _event: Resize) -> None:
        """Arrange for the new size."""
        self.call_after_refresh(self.draw)

    def on_screen_resume(self) -> None:
        """Show what has happened while a trial was open."""
        self.look(at_once=True)

    def update(self, *, numbers: bool = False) -> None:
        """Draw what a key has asked for; the trials' progress is read from their folders."""
        if numbers:
            self.draw()

    def look(self, *, at_once: bool = False) -> None:
        """Read the folder in a thread, unless it was read very recently or another screen is on."""
        self._is_stale |= self.is_reading and at_once
        is_hidden = not self.is_current
        if self.is_reading or is_hidden or (monotonic() < self._not_before and not at_once):
            return
        self.is_reading, self._is_stale = True, False
        self.run_worker(self._read())

    async def _read(self) -> None:
        began = monotonic()
        picture: SweepPicture | None = None
        try:
            picture = await asyncio.to_thread(self._source.read)
            self._error = ""
        except Exception as error:  # files may contain anything; training continues
            self._error = error_text(error)
        if picture is not None:
            self._list.replace(picture)
        self._not_before = monotonic() + (monotonic() - began) / LOOK_SHARE
        self.is_reading = False
        self.draw()
        if self._is_stale:
            self.look(at_once=True)

    def say(self, text: str, *, bad: bool = False) -> None:
        """Show a message above the footer."""
        self._message = text, Role.BAD if bad else Role.TEXT
        self.draw()
        if text:
            self.set_timer(MESSAGE_SECONDS, partial(self._forget, self._message))

    def _forget(self, message: tuple[str, Role]) -> None:
        if self._message is message:
            self.say("")

    def draw(self) -> None:
        """Draw what has changed."""
        if not can_draw(self):
            return
        self._arrange()
        self.query_one("#header", TextLine).update(*self._header())
        note = empty_note(self._list, self._source.waits_for, self._error)
        self.query_one(SettingTable).update(note)
        self.query_one("#sweep-selected", TextBlock).update(
            selected_rows(self._list, self.size.width)
        )
        text, role = self._message
        fault = self._list.fault or self._error
        if fault and text in ("", _HINT):
            text, role = fault, Role.BAD
        self.query_one("#message", TextLine).update([(f" {text}", role)])
        for quantity in SWEEP_QUANTITIES:
            self._draw_chart(quantity)

    def _arrange(self) -> None:
        """Share out the rows: the table gets what it needs, up to half if the charts fit too."""
        rows = self.size.height - LINE_ROWS
        is_empty = self._list.picture is None
        has_both = rows >= LEAST_OF_BOTH and self._zoom == 0 and not is_empty
        # With its heading and a blank row.
        needed = max(4, len(self._list.lines) + 2)
        charts = (
            max(rows - needed, rows // 2) if has_both else rows * (self._zoom == 1 and not is_empty)
        )
        row = self.query_one("#sweep-charts")
        row.display = charts > 0
        row.styles.height = charts
        self.query_one(SettingTable).display = charts < rows

    def _draw_chart(self, quantity: SweepQuantity) -> None:
        picture, setting = self._list.picture, self._list.setting
        chart = self.query_one(f"#sweep-{quantity}", Chart)
        if picture is None or setting is None:
            chart.update(
                QUANTITY_TITLES[quantity], [], x_limits=(0.0, 1.0), y_limits=(0.1, 1.0), empty=""
            )
            return
        line = self._list.selected
        trial = line.row.trial.name if isinstance(line, TrialLine) else None
        log = self._log and quantity == "val_loss"
        bands = self._bands and trial is None
        kind = ", mean ± standard deviation" if bands else ", one line per seed"
        is_said = trial is None and self.size.width >= WIDE
        chart.update(
            (QUANTITY_TITLES[quantity], kind if is_said else ""),
            curve_series(picture.reading, setting, quantity, trial=trial, bands=bands),
            x_limits=self._axes.x(picture.reading),
            y_limits=self._axes.y(picture.extents, setting, quantity, log=log),
            log_y=log,
            x_label="epoch",
            empty=AFTER_EPOCH,
        )

    def _header(self) -> tuple[Text, Text]:
        picture, training = self._list.picture, self._source.training
        name = self._source.path.name
        left: Text = [(" sweep", Role.STRONG), (f" {name}", Role.STRONG)]
        if training is not None and training.is_stopping:
            left.append(("  saving the trials, then ending", Role.WARNING))
        if picture is None:
            return left, []
        reading = picture.reading
        left.append((f"  {group_state(reading)}", Role.TEXT))
        if self._list.filter and not self._list.fault:
            count = formatting.count(len(picture.settings), "setting")
            left.append((f" · {self._list.settings_shown:,} of {count}", Role.TEXT))
        right: Text = []
        if reading.is_training and reading.eta is not None:
            right.append((f"about {formatting.duration(reading.eta)} left ", Role.DIM))
        if self._list.column != GRID_ORDER:
            column = self._list.columns[self._list.column]
            way = "descending" if self._list.descends else "ascending"
            right.append((f"  by {column.heading}, {way} ", Role.DIM))
        return left, right

    def on_click(self, event: Click) -> None:
        """Select the clicked row; a second click opens it."""
        table = self.query_one(SettingTable)
        row = table.row_at(event.screen_y - table.region.y)
        if event.widget is table and row is not None:
            self._list.row = row
            self.draw()
            if event.chain > 1:
                self.action_open()

    def action_move(self, rows: int) -> None:
        """Move the cursor by some rows."""
        self._list.move(rows)
        self.say("")

    def action_move_page(self, pages: int) -> None:
        """Move the cursor by some pages."""
        self.action_move(pages * self.query_one(SettingTable).page)

    def action_end(self, direction: int) -> None:
        """Move the cursor to the first or the last row."""
        self.action_move(direction * max(1, len(self._list.lines)))

    def action_sort(self, steps: int) -> None:
        """Sort by the next column."""
        self._list.sort_by(steps)
        self.draw()

    def action_reverse(self) -> None:
        """Reverse the order."""
        self._list.reverse()
        self.draw()

    def action_filter(self) -> None:
        """Focus the filter, for conditions and words."""
        # At once, not through the queue: the next keys are meant for the line.
        self.set_focus(self.query_one("#filter", Input))

    def on_input_changed(self, event: Input.Changed) -> None:
        """Show the settings that satisfy what has been typed."""
        self._list.filter_by(event.value)
        self.say("")

    def on_input_submitted(self, _event: Input.Submitted) -> None:
        """Keep the filter; keys act on the table again."""
        self.set_focus(None)

    def action_open(self) -> None:
        """List the trials of the selected setting, or open the selected trial."""
        line = self._list.selected
        if isinstance(line, SettingLine):
            self._list.toggle()
            self.say("")
        elif line is not None:
            self._open_trial(line.row)

    def action_unfold_all(self) -> None:
        """List the trials of all settings, or of none."""
        self._list.toggle_all()
        self.say("")

    def action_toggle_bands(self) -> None:
        """Show mean and spread, or one line per seed."""
        self._bands = not self._bands
        self.say("")

    def action_toggle_log(self) -> None:
        """Switch the loss between a linear and a logarithmic axis."""
        self._log = not self._log
        self.say("")

    def action_zoom(self) -> None:
        """Give the whole screen to the charts, then to the table, then to both."""
        self._zoom = (self._zoom + 1) % 3
        self.say("")

    def action_stop(self) -> None:
        """Ask the first time; the second time end the sweep."""
        if not self._source.is_training:
            self.say("nothing trains: the sweep has ended")
            return
        confirmed = monotonic() - self._stop_asked_at < STOP_AGAIN_SECONDS
        self._stop_asked_at = -STOP_AGAIN_SECONDS if confirmed else monotonic()
        if not confirmed:
            again = "{X} again within 5 seconds saves the trials and ends the sweep"
            self.say(formatting.with_keys(again), bad=True)
            return
        try:
            self._source.stop()
        except OSError as error:
            self.say(f"the sweep can't be ended from here: {error.strerror}", bad=True)
        else:
            self.say("saving the trials; the same sweep continues them")

    def action_back(self) -> None:
        """Clear the filter, the zoom, and fold what is unfolded, one at a time; then close it."""
        line = self.query_one("#filter", Input)
        if line.has_focus or line.value:
            line.value = ""
            self.set_focus(None)
        elif self._zoom:
            self._zoom = 0
        elif not self._list.fold_all() and self.app.screen_stack[0] is not self:
            self.dismiss()
            return
        self.say("")

    def _open_trial(self, row: TrialRow) -> None:
        """Show a trial on a dashboard, unless there is nothing to show."""
        if row.is_damaged or not Path(row.path).exists():
            self.say(row.reason or "this trial has not begun", bad=row.is_damaged)
        else:
            watch = watch_of(row.path, of_sweep=True)
            self._view(Followed(watch, row.trial.config.engine_names))
