"""Runs the real app on a played session, step by step as a test says."""

from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Event as Flag
from time import monotonic
from typing import Any

from textual.pilot import Pilot

from mlpwatch.core.config import RunConfig
from mlpwatch.core.events import Event
from mlpwatch.core.run_source import RunSource
from mlpwatch.tui.app import MlpwatchApp
from mlpwatch.tui.startup import ScreenOptions
from mlpwatch.tui.state.run_state import RunState
from mlpwatch.tui.state.watch import Report, Watch
from tests.support.samples.fake_folder import RUN_PATH
from tests.support.samples.scenes import CONFIG, FakeSession
from tests.support.screen_text import screen_text

DEADLINE_SECONDS = 30.0
NEVER_FPS = 0.001
"""The app's own timer stays silent: a test decides when the mailbox is looked into."""


@dataclass
class Stage:
    """A running app, and the session that it follows."""

    app: MlpwatchApp
    pilot: Pilot[Any]
    session: FakeSession

    @property
    def state(self) -> RunState:
        """The state of the run that trains here."""
        state = self.app.runs.main.state
        assert state is not None, "still loading"
        return state

    async def feed(self, *events: Event) -> None:
        """Let events happen, and the screen show them."""
        self.session.feed(events)
        await self.look()

    async def press(self, *keys: str) -> None:
        """Press keys, one after another, and look at what came of each."""
        for key in keys:
            await self.pilot.press(key)
            await self.look()

    async def look(self) -> None:
        """Do what the app's timer does."""
        self.app.runs.main.poll()
        self.app.runs.top.poll()
        self.app.update_screen(numbers=True)
        await self.pilot.pause()
        # What is scored beside the event loop belongs to the same picture.
        scoring = [worker for worker in self.app.workers if worker.group == "scores"]
        await until(lambda: all(worker.is_finished for worker in scoring), self.pilot)

    async def see(self, words: str) -> None:
        """Wait until something that takes a thread is on the screen."""
        await until(lambda: words in self.text(), self.pilot)

    async def press_and_see(self, key: str, words: str) -> None:
        """Press a key whose effect takes a thread, and wait for what it shows."""
        await self.press(key)
        await self.see(words)

    async def open_runs(self) -> None:
        """Open the runs screen, and wait until it has read the list."""
        await self.press("r")
        await until(lambda: "reading" not in self.row(" runs "), self.pilot)

    def text(self) -> str:
        """Everything on the screen, row by row."""
        return screen_text(self.app)

    async def says(self, words: str) -> None:
        """Wait until these words are on the screen."""
        await until(lambda: words in self.text(), self.pilot)

    def row(self, words: str) -> str:
        """The first row that holds these words."""
        found = [line for line in self.text().split("\n") if words in line]
        assert found, f"{words!r} is not on the screen:\n{self.text()}"
        return found[0]


async def until(condition: Callable[[], object], pilot: Pilot[Any]) -> None:
    """Wait for a condition, with a deadline.

    Raises:
        TimeoutError: it did not come true.
    """
    left = DEADLINE_SECONDS
    while not condition():
        if left <= 0:
            raise TimeoutError(f"not after {DEADLINE_SECONDS:g} s")
        began = monotonic()
        await pilot.pause(0.01)
        # On a machine that was suspended meanwhile not all of the time is up at once.
        left -= min(monotonic() - began, 1.0)


@asynccontextmanager
async def on_stage(
    events: Iterable[Event] = (),
    size: tuple[int, int] = (140, 40),
    *,
    session: FakeSession | None = None,
    ascii_only: bool = False,
    fps: float = NEVER_FPS,
    attached: bool = False,
    saved: Path | None = None,
) -> AsyncIterator[Stage]:
    """Run the app on a session that has come as far as these events.

    Its run folder, which nothing is written to, lies in `saved` where that is given.
    """
    played = session or FakeSession()
    if saved is not None:
        played.run.path = saved / RUN_PATH.name
    watch = Watch(lambda _report: played, attached=attached)
    options = ScreenOptions(fps=fps, ascii_only=ascii_only, saved=saved or RUN_PATH.parent)
    app = MlpwatchApp(watch, played.config.engine_names, options)
    async with app.run_test(size=size) as pilot:
        stage = Stage(app, pilot, played)

        def has_begun() -> bool:
            watch.poll()
            return watch.session is not None

        await until(has_begun, pilot)
        await stage.feed(*events)
        yield stage


@asynccontextmanager
async def while_loading(
    size: tuple[int, int] = (140, 40),
    text: str = "importing NumPy, scikit-learn and PyTorch",
    *,
    config: RunConfig = CONFIG,
) -> AsyncIterator[Stage]:
    """Run the app while its session still loads."""
    played, may_load = FakeSession(config), Flag()

    def start(report: Report) -> RunSource:
        report(text)
        may_load.wait(DEADLINE_SECONDS)
        return played

    watch = Watch(start, titles=config.titles)
    app = MlpwatchApp(watch, played.config.engine_names, ScreenOptions(fps=NEVER_FPS))
    async with app.run_test(size=size) as pilot:
        try:
            stage = Stage(app, pilot, played)
            await until(lambda: watch.loading == text, pilot)
            await stage.look()
            yield stage
        finally:
            may_load.set()
