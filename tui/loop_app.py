"""The app on a watched loop: the same dashboard and mistakes, and charts of all its numbers."""

from collections.abc import Callable, Iterable
from pathlib import Path

from textual.app import SystemCommand
from textual.screen import Screen

from mlpwatch.core.config import EngineName
from mlpwatch.core.run_source import RunSource
from mlpwatch.core.text import printable
from mlpwatch.tui.app import MlpwatchApp
from mlpwatch.tui.metrics.following import FollowedMetrics
from mlpwatch.tui.metrics.pushed import PushedMetrics
from mlpwatch.tui.startup import ScreenOptions
from mlpwatch.tui.state.watch import Report, Watch

_NAMES: tuple[EngineName, ...] = ("numpy",)
"""A loop is shown in this engine's place."""


class LoopApp(MlpwatchApp):
    """Follows a loop that `mlpwatch.watch()` opened; returns the exit status.

    Args:
        path: of its folder.
        options: of the screen.
        start: makes its source; None for a folder of this machine.
    """

    def __init__(
        self, path: Path, options: ScreenOptions, start: Callable[[], RunSource] | None = None
    ) -> None:
        self._path, self._make_source = path, start
        watch = Watch(self._open_source, attached=True, is_loop=True)
        super().__init__(watch, _NAMES, options)

    def _open_source(self, report: Report) -> RunSource:
        report(f"reading {printable(self._path.name)}")
        if self._make_source is not None:
            return self._make_source()
        from mlpwatch.core.monitor.loop_source import LoopRunSource  # noqa: PLC0415 - NumPy

        return LoopRunSource(self._path)

    def get_system_commands(self, screen: Screen[object]) -> Iterable[SystemCommand]:
        """Offer all metrics first."""
        about = "charts of every number that the loop logs"
        yield SystemCommand("All metrics", about, self.action_metrics)
        yield from super().get_system_commands(screen)

    def action_metrics(self) -> None:
        """Show every number that the loop logs."""
        # Not at the top: it reads JSON and needs NumPy, the first frame does not.
        from mlpwatch.core.monitor.follower import LoopSource  # noqa: PLC0415

        if isinstance(self.screen, PushedMetrics) or self.runs.main.session is None:
            return
        log = FollowedMetrics(LoopSource(self._path))
        log.start()
        self.push_screen(PushedMetrics([log]), lambda _none: log.stop())

    def action_explain(self, unit: int | None = None) -> None:
        """Say why there is nothing to explain."""
        if not self._is_dead("explain"):
            super().action_explain(unit)

    def action_weights(self) -> None:
        """Say why there are no weights."""
        if not self._is_dead("weights"):
            super().action_weights()

    def action_layers(self) -> None:
        """Say why there are no layers."""
        if not self._is_dead("layers"):
            super().action_layers()
