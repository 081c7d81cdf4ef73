"""The screen of metrics over a dashboard: of a watched loop, or of a run's machine."""

from pathlib import Path

from textual.widgets import Input

from mlpwatch.core.errors import MlpwatchError, RunError
from mlpwatch.core.machine.source import MachineSource, why_no_figures
from mlpwatch.core.runs.layout import METRICS_NAME, is_watched
from mlpwatch.tui.metrics.following import FollowedMetrics
from mlpwatch.tui.metrics.opening import opened
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


def all_metrics(folder: Path) -> FollowedMetrics:
    """Return all numbers that a run or a watched loop has logged; not read yet.

    Raises:
        MlpwatchError: there are none yet, or they can't be read.
    """
    try:
        (log,) = opened([folder])
    except MlpwatchError:
        if is_watched(folder) or (folder / METRICS_NAME).exists():
            raise
        raise RunError("no numbers yet: they come with the first epoch") from None
    return log


def machine_metrics(folder: Path) -> FollowedMetrics:
    """Return the figures of a run's machine, over its seconds of training; not read yet.

    Raises:
        RunError: there are none; it says why, and what to do.
    """
    if why := why_no_figures(folder):
        raise RunError(why)
    return FollowedMetrics(MachineSource(folder), axis="second")
