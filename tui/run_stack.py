"""The runs that the app follows: the main run, which trains here, and saved runs in view."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from textual.app import App

from mlpwatch.core.config import EngineName
from mlpwatch.tui.dashboard.screen import Dashboard
from mlpwatch.tui.kit.base_screen import Says
from mlpwatch.tui.kit.run_text import why_not
from mlpwatch.tui.state.watch import Followed, Watch
from mlpwatch.tui.terminal.textual_internals import add_result_callback

if TYPE_CHECKING:
    from mlpwatch.core.run_source import RunSource

RELEASE_SECONDS = 10.0
"""A run that has ended beside the main one may take this long to write its last checkpoints."""

SWEEP_SECONDS = 8.0
"""Longest wait at the exit for the processes of a sweep; they save a trial in a tenth of it."""

CATCH_UP_SECONDS = 0.005
"""Time until the next poll if more may follow at once: keys are answered in between."""


class Trains(Protocol):
    """What trains in processes of this one: a sweep."""

    def leave(self) -> None:
        """Ask all that trains to save and end."""

    def join(self, seconds: float) -> None:
        """Wait until it has ended."""


class RunStack:
    """Keeps the followed runs; keys and screens apply to the top one. A `RunsHost`.

    Args:
        app: its screens are pushed and removed.
        main: the run that trains here, not yet opened; it stays at the bottom.
        dashboard: makes the dashboard of a run.
    """

    def __init__(
        self, app: App[int], main: Followed, dashboard: Callable[[Followed], Dashboard]
    ) -> None:
        self._app, self._make_dashboard = app, dashboard
        self._followed = [main]
        self.beside: list[Watch] = []
        """Former main runs that train on; the list of runs shows them, and their folders."""
        self.sweep: Trains | None = None
        """What trains here in place of a main run, which is then never opened."""
        self._released: set[Watch] = set()
        self._is_catching_up = self._has_caught_up = False

    @property
    def main(self) -> Watch:
        """The run whose end is the app's end."""
        return self._followed[0].watch

    @property
    def top(self) -> Watch:
        """The run that is shown."""
        return self._followed[-1].watch

    @property
    def names(self) -> tuple[EngineName, ...]:
        """The engines of the shown run, left to right."""
        return self._followed[-1].names

    @property
    def is_viewing(self) -> bool:
        """Whether another run than the main one is shown."""
        return len(self._followed) > 1

    def main_dashboard(self) -> Dashboard:
        """Return a new dashboard of the main run."""
        return self._make_dashboard(self._followed[0])

    def show_list(self, saved: Path, *, starts_new: bool = False) -> None:
        """List the saved runs; from a viewed run, return to the list.

        Args:
            saved: the folder.
            starts_new: then ask for the options of a new run, the first one's to begin with.
        """
        from mlpwatch.tui.runs.screen import RunsScreen  # noqa: PLC0415 - after the first frame

        screen = self._app.screen
        if isinstance(screen, RunsScreen) and starts_new:
            screen.action_start_new()
        elif self.is_viewing:
            screen.dismiss()
        else:
            self._app.push_screen(RunsScreen(self, saved, starts_new=starts_new))

    def branch(self, epoch: int | None, learning_rate: float | None = None, why: str = "") -> None:
        """Ask for a branch of the shown run; it takes the main run's place.

        Args:
            epoch: from which; None for the newest.
            learning_rate: to propose; None for the run's own.
            why: it is proposed, in one line.
        """
        # After the first frame.
        from mlpwatch.tui.runs.branching.start import Proposal, branch_here  # noqa: PLC0415

        state, session = self.top.state, self.top.session
        if state is None or session is None:
            return
        if self.sweep is not None:
            where = f"{session.run.path.parent.name}/{session.run.name}"
            state.say(f"from a shell: mlpwatch branch {where} --at EPOCH", where="dashboard")
            return

        def say(text: str, *, bad: bool = False) -> None:
            state.say(text, bad=bad, where="dashboard")
            # Of a run that waits or has ended no event comes that would draw it.
            if isinstance(screen := self._app.screen, Dashboard):
                screen.update(numbers=True)

        if reason := why_not(self.top, "branch"):
            say(reason)
            return
        proposal = Proposal(epoch, learning_rate, why)
        asking = branch_here(self, self._app, say, session.run.path, proposal)
        self._app.run_worker(asking, exclusive=True, group="resume")

    def view(self, followed: Followed) -> None:
        """Show another run on a dashboard, until the user goes back."""

        def end_view(_result: None) -> None:
            self._followed.remove(followed)
            followed.watch.leave()

        self._followed.append(followed)
        self._app.push_screen(self._make_dashboard(followed), end_view)
        followed.watch.open()

    def view_sweep(self, path: Path) -> None:
        """Show a sweep until the user goes back; see `RunsHost`."""
        from mlpwatch.tui.groups.screen import GroupScreen  # noqa: PLC0415 - after the first frame
        from mlpwatch.tui.groups.source import SweepSource  # noqa: PLC0415

        self._app.push_screen(GroupScreen(SweepSource(path), self.view, self.main))

    async def replace(self, followed: Followed, *, keeps_main: bool = False) -> None:
        """Make another run the main one, and show its dashboard; see `RunsHost`."""
        if keeps_main:
            self.beside.append(self.main)
        for one in self._followed[1:]:
            one.watch.leave()
        self._followed = [followed]
        while len(self._app.screen_stack) > 1:
            await self._app.pop_screen()
        # Textual adds a callback for every screen except the first, and removes one per screen.
        add_result_callback(self._app.screen)
        await self._app.switch_screen(self.main_dashboard())
        followed.watch.open()

    def trains_beside(self, path: Path) -> bool:
        """Return whether a former main run trains on, by the path of its folder."""
        folders = [one.session.run.path for one in self.beside if one.session is not None]
        return path.resolve() in [folder.resolve() for folder in folders]

    def leave(self) -> None:
        """Ask all runs that train here to save and end."""
        for watch in (self.main, *self.beside):
            watch.leave()
        if self.sweep is not None:
            self.sweep.leave()

    async def join(self, seconds: float) -> None:
        """Wait for trainers and disk of all runs that train here, off the event loop."""
        sessions = [one.session for one in (self.main, *self.beside) if one.session is not None]
        await asyncio.gather(*(asyncio.to_thread(one.join, seconds) for one in sessions))
        if self.sweep is not None:
            await asyncio.to_thread(self.sweep.join, SWEEP_SECONDS)

    def _poll_beside(self) -> None:
        for watch in list(self.beside):
            watch.poll()
            if watch.session is not None and watch.session.ended and watch not in self._released:
                self._released.add(watch)
                self._app.run_worker(self._release(watch, watch.session), group="beside")

    async def _release(self, watch: Watch, session: "RunSource") -> None:
        """Let others change a run that has ended, once all of it is on disk."""
        if await asyncio.to_thread(session.join, RELEASE_SECONDS):
            session.run.release()
            self.beside.remove(watch)
        self._released.discard(watch)

    def poll(self) -> bool:
        """Process the new events of every run; return whether the top one has changed."""
        self._poll_beside()
        caught_up, self._has_caught_up = self._has_caught_up, False
        changed = False
        for one in list(self._followed):
            changed = one.watch.poll()
        if self.top.is_behind and not self._is_catching_up:
            self._is_catching_up = True
            self._app.set_timer(CATCH_UP_SECONDS, self._catch_up)
        # A screen that is still being mounted can't be removed; the next poll does it.
        error = self.top.error
        if self.is_viewing and error is not None and self._app.screen.is_mounted:
            self._give_up_view(error)
        waits = self.top.is_loading or self.top.session is None
        return changed or caught_up or waits

    def _catch_up(self) -> None:
        """Poll again without drawing; the next frame shows the changes."""
        self._is_catching_up = False
        self._has_caught_up |= self.poll()

    def _give_up_view(self, error: BaseException) -> None:
        """Return to the list from a run that can't be read, and say why."""
        from mlpwatch.tui.runs.screen import RunsScreen  # noqa: PLC0415 - as in `show_list`

        self._followed.pop()
        # The first screen of a sweep lists its trials, and there is no list of runs above it.
        while len(self._app.screen_stack) > 1 and not isinstance(self._app.screen, RunsScreen):
            self._app.pop_screen()
        if isinstance(screen := self._app.screen, Says):
            screen.say(str(error), bad=True)
