"""Trials on the workers of a Dask cluster, through joblib's Dask backend."""

import logging
import math
import os
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from queue import Empty, SimpleQueue
from secrets import token_hex
from threading import Thread
from time import monotonic
from typing import Any

from mlpwatch import __version__
from mlpwatch.core.config import RunConfig
from mlpwatch.core.errors import InputError, MlpwatchError, error_text
from mlpwatch.core.files.durable import replace_durably
from mlpwatch.core.files.line_file import LineFile
from mlpwatch.core.files.scratch import building_folder, delete_folder
from mlpwatch.core.runs.changes import say_new_path
from mlpwatch.core.runs.layout import MANIFEST_NAME, METRICS_NAME
from mlpwatch.core.runs.lock import RunLock
from mlpwatch.core.sweeps.cluster_task import (
    ClusterEnd,
    ClusterTask,
    pack_folder,
    sign_name,
    train_on_cluster,
    unpack_folder,
    worker_facts,
)
from mlpwatch.core.sweeps.group import Trial
from mlpwatch.core.sweeps.trial import TrialEnd, estimate_seconds
from mlpwatch.core.text import printable

CONNECT_SECONDS = 10.0
"""Longest wait for the scheduler, and for its first worker."""

LEAVE_SECONDS = 60.0
"""After the order to stop: longest wait for the workers to save and send back their trials."""

LOOK_SECONDS = 0.2
"""Time between two looks at the order to stop."""


class ClusterPool:
    """A `Pool` of the workers of a Dask cluster. Workers may come and go.

    Args:
        folder: of the sweep.
        address: of the scheduler, such as `tcp://host:8786`.

    Raises:
        InputError: Dask is not installed, no scheduler answers, it has no worker, or a worker
            can't train.
    """

    def __init__(self, folder: Path, address: str) -> None:
        self._folder, self._sweep = folder, token_hex(8)
        self._client = _connect(address)
        facts = self._facts(address)
        slots = Counter[str]()
        for fact in facts:
            slots[fact["host"]] += fact["slots"]
        self._threads = {f["host"]: max(1, f["cores"] // slots[f["host"]]) for f in facts}
        self.jobs = self.started = sum(slots.values())
        workers = f"{len(facts)} worker{'s' * (len(facts) > 1)}"
        self.where = f"{self.jobs} at a time on {workers} of {printable(address)}"

    def estimate(self, configs: Sequence[RunConfig]) -> list[float]:
        """See `Pool`."""
        threads = min(self._threads.values())
        future = self._client.submit(estimate_seconds, list(configs), threads, pure=False)
        try:
            found: list[float] = future.result()
        except MlpwatchError:
            raise
        except Exception:
            return [math.nan] * len(configs)
        return found

    def train(self, trials: Sequence[Trial], is_stopped: Callable[[], bool]) -> Iterator[TrialEnd]:
        """See `Pool`. Dask does the trial of a worker that died again, on another one."""
        from distributed import Event  # noqa: PLC0415 - an extra

        sign = self._folder / sign_name(self._sweep)
        sign.touch()
        mirror = _Mirror(self._folder)
        order = Event(f"mlpwatch-{self._sweep}", client=self._client)
        self._client.subscribe_topic(f"mlpwatch-{self._sweep}", mirror.take_event)
        ends: SimpleQueue[ClusterEnd | BaseException | None] = SimpleQueue()
        # In a thread: joblib waits for results, and this one looks for the order to stop.
        Thread(target=self._collect, args=(trials, ends), daemon=True).start()
        leave_by, left = math.inf, len(trials)
        try:
            while left and monotonic() < leave_by:
                if is_stopped() and math.isinf(leave_by):
                    order.set()
                    leave_by = monotonic() + LEAVE_SECONDS
                with suppress(Empty):
                    found = ends.get(timeout=LOOK_SECONDS)
                    if found is None:
                        return
                    if isinstance(found, BaseException):
                        raise _cluster_error(found)
                    left -= 1
                    end = mirror.take_end(found)
                    if end.state != "stopped" or (self._folder / end.name).exists():
                        yield end
        finally:
            mirror.close()
            sign.unlink(missing_ok=True)

    def close(self) -> None:
        """See `Pool`."""
        self._client.close()

    def _collect(
        self, trials: Sequence[Trial], ends: "SimpleQueue[ClusterEnd | BaseException | None]"
    ) -> None:
        from joblib import Parallel, delayed, parallel_config  # noqa: PLC0415 - takes 0.2 s

        calls = (delayed(train_on_cluster)(self._task(trial)) for trial in trials)
        try:
            if sum(self._client.ncores().values()) == 1:
                self._collect_alone(trials, ends)
                return
            with parallel_config(
                backend="dask", client=self._client, wait_for_workers_timeout=CONNECT_SECONDS
            ):
                found = Parallel(
                    n_jobs=-1, batch_size=1, pre_dispatch="all", return_as="generator_unordered"
                )(calls)
                for end in found:
                    ends.put(end)
            ends.put(None)
        except BaseException as error:
            ends.put(error)

    def _collect_alone(
        self, trials: Sequence[Trial], ends: "SimpleQueue[ClusterEnd | BaseException | None]"
    ) -> None:
        """Collect from a cluster of one thread: joblib runs a single job here, not there."""
        tasks = [self._task(trial) for trial in trials]
        futures = [self._client.submit(train_on_cluster, task, pure=False) for task in tasks]
        for future in futures:
            ends.put(future.result())
        ends.put(None)

    def _task(self, trial: Trial) -> ClusterTask:
        path = self._folder / trial.name
        packed = pack_folder(path) if (path / MANIFEST_NAME).exists() else None
        return ClusterTask(self._sweep, str(self._folder.resolve()), trial, self._threads, packed)

    def _facts(self, address: str) -> list[dict[str, Any]]:
        """Return the facts of each worker.

        Raises:
            InputError: there is none, or one can't import this mlpwatch.
        """
        try:
            self._client.wait_for_workers(1, timeout=CONNECT_SECONDS)
        except TimeoutError:
            self._client.close()
            raise InputError(
                f"--cluster {printable(address)}: it has no worker; start some with dask worker "
                f"{printable(address)}"
            ) from None
        facts = self._client.run(worker_facts, on_error="return")
        for worker, fact in facts.items():
            if isinstance(fact, dict) and fact["version"] == __version__:
                continue
            self._client.close()
            why = f"has mlpwatch {fact['version']}" if isinstance(fact, dict) else error_text(fact)
            raise InputError(
                f"--cluster {printable(address)}: worker {printable(worker)}: {printable(why)}; "
                f"install mlpwatch {__version__} for it"
            )
        return list(facts.values())


class _Mirror:
    """Keeps in the sweep's folder what workers without it send: epochs, then whole run folders.

    Args:
        folder: of the sweep.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._locks: dict[str, RunLock] = {}
        self._ended: set[str] = set()

    def take_event(self, event: tuple[float, dict[str, str]]) -> None:
        """Write the epochs that a worker reports; the run is then listed as in training."""
        _, message = event
        name, metrics = message["trial"], message["metrics"]
        path = self._folder / name
        # A full disk must not end the connection: the whole folder comes at the end.
        with suppress(OSError, MlpwatchError):
            if name in self._ended:
                return
            if "config" in message:
                self._begin(name, message["config"], metrics)
            elif name in self._locks:
                LineFile(path / METRICS_NAME).append_text(metrics.rstrip("\n"), sync=False)

    def take_end(self, found: ClusterEnd) -> TrialEnd:
        """Put a run folder that came back in its place, and return how its trial ended."""
        end, path = found.end, self._folder / found.end.name
        self._ended.add(end.name)
        self._release(end.name)
        if found.packed is None:
            return end
        try:
            with building_folder(self._folder) as building:
                unpack_folder(found.packed, building)
                if os.path.lexists(path):
                    delete_folder(path)
                building.rename(path)
        except (OSError, ValueError) as error:
            return TrialEnd(end.name, "failed", error_text(error), is_in_folder=False)
        say_new_path(path)
        return end

    def close(self) -> None:
        """Let go of the trials that have not come back."""
        for name in list(self._locks):
            self._ended.add(name)
            self._release(name)

    def _begin(self, name: str, config: str, metrics: str) -> None:
        path = self._folder / name
        path.mkdir(exist_ok=True)
        if not (path / MANIFEST_NAME).exists():
            replace_durably(path / MANIFEST_NAME, config.encode())
        if name not in self._locks:
            self._locks[name] = lock = RunLock(path)
            lock.acquire()
        replace_durably(path / METRICS_NAME, metrics.encode())

    def _release(self, name: str) -> None:
        if lock := self._locks.pop(name, None):
            lock.release()


def _connect(address: str) -> Any:  # noqa: ANN401 - Dask has no types
    """Return a client of the scheduler.

    Raises:
        InputError: Dask is not installed, or nobody answers.
    """
    try:
        from distributed import Client  # noqa: PLC0415 - an extra, and slow
    except ModuleNotFoundError:
        raise InputError(
            f"--cluster {printable(address)}: needs Dask, which is not installed; "
            "pip install 'mlpwatch[cluster]'"
        ) from None
    # A worker that leaves is no news here: its trial is done again.
    logging.getLogger("distributed").setLevel(logging.CRITICAL)
    try:
        return Client(address, timeout=CONNECT_SECONDS, set_as_default=False)
    except (OSError, ValueError, TypeError) as error:
        raise InputError(
            f"--cluster {printable(address)}: no Dask scheduler answers there "
            f"({printable(error):.100}); expected an address like tcp://host:8786"
        ) from None


def _cluster_error(error: BaseException) -> MlpwatchError:
    return InputError(f"the cluster gave up: {printable(error):.300}; start the same sweep again")
