"""The app on a watched loop: the same dashboard and mistakes."""

from collections.abc import Callable
from pathlib import Path

from mlpwatch.core.run_source import RunSource
from mlpwatch.tui.app import MlpwatchApp
from mlpwatch.tui.startup import ScreenOptions
from mlpwatch.tui.state.watch import Watch, watch_of


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
        if start is None:
            watch = watch_of(path, is_view=False)
        else:
            watch = Watch(lambda _report: start(), attached=True, is_loop=True)
        # A loop is shown in this engine's place.
        super().__init__(watch, ("numpy",), options)

    def _tick(self) -> None:
        super()._tick()
        self._above.show_if_alone()
