"""What a worker of a Dask cluster does: train a trial, and send back what nobody else can see."""

import io
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from threading import Event as Flag
from threading import Thread
from typing import Any

from mlpwatch import __version__
from mlpwatch.core.files.durable import replace_durably
from mlpwatch.core.runs.layout import HISTORY_NAME, MANIFEST_NAME, METRICS_NAME, SOCKET_NAME
from mlpwatch.core.scheduling import available_cores
from mlpwatch.core.sweeps.group import Trial
from mlpwatch.core.sweeps.trial import TrialEnd, train_trial

SEND_SECONDS = 1.0
"""Time between two reports of a trial, and between two questions for the order to stop."""

MOST_DEATHS = 3
"""Workers that a trial may lose. Dask's scheduler gives a task up at the fourth, by default."""


@dataclass(frozen=True, slots=True)
class ClusterTask:
    """A trial for a worker; everything that it needs to know."""

    sweep: str
    """A random name of this sweep: of its topic and of its order to stop."""
    folder: str
    """Path of the sweep's folder where the sweep was started."""
    trial: Trial
    threads: dict[str, int]
    """Cores of a trial, by the worker's host."""
    packed: bytes | None
    """The trial's run folder so far, for a worker that can't read it; None before it began."""


@dataclass(frozen=True, slots=True)
class ClusterEnd:
    """How a trial ended on a worker."""

    end: TrialEnd
    packed: bytes | None
    """The whole run folder; None if it is already in the sweep's folder, or there is none."""


def sign_name(sweep: str) -> str:
    """Return the file in the sweep's folder by which a worker knows that it reads the same disk."""
    return f".shared-{sweep}"


def worker_facts(dask_worker: Any) -> dict[str, Any]:  # noqa: ANN401 - Dask has no types
    """Return what the sweep wants to know of a worker: host, cores, trials at a time, version."""
    return {
        "host": _host(dask_worker),
        "cores": available_cores(),
        "slots": dask_worker.state.nthreads,
        "version": __version__,
    }


def train_on_cluster(task: ClusterTask) -> ClusterEnd:
    """Train a trial in this worker: in the sweep's folder, or in one of its own, sent back whole.

    If the worker dies, Dask calls this again on another one.
    """
    from distributed import get_client, get_worker  # noqa: PLC0415 - only on a worker

    worker, name = get_worker(), task.trial.name
    place = [f"mlpwatch-{task.sweep}", name]
    begun = get_client().get_metadata(place, 0)
    if begun > MOST_DEATHS:
        reason = f"{begun} workers died while they trained it; is there enough memory?"
        return ClusterEnd(TrialEnd(name, "failed", reason, is_in_folder=False), None)
    get_client().set_metadata(place, begun + 1)
    threads = task.threads.get(_host(worker), 1)
    folder = Path(task.folder)
    if (folder / sign_name(task.sweep)).exists():
        with _asked_to_stop(task, None) as is_stopped:
            return ClusterEnd(train_trial(folder, task.trial, threads, is_stopped), None)
    with tempfile.TemporaryDirectory(prefix="mlpwatch-", dir=worker.local_directory) as own:
        # Of the same name: a run's `config.json` says which sweep it belongs to.
        folder = Path(own) / folder.name
        folder.mkdir()
        if task.packed is not None:
            unpack_folder(task.packed, folder / name)
        with _asked_to_stop(task, folder / name) as is_stopped:
            end = train_trial(folder, task.trial, threads, is_stopped)
        made = folder / name
        return ClusterEnd(end, pack_folder(made) if made.is_dir() else None)


def pack_folder(path: Path) -> bytes:
    """Return a run folder as the bytes of a zip file, without its socket."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_STORED) as file:
        for one in sorted(path.rglob("*")):
            if one.is_file() and one.name != SOCKET_NAME:
                # Without the time of packing: the same folder is the same bytes.
                file.writestr(zipfile.ZipInfo(str(one.relative_to(path))), one.read_bytes())
    return packed.getvalue()


def unpack_folder(packed: bytes, path: Path) -> None:
    """Write the files of `pack_folder` into a new folder, which may be there already.

    Raises:
        ValueError: a file of it would lie outside a run folder.
        OSError: for example a full disk.
    """
    with zipfile.ZipFile(io.BytesIO(packed)) as file:
        names = [PurePosixPath(name) for name in file.namelist()]
        for name in names:
            inner = name.parts[1:] if name.parts[:1] == (HISTORY_NAME,) else name.parts
            if len(inner) != 1 or inner[0] in ("..", "/"):
                raise ValueError(f"{name}: not a file of a run folder")
        path.mkdir(exist_ok=True)
        if any(len(name.parts) > 1 for name in names):
            (path / HISTORY_NAME).mkdir()
        for name in names:
            replace_durably(path / str(name), file.read(str(name)))


@contextmanager
def _asked_to_stop(task: ClusterTask, seen: Path | None) -> Iterator[Callable[[], bool]]:
    """Yield whether the trial is to stop; meanwhile report the epochs of the run folder `seen`.

    It stops at the sweep's order, and when Dask has dropped the task because the process that
    started the sweep is gone.
    """
    from distributed import Event, get_client, get_worker  # noqa: PLC0415 - only on a worker

    worker = get_worker()
    key, order = worker.get_current_task(), Event(f"mlpwatch-{task.sweep}", client=get_client())
    stop, done = Flag(), Flag()
    topic = f"mlpwatch-{task.sweep}"
    sent = ""

    def report() -> None:
        nonlocal sent
        if seen is None or not (seen / MANIFEST_NAME).exists():
            return
        with suppress(OSError):
            metrics = (seen / METRICS_NAME).read_text()
            # Whole lines; the last one may be half written.
            metrics = metrics[: metrics.rfind("\n") + 1]
            if metrics != sent:
                message = {"trial": task.trial.name, "metrics": metrics[len(sent) :]}
                if not sent:
                    message["config"] = (seen / MANIFEST_NAME).read_text()
                worker.log_event(topic, message)
                sent = metrics

    def watch() -> None:
        while not done.wait(SEND_SECONDS):
            held = worker.state.tasks.get(key)
            if held is None or held.state == "cancelled" or order.is_set():
                stop.set()
            report()

    if order.is_set():
        stop.set()
    thread = Thread(target=watch, name="report", daemon=True)
    thread.start()
    try:
        yield stop.is_set
    finally:
        done.set()
        thread.join()


def _host(worker: Any) -> str:  # noqa: ANN401 - Dask has no types
    return str(worker.address).rpartition("://")[2].rpartition(":")[0]
