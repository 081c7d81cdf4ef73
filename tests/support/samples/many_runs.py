"""A folder of as many saved runs as a year brings."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

from mlpwatch.core.config import RecipeName
from mlpwatch.core.epochs import EpochRecord
from mlpwatch.core.files.strict_json import to_json
from mlpwatch.core.recipes import from_recipe
from mlpwatch.core.runs.manifest import DatasetInfo, RunManifest
from mlpwatch.core.runs.metrics import MetricsLog

EPOCHS = 50

_RECIPES: tuple[RecipeName, ...] = ("twin", "seed", "best")
_MNIST = DatasetInfo("mnist", "cd" * 32, (28, 28), 10)
_BEGAN = datetime(2026, 1, 1, 12, tzinfo=UTC)


def make_many_runs(saved: Path, count: int) -> None:
    """Make finished and stopped runs of 50 or 25 epochs, one every eight hours."""
    metrics = {epochs: _metrics(epochs) for epochs in (EPOCHS, EPOCHS // 2)}
    cards: dict[RecipeName, dict[str, object]] = {}
    for number in range(count):
        recipe, created = _RECIPES[number % 3], _BEGAN + timedelta(hours=8 * number)
        folder = saved / f"{created:%Y-%m-%d}-{recipe}-{number:04x}"
        folder.mkdir()
        if recipe not in cards:
            config = from_recipe(recipe, data="mnist", epochs=EPOCHS)
            RunManifest(config, DatasetInfo("mnist", "cd" * 32, (28, 28), 10), created, {}).write(
                folder
            )
            cards[recipe] = json.loads((folder / "config.json").read_text())
        # Not each through a sync of its own: that takes a minute for a thousand.
        card = cards[recipe] | {"created": created.isoformat()}
        (folder / "config.json").write_text(to_json(card))
        is_finished = number % 4 != 0
        (folder / "metrics.jsonl").write_text(metrics[EPOCHS if is_finished else EPOCHS // 2])
        if is_finished:
            (folder / "result.json").write_text(_result(0.9 + number % 97 / 1_000))


def _metrics(epochs: int) -> str:
    lines = [
        EpochRecord(name, epoch, epoch * 844, epoch * 1.5, 0.2, 0.25, 0.9 + 1e-3 * epoch, 1e5)
        for epoch in range(1, epochs + 1)
        for name in ("numpy", "torch")
    ]
    with TemporaryDirectory() as folder:
        file = MetricsLog(Path(folder) / "metrics.jsonl")
        file.append(*lines)
        return (Path(folder) / "metrics.jsonl").read_text()


def _result(accuracy: float) -> str:
    end = {"test_accuracy": accuracy, "ended": "finished", "detail": ""}
    return to_json({"epochs": EPOCHS, "engines": {"numpy": end, "torch": end}})
