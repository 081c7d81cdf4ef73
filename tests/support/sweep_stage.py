"""Runs the real app on a sweep's folder, step by step as a test says."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from mlpwatch.tui.group_app import GroupApp
from mlpwatch.tui.groups.screen import GroupScreen
from mlpwatch.tui.groups.source import SweepSource
from mlpwatch.tui.groups.table import SettingTable
from mlpwatch.tui.startup import ScreenOptions
from tests.support.samples.scenes import FakeSession
from tests.support.stage import NEVER_FPS, Stage, until


@dataclass
class SweepStage(Stage):
    """A running app, and the sweep that it shows."""

    source: SweepSource

    @property
    def screen(self) -> GroupScreen:
        """The sweep's screen, also below a trial's."""
        screen = self.app.screen_stack[0]
        assert isinstance(screen, GroupScreen)
        return screen

    async def read(self) -> None:
        """Read the sweep's folder and show it; an app that has ended meanwhile shows nothing."""
        if self._has_ended():
            return
        self.screen.look(at_once=True)
        await until(lambda: self._has_ended() or not self.screen.is_reading, self.pilot)
        if not self._has_ended():
            await self.look()

    def _has_ended(self) -> bool:
        return self.app.return_value is not None or not self.app.screen_stack

    async def see_trial(self) -> None:
        """Wait until the trial that was opened has been read, and show it."""
        runs = self.app.runs

        def is_read() -> bool:
            # What it returns does not matter: the app's own poll may have taken the events.
            runs.poll()
            return runs.top.state is not None

        await until(is_read, self.pilot)
        await self.look()

    def names(self) -> list[str]:
        """The first cells of the table's rows, from top to bottom."""
        _heading, *rows = self.screen.query_one(SettingTable).text().split("\n")
        return [
            " ".join(row[2:].split()[:2]) for row in rows if row[:2] in ("▸ ", "+ ", "- ", "  ")
        ]

    def selected(self) -> str:
        """The first two words of the row under the cursor."""
        return " ".join(self.row("▸")[2:].split()[:2])


@asynccontextmanager
async def on_sweep_stage(
    source: SweepSource | Path,
    size: tuple[int, int] = (140, 40),
    *,
    ascii_only: bool = False,
    fps: float = NEVER_FPS,
) -> AsyncIterator[SweepStage]:
    """Run the app on a sweep, or on its folder as `attach` does, and wait until it has read it."""
    shown = SweepSource(source) if isinstance(source, Path) else source
    options = ScreenOptions(fps=fps, ascii_only=ascii_only, saved=shown.path.parent)
    app = GroupApp(shown, options)
    async with app.run_test(size=size) as pilot:
        stage = SweepStage(app, pilot, FakeSession(), shown)
        await stage.read()
        yield stage
