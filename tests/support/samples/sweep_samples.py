"""A sweep's folder for tests, with trials in every state."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

from mlpwatch.core.config import EngineName, RunConfig
from mlpwatch.core.epochs import EpochRecord
from mlpwatch.core.files.strict_json import to_json
from mlpwatch.core.runs.layout import METRICS_NAME, RESULT_NAME
from mlpwatch.core.runs.manifest import RunManifest
from mlpwatch.core.runs.metrics import MetricsLog
from mlpwatch.core.sweeps.group import Group, SweepSetting, Trial, plan_group, store_group
from tests.support.samples.run_samples import CONFIG, DIGITS, NOON


def group_of(
    grid: Mapping[str, Sequence[Any]], seeds: int = 3, config: RunConfig = CONFIG
) -> Group:
    """Return the sweep of a grid, the last name varying fastest."""
    settings = [
        SweepSetting(varied, replace(config, **varied))
        for values in product(*grid.values())
        for varied in [dict(zip(grid, values, strict=True))]
    ]
    return Group(tuple(settings), tuple(range(seeds)), NOON)


def open_group(saved: Path, name: str, asked: Group | None) -> tuple[Path, Group]:
    """Make a sweep's folder, or write into it what is new."""
    path, group = plan_group(saved, name, asked)
    store_group(path, group)
    return path, group


def make_group(saved: Path, name: str, group: Group) -> Path:
    return open_group(saved, name, group)[0]


def train_trial(
    folder: Path,
    trial: Trial,
    accuracies: Mapping[EngineName, float],
    *,
    epochs: int | None = None,
    ended: str = "finished",
) -> Path:
    """Write a trial's run folder, with `result.json` unless `epochs` stops it before its end."""
    path = folder / trial.name
    path.mkdir()
    RunManifest(trial.config, DIGITS, NOON, {}, group=folder.name).write(path)
    done = trial.config.epochs if epochs is None else epochs
    for epoch in range(1, done + 1):
        MetricsLog(path / METRICS_NAME).append(
            *(
                EpochRecord(engine, epoch, 10 * epoch, 2.0 * epoch, 1 / epoch, 1.5 / epoch,
                            accuracy * epoch / trial.config.epochs, 1e5)
                for engine, accuracy in accuracies.items()
            )
        )  # fmt: skip
    if epochs is None:
        engines = {
            engine: {"test_accuracy": accuracy, "ended": ended, "detail": ""}
            for engine, accuracy in accuracies.items()
        }
        (path / RESULT_NAME).write_text(to_json({"run": str(path), "engines": engines}))
    return path


def four_settings(saved: Path) -> Path:
    """Make a sweep of two times two settings and three seeds; return its folder.

    The setting `hidden 32, learning-rate 0.1` has a trial that diverged, the last one a trial that
    has not begun.
    """
    group = group_of({"hidden": ((16,), (32,)), "learning_rate": (0.1, 0.3)})
    path = make_group(saved, "g", group)
    for trial in group.trials[:-1]:
        numpy = 0.9 + 0.02 * trial.setting + 0.001 * trial.seed * (trial.seed + 1)
        reached: dict[EngineName, float] = {
            "numpy": numpy, "torch": numpy - 0.04 + 0.0006 * trial.seed,
        }  # fmt: skip
        has_failed = (trial.setting, trial.seed) == (2, 2)
        train_trial(path, trial, reached, ended="diverged" if has_failed else "finished")
    return path
