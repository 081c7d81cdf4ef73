"""The comparison: validation curves of up to four saved runs in the same charts."""

import asyncio
from collections.abc import Callable
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal

from mlpwatch.core.config import ENGINE_NAMES, EngineName
from mlpwatch.core.errors import error_text
from mlpwatch.tui.charts.chart import Chart, marker_sample
from mlpwatch.tui.kit.base_screen import ClosesOnce, can_draw
from mlpwatch.tui.kit.keys import Where, bindings
from mlpwatch.tui.kit.lines import Footer, TextLine
from mlpwatch.tui.kit.look import look_of
from mlpwatch.tui.kit.text_block import Row, TextBlock
from mlpwatch.tui.kit.theme import RUNS, Role
from mlpwatch.tui.runs.comparison import (
    MARKERS,
    QUANTITIES,
    Axes,
    ComparedRun,
    Quantity,
    engines_of,
    rate_marks_of,
    series_of,
    settings_texts,
    shared_title,
    values_at,
)
from mlpwatch.tui.runs.exporting import write_metrics
from mlpwatch.tui.runs.why import WhyTraining

REREAD_SECONDS = 2.0
"""Time between two checks for new epochs."""

WHY_SECONDS = 0.5
"""Time between two looks at what is trained to say why two runs differ."""

_NAMES: dict[Quantity, str] = {"val_loss": "loss", "val_accuracy": "accuracy %"}


class CompareScreen(ClosesOnce[None]):
    """Draws each run in its own colour and line; updates those that still train.

    Args:
        runs: with their numbers, not yet read.
    """

    WHERE: ClassVar[Where] = "compare"
    BINDINGS: ClassVar[list[BindingType]] = bindings(WHERE)

    def __init__(self, runs: list[ComparedRun]) -> None:
        super().__init__()
        self._runs = runs
        self._axes = Axes()
        self._log = self._seconds = False
        self._epoch: int | None = None
        self._error = ""
        self._note: tuple[str, Role] = ("", Role.TEXT)
        """The answer to the last key."""
        self._is_reading = False
        self._why: WhyTraining | None = None

    def compose(self) -> ComposeResult:
        """Make legend, two rows of charts, message and footer."""
        yield TextLine(id="header")
        yield TextBlock(id="legend")
        for quantity in QUANTITIES:
            with Horizontal(classes="panel"):
                for name, classes in zip(ENGINE_NAMES, (None, "second"), strict=True):
                    yield Chart(id=f"{name}-{quantity}", classes=classes)
        yield TextLine(id="message")
        yield Footer("compare")

    def on_mount(self) -> None:
        """Start reading."""
        self.set_interval(REREAD_SECONDS, self._look)
        self.call_after_refresh(self._look)

    def on_unmount(self) -> None:
        """Stop what was trained to say why two runs differ."""
        if self._why is not None:
            self._why.stop()

    def update(self, *, numbers: bool = False) -> None:
        """Draw nothing: the progress of runs is read from their folders."""

    def draw(self) -> None:
        """Draw what has changed."""
        if not can_draw(self):
            return
        self.query_one("#header", TextLine).update(
            [(" compare", Role.STRONG), ("  validation after each epoch", Role.TEXT)]
        )
        self.query_one("#legend", TextBlock).update(self._legend())
        text, role = (self._error, Role.BAD) if self._error else self._note
        self.query_one("#message", TextLine).update([(f" {text}", role)])
        shown = engines_of(self._runs)
        for name in ENGINE_NAMES:
            for quantity in QUANTITIES:
                chart = self.query_one(f"#{name}-{quantity}", Chart)
                chart.display = name in shown
                if name in shown:
                    self._draw_chart(chart, name, quantity)

    def action_toggle_log(self) -> None:
        """Switch the loss between a linear and a logarithmic axis."""
        self._log = not self._log
        self._acted()

    def action_toggle_seconds(self) -> None:
        """Switch the x axis between epochs and seconds."""
        self._seconds = not self._seconds
        self._acted()

    def action_move(self, epochs: int) -> None:
        """Move the crosshair; beyond the last epoch it disappears."""
        last = max(
            (max(one.lines, default=0) for run in self._runs for one in run.engines.values()),
            default=0,
        )
        epoch = (last + 1 if self._epoch is None else self._epoch) + epochs
        self._epoch = None if epoch > last or last == 0 else max(1, epoch)
        self._acted()

    async def action_export(self, kind: str) -> None:
        """Write the metrics of these runs to a file."""
        folders = [run.folder for run in self._runs]

        async def exported() -> None:
            try:
                note = await write_metrics(folders, "csv" if kind == "csv" else "json")
                self._note = note, Role.TEXT
            except Exception as error:  # files may contain anything; training continues
                self._note = error_text(error), Role.BAD
            self.draw()

        self.run_worker(exported())

    def action_why(self) -> None:
        """Say how long it takes to find out why two runs differ; after a yes, find out."""
        if self._why is None:
            self.run_worker(self._ask_why())

    async def _ask_why(self) -> None:
        folders = [run.folder for run in self._runs]
        why = await self._made_why(lambda: WhyTraining(folders))
        if (
            why is not None
            and self._why is None
            and await self.app.push_screen_wait(why.question())
        ):
            self._start_why(why)

    async def _made_why(self, make: Callable[[], WhyTraining]) -> WhyTraining | None:
        try:
            return await asyncio.to_thread(make)
        except Exception as error:  # files may contain anything; training continues
            self._note = error_text(error), Role.BAD
            self.draw()
            return None

    def _start_why(self, why: WhyTraining) -> None:
        self._why = why
        why.start()
        self._follow_why()

    def _follow_why(self) -> None:
        """Show how far it is; at the end the answer."""
        why = self._why
        if why is None or not self.is_attached:
            return
        self._note = why.text, Role.BAD if why.is_bad else Role.TEXT
        if not why.is_done:
            self.set_timer(WHY_SECONDS, self._follow_why)
        elif why.finding is None:
            self._why = None
        else:
            self.run_worker(self._show_why(why))
        self.draw()

    async def _show_why(self, why: WhyTraining) -> None:
        wants_more = await self.app.push_screen_wait(
            why.answer(blocks=not look_of(self).ascii_only)
        )
        self._why = None
        if wants_more and (more := await self._made_why(why.with_more_seeds)):
            self._start_why(more)

    def action_back(self) -> None:
        """Remove the crosshair, then close the screen."""
        if self._epoch is not None:
            self._epoch = None
            self.draw()
        else:
            self.dismiss()

    def _acted(self) -> None:
        self._note = "", Role.TEXT
        self.draw()

    def _look(self) -> None:
        if not self._is_reading:
            self._is_reading = True
            self.run_worker(self._read())

    async def _read(self) -> None:
        changed, faults = [], []
        for run in self._runs:
            try:
                changed.append(await asyncio.to_thread(run.read))
            except Exception as error:  # files may contain anything; the other runs are still shown
                faults.append(f"{run.name}: {error_text(error)}")
        changed.append("; ".join(faults) != self._error)
        self._error = "; ".join(faults)
        self._is_reading = False
        if any(changed):
            self.draw()

    def _legend(self) -> list[Row]:
        rows: list[Row] = []
        for run, settings in zip(self._runs, settings_texts(self._runs), strict=True):
            sample = marker_sample(MARKERS[run.number], look_of(self))
            tested = ", ".join(
                f"{run.title(name)} {share:.2%}" for name, share in run.test_accuracies.items()
            )
            rows.append(
                [
                    (f" {sample} {run.number + 1} {run.name}", RUNS[run.number]),
                    (f"  test {tested}" if tested else "", Role.TEXT),
                    (f"  {settings}", Role.DIM),
                ]
            )
        return rows

    def _draw_chart(self, chart: Chart, name: EngineName, quantity: Quantity) -> None:
        title = _NAMES[quantity]
        if self._epoch is not None:
            title += (
                f" · epoch {self._epoch} · {values_at(self._runs, name, quantity, self._epoch)}"
            )
        chart.update(
            f"{shared_title(self._runs, name)} {title}",
            series_of(self._runs, name, quantity, seconds=self._seconds),
            x_limits=self._axes.x(self._runs, seconds=self._seconds),
            y_limits=self._axes.y(self._runs, quantity, log=self._log and quantity == "val_loss"),
            log_y=self._log and quantity == "val_loss",
            x_label="sec" if self._seconds else "epoch",
            crosshair=None if self._seconds or self._epoch is None else float(self._epoch),
            changes=rate_marks_of(self._runs, name, seconds=self._seconds),
        )
