"""The two runs, or sweeps of one setting, that are asked about, read from their folders."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean, median

from mlpwatch.core.config import EngineName, RunConfig
from mlpwatch.core.errors import ConfigError, RunError
from mlpwatch.core.files.line_file import LineFile
from mlpwatch.core.runs.layout import METRICS_NAME, RATES_NAME
from mlpwatch.core.runs.listing import find_folder, is_group, summarize_run
from mlpwatch.core.runs.manifest import RunManifest, read_manifest
from mlpwatch.core.runs.metrics import MetricsLog
from mlpwatch.core.sweeps.group import value_text
from mlpwatch.core.sweeps.reading import GroupReader
from mlpwatch.core.sweeps.why.differences import SettingDifference, differences
from mlpwatch.core.text import printable


@dataclass(frozen=True, slots=True)
class Side:
    """A or B."""

    name: str
    """As the user knows it: RUN, GROUP or GROUP/TRIAL; safe to print."""
    manifest: RunManifest
    """Of the run, or of one of the sweep's."""
    accuracy: Mapping[EngineName, float]
    """Test accuracy, 0 to 1, the mean over a sweep's seeds; only of engines that have ended."""
    pace: Mapping[EngineName, float]
    """Seconds of an epoch, the median, which a busy minute does not move; only of engines with
    an epoch."""
    has_changed_rate: bool = False
    """Whether its learning rate was set while it trained, which no setting says."""

    @property
    def config(self) -> RunConfig:
        """The settings of the run."""
        return self.manifest.config


def read_side(saved: Path, name: str) -> Side:
    """Read a run or a sweep by its name or path.

    Raises:
        RunError: no such folder, it is damaged, or it is a sweep of several settings or of none.
    """
    folder = find_folder(saved, name)
    if not is_group(folder):
        return _side(_trainedof(saved, folder), [folder])
    reading = GroupReader(folder).read()
    if (count := len(reading.group.settings)) > 1:
        raise RunError(
            f"{reading.name}: a sweep of {count} settings; name one of its trials, such as "
            f"{reading.name}/{printable(reading.group.trials[0].name)}"
        )
    trained = [row.path for row in reading.rows if row.state not in ("waiting", "failed")]
    if not trained:
        raise RunError(f"{reading.name}: a sweep without a trial so far; train it first")
    return _side(reading.name, trained)


def checked_differences(one: Side, other: Side) -> tuple[SettingDifference, ...]:
    """Return what differs between A and B.

    Raises:
        ConfigError: nothing does, or the hybrids of both can't be trained.
    """
    for side in (one, other):
        if side.config.has_networks:
            raise ConfigError(
                f"{side.name}: trains a network of your own; only mlpwatch's own networks, whose "
                "settings can be exchanged, have hybrids"
            )
        if side.manifest.parent is not None:
            raise ConfigError(
                f"{side.name}: a branch, whose first epochs had other settings; name two runs that "
                "were trained from their first epoch"
            )
    if one.manifest.dataset.sha256 != other.manifest.dataset.sha256:
        raise ConfigError(
            f"{other.name}: trained on {_data(other)}, {one.name} on {_data(one)}; name two runs "
            "on the same data"
        )
    if not set(one.config.engine_names) & set(other.config.engine_names):
        raise ConfigError(
            f"{other.name}: trains only {value_text(other.config.only)}, {one.name} only "
            f"{value_text(one.config.only)}; name two runs with an engine in common"
        )
    found = differences(one.config, other.config)
    if not found:
        raise ConfigError(
            f"{other.name}: has all settings of {one.name} but perhaps the seed; mlpwatch sweep "
            "--seeds N shows what that does"
        )
    return found


def _side(name: str, folders: list[Path]) -> Side:
    accuracies: dict[EngineName, list[float]] = {}
    paces: dict[EngineName, list[float]] = {}
    for folder in folders:
        summary = summarize_run(folder)
        if summary.state == "damaged":
            raise RunError(summary.reason)
        for one in summary.engines:
            if one.test_accuracy is not None:
                accuracies.setdefault(one.engine, []).append(one.test_accuracy)
        for engine, seconds in _epoch_times(folder).items():
            paces.setdefault(engine, []).append(median(seconds))
    return Side(
        name,
        read_manifest(folders[0]),
        {engine: fmean(values) for engine, values in accuracies.items()},
        {engine: fmean(values) for engine, values in paces.items()},
        any(any(LineFile(folder / RATES_NAME).raw_lines()) for folder in folders),
    )


def _epoch_times(folder: Path) -> dict[EngineName, list[float]]:
    """Return the seconds of each epoch, with its evaluation; no engine without one."""
    found: dict[EngineName, list[float]] = {}
    before: dict[EngineName, float] = {}
    for record in MetricsLog(folder / METRICS_NAME).read().lines:
        if math.isfinite(record.seconds):
            took = record.seconds - before.get(record.engine, 0.0)
            found.setdefault(record.engine, []).append(took)
            before[record.engine] = record.seconds
    return found


def _trainedof(saved: Path, folder: Path) -> str:
    """Return RUN or GROUP/TRIAL."""
    is_trial = folder.parent != saved and is_group(folder.parent)
    return printable(f"{folder.parent.name}/{folder.name}" if is_trial else folder.name)


def _data(side: Side) -> str:
    known = side.manifest.dataset
    return f"{printable(known.name)} ({known.sha256[:8]})"
