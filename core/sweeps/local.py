"""Trials on this machine, in joblib's loky processes, among which the cores are shared out."""

import math
import os
import signal
import sys
import warnings
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, redirect_stderr
from pathlib import Path
from threading import Lock, Thread
from time import sleep
from typing import TYPE_CHECKING

from mlpwatch.core.config import RunConfig
from mlpwatch.core.errors import ConfigError
from mlpwatch.core.runs.layout import STOP_NAME
from mlpwatch.core.scheduling import available_cores
from mlpwatch.core.sweeps.group import Trial
from mlpwatch.core.sweeps.trial import TrialEnd, estimate_seconds, train_trial

if TYPE_CHECKING:
    from joblib.externals.loky import Future, ProcessPoolExecutor

LOOK_SECONDS = 0.2
"""Time between two looks at the order to stop."""

MOST_KILLS = 3
"""A trial whose process was killed so often, the last time alone, is a failed one."""

KEPT_SIGNALS = (signal.SIGINT, signal.SIGHUP, signal.SIGTERM)
"""A terminal sends these to all processes of the sweep; only the first one acts on them."""

PARENT_SECONDS = 1.0
"""Time between two looks of an idle process at its parent."""

_training = Lock()
"""Held while this process trains a trial."""

_THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


def shared_cores(cores: int | None, jobs: int | None, engines: int) -> tuple[int, int]:
    """Return how many trials train at a time, and how many cores each has.

    Args:
        cores: for all trials; None for all of the machine.
        jobs: trials at a time; None for one per `engines` cores.
        engines: that a trial trains side by side.

    Raises:
        ConfigError: more trials than cores.
    """
    have = min(cores or available_cores(), available_cores())
    if jobs is None:
        jobs = max(1, have // engines)
    if not 1 <= jobs <= have:
        raise ConfigError(
            f"--jobs {jobs}: expected 1 to {have}, the number of cores that the sweep may use; "
            "more trials at a time would slow each other down"
        )
    return jobs, have // jobs


class LocalPool:
    """A `Pool` of processes on this machine. A process that dies is replaced.

    Args:
        folder: of the sweep.
        jobs: trials at a time.
        threads: cores per trial.
    """

    def __init__(self, folder: Path, jobs: int, threads: int) -> None:
        self._folder, self.jobs, self._threads = folder, jobs, threads
        self.started = 0
        self.where = f"{jobs} at a time, {threads} core{'s' * (threads > 1)} each"
        self._executor: ProcessPoolExecutor | None = None

    def estimate(self, configs: Sequence[RunConfig]) -> list[float]:
        """See `Pool`."""
        from joblib.externals.loky import BrokenProcessPool  # noqa: PLC0415

        try:
            found: list[float] = self._submit(estimate_seconds, configs, self._threads).result()
        except BrokenProcessPool:
            # Killed, perhaps for its memory: the trials will show it.
            self._drop_executor()
            return [math.nan] * len(configs)
        self.started = 1
        return found

    def train(self, trials: Sequence[Trial], is_stopped: Callable[[], bool]) -> Iterator[TrialEnd]:
        """See `Pool`. A trial whose process was killed is done again from its last checkpoint."""
        work = _Work(trials)
        running: dict[Future, Trial] = {}
        try:
            while True:
                while not is_stopped() and (trial := work.next(len(running), self.jobs)):
                    running[self._submit_trial(trial)] = trial
                if not running:
                    return
                if is_stopped():
                    (self._folder / STOP_NAME).touch()
                lost: list[Trial] = []
                for future in _ended(running):
                    trial = running.pop(future)
                    if (end := _end_of(future)) is None:
                        lost.append(trial)
                    else:
                        yield end
                if lost:
                    # One killed process ends all: loky kills the others of its executor.
                    lost += running.values()
                    running.clear()
                    self._drop_executor()
                    yield from work.take_back(lost)
        finally:
            self.close()

    def close(self) -> None:
        """End the processes once they have done what they do."""
        if self._executor is not None:
            self._executor.shutdown(wait=True)
            self._executor = None

    def _submit_trial(self, trial: Trial) -> "Future":
        return self._submit(_train_here, self._folder, trial, self._threads, os.getpid())

    def _submit(self, call: Callable[..., object], *arguments: object) -> "Future":
        # joblib takes 0.2 s to import.
        from joblib.externals.loky import ProcessPoolExecutor  # noqa: PLC0415

        # A process inherits what its parent blocks, and is made in here. A screen has put a stream
        # without a descriptor in the place of stderr, which loky can't pass on.
        with _blocked_signals(), redirect_stderr(sys.__stderr__), warnings.catch_warnings():
            # Of a process that loky replaces because it has grown: nothing is lost.
            warnings.simplefilter("ignore", UserWarning)
            if self._executor is None:
                variables = dict.fromkeys(_THREAD_VARIABLES, str(self._threads))
                self._executor = ProcessPoolExecutor(
                    self.jobs, env=variables, initializer=_end_with, initargs=(os.getpid(),)
                )
            return self._executor.submit(call, *arguments)

    def _drop_executor(self) -> None:
        if self._executor is not None:
            self._executor.shutdown(wait=True, kill_workers=True)
            self._executor = None


class _Work:
    """Trials that wait, and those that a killed process has given back."""

    def __init__(self, trials: Sequence[Trial]) -> None:
        self._waiting, self._suspects = deque(trials), deque[Trial]()
        self._kills = Counter[str]()

    def next(self, running: int, jobs: int) -> Trial | None:
        """Return the next trial, if one more may train beside those that do.

        What was lost twice beside others trains alone at last: then it shows which one it is.
        """
        if self._waiting:
            return self._waiting.popleft() if running < jobs else None
        return self._suspects.popleft() if self._suspects and not running else None

    def take_back(self, lost: Sequence[Trial]) -> Iterator[TrialEnd]:
        """Let lost trials be done again; yield one that was lost too often."""
        for trial in lost:
            self._kills[trial.name] += 1
            kills = self._kills[trial.name]
            if kills >= MOST_KILLS and len(lost) == 1:
                reason = f"its process was killed {kills} times; is there enough memory?"
                yield TrialEnd(trial.name, "failed", reason, is_in_folder=False)
            elif kills >= MOST_KILLS - 1:
                self._suspects.append(trial)
            else:
                self._waiting.appendleft(trial)


def _train_here(folder: Path, trial: Trial, threads: int, parent: int) -> TrialEnd:
    """Train a trial in a loky process; stop if the sweep is to end, or its process is gone."""
    order = folder / STOP_NAME
    with _training:
        return train_trial(folder, trial, threads, lambda: os.getppid() != parent or order.exists())


def _end_with(parent: int) -> None:
    """End this loky process with its parent, once it has saved; loky's own wait has no end."""

    def watch() -> None:
        while os.getppid() == parent:
            sleep(PARENT_SECONDS)
        with _training:
            os._exit(1)

    Thread(target=watch, name="parent", daemon=True).start()


def _ended(running: dict["Future", Trial]) -> set["Future"]:
    from joblib.externals.loky import FIRST_COMPLETED, wait  # noqa: PLC0415

    done: set[Future] = wait(running, LOOK_SECONDS, FIRST_COMPLETED).done
    return done


def _end_of(future: "Future") -> TrialEnd | None:
    """Return how a trial ended; None if its process was killed."""
    from joblib.externals.loky import BrokenProcessPool  # noqa: PLC0415

    try:
        end: TrialEnd = future.result()
    except BrokenProcessPool:
        return None
    return end


@contextmanager
def _blocked_signals() -> Iterator[None]:
    before = signal.pthread_sigmask(signal.SIG_BLOCK, KEPT_SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
