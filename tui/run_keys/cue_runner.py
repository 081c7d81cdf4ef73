"""A talk that runs itself: does what a cue file says when it is due, and shows what it says."""

from collections.abc import Callable, Sequence
from time import monotonic

from textual.app import App
from textual.screen import Screen
from textual.widgets import Static

from mlpwatch.tui.kit.base_screen import can_draw
from mlpwatch.tui.lecture.cue_file import SCREENS, Cue, Moment, plan_pause
from mlpwatch.tui.run_stack import RunStack

_MADE_SECONDS = 0.05
"""Until the next look at a screen that is being made."""

_MOST_ABOVE = 8
"""Screens that `back` closes; there are never so many above a dashboard."""


class Caption(Static):
    """What is said, in front of the screen's last rows, above message and footer."""

    def __init__(self, text: str) -> None:
        super().__init__(text, id="caption", markup=False)


class CueRunner:
    """Does the cues one after another, as each is due. The keys work meanwhile.

    Args:
        app: its screens are opened and closed.
        runs: the cues follow its main run.
        cues: of a file.
        now: seconds on a clock.
    """

    def __init__(
        self,
        app: App[int],
        runs: RunStack,
        cues: Sequence[Cue],
        now: Callable[[], float] = monotonic,
    ) -> None:
        self._app, self._runs, self._now = app, runs, now
        self._left = list(cues)
        self._said = ""
        self._last_at = -1.0
        self._is_busy = False

    def poll(self) -> None:
        """Do what is due, and keep what was said last on the screen on top."""
        if self._is_next_due() and not self._is_busy:
            self._is_busy = True
            self._app.call_later(self._do_what_is_due)
        self._show()

    async def _do_what_is_due(self) -> None:
        try:
            # A screen that is still being made drops what is asked of it.
            while self._is_next_due() and self._can_act():
                cue = self._left.pop(0)
                self._last_at = self._now()
                await self._do(cue)
        finally:
            self._is_busy = False
        if self._is_next_due():
            self._app.set_timer(_MADE_SECONDS, self.poll)
        self._show()

    def _can_act(self) -> bool:
        """Whether the screen on top is complete; an app that ends has none."""
        return bool(self._app.screen_stack) and can_draw(self._app.screen)

    def _is_next_due(self) -> bool:
        return bool(self._left) and self._is_due(self._left[0].moment)

    def _is_due(self, moment: Moment) -> bool:
        state = self._runs.main.state
        if state is None or self._runs.main.session is None:
            return False
        engines = state.engines.values()
        match moment.kind:
            case "start":
                return True
            case "epoch":
                return all(one.ended or one.epochs_done >= moment.number for one in engines)
            case "end":
                return all(one.ended for one in engines)
            case "after":
                return self._now() - self._last_at >= moment.number

    async def _do(self, cue: Cue) -> None:
        session = self._runs.main.session
        match cue.action:
            case "say":
                self._said = cue.what
            case "pause" if session is not None:
                # One that was planned for an epoch has been reached: at its step, not at the poll.
                if cue.moment.kind == "after":
                    session.pause()
                plan_pause(session, self._left)
            case "resume" if session is not None:
                session.resume()
            case "open":
                await self._go_back()
                await self._app.run_action(SCREENS[cue.what])
            case "back":
                await self._go_back()
            case "press":
                self._app.simulate_key(cue.what)

    async def _go_back(self) -> None:
        for _ in range(_MOST_ABOVE):
            screen = self._app.screen
            if len(self._app.screen_stack) == 1:
                return
            if hasattr(screen, "action_back"):
                await self._app.run_action("back", screen)
            else:
                await screen.dismiss()
            if self._app.screen is screen:
                return

    def _show(self) -> None:
        """Show the caption on the screen on top; one that was covered is corrected later."""
        if not self._can_act():
            return
        screen: Screen[object] = self._app.screen
        shown = screen.query(Caption)
        if not self._said:
            shown.remove()
        elif not shown:
            screen.mount(Caption(self._said))
        elif str(shown.first().content) != self._said:
            shown.first().update(self._said)
