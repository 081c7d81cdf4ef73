"""The key that shows every number of the run on the screen, above its dashboard."""

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from textual.app import App, SystemCommand

from mlpwatch.core.errors import MlpwatchError
from mlpwatch.core.runs.layout import METRICS_NAME
from mlpwatch.tui.run_stack import RunStack

if TYPE_CHECKING:
    from mlpwatch.tui.metrics.following import FollowedMetrics


_TOO_EARLY = "no numbers yet: they come with the first epoch"


class AllMetrics:
    """Shows charts of all numbers that the shown run or watched loop has logged, or its machine's.

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

    def show(self) -> None:
        """Show them, until the user goes back."""
        # Not at the top: it reads JSON and needs NumPy, the first frame does not.
        from mlpwatch.tui.metrics.opening import opened  # noqa: PLC0415

        session = self._runs.top.session
        if session is None:
            return
        try:
            (log,) = opened([session.run.path])
        except MlpwatchError as error:
            is_young = not (session.run.path / METRICS_NAME).exists()
            self._answer(_TOO_EARLY if is_young else str(error))
            return
        self._push(log)

    def show_machine(self) -> None:
        """Show what the machine did meanwhile, until the user goes back."""
        from mlpwatch.core.machine.source import why_no_figures  # noqa: PLC0415 - as above
        from mlpwatch.tui.metrics.pushed import machine_metrics  # noqa: PLC0415

        session = self._runs.top.session
        if session is None:
            return
        if why := why_no_figures(session.run.path):
            self._answer(why)
        else:
            self._push(machine_metrics(session.run.path))

    def _push(self, log: "FollowedMetrics") -> None:
        from mlpwatch.tui.metrics.pushed import PushedMetrics  # noqa: PLC0415 - as above

        if isinstance(self._app.screen, PushedMetrics):
            self._answer("escape first leaves these charts")
            return

        def end(_none: None) -> None:
            log.stop()
            # The dashboard was covered, and a run that has ended sends no event that draws it.
            self._app.call_after_refresh(self._redraw)

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
            self.show()
