"""A sweep as its folder says: each trial with its state, and the statistics of each setting."""

import math
import os
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from mlpwatch.core.config import TITLES, EngineName
from mlpwatch.core.epochs import EpochRecord
from mlpwatch.core.errors import RunError
from mlpwatch.core.files.line_file import LineFile
from mlpwatch.core.files.strict_json import parse_object, take_text, to_json
from mlpwatch.core.runs.layout import FAILURES_NAME, GROUP_NAME, METRICS_NAME
from mlpwatch.core.runs.listing import EngineSummary, RunIndex, RunStateName, RunSummary
from mlpwatch.core.runs.metrics import MetricsLog
from mlpwatch.core.sweeps.group import Group, SweepSetting, Trial, is_held, read_group
from mlpwatch.core.sweeps.statistics import (
    Band,
    PairedDifference,
    Spread,
    band,
    paired_difference,
    spread,
    verdict,
)
from mlpwatch.core.text import excerpt, printable

TrialState = Literal["waiting", "training", "finished", "stopped", "failed"]
"""`waiting` if it has not begun; `stopped` if it is continued by the same sweep."""

CurveName = Literal["train_loss", "val_loss", "train_accuracy", "val_accuracy"]

_STATES: Mapping[RunStateName, TrialState] = {
    "training": "training",
    "finished": "finished",
    "stopped": "stopped",
    "failed": "failed",
    "damaged": "failed",
}


@dataclass(frozen=True, slots=True)
class TrialRow:
    """One trial as its folder says. Its strings are safe to print."""

    trial: Trial
    path: Path
    """Of its run folder, which need not exist yet."""
    state: TrialState
    reason: str
    """Why it failed, in one line; else empty."""
    is_final: bool
    """Whether it has a result. One that failed without is tried again when the sweep continues."""
    epochs_done: int
    """Of the engine that is behind."""
    test_accuracy: Mapping[EngineName, float]
    """0 to 1, of the engines that have ended."""
    val_accuracy: Mapping[EngineName, float]
    """0 to 1, in each engine's last epoch."""
    records: tuple[EpochRecord, ...]
    """All epochs of both engines, in the order of the file."""
    is_damaged: bool = False
    """Whether its folder can't be read, so that it can't be opened."""

    @property
    def seconds_per_epoch(self) -> float | None:
        """Training time of an epoch, of the slower engine; None before the first."""
        newest = {record.engine: record for record in self.records}
        return max((r.seconds / r.epoch for r in newest.values() if r.epoch), default=None)

    def curve(self, engine: EngineName, name: CurveName) -> dict[int, float]:
        """Return a number per epoch of an engine."""
        return {r.epoch: getattr(r, name) for r in self.records if r.engine == engine}


@dataclass(frozen=True, slots=True)
class SettingRow:
    """One setting over its seeds."""

    setting: SweepSetting
    states: Mapping[TrialState, int]
    """How many trials are in each state that occurs."""
    test_accuracy: Mapping[EngineName, Spread]
    """Of the engines that the setting trains."""
    best: Mapping[EngineName, Trial]
    """The trial with the highest test accuracy."""
    difference: PairedDifference | None
    """PyTorch minus NumPy, over the seeds that both have; None where one of them trains alone."""
    eta: float | None
    """Seconds until its trials are done, if they had the machine; None if unknown."""

    @property
    def verdict(self) -> str:
        """The difference in a sentence; empty where one engine trains alone."""
        return verdict(self.difference, TITLES["torch"]) if self.difference else ""


@dataclass(frozen=True, slots=True)
class GroupReading:
    """A sweep at one moment."""

    name: str
    path: Path
    group: Group
    rows: tuple[TrialRow, ...]
    """In the order of `Group.trials`."""
    is_training: bool
    """Whether a process trains its trials."""

    @property
    def is_done(self) -> bool:
        """Whether every trial has finished or failed."""
        return all(row.state in ("finished", "failed") for row in self.rows)

    @property
    def eta(self) -> float | None:
        """Seconds until all is done, with as many trials at a time as now; None if unknown."""
        at_once = max(1, sum(row.state == "training" for row in self.rows))
        left = _seconds_left(self.rows, _paces(self.rows))
        return None if left is None else left / at_once

    def settings(self) -> tuple[SettingRow, ...]:
        """Return the statistics of each setting, in the order of the grid."""
        paces = _paces(self.rows)
        return tuple(
            self._setting_row(number, setting, paces)
            for number, setting in enumerate(self.group.settings)
        )

    def rows_of(self, setting: int) -> list[TrialRow]:
        """Return the trials of a setting, in the order of the seeds."""
        # Every setting has one row per seed, in the order of the grid.
        return list(self.rows[setting :: len(self.group.settings)])

    def accuracies(self, setting: int, engine: EngineName) -> dict[int, float]:
        """Return an engine's test accuracies of a setting, by seed; of those that have ended."""
        rows = [row for row in self.rows_of(setting) if engine in row.test_accuracy]
        return {row.trial.seed: row.test_accuracy[engine] for row in rows}

    def band(self, setting: int, engine: EngineName, name: CurveName) -> Band:
        """Return a setting's curve of one engine as mean and spread over its seeds."""
        return band([row.curve(engine, name) for row in self.rows_of(setting)])

    def to_dict(self) -> dict[str, Any]:
        """Return what `sweep --json` prints. Accuracies are shares; null where unknown."""
        return {
            "group": self.name,
            "settings": [_setting_json(row) for row in self.settings()],
            "failed": [
                {
                    "trial": row.trial.name,
                    "config": _varied_json(self.group.settings[row.trial.setting]),
                    "seed": row.trial.seed,
                    "reason": row.reason,
                }
                for row in self.rows
                if row.state == "failed"
            ],
            "states": dict(Counter(row.state for row in self.rows)),
        }

    def _setting_row(
        self, number: int, setting: SweepSetting, paces: Mapping[int, float]
    ) -> SettingRow:
        rows = self.rows_of(number)
        engines = setting.config.engine_names
        found = {name: self.accuracies(number, name) for name in engines}
        has_both = len(engines) > 1
        by_seed = {row.trial.seed: row.trial for row in rows}
        return SettingRow(
            setting,
            Counter(row.state for row in rows),
            {name: spread(values.values()) for name, values in found.items()},
            {
                name: by_seed[max(values, key=lambda seed: values[seed])]
                for name, values in found.items()
                if values
            },
            paired_difference(found["numpy"], found["torch"]) if has_both else None,
            _seconds_left(rows, paces),
        )


class GroupReader:
    """Reads a sweep's folder again and again; only what has changed. Not thread-safe.

    Args:
        path: the sweep's folder.

    Raises:
        RunError: it is not the folder of a sweep.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._index = RunIndex(path)
        self._metrics: dict[str, tuple[object, tuple[EpochRecord, ...]]] = {}
        self._group: tuple[object, Group] | None = None
        self._read_group()

    def read(self, group: Group | None = None) -> GroupReading:
        """Read the state of every trial.

        Args:
            group: with settings and seeds that `group.json` does not have yet; None for the file's.

        Raises:
            RunError: `group.json` or the folder can't be read any more.
        """
        group = group or self._read_group()
        # First: a trial that ends in between is then read as ended.
        is_training = is_held(self.path)
        runs = {run.path.name: run for run in self._index.read()}
        failures = read_failures(self.path)
        rows = tuple(
            self._row(trial, runs.get(trial.name), failures.get(trial.name, ""))
            for trial in group.trials
        )
        return GroupReading(printable(self.path.name), self.path, group, rows, is_training)

    def _read_group(self) -> Group:
        stamp = _stamp(self.path / GROUP_NAME)
        if self._group is None or self._group[0] != stamp:
            self._group = stamp, read_group(self.path)
        return self._group[1]

    def _row(self, trial: Trial, run: RunSummary | None, failure: str) -> TrialRow:
        path = self.path / trial.name
        if run is None:
            state: TrialState = "failed" if failure else "waiting"
            return TrialRow(trial, path, state, failure, False, 0, {}, {}, ())
        state, reason = _STATES[run.state], run.reason
        if state == "stopped" and run.engines and all(_has_ended(e) for e in run.engines):
            # Its patience has ended it before its last epoch.
            state = "finished"
        is_final = state == "finished" or run.state == "failed"
        if failure and not is_final and state != "training":
            state, reason = "failed", failure
        test = {e.engine: e.test_accuracy for e in run.engines if e.test_accuracy is not None}
        val = {e.engine: e.val_accuracy for e in run.engines if e.val_accuracy is not None}
        done = min((engine.epochs_done for engine in run.engines), default=0)
        records = self._records(trial.name)
        is_damaged = run.state == "damaged"
        return TrialRow(trial, path, state, reason, is_final, done, test, val, records, is_damaged)

    def _records(self, name: str) -> tuple[EpochRecord, ...]:
        path = self.path / name / METRICS_NAME
        stamp = _stamp(path)
        known = self._metrics.get(name)
        if known is None or known[0] != stamp:
            try:
                known = stamp, MetricsLog(path).read().lines
            except RunError:
                known = stamp, ()
            self._metrics[name] = known
        return known[1]


def group_state(reading: GroupReading) -> str:
    """Return how a sweep stands, in a few words: `12 of 20 finished, 1 failed, 2 training`."""
    counts = Counter(row.state for row in reading.rows)
    parts = [f"{counts['finished']} of {len(reading.rows)} finished"]
    parts += [f"{counts[s]} {s}" for s in ("failed", "training", "stopped") if counts[s]]
    return ", ".join(parts)


def write_failure(folder: Path, trial: str, reason: str) -> None:
    """Note why a trial ended without a result of its own.

    Raises:
        OSError: for example a full disk.
    """
    text = to_json({"trial": trial, "reason": excerpt(reason, 500)})
    LineFile(folder / FAILURES_NAME).append_text(text)


def read_failures(folder: Path) -> dict[str, str]:
    """Return the newest reason per trial; an empty one means that it was tried again since."""
    found: dict[str, str] = {}
    for raw in LineFile(folder / FAILURES_NAME).raw_lines():
        try:
            values = parse_object(raw)
            found[take_text(values, "trial")] = excerpt(take_text(values, "reason"), 500)
        except ValueError:
            continue
    return found


def _has_ended(engine: EngineSummary) -> bool:
    return engine.test_accuracy is not None


def _paces(rows: Iterable[TrialRow]) -> dict[int, float]:
    """Return the mean seconds per epoch of each setting that has an epoch."""
    found: dict[int, list[float]] = {}
    for row in rows:
        if (seconds := row.seconds_per_epoch) is not None:
            found.setdefault(row.trial.setting, []).append(seconds)
    return {setting: sum(values) / len(values) for setting, values in found.items()}


def _seconds_left(rows: Iterable[TrialRow], paces: Mapping[int, float]) -> float | None:
    """Return the training time that rows still need, one after the other; None if unknown.

    A setting without an epoch so far is taken for the mean of the others.
    """
    usual = sum(paces.values()) / len(paces) if paces else math.nan
    left = sum(
        max(0, row.trial.config.epochs - row.epochs_done) * paces.get(row.trial.setting, usual)
        for row in rows
        if row.state in ("waiting", "training", "stopped")
    )
    return None if math.isnan(left) else left


def _setting_json(row: SettingRow) -> dict[str, Any]:
    values: dict[str, Any] = {"config": _varied_json(row.setting), "states": dict(row.states)}
    for name, found in row.test_accuracy.items():
        best = row.best.get(name)
        values[name] = {
            "test_accuracy": {
                "mean": found.mean,
                "std": found.std,
                "n": found.n,
                "best": found.best,
                "best_trial": best.name if best else None,
            }
        }
    if row.difference is not None:
        one = row.difference
        values["difference"] = {"mean": one.mean, "low": one.low, "high": one.high, "n": one.n}
        values["verdict"] = row.verdict
    return values


def _varied_json(setting: SweepSetting) -> dict[str, Any]:
    return dict(setting.varied)


def _stamp(path: Path) -> object:
    try:
        found = os.stat(path)  # noqa: PTH116 - as in the list of runs
    except OSError as error:
        return error.errno
    return found.st_mtime_ns, found.st_size, found.st_ino
