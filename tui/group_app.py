"""The app on a sweep: its screen lies at the bottom, and trials are viewed above it."""

from typing import TYPE_CHECKING, Any

from textual.app import SystemCommand
from textual.screen import Screen

from mlpwatch.core.cli.sweep_ending import FollowedSweep
from mlpwatch.core.config import ENGINE_NAMES
from mlpwatch.tui.app import MlpwatchApp
from mlpwatch.tui.formatting import with_keys
from mlpwatch.tui.groups.screen import GroupScreen
from mlpwatch.tui.groups.source import SweepSource
from mlpwatch.tui.kit.keys import KEYS
from mlpwatch.tui.startup import ScreenOptions, collect_from_now_on
from mlpwatch.tui.state.watch import Report, Watch

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from textual.actions import ActionParseResult
    from textual.dom import DOMNode

    from mlpwatch.core.run_source import RunSource

_WORK_HERE = ("help", "command_palette", "suspend_process", "leave", "interrupt")
"""Actions of all screens that need no run."""

_OWN = {key.action for key in KEYS if key.where == "sweep"}
_NEED_A_RUN = {key.action for key in KEYS if key.where == "everywhere"} - {*_WORK_HERE, *_OWN}


class GroupApp(MlpwatchApp):
    """Follows a sweep, which this process trains or another one; returns the exit status.

    Args:
        source: of the sweep.
        options: of the screen.
    """

    def __init__(self, source: SweepSource, options: ScreenOptions) -> None:
        self._source = source
        self._trained = False
        """Whether its trials trained when it was last looked at."""
        # Never opened: no run trains in this process.
        watch = Watch(_no_run, attached=source.training is None)
        super().__init__(watch, ENGINE_NAMES, options)
        self.runs.sweep = source

    def get_default_screen(self) -> Screen[Any]:
        """Return the sweep's screen."""
        return GroupScreen(self._source, self.runs.view, self.runs.main)

    def get_system_commands(self, screen: Screen[object]) -> "Iterable[SystemCommand]":
        """Offer what there is, without a new run, which would take the sweep's place."""
        commands = super().get_system_commands(screen)
        return [one for one in commands if one.title != "New run"]

    async def run_action(
        self,
        action: "str | ActionParseResult",
        default_namespace: "DOMNode | None" = None,
        namespaces: "Mapping[str, DOMNode] | None" = None,
    ) -> bool:
        """Run an action; one on a run is refused where there is none."""
        if isinstance(self.screen, GroupScreen) and action in _NEED_A_RUN:
            hint = "no run is open: {enter} lists a setting's trials, then opens one"
            self.screen.say(with_keys(hint))
            return True
        return await super().run_action(action, default_namespace, namespaces)

    def _begin_loading(self) -> None:
        collect_from_now_on()
        if self._source.training is not None:
            self._source.training.start()

    def _tick(self) -> None:
        super()._tick()
        trained, self._trained = self._trained, self._source.is_training
        if trained and not self._trained and self._source.error is None:
            self._announcer.notify(FollowedSweep(self._source.path, lambda: True).news())
        if self._source.error is not None:
            self.exit(1)


def _no_run(_report: Report) -> "RunSource":
    raise AssertionError("the watch of a sweep is never opened")
