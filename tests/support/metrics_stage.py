"""Runs the real app on foreign logs, step by step as a test says."""

import json
import math
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from mlpwatch.core.foreign_logs.source import LogSource
from mlpwatch.tui.metrics.following import FollowedMetrics
from mlpwatch.tui.metrics.screen import MetricsScreen
from mlpwatch.tui.metrics_app import MetricsApp
from mlpwatch.tui.startup import ScreenOptions
from tests.support.samples.scenes import FakeSession
from tests.support.stage import NEVER_FPS, Stage, until


@dataclass
class MetricsStage(Stage):
    """A running app, and the logs that it shows."""

    logs: list[FollowedMetrics]

    @property
    def screen(self) -> MetricsScreen:
        """The screen of the logs."""
        screen = self.app.screen_stack[0]
        assert isinstance(screen, MetricsScreen)
        return screen

    async def look(self) -> None:
        """Do what the app's timer does."""
        self.screen.update(numbers=True)
        await self.pilot.pause()

    def titles(self) -> list[str]:
        """The first word above each chart, row by row."""
        rows = [
            line.split("  ")
            for line in self.text().split("\n")[1:-2]
            if line.startswith(" ") and line[1:2].strip() and not line[1:2].isdigit()
        ]
        return [
            piece.strip() for row in rows for piece in row
            if piece.strip() and piece.strip()[0].isalpha() and "─" not in piece
        ]  # fmt: skip


@asynccontextmanager
async def on_metrics_stage(
    *paths: Path, size: tuple[int, int] = (140, 40), ascii_only: bool = False
) -> AsyncIterator[MetricsStage]:
    """Run the app on logs, and wait until they have been read."""
    logs = [FollowedMetrics(LogSource(path)) for path in paths]
    app = MetricsApp(logs, ScreenOptions(fps=NEVER_FPS, ascii_only=ascii_only))
    async with app.run_test(size=size) as pilot:
        stage = MetricsStage(app, pilot, FakeSession(), logs)
        await until(lambda: all(log.has_read_all for log in logs), pilot)
        await stage.look()
        yield stage
        for log in logs:
            log.stop()


def write_lines(
    path: Path, records: Iterable[Mapping[str, object]], *, append: bool = False
) -> Path:
    """Write records as JSON lines."""
    with path.open("a" if append else "w") as file:
        file.writelines(json.dumps(record) + "\n" for record in records)
    return path


def training_log(path: Path, steps: int = 1_000, extra: Iterable[str] = ("lr", "accuracy")) -> Path:
    """Write a log of losses that fall, with a validation every hundred steps."""
    records: list[dict[str, float]] = []
    for step in range(steps):
        record = {"step": step, "train/loss": 2 * math.exp(-step / 300) + 0.1 * (step % 2)}
        record |= {name: math.exp(-step / (200 + 50 * n)) for n, name in enumerate(extra)}
        if step % 100 == 99:
            record["val/loss"] = 2 * math.exp(-step / 280) + 0.1
        records.append(record)
    return write_lines(path, records)
