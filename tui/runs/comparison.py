"""The state of the comparison: curves, axes and differing settings of up to four runs."""

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Literal, get_args

from mlpwatch.core.config import ENGINE_NAMES, TITLES, EngineName, RunConfig
from mlpwatch.core.epochs import EpochRecord
from mlpwatch.core.events import RateChanged
from mlpwatch.core.runs.layout import METRICS_NAME, RATES_NAME, RESULT_NAME
from mlpwatch.core.runs.listing import summarize_run
from mlpwatch.core.runs.manifest import read_manifest
from mlpwatch.core.runs.metrics import MetricsLog
from mlpwatch.core.text import printable
from mlpwatch.tui.charts.chart import Limits, Marker, RateMark, Series, nice_limits
from mlpwatch.tui.kit.theme import RUNS
from mlpwatch.tui.state.curves import Curve

Quantity = Literal["val_loss", "val_accuracy"]

QUANTITIES: tuple[Quantity, ...] = get_args(Quantity)

MARKERS: tuple[Marker, ...] = ("braille", "dashed", "dot", "circle")
"""By the run's number, so that runs also differ without colours."""


_FileStamp = tuple[int, int] | None
"""Time and size of a file; None if there is no file."""

_MAIN_SETTINGS = ("hidden", "optimizer", "learning_rate", "batch_size", "epochs")
"""Shown first; if runs agree in all settings, only these are shown."""


@dataclass(frozen=True, slots=True)
class EngineCurves:
    """One engine's epochs in a run, thinned."""

    lines: dict[int, EpochRecord]
    """By epoch."""
    curves: dict[tuple[Quantity, bool], Curve]
    """By quantity, and whether the x axis is in seconds; accuracies in percent."""


@dataclass(slots=True)
class ComparedRun:
    """A run in the comparison.

    Args:
        number: of its mark, 0 to 3; decides colour and line.
        folder: the run's folder.
    """

    number: int
    folder: Path
    config: RunConfig | None = None
    """None before the first read."""
    test_accuracies: dict[EngineName, float] = field(default_factory=dict)
    """0 to 1, of the engines that have ended."""
    engines: dict[EngineName, EngineCurves] = field(default_factory=dict)
    changes: dict[EngineName, list[RateChanged]] = field(default_factory=dict)
    """Of the learning rate while it trained."""
    _stamp: tuple[_FileStamp, ...] | None = None

    @property
    def name(self) -> str:
        """The run's name, safe to print."""
        return printable(self.folder.name)

    def title(self, engine: EngineName) -> str:
        """Return an engine's name: the file's where the user's own network trained."""
        return self.config.title(engine) if self.config else TITLES[engine]

    def read(self) -> bool:
        """Read settings and metrics again if they have changed; return whether they had.

        Raises:
            RunError: they can't be read.
        """
        stamp = tuple(
            _stamp(self.folder / name) for name in (METRICS_NAME, RESULT_NAME, RATES_NAME)
        )
        if self.config is not None and stamp == self._stamp:
            return False
        self.config = read_manifest(self.folder).config
        summary = summarize_run(self.folder)
        self.test_accuracies = {
            one.engine: one.test_accuracy
            for one in summary.engines
            if one.test_accuracy is not None
        }
        lines = MetricsLog(self.folder / METRICS_NAME).read().lines
        self.engines = {
            name: _curves_of(line for line in lines if line.engine == name)
            for name in self.config.engine_names
        }
        # Here, in a thread: it imports NumPy.
        from mlpwatch.core.training.rates import read_rates  # noqa: PLC0415

        self.changes = read_rates(self.folder)
        self._stamp = stamp
        return True


@dataclass(slots=True)
class Axes:
    """Limits shared by all charts of a quantity; they only widen."""

    _kept: dict[tuple[str, bool], Limits] = field(default_factory=dict)

    def x(self, runs: Sequence[ComparedRun], *, seconds: bool) -> Limits:
        """Return the x limits: those of the longest run."""
        ends = [
            curve.last[0]
            for run in runs
            for engine in run.engines.values()
            if (curve := engine.curves["val_loss", seconds]).last
        ]
        return self._widened("seconds" if seconds else "epochs", [0.0, 1.0, *ends], log=False)

    def y(self, runs: Sequence[ComparedRun], quantity: Quantity, *, log: bool) -> Limits:
        """Return the y limits of a quantity over all runs and both engines."""
        curves = [engine.curves[quantity, False] for run in runs for engine in run.engines.values()]
        values = [value for curve in curves if curve.count for value in (curve.low, curve.high)]
        if quantity == "val_loss":
            return self._widened("loss", values, log=log)
        low, _ = self._widened("accuracy", [*values, 100.0], log=False)
        return low, 100.0

    def _widened(self, name: str, values: Iterable[float], *, log: bool) -> Limits:
        limits = nice_limits(values, log, self._kept.get((name, log)))
        self._kept[name, log] = limits
        return limits


def shared_title(runs: Iterable[ComparedRun], engine: EngineName) -> str:
    """Return the engine's name in all runs that train it; its usual one if theirs differ."""
    titles = {run.title(engine) for run in runs if engine in run.engines}
    return titles.pop() if len(titles) == 1 else TITLES[engine]


def engines_of(runs: Iterable[ComparedRun]) -> list[EngineName]:
    """Return the engines that at least one run trains, left to right."""
    trained = {name for run in runs for name in run.engines}
    return [name for name in ENGINE_NAMES if name in trained]


def series_of(
    runs: Iterable[ComparedRun], engine: EngineName, quantity: Quantity, *, seconds: bool
) -> list[Series]:
    """Return one curve per run that trains the engine."""
    return [
        Series(
            str(run.number + 1),
            RUNS[run.number],
            [(p.x, p.mean) for p in run.engines[engine].curves[quantity, seconds].points()],
            MARKERS[run.number],
        )
        for run in runs
        if engine in run.engines
    ]


def rate_marks_of(
    runs: Iterable[ComparedRun], engine: EngineName, *, seconds: bool
) -> list[RateMark]:
    """Return where each run changed the learning rate of an engine, in the run's colour."""
    marks = []
    for run in runs:
        lines = run.engines[engine].lines if engine in run.engines else {}
        if not lines:
            continue
        newest = lines[max(lines)]
        for change in run.changes.get(engine, ()):
            # A branch knows its parent's changes before it makes them.
            if change.step <= newest.step:
                x = change.seconds if seconds else change.step * newest.epoch / newest.step
                is_raised = change.learning_rate > change.before
                marks.append(RateMark(x, is_raised, RUNS[run.number]))
    return marks


def values_at(
    runs: Iterable[ComparedRun], engine: EngineName, quantity: Quantity, epoch: int
) -> str:
    """Return each run's value after an epoch, preceded by the run's number."""
    found = []
    for run in runs:
        curves = run.engines.get(engine)
        line = curves.lines.get(epoch) if curves else None
        if line is not None:
            is_loss = quantity == "val_loss"
            value = f"{line.val_loss:.4f}" if is_loss else f"{line.val_accuracy:.2%}"
            found.append(f"{run.number + 1}: {value}")
    return "  ".join(found) or "no run has it"


def settings_texts(runs: Sequence[ComparedRun]) -> list[str]:
    """Return for each run the settings that differ between the runs; else the main ones."""
    configs = [run.config for run in runs]
    known = [config for config in configs if config is not None]
    # The main ones come first: a narrow screen cuts the end.
    ordered = dict.fromkeys((*_MAIN_SETTINGS, *(one.name for one in fields(RunConfig))))
    differing = [name for name in ordered if len({getattr(c, name) for c in known}) > 1]
    names = differing or _MAIN_SETTINGS
    return [
        " · ".join(f"{_words(name)} {_value(getattr(config, name))}" for name in names)
        if config is not None
        else ""
        for config in configs
    ]


def _curves_of(lines: Iterable[EpochRecord]) -> EngineCurves:
    by_epoch = {line.epoch: line for line in lines}
    curves: dict[tuple[Quantity, bool], Curve] = {
        ("val_loss", False): Curve(),
        ("val_loss", True): Curve(),
        ("val_accuracy", False): Curve(),
        ("val_accuracy", True): Curve(),
    }
    for line in by_epoch.values():
        for seconds in (False, True):
            x = line.seconds if seconds else float(line.epoch)
            if not x >= 0:
                continue
            curves["val_loss", seconds].add(x, line.val_loss)
            curves["val_accuracy", seconds].add(x, 100 * line.val_accuracy)
    return EngineCurves(by_epoch, curves)


def _stamp(path: Path) -> _FileStamp:
    try:
        found = os.stat(path)  # noqa: PTH116 - as in `core.run_index`
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size


def _words(name: str) -> str:
    return name.replace("_", " ")


def _value(value: object) -> str:
    if isinstance(value, tuple):
        return "-".join(map(str, value)) or "none"
    return f"{value:g}" if isinstance(value, float) else printable(value)
