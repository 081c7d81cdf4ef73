"""A run on points that has ended, on the dashboard."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from textual.pilot import Pilot

from mlpwatch.core.config import EngineName, RunConfig
from mlpwatch.core.training.launch import new_session
from mlpwatch.tui.app import MlpwatchApp
from mlpwatch.tui.dashboard.confusion import ConfusionMatrix
from mlpwatch.tui.startup import ScreenOptions
from mlpwatch.tui.state.watch import Watch
from tests.support.screen_text import screen_text
from tests.support.stage import until

CONFIG = RunConfig(
    data="moons", pixel_range="-1..1", hidden=(8,), batch_size=10, train_size=60, epochs=6
)


@dataclass
class Shown:
    """A run that has ended, on the dashboard."""

    app: MlpwatchApp
    pilot: Pilot[Any]

    def plane(self, engine: EngineName) -> str:
        return self.app.screen.query_one(f"#{engine}-confusion", ConfusionMatrix).text()

    async def sees(self, words: str) -> None:
        await until(lambda: words in self.text(), self.pilot)

    def text(self) -> str:
        return screen_text(self.app)


@asynccontextmanager
async def ended_run(tmp_path: Path, size: tuple[int, int]) -> AsyncIterator[Shown]:
    watch = Watch(lambda report: new_session(CONFIG, tmp_path, "points", report))
    watch.set_limit(None)
    options = ScreenOptions(ascii_only=True, saved=tmp_path)
    app = MlpwatchApp(watch, CONFIG.engine_names, options)
    async with app.run_test(size=size) as pilot:
        await until(lambda: watch.state is not None and watch.state.ended, pilot)
        yield Shown(app, pilot)
        await pilot.press("escape", "escape", "q")
        await until(lambda: watch.left, pilot)
