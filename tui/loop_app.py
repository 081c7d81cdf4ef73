"""The app on a watched loop: the same dashboard and mistakes, without what needs a network."""

from pathlib import Path

from mlpwatch.core.config import EngineName
from mlpwatch.core.run_source import RunSource
from mlpwatch.core.text import printable
from mlpwatch.tui.app import MlpwatchApp
from mlpwatch.tui.startup import ScreenOptions
from mlpwatch.tui.state.watch import Report, Watch

_NAMES: tuple[EngineName, ...] = ("numpy",)
"""A loop is shown in this engine's place."""


class LoopApp(MlpwatchApp):
    """Follows a loop that `mlpwatch.watch()` opened; returns the exit status.

    Args:
        path: of its folder.
        options: of the screen.
    """

    def __init__(self, path: Path, options: ScreenOptions) -> None:
        self._path = path
        watch = Watch(self._open_source, attached=True, is_loop=True)
        super().__init__(watch, _NAMES, options)

    def _open_source(self, report: Report) -> RunSource:
        report(f"reading {printable(self._path.name)}")
        from mlpwatch.core.monitor.loop_source import LoopRunSource  # noqa: PLC0415 - NumPy

        return LoopRunSource(self._path)

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
