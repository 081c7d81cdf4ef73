"""Run folders under `saved/`: everything that a run saves on disk."""

import os
import secrets
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from itertools import count, pairwise
from math import prod
from pathlib import Path
from threading import Lock
from typing import Any, Self

from mlpwatch.core.config import EngineName, RunConfig
from mlpwatch.core.epochs import EpochRecord
from mlpwatch.core.errors import RunError
from mlpwatch.core.files.durable import (
    OpenFolder,
    remove_leftovers,
    replace_durably,
    unlink,
)
from mlpwatch.core.files.scratch import make_folder
from mlpwatch.core.files.strict_json import to_json
from mlpwatch.core.network.build import layer_sizes
from mlpwatch.core.runs import checkpoints
from mlpwatch.core.runs.checkpoints import Checkpoint, LatestCheckpoint
from mlpwatch.core.runs.event_log import EventLog
from mlpwatch.core.runs.history import History
from mlpwatch.core.runs.layout import (
    EVENTS_NAME,
    HISTORY_NAME,
    METRICS_NAME,
    PLAN_NAME,
    RESULT_NAME,
    check_run_name,
    free_run_name,
    unfinished_names,
)
from mlpwatch.core.runs.listing import find_run, read_result
from mlpwatch.core.runs.lock import RunLock, read_owner, remove_owner, this_process, write_owner
from mlpwatch.core.runs.manifest import (
    DatasetInfo,
    ParentEpoch,
    RunManifest,
    installed_versions,
    read_manifest,
)
from mlpwatch.core.runs.metrics import MetricsLog, MetricsReading
from mlpwatch.core.runs.networks import saved_slots, write_networks
from mlpwatch.core.text import printable


class FolderGoneError(RunError):
    """The folder of a run in training was deleted."""


class Run:
    """One run folder. Thread-safe; `acquire` keeps other processes out.

    After `acquire` it writes into the locked folder, even if the path changes: the folder may be
    renamed, and another run may take its name.

    Args:
        path: of the folder.
        manifest: the content of its `config.json`.
    """

    host = ""
    """The machine that has it, if this is a mirror; see `RunFolder`."""

    def __init__(self, path: Path, manifest: RunManifest) -> None:
        self.path = path
        self.manifest = manifest
        self.events = EventLog(path / EVENTS_NAME)
        self.history = History(path / HISTORY_NAME)
        self._metrics = MetricsLog(path / METRICS_NAME)
        self._lock = RunLock(path)
        self._moving = Lock()

    @classmethod
    def create(
        cls,
        saved: Path,
        name: str | None,
        config: RunConfig,
        dataset: DatasetInfo,
        *,
        parent: ParentEpoch | None = None,
        group: str | None = None,
        fill: Callable[[Path], None] = lambda _folder: None,
        ranks: int = 1,
    ) -> Self:
        """Make a new run folder, readable only by its owner; make `saved` if it does not exist.

        Args:
            saved: the folder of all runs.
            name: None for a name of date, recipe and random tail.
            config: of the run.
            dataset: the training data.
            parent: where a branch begins; None for other runs.
            group: the sweep that the run is a trial of; None for other runs.
            fill: writes more files into the folder before it gets its name.
            ranks: processes that train it.

        Raises:
            InputError: the name can't be used.
            RunError: the name is taken, or the folder can't be written; nothing was written.
        """
        if name is not None:
            check_run_name(name)
        now, versions, own = datetime.now(UTC), installed_versions(), secrets.token_hex(8)
        manifest = RunManifest(config, dataset, now, versions, parent, group, own, ranks)
        try:
            path = saved / (name or free_run_name(saved, config, now))
            if path.exists() or path.is_symlink():
                raise RunError(
                    f"run '{printable(path.name)}': exists already in {printable(saved)}; "
                    f"choose another --name, or mlpwatch resume {printable(path.name)}"
                )
            make_folder(path, partial(write_networks, config=config), manifest.write, fill)
        except (FileExistsError, NotADirectoryError):
            raise RunError(
                f"{printable(saved)}: not a folder; give a folder with --saved"
            ) from None
        except OSError as error:
            raise RunError(
                f"{printable(saved)}: no run can be made here, {error.strerror}; "
                "free some space or give another folder with --saved"
            ) from None
        return cls(path, manifest)

    @classmethod
    def open(cls, saved: Path, name_or_path: str) -> Self:
        """Open a run by its name under `saved`, or by the path of its folder.

        Raises:
            RunError: no such run, or its `config.json` is damaged or from a newer mlpwatch.
        """
        path = find_run(saved, name_or_path)
        return cls(path, read_manifest(path))

    @property
    def name(self) -> str:
        """The folder's name."""
        return self.path.name

    @property
    def config(self) -> RunConfig:
        """The settings of the run, with the changes by a resume."""
        return self.manifest.config

    @property
    def dataset(self) -> DatasetInfo:
        """The data set of the run."""
        return self.manifest.dataset

    @property
    def created(self) -> datetime:
        """Time of creation, in UTC."""
        return self.manifest.created

    def acquire(self) -> str:
        """Keep other processes from training this run until `release` or the end of the process.

        Returns:
            A line about the process that trained this run and was killed, or that trains the
            original of this copy; empty if there is none.

        Raises:
            RunError: another process trains it, or the folder can't be written.
        """
        folder = self._hold(self._lock)
        before = read_owner(self.path, folder)
        write_owner(self.path, folder)
        remove_leftovers(folder, unfinished_names())
        self.history.remove_leftovers()
        if before is None or (before.pid, before.host) == (os.getpid(), this_process().host):
            return ""
        if before.lives:
            # It does not hold this lock: the folder was copied while it trained the original.
            return f"{self.name!r} is a copy of what {before} trains; going on from its checkpoint"
        return f"the {before} that trained {self.name!r} is gone; going on from its last checkpoint"

    def sign_off(self) -> None:
        """Remove the record of this process: everything it had to save is on disk."""
        remove_owner(self.path, self.folder)

    def release(self) -> None:
        """Allow other processes to train this run."""
        self.sign_off()
        self._lock.release()
        self.events.folder = self._metrics.folder = self.history.folder = None

    @property
    def folder(self) -> OpenFolder | None:
        """The open folder while the run is acquired, else None."""
        return self._lock.folder

    def follow_folder(self) -> str:
        """Find the folder again if it was renamed; return a line about it, else an empty text."""
        with self._moving:
            folder, old = self.folder, self.path
            if folder is None or folder.is_at(old) or self._lock.is_gone:
                return ""
            new = folder.whereabouts()
            if new is None or new == old:
                return ""
            self._go_to(new)
        return f"this run's folder is gone from {old}; training continues and saves to {new}"

    def replace_gone_folder(self) -> str:
        """Make a new folder if this run's was deleted; return a line about it, else an empty text.

        Raises:
            RunError: the folder can't be made.
        """
        with self._moving:
            if not self._lock.is_gone:
                return ""
            old, new = self.path, self._next_path()
            try:
                make_folder(new, partial(write_networks, config=self.config), self.manifest.write)
            except OSError as error:
                raise RunError(
                    f"{printable(new)}: this run's folder is gone, and no other can be made, "
                    f"{error.strerror}; make {printable(new.parent)} writable"
                ) from None
            lock = RunLock(new)
            self._hold(lock)
            self._lock.release()
            self._lock = lock
            self._go_to(new)
            write_owner(new, lock.folder)
        return f"this run's folder {old} is gone; training continues and saves to {new}"

    def change_plan(self, epochs: int, data: str) -> None:
        """Save the planned number of epochs and the current place of the data.

        Raises:
            RunError: the plan can't be written.
        """
        if (epochs, data) == (self.config.epochs, self.config.data):
            return
        self.manifest = self.manifest.planned(epochs, data)
        try:
            self.manifest.write_plan(self.path, self.folder)
        except OSError as error:
            raise RunError(
                f"{printable(self.path / PLAN_NAME)}: can't be written, {error.strerror}; "
                "free some space or make the folder writable"
            ) from None

    def write_checkpoint(self, checkpoint: Checkpoint) -> Path:
        """Write an engine's checkpoint, keep the previous one, and return the path.

        Raises:
            CheckpointError: the state has NaN or infinity; nothing was written.
            FolderGoneError: the folder was deleted.
            OSError: for example a full disk; the checkpoints on disk are unchanged.
        """
        self._check_folder()
        path = checkpoints.checkpoint_path(self.path, checkpoint.engine)
        checkpoints.write_checkpoint(path, checkpoint, self.config.seed, folder=self.folder)
        return path

    def read_latest(self, engine: EngineName) -> LatestCheckpoint | None:
        """Read an engine's newest valid checkpoint that fits this run; None before the first.

        Raises:
            CheckpointError: there are checkpoints, but training can't resume from any of them.
        """
        return checkpoints.read_latest(
            self.path, engine, self.shapes(engine), dtype=self.config.dtype, seed=self.config.seed
        )

    def write_past(self, checkpoint: Checkpoint) -> None:
        """Keep an engine's checkpoint of the epoch that it has just done.

        Raises:
            CheckpointError: the state has NaN or infinity; nothing was written.
            FolderGoneError: the folder was deleted.
            OSError: for example a full disk; nothing was written.
        """
        self._check_folder()
        self.history.write(checkpoint, self.config.seed)

    def read_past(self, engine: EngineName, epoch: int) -> Checkpoint:
        """Read an engine's checkpoint of a kept epoch.

        Raises:
            CheckpointError: it is not kept, or damaged.
        """
        config = self.config
        return self.history.read(
            engine, epoch, self.shapes(engine), dtype=config.dtype, seed=config.seed
        )

    def append_metrics(self, *records: EpochRecord) -> None:
        """Add lines to `metrics.jsonl` and wait until they are on disk.

        Raises:
            FolderGoneError: the folder was deleted.
            OSError: for example a full disk; nothing was added.
        """
        self._check_folder()
        self._metrics.append(*records)

    def read_metrics(self) -> list[EpochRecord]:
        """Read `metrics.jsonl` without its damaged lines; see `read_metrics_log`.

        Raises:
            RunError: the file can't be read.
        """
        return list(self._metrics.read().lines)

    def read_metrics_log(self) -> MetricsReading:
        """Read `metrics.jsonl`, and count its damaged lines.

        Raises:
            RunError: the file can't be read.
        """
        return self._metrics.read()

    def trim_metrics(self, engine: EngineName, epoch: int) -> None:
        """Drop an engine's lines of epochs after `epoch`, that of the checkpoint to resume from.

        Raises:
            OSError: the file can't be replaced; it is unchanged.
            RunError: the file can't be read.
        """
        self._metrics.trim(engine, epoch)

    def write_result(self, result: Mapping[str, Any]) -> None:
        """Write `result.json`; non-finite numbers become null.

        Raises:
            FolderGoneError: the folder was deleted.
            OSError: for example a full disk; an older result stays.
        """
        self._check_folder()
        data = (to_json(result, indent=2) + "\n").encode()
        replace_durably(self.path / RESULT_NAME, data, folder=self.folder)

    def discard_result(self) -> None:
        """Remove `result.json`: training continues, and the result is out of date.

        Raises:
            RunError: it can't be removed.
        """
        try:
            with suppress(FileNotFoundError):
                unlink(self.path / RESULT_NAME, folder=self.folder)
        except OSError as error:
            raise RunError(
                f"{printable(self.path / RESULT_NAME)}: can't be removed, {error.strerror}; "
                "make the run's folder writable"
            ) from None

    def read_result(self) -> dict[str, Any] | None:
        """Read `result.json`; None if the run has not ended.

        Raises:
            RunError: the file can't be read or is damaged.
        """
        return read_result(self.path / RESULT_NAME)

    def _hold(self, lock: RunLock) -> OpenFolder:
        """Take a lock, and make the logs write into its folder."""
        folder = lock.acquire()
        self.events.folder = self._metrics.folder = self.history.folder = folder
        return folder

    def _go_to(self, path: Path) -> None:
        self.path = path
        self.events.path, self._metrics.path = path / EVENTS_NAME, path / METRICS_NAME
        self.history.path = path / HISTORY_NAME

    def _check_folder(self) -> None:
        if self._lock.is_gone:
            text = "this run's folder is gone; training continues, s saves to "
            raise FolderGoneError(text + printable(self._next_path()))

    def _next_path(self) -> Path:
        """Return the first free path of `name-2`, `name-3` and so on."""
        paths = (self.path.with_name(f"{self.path.name}-{number}") for number in count(2))
        return next(path for path in paths if not os.path.lexists(path))

    def shapes(self, engine: EngineName) -> dict[str, tuple[int, ...]]:
        """Return names and shapes of the tensors in an engine's checkpoints."""
        features = prod(self.dataset.image_shape)
        sizes = layer_sizes(features, self.config.hidden, self.dataset.classes)
        prefixes = ["", *(f"{slot}." for slot in saved_slots(self.config, engine))]
        shapes: dict[str, tuple[int, ...]] = {}
        for k, (fan_in, fan_out) in enumerate(pairwise(sizes)):
            for prefix in prefixes:
                shapes[f"{prefix}layers.{k}.weight"] = (fan_out, fan_in)
                shapes[f"{prefix}layers.{k}.bias"] = (fan_out,)
        return shapes
