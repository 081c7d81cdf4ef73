"""Trains what a sweep has not trained yet, by a pool of workers."""

import math
from collections.abc import Callable, Iterator, Sequence
from heapq import heapreplace
from itertools import pairwise
from pathlib import Path
from typing import Protocol

from mlpwatch.core.config import RunConfig
from mlpwatch.core.runs.layout import STOP_NAME
from mlpwatch.core.sweeps.group import Group, Trial, held_group
from mlpwatch.core.sweeps.reading import GroupReader, GroupReading, read_failures, write_failure
from mlpwatch.core.sweeps.trial import TrialEnd

MOST_MEASURED = 4
"""Settings whose speed is measured; the others are estimated from their weights and steps."""


PROCESS_SECONDS = 2.5
"""To start a process and to import PyTorch in it."""


class Pool(Protocol):
    """Workers that train trials: processes of this machine, or a Dask cluster."""

    jobs: int
    """Trials at a time."""
    started: int
    """Processes that run already."""
    where: str
    """What trains, in a few words: `2 at a time, 1 core each`."""

    def estimate(self, configs: Sequence[RunConfig]) -> list[float]:
        """Return the seconds that a trial of each config takes; NaN for one that can't be trained.

        Raises:
            DataError: the data can't be read.
        """

    def train(self, trials: Sequence[Trial], is_stopped: Callable[[], bool]) -> Iterator[TrialEnd]:
        """Train trials, and yield each when it has ended.

        Once `is_stopped` those that train are saved and the others are left.
        """

    def close(self) -> None:
        """Let the workers go."""


class Sweep:
    """A sweep in this process; it holds the sweep's folder while it trains.

    Args:
        path: of the sweep's folder.
        group: its settings and seeds.
        is_stopped: whether this process has been asked to end.
    """

    def __init__(self, path: Path, group: Group, is_stopped: Callable[[], bool]) -> None:
        self.path, self.group = path, group
        self._is_asked = is_stopped
        self._reader: GroupReader | None = None

    def read(self) -> GroupReading:
        """Read the state of all trials.

        Raises:
            RunError: the folder can't be read.
        """
        self._reader = self._reader or GroupReader(self.path)
        return self._reader.read(self.group)

    def missing(self) -> list[Trial]:
        """Return the trials without a result: those that never began, were stopped or killed.

        One that failed without a result is tried again; one that diverged would do so again.
        """
        if not self.path.exists():
            return list(self.group.trials)
        rows = self.read().rows
        return [
            row.trial
            for row in rows
            if row.state in ("waiting", "stopped") or (row.state == "failed" and not row.is_final)
        ]

    @property
    def is_stopped(self) -> bool:
        """Whether it is to end: a signal, or the file that orders it, has come."""
        return self._is_asked() or (self.path / STOP_NAME).exists()

    def estimate(self, pool: Pool, trials: Sequence[Trial]) -> float:
        """Return the seconds that the trials take, from a few steps of some settings.

        NaN if none of them can be trained.

        Raises:
            DataError: the data can't be read.
        """
        settings = list(dict.fromkeys(trial.setting for trial in trials))
        measured = settings[:: max(1, -(-len(settings) // MOST_MEASURED))]
        seconds = pool.estimate([self.group.settings[number].config for number in measured])
        known = {n: s for n, s in zip(measured, seconds, strict=True) if math.isfinite(s)}
        if not known:
            return math.nan
        work = {n: _work(self.group.settings[n].config) for n in settings}
        pace = sum(known.values()) / sum(work[number] for number in known)
        return busy_seconds(
            [known.get(t.setting, work[t.setting] * pace) for t in trials], pool.jobs, pool.started
        )

    def train(self, pool: Pool, trials: Sequence[Trial]) -> Iterator[TrialEnd]:
        """Train trials and yield each when it has ended; see `Pool.train`.

        Raises:
            RunError: another process trains the sweep.
        """
        with held_group(self.path):
            (self.path / STOP_NAME).unlink(missing_ok=True)
            try:
                # They are tried again: what was noted of them is out of date.
                for name in read_failures(self.path).keys() & {trial.name for trial in trials}:
                    write_failure(self.path, name, "")
                for end in pool.train(trials, lambda: self.is_stopped):
                    if end.state == "failed" and not end.is_in_folder:
                        write_failure(self.path, end.name, end.reason)
                    yield end
            finally:
                (self.path / STOP_NAME).unlink(missing_ok=True)


def busy_seconds(trials: Sequence[float], jobs: int, started: int) -> float:
    """Return when the last trial ends, if each process takes the next as soon as it is free.

    Args:
        trials: seconds of each, in the order in which they begin.
        jobs: trials at a time.
        started: processes that run already; the others first import PyTorch.
    """
    # In order, and so a heap.
    free = [0.0 if number < started else PROCESS_SECONDS for number in range(jobs)]
    last = 0.0
    for seconds in trials:
        end = free[0] + seconds
        heapreplace(free, end)
        last = max(last, end)
    return last


def _work(config: RunConfig) -> float:
    """Return what a trial's time is about proportional to: weights times epochs."""
    widths = (784, *config.hidden, 10)
    weights = sum(one * other for one, other in pairwise(widths))
    return float(weights * config.epochs)
