"""The explanation: the story of this run's two losses, with its live numbers and curves."""

import asyncio
from time import monotonic
from typing import TYPE_CHECKING, ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.screen import Screen

from core.errors import MlpwatchError
from tui.keys import Where, bindings, footer_keys
from tui.screens.chart_data import ChartLimits, ChartOptions, accuracy_series
from tui.screens.dashboard_text import header
from tui.screens.story import story
from tui.watch import Watch
from tui.widgets.chart import Chart
from tui.widgets.status import Footer, TextLine
from tui.widgets.text_block import TextBlock

if TYPE_CHECKING:
    from core.explain import Comparison


COMPARE_SECONDS = 1.0
"""Least time between two comparisons: each builds both engines once more, on one batch."""


class ExplainScreen(Screen[None]):
    """Compares the engines anew whenever an epoch has ended.

    Args:
        watch: the session that is followed.
        ascii_only: write no character above U+007E in the chart.
    """

    WHERE: ClassVar[Where] = "explain"
    BINDINGS: ClassVar[list[BindingType]] = bindings(WHERE)

    def __init__(self, watch: Watch, *, ascii_only: bool) -> None:
        super().__init__()
        self._watch, self._ascii = watch, ascii_only
        self._limits = ChartLimits()
        self._comparison: Comparison | None = None
        self._compared_epoch: int | None = None
        self._compared_at = -COMPARE_SECONDS

    def compose(self) -> ComposeResult:
        """Make header, story, chart and footer."""
        yield TextLine(id="header")
        yield TextLine(id="space")
        yield TextBlock(id="story")
        yield Chart(id="story-chart")
        yield Footer(footer_keys("explain", attached=self._watch.attached))

    def on_mount(self) -> None:
        """Draw once the size is known."""
        self.call_after_refresh(self.update, numbers=True)

    def update(self, *, numbers: bool = False) -> None:  # noqa: ARG002 - as on other screens
        """Draw, and compare again if an epoch has ended since."""
        state, session = self._watch.state, self._watch.session
        if not self.is_attached or state is None or session is None:
            return
        epoch = max((len(engine.epochs) for engine in state.engines.values()), default=0)
        if epoch != self._compared_epoch and monotonic() - self._compared_at >= COMPARE_SECONDS:
            self._compared_epoch, self._compared_at = epoch, monotonic()
            self.run_worker(self._compare())
        self._draw()

    def action_back(self) -> None:
        """Go back to the dashboard."""
        self.dismiss()

    async def _compare(self) -> None:
        session, state = self._watch.session, self._watch.state
        if session is None or state is None:
            return
        try:
            self._comparison = await asyncio.to_thread(session.compare_gradients)
        except (MemoryError, RuntimeError, MlpwatchError) as error:
            # PyTorch raises RuntimeError where memory runs out. Training goes on.
            state.say(f"the gradients could not be compared: {error}", bad=True)
        self._draw()

    def _draw(self) -> None:
        state, session = self._watch.state, self._watch.session
        if state is None or session is None:
            return
        self.query_one("#header", TextLine).draw(*header(self._watch))
        classes = session.dataset.classes
        rows = story(session.config, classes, state, self._comparison, ascii_only=self._ascii)
        self.query_one(TextBlock).draw(rows)
        options = ChartOptions(overlay=len(state.engines) > 1)
        self.query_one(Chart).draw(
            "accuracy %",
            accuracy_series(state.engines.values(), state, options),
            x_limits=self._limits.x(state, options),
            y_limits=self._limits.accuracy(state),
            x_label="epoch",
            ascii_only=self._ascii,
        )
