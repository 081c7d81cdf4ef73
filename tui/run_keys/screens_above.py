"""Screens above the dashboard of a run: all its numbers, its machine's, the large ones."""

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Literal

from textual.app import App, SystemCommand

from mlpwatch.core.errors import MlpwatchError
from mlpwatch.tui.run_stack import RunStack

if TYPE_CHECKING:
    from pathlib import Path

    from mlpwatch.tui.metrics.following import FollowedMetrics


class ScreensAbove:
    """Shows the shown run's numbers: all that were logged, its machine's, or few in large digits.

    Args:
        app: the screen is pushed onto its stack.
        runs: the run that is shown is its top one.
        answer: shows a line on the screen where a key was pressed.
        redraw: draws what has changed.
    """

    def __init__(
        self,
        app: App[int],
        runs: RunStack,
        answer: Callable[[str], None],
        redraw: Callable[[], None],
    ) -> None:
        self._app, self._runs, self._answer, self._redraw = app, runs, answer, redraw
        self._is_decided = False

    def commands(self) -> "Iterator[SystemCommand]":
        """Yield the palette's commands; none before the run is loaded."""
        if self._runs.top.session is not None:
            about = "charts of CPU, memory and GPUs over the time of this run"
            yield SystemCommand("Machine", about, self.show_machine)

    def begin(self, *, is_big: bool) -> None:
        """Show what was asked for on the command line, above the dashboard."""
        if is_big:
            self.show("big")

    def show(self, which: Literal["metrics", "big"]) -> None:
        """Show all numbers, or the large ones, until the user goes back."""
        if which == "big":
            from mlpwatch.tui.lecture.big_screen import BigScreen  # noqa: PLC0415 - after the first

            self._app.push_screen(BigScreen(self._runs.top), lambda _none: self._redraw_soon())
            return
        # Not at the top: it reads JSON and needs NumPy, the first frame does not.
        from mlpwatch.tui.metrics.pushed import all_metrics  # noqa: PLC0415

        self._push(all_metrics)

    def show_machine(self) -> None:
        """Show what the machine did meanwhile, until the user goes back."""
        from mlpwatch.tui.metrics.pushed import machine_metrics  # noqa: PLC0415 - as above

        self._push(machine_metrics)

    def _push(self, open_log: "Callable[[Path], FollowedMetrics]") -> None:
        from mlpwatch.tui.metrics.pushed import PushedMetrics  # noqa: PLC0415 - as above

        session = self._runs.top.session
        if session is None:
            return
        if isinstance(self._app.screen, PushedMetrics):
            self._answer("escape first leaves these charts")
            return
        try:
            log = open_log(session.run.path)
        except MlpwatchError as error:
            self._answer(str(error))
            return

        def end(_none: None) -> None:
            log.stop()
            # The dashboard was covered, and a run that has ended sends no event that draws it.
            self._redraw_soon()

        log.start()
        self._app.push_screen(PushedMetrics([log]), end)

    def show_if_alone(self) -> None:
        """Show the numbers of a watched loop once, if its dashboard has a place for none."""
        from mlpwatch.core.monitor.loop_source import LoopRunSource  # noqa: PLC0415 - NumPy

        session = self._runs.main.session
        if self._is_decided or not isinstance(session, LoopRunSource):
            return
        if session.is_off_dashboard and not self._runs.is_viewing:
            self._is_decided = True
            self.show("metrics")

    def _redraw_soon(self) -> None:
        self._app.call_after_refresh(self._redraw)
