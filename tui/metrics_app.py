"""The app on foreign logs: their screen lies at the bottom, and there is no run."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from textual.app import SystemCommand
from textual.screen import Screen

from mlpwatch.core.config import ENGINE_NAMES
from mlpwatch.tui.app import MlpwatchApp
from mlpwatch.tui.kit.keys import KEYS
from mlpwatch.tui.metrics.following import FollowedMetrics
from mlpwatch.tui.metrics.screen import MetricsScreen
from mlpwatch.tui.startup import ScreenOptions, collect_from_now_on
from mlpwatch.tui.state.watch import Report, Watch

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from textual.actions import ActionParseResult
    from textual.dom import DOMNode

    from mlpwatch.core.run_source import RunSource

_WORK_HERE = ("help", "command_palette", "suspend_process", "leave", "interrupt")
"""Actions of all screens that need no run."""

_NEED_A_RUN = {
    key.action: key.label or key.help
    for key in KEYS
    if key.where == "everywhere" and key.action not in _WORK_HERE
}

_ONLY_WATCHED = "another program trains this: mlpwatch only reads its log"


class MetricsApp(MlpwatchApp):
    """Follows one log or two; returns the exit status.

    Args:
        logs: not read yet.
        options: of the screen.
    """

    def __init__(self, logs: Sequence[FollowedMetrics], options: ScreenOptions) -> None:
        self._logs = logs
        # Never opened: no run trains in this process.
        super().__init__(Watch(_no_run, attached=True), ENGINE_NAMES, options)

    def get_default_screen(self) -> Screen[Any]:
        """Return the screen of the logs."""
        return MetricsScreen(self._logs)

    def get_system_commands(self, screen: Screen[object]) -> "Iterable[SystemCommand]":
        """Offer what works without a run."""
        needs = {title[0].upper() + title[1:] for title in _NEED_A_RUN.values()}
        for command in super().get_system_commands(screen):
            if command.title not in (*needs, "New run") and not command.title.startswith("Set the"):
                yield command

    async def run_action(
        self,
        action: "str | ActionParseResult",
        default_namespace: "DOMNode | None" = None,
        namespaces: "Mapping[str, DOMNode] | None" = None,
    ) -> bool:
        """Run an action; one on a run is refused."""
        if isinstance(self.screen, MetricsScreen) and action in _NEED_A_RUN:
            self.screen.say(_ONLY_WATCHED)
            return True
        return await super().run_action(action, default_namespace, namespaces)

    def _begin_loading(self) -> None:
        collect_from_now_on()
        for log in self._logs:
            log.start()


def _no_run(_report: Report) -> "RunSource":
    raise AssertionError("the watch of foreign logs is never opened")
