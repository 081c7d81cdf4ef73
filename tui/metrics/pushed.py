"""The screen of metrics over a dashboard: of a watched loop, or of a run's machine."""

from pathlib import Path

from textual.widgets import Input

from mlpwatch.core.machine.source import MachineSource
from mlpwatch.tui.metrics.following import FollowedMetrics
from mlpwatch.tui.metrics.screen import MetricsScreen

_LOOK_SECONDS = 0.5
"""Time between two looks at the numbers, which a thread reads."""


class PushedMetrics(MetricsScreen):
    """Charts over a dashboard, which escape leads back to."""

    def on_mount(self) -> None:
        """Draw what has been read; a run that has ended sends no event that would."""
        self.set_interval(_LOOK_SECONDS, self.update)

    def action_back(self) -> None:
        """Leave crosshair, zoom, single chart and filter, then the screen."""
        before = self._left_to_leave()
        super().action_back()
        if before == self._left_to_leave():
            self.dismiss()

    def _left_to_leave(self) -> tuple[object, ...]:
        line, options = self.query_one("#filter", Input), self._options
        return options.crosshair, options.halvings, self._single, self._words, line.has_focus


def machine_metrics(folder: Path) -> FollowedMetrics:
    """Return the figures of a run's machine, over its seconds of training; not read yet."""
    return FollowedMetrics(MachineSource(folder), axis="second")
