"""Screens above the dashboard of a run: its mistakes, all numbers, the machine, large digits."""

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Literal
from weakref import ref

from textual.app import App, SystemCommand

from mlpwatch.core.errors import MlpwatchError
from mlpwatch.tui.formatting import with_keys
from mlpwatch.tui.kit.hints import Hints
from mlpwatch.tui.run_stack import RunStack

if TYPE_CHECKING:
    from pathlib import Path

    from mlpwatch.core.analysis.mistakes import MistakeList
    from mlpwatch.tui.images.renderers import RendererChoice
    from mlpwatch.tui.kit.look import Look
    from mlpwatch.tui.metrics.following import FollowedMetrics
    from mlpwatch.tui.mistakes.selection import MistakeSelection
    from mlpwatch.tui.state.watch import Watch


class ScreensAbove:
    """Shows a run's mistakes and numbers: all that were logged, its machine's, few in large digits.

    Args:
        app: the screen is pushed onto its stack.
        runs: the run that is shown is its top one.
        answer: shows a line on the screen where a key was pressed.
        redraw: draws what has changed.
        hints: of the keys, until they have been used.
    """

    def __init__(
        self,
        app: App[int],
        runs: RunStack,
        answer: Callable[[str], None],
        redraw: Callable[[], None],
        hints: Hints,
    ) -> None:
        self._app, self._runs, self._answer, self._redraw = app, runs, answer, redraw
        self._hints, self._is_decided = hints, False
        self._renderers: RendererChoice | None = None
        self._left: tuple[ref[Watch], MistakeSelection] | None = None
        """The last place in the mistakes of a run, which may be dropped meanwhile."""

    def commands(self) -> "Iterator[SystemCommand]":
        """Yield the palette's commands; none before the run is loaded."""
        if self._runs.top.session is not None:
            about = "charts of CPU, memory and GPUs over the time of this run"
            yield SystemCommand("Machine", about, self.show_machine)

    def begin(self, *, is_big: bool) -> None:
        """Show what was asked for on the command line, above the dashboard."""
        if is_big:
            self.show("big")

    def open_mistakes(
        self, look: "Look", which: "MistakeList", true: int | None, predicted: int | None
    ) -> None:
        """Show the mistakes browser, with a list and filters to begin with."""
        # Not at the top: digits and bars are not needed for the first frame.
        from mlpwatch.tui.mistakes.selection import MistakeSelection  # noqa: PLC0415

        self._browse(look, MistakeSelection(which, true, predicted))

    def reopen_mistakes(self, look: "Look") -> None:
        """Show the mistakes where they were left, or from the first model."""
        from mlpwatch.tui.mistakes.selection import MistakeSelection  # noqa: PLC0415

        watch = self._runs.top
        if self._left is None or self._left[0]() is not watch:
            self._left = ref(watch), MistakeSelection(self._runs.names[0])
        self._browse(look, self._left[1])

    def _browse(self, look: "Look", selection: "MistakeSelection") -> None:
        from mlpwatch.tui.images.renderers import RendererChoice  # noqa: PLC0415
        from mlpwatch.tui.mistakes.screen import MistakesScreen  # noqa: PLC0415

        self._renderers = self._renderers or RendererChoice(look)
        self._renderers.follow(look)
        screen = MistakesScreen(
            self._runs.top, selection=selection, renderers=self._renderers, hints=self._hints
        )
        self._app.push_screen(screen)

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
            self._answer(with_keys("{escape} first leaves these charts"))
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
