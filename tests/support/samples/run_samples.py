"""Run folders for tests of what is done with saved runs."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

from mlpwatch.core.config import ENGINE_NAMES, EngineName, RunConfig
from mlpwatch.core.epochs import EpochRecord, Matrix
from mlpwatch.core.events import EpochDone
from mlpwatch.core.files.strict_json import to_json
from mlpwatch.core.recipes import from_recipe
from mlpwatch.core.runs.manifest import DatasetInfo, RunManifest
from mlpwatch.core.runs.metrics import matrix_text
from mlpwatch.core.runs.replay import RunTail
from mlpwatch.core.runs.run import Run

DIGITS = DatasetInfo("digits", "ab" * 32, (8, 8), 10)
NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
CONFIG = from_recipe("twin", hidden=(64, 32), epochs=3)


def line(engine: EngineName, epoch: int, accuracy: float = 0.9) -> EpochRecord:
    return EpochRecord(engine, epoch, epoch, 1.0, 0.5, 0.5, accuracy, 1e5)


def create(saved: Path, name: str, config: RunConfig = CONFIG, minutes: int = 0) -> Run:
    folder = saved / name
    folder.mkdir(parents=True)
    RunManifest(config, DIGITS, NOON + timedelta(minutes=minutes), {}).write(folder)
    return Run.open(saved, name)


def matrices(run: Run) -> dict[EngineName, dict[int, Matrix]]:
    """Return the confusion matrices that a run's folder holds."""
    found: dict[EngineName, dict[int, Matrix]] = {name: {} for name in ENGINE_NAMES}
    for event in RunTail(run).read() or []:
        if isinstance(event, EpochDone) and event.record.confusion is not None:
            found[event.engine][event.epoch] = event.record.confusion
    return found


def old_confusion_line(engine: EngineName, epoch: int, counts: Matrix) -> str:
    """Return a line of `confusion.jsonl` as mlpwatch 0.1.0 wrote it."""
    return to_json({"engine": engine, "epoch": epoch, "step": epoch, **matrix_text(counts)}) + "\n"
