"""A folder of saved runs as people have them: one of each state."""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from mlpwatch.core.config import EngineName, RunConfig
from mlpwatch.core.epochs import EpochRecord
from mlpwatch.core.recipes import from_recipe
from mlpwatch.core.runs.manifest import DatasetInfo, RunManifest
from mlpwatch.core.runs.run import Run
from tests.support.samples.fake_folder import RUN_PATH

DIGITS = DatasetInfo("digits", "ab" * 32, (8, 8), 10)
MNIST = DatasetInfo("mnist", "cd" * 32, (28, 28), 10)

HERE = RUN_PATH.name
ELSEWHERE = "2026-11-22-best-m2xa"
FINISHED = "2026-11-21-seed-q7ra"
STOPPED = "2026-11-20-best-7hwe"
FAILED = "2026-11-19-twin-steep"
ALONE = "numpy alone"
DAMAGED = "2026-11-17-twin-b4d"

PEAKS: dict[str, float] = {
    HERE: 0.951, ELSEWHERE: 0.984, FINISHED: 0.906, STOPPED: 0.979, FAILED: 0.42, ALONE: 0.973,
}  # fmt: skip


def lines(engine: EngineName, epochs: int, peak: float) -> Iterator[EpochRecord]:
    """Epochs that learn up to a peak; PyTorch a little slower and lower."""
    behind = 0.0 if engine == "numpy" else 0.004
    for epoch in range(1, epochs + 1):
        left = math.exp(-epoch / (3 if engine == "numpy" else 3.6))
        yield EpochRecord(
            engine=engine,
            epoch=epoch,
            step=epoch * 20,
            seconds=epoch * (1.1 if engine == "numpy" else 1.7),
            train_loss=0.06 + 2.1 * left,
            val_loss=0.09 + 4 * (1 - peak) + 2.1 * left,
            val_accuracy=(peak - behind) * (1 - 0.6 * left),
            samples_per_second=1e5,
        )


def make_run(
    saved: Path, name: str, config: RunConfig, day: int, done: dict[EngineName, int]
) -> Run:
    """Make a run folder that has come this far; nobody trains it."""
    (saved / name).mkdir(parents=True)
    dataset = MNIST if config.data == "mnist" else DIGITS
    created = datetime(2026, 11, day, 9 + day % 8, 5 * day % 60, tzinfo=UTC)
    RunManifest(config, dataset, created, {"numpy": "2"}).write(saved / name)
    run = Run.open(saved, name)
    for engine, epochs in done.items():
        for line in lines(engine, epochs, PEAKS.get(name, 0.9)):
            run.append_metrics(line)
    return run


def make_runs(saved: Path) -> dict[str, Run]:
    """Make one run of each kind, without locks."""
    twin = from_recipe("twin", data="digits", epochs=12)
    seed = from_recipe("seed", data="mnist", epochs=15)
    best = from_recipe("best", data="mnist", epochs=14)
    runs = {
        HERE: make_run(saved, HERE, twin, 23, {"numpy": 5, "torch": 3}),
        ELSEWHERE: make_run(saved, ELSEWHERE, best, 22, {"numpy": 9, "torch": 8}),
        FINISHED: make_run(saved, FINISHED, seed, 21, {"numpy": 15, "torch": 15}),
        STOPPED: make_run(saved, STOPPED, best, 20, {"numpy": 11, "torch": 7}),
        FAILED: make_run(
            saved, FAILED, replace(twin, learning_rate=9.0), 19, {"numpy": 2, "torch": 1}
        ),
        ALONE: make_run(saved, ALONE, replace(twin, only="numpy"), 18, {"numpy": 4}),
    }
    runs[FINISHED].write_result(
        {"epochs": 15, "engines": {"numpy": ended(0.9012), "torch": ended(0.8951)}}
    )
    diverged = ended(None) | {"ended": "diverged", "detail": "the loss is nan at step 26"}
    runs[FAILED].write_result({"epochs": 12, "engines": {"numpy": diverged, "torch": diverged}})
    (saved / DAMAGED).mkdir()
    (saved / DAMAGED / "config.json").write_text("{")
    return runs


def ended(test_accuracy: float | None) -> dict[str, object]:
    """What `result.json` says of an engine that has finished."""
    return {
        "test_accuracy": test_accuracy, "test_loss": None, "val_accuracy": None,
        "seconds": 20.0, "samples_per_second": 1e5, "ended": "finished", "detail": "",
    }  # fmt: skip


@contextmanager
def runs_of_all_kinds(saved: Path) -> Iterator[dict[str, Run]]:
    """Make one run of each kind; the first two are held, as if trained."""
    runs = make_runs(saved)
    for name in (HERE, ELSEWHERE):
        runs[name].acquire()
    try:
        yield runs
    finally:
        for run in runs.values():
            run.release()
