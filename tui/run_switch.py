"""Puts a saved run in the place of the one on the dashboard, and trains on."""

import asyncio
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Protocol

from core.config import ENGINE_NAMES
from core.errors import MlpwatchError
from tui.followed_app import Followed, FollowedApp
from tui.formatting import TITLES
from tui.run_columns import ListedRun
from tui.screens.question import Question
from tui.watch import Watch

if TYPE_CHECKING:
    from core.run_follower import RunFollower
    from core.session import Session

END_SECONDS = 10.0
"""How long the run on the dashboard may take to save and end."""

LOOK_SECONDS = 0.05
"""Between two looks whether the trainers have ended."""


class Say(Protocol):
    """Shows a line on the screen."""

    def __call__(self, text: str, *, bad: bool = False) -> None:
        """Show it; `bad` news in another colour."""


class RunSwitch:
    """Resumes a saved run inside the app.

    The saved run is loaded first: where that fails, the run on the dashboard has lost nothing.

    Args:
        app: whose run is replaced.
        say: shows what is going on.
    """

    def __init__(self, app: FollowedApp, say: Say) -> None:
        self._app, self._say = app, say

    async def resume(self, run: ListedRun) -> bool:
        """Ask, load, save and end the run on the dashboard, and go on with this one.

        Returns:
            Whether it trains now; if not, a line has said why.
        """
        name = run.summary.name
        current = self._app.main_watch.session
        if current is None:
            self._say("the run on the dashboard is still loading; try again in a moment", bad=True)
            return False
        if why := why_not(run):
            self._say(why, bad=True)
            return False
        question = Question(
            f"Go on with {name} here?",
            [
                *where_it_goes_on(run),
                what_becomes_of(current, attached=self._app.main_watch.attached),
            ],
            yes="goes on with it",
            no="changes nothing",
        )
        if not await self._app.push_screen_wait(question):
            return False
        self._say(f"loading {name} …")
        try:
            loaded = await asyncio.to_thread(_load, run.summary.path)
        except (MlpwatchError, OSError, MemoryError) as error:
            self._say(f"{name} can't go on: {error or 'out of memory'}", bad=True)
            return False
        if not await self._end(current):
            loaded.run.release()
            self._say(f"{current.run.path.name} has not ended yet; try again in a moment", bad=True)
            return False
        watch = Watch(lambda _report: loaded)
        await self._app.follow(Followed(watch, loaded.config.engine_names))
        return True

    async def _end(self, session: "Session | RunFollower") -> bool:
        """Save and end a session, or leave a run that lives elsewhere; whether it did in time."""
        session.leave()
        deadline = monotonic() + END_SECONDS
        while not session.ended:
            if monotonic() > deadline:
                return False
            await asyncio.sleep(LOOK_SECONDS)
        if not await asyncio.to_thread(session.join, END_SECONDS):
            return False
        session.run.release()
        return True


def why_not(run: ListedRun) -> str:
    """Return why a run can't go on here, or nothing."""
    summary = run.summary
    if summary.state == "damaged":
        return summary.reason
    if summary.state == "finished":
        return f"all epochs are done; more with mlpwatch resume {summary.name} --epochs N"
    if summary.state == "training":
        where = "here already" if run.is_here else "in another process: stop it there first"
        return f"{summary.name} runs {where}"
    return ""


def where_it_goes_on(run: ListedRun) -> list[str]:
    """Return a line per engine that the run trains."""
    found = []
    for name in ENGINE_NAMES:
        if engine := run.engine(name):
            planned = run.summary.epochs_planned
            found.append(f"{TITLES[name]} has done {engine.epochs_done} of {planned} epochs.")
    return found


def what_becomes_of(session: "Session | RunFollower", *, attached: bool) -> str:
    """Return what happens to the run on the dashboard."""
    name = session.run.path.name
    if attached:
        return f"{name}, now on the dashboard, lives elsewhere and is left alone."
    if session.ended:
        return f"{name}, now on the dashboard, has ended and is saved."
    return f"{name}, now training here, is saved and ended first; it can be resumed like this one."


def _load(path: Path) -> "Session":
    # Not at the top: whoever opens the screen need not wait for what a resume imports.
    from core.launch import resumed_session  # noqa: PLC0415
    from core.runs import Run  # noqa: PLC0415

    run = Run.open(path.parent, path.name)
    try:
        return resumed_session(run, run.config, lambda _text: None)
    except BaseException:
        run.release()
        raise
