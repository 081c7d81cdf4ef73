"""Run folders for tests of what is done with saved runs."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

from mlpwatch.core.config import EngineName, RunConfig
from mlpwatch.core.recipes import from_recipe
from mlpwatch.core.runs.manifest import RunCard
from mlpwatch.core.runs.metrics import MetricsLine
from mlpwatch.core.runs.run import DatasetCard, Run

DIGITS = DatasetCard("digits", "ab" * 32, (8, 8), 10)
NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
CONFIG = from_recipe("twin", hidden=(64, 32), epochs=3)


def line(engine: EngineName, epoch: int, accuracy: float = 0.9) -> MetricsLine:
    return MetricsLine(engine, epoch, epoch, 1.0, 0.5, 0.5, accuracy, 1e5)


def create(saved: Path, name: str, config: RunConfig = CONFIG, minutes: int = 0) -> Run:
    folder = saved / name
    folder.mkdir(parents=True)
    RunCard(config, DIGITS, NOON + timedelta(minutes=minutes), {}).write(folder)
    return Run.open(saved, name)
