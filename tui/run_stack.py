"""The runs that the app follows: the one that trains here, and saved ones looked at meanwhile."""

from typing import NamedTuple

from mlpwatch.core.config import EngineName
from mlpwatch.tui.dashboard.screen import Dashboard
from mlpwatch.tui.screen_options import ScreenOptions
from mlpwatch.tui.state.watch import Watch
from mlpwatch.tui.terminal.app import TerminalApp
from mlpwatch.tui.terminal.cost import CostMeter
from mlpwatch.tui.terminal.textual_internals import add_result_callback

CATCH_UP_SECONDS = 0.005
"""Until the next look where more may follow at once: keys are answered in between."""


class Followed(NamedTuple):
    """A run on the screen."""

    watch: Watch
    names: tuple[EngineName, ...]
    """The engines that train, left to right."""


class FollowedApp(TerminalApp[int]):
    """Keeps a pile of followed runs: keys and screens belong to the one on top.

    Args:
        followed: the run that trains here, not yet opened; it stays at the bottom of the pile.
        options: of the screen.
    """

    def __init__(self, followed: Followed, options: ScreenOptions, *, ansi: bool | None) -> None:
        super().__init__(ansi_color=ansi)
        self._pile = [followed]
        self._is_catching_up = self._has_caught_up = False
        self._options = options
        self._cost = CostMeter(options.frames_per_second, self.bytes_taken)

    @property
    def watch_session(self) -> Watch:
        """The run that is looked at."""
        return self._pile[-1].watch

    @property
    def main_watch(self) -> Watch:
        """The run that ends when the app does, whatever is looked at."""
        return self._pile[0].watch

    @property
    def is_looking_elsewhere(self) -> bool:
        """Whether another run is looked at than the one that ends with the app."""
        return len(self._pile) > 1

    @property
    def _names(self) -> tuple[EngineName, ...]:
        return self._pile[-1].names

    def get_default_screen(self) -> Dashboard:
        """Return the dashboard of the run that trains here."""
        return self._dashboard(self._pile[0])

    def action_runs(self) -> None:
        """List the saved runs; go back to the list from one of them."""
        if self.is_looking_elsewhere:
            self.screen.dismiss()
            return
        from mlpwatch.tui.runs.screen import RunsScreen  # noqa: PLC0415 - after the first frame

        options = self._options
        self.push_screen(RunsScreen(self, options.saved))

    def look_at(self, followed: Followed) -> None:
        """Show another run as the dashboard shows the one that trains here, until one goes back."""

        def stop_looking(_result: None) -> None:
            self._pile.remove(followed)
            followed.watch.leave()

        self._pile.append(followed)
        self.push_screen(self._dashboard(followed), stop_looking)
        followed.watch.open()

    async def follow(self, followed: Followed) -> None:
        """Put another session, whose run then trains, in the place of the one on the dashboard."""
        for one in self._pile[1:]:
            one.watch.leave()
        self._pile = [followed]
        while len(self.screen_stack) > 1:
            await self.pop_screen()
        add_result_callback(self.screen)
        await self.switch_screen(self.get_default_screen())
        followed.watch.open()

    def _poll_all(self) -> bool:
        """Take in what has happened in every run; say whether the one on top has changed."""
        caught_up, self._has_caught_up = self._has_caught_up, False
        changed = False
        for one in self._pile:
            changed = one.watch.poll()
        if self.watch_session.is_behind and not self._is_catching_up:
            self._is_catching_up = True
            self.set_timer(CATCH_UP_SECONDS, self._catch_up)
        # A screen that is still being made can't be taken away; the next look does it.
        error = self.watch_session.error
        if self.is_looking_elsewhere and error is not None and self.screen.is_mounted:
            self._stop_looking(error)
        waits = self.watch_session.is_loading or self.watch_session.session is None
        return changed or caught_up or waits

    def _catch_up(self) -> None:
        """Look again without drawing; the next frame shows what was found."""
        self._is_catching_up = False
        self._has_caught_up |= self._poll_all()

    def _stop_looking(self, error: BaseException) -> None:
        """Go back to the list from a run that can't be read, and say why."""
        from mlpwatch.tui.runs.screen import RunsScreen  # noqa: PLC0415 - as in `action_runs`

        self._pile.pop()
        while not isinstance(self.screen, RunsScreen):
            self.pop_screen()
        self.screen.say(str(error), bad=True)

    def _dashboard(self, followed: Followed) -> Dashboard:
        return Dashboard(*followed, self._cost)
