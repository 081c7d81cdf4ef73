"""The keys that move every screen of a run through its epochs."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from textual.app import App

from mlpwatch.tui.kit.keys import Where
from mlpwatch.tui.run_stack import RunStack
from mlpwatch.tui.state.shown_epoch import Move

if TYPE_CHECKING:
    from mlpwatch.tui.state.run_state import RunState

WITH_NUMBERS: tuple[Where, ...] = ("dashboard", "layers")
"""Screens that also show epochs of which only the numbers in the logs are left."""

WITH_WEIGHTS: tuple[Where, ...] = ("mistakes", "weights", "draw", "explain")


class EpochKeys:
    """Moves the shown run to another epoch; training continues meanwhile.

    Args:
        app: its screen is drawn.
        runs: the run that is shown is its top one.
        answer: shows a line on the screen where a key was pressed.
        redraw: draws what has changed.
    """

    def __init__(
        self,
        app: App[int],
        runs: RunStack,
        answer: Callable[[str], None],
        redraw: Callable[[], None],
    ) -> None:
        self._app, self._runs, self._answer, self._redraw = app, runs, answer, redraw

    async def go(self, move: Move) -> None:
        """Go back, on, to the first epoch or to now."""
        where: Where = getattr(self._app.screen, "WHERE", "everywhere")
        state, shown = self._runs.top.state, self._runs.top.shown
        if state is None or where not in (*WITH_NUMBERS, *WITH_WEIGHTS):
            return
        await shown.look()
        others = numbered_epochs(state) if where in WITH_NUMBERS else ()
        newest = max(engine.epochs_done for engine in state.engines.values())
        if not shown.go(move, newest, others):
            self._answer(why_none(state, newest))
        self._redraw()
        self._app.run_worker(shown.read(self._redraw))


def numbered_epochs(state: "RunState") -> set[int]:
    """Return the epochs whose matrix or record is known."""
    return {
        epoch
        for engine in state.engines.values()
        for epoch in (*engine.matrices, *(record.epoch for record in engine.epochs))
    }


def why_none(state: "RunState", newest: int) -> str:
    """Return why there is no past epoch to go to."""
    if newest <= 1 and not state.ended:
        return "< and > go back and on through the epochs, once one is done"
    return "no past epoch of this run is kept; --history gives them room"
