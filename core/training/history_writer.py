"""Keeps past epochs in a run's history: decides which, writes them in a thread of its own."""

import os
from collections import deque
from collections.abc import Mapping, Sequence
from contextlib import suppress
from math import prod
from threading import Condition, Thread
from time import monotonic, thread_time

from mlpwatch.core.config import EngineName
from mlpwatch.core.events import Mailbox, SaveFailed
from mlpwatch.core.files.tensor_files import Shapes
from mlpwatch.core.runs.checkpoints import Checkpoint
from mlpwatch.core.runs.history import thinned
from mlpwatch.core.runs.run import FolderGoneError, Run
from mlpwatch.core.scheduling import stand_back
from mlpwatch.core.training.recorder import failure_text

SHARE = 0.008
"""Most processor time for the history, as a share of the time that passes while it trains."""

MOST_WAITING = 64
"""While so many checkpoints wait for their turn or for a slow disk, no other epoch is chosen. Those
of small networks are written within 40 ms after the end, so a short run keeps every epoch."""

LAST_SECONDS = 0.5
"""Longest wait at the end for what waits: an exit after a short run would lose its last epochs."""

MOST_WAITING_BYTES = 2**28
"""Of all that wait. An engine that follows hands over the chosen epochs up to this: an epoch is of
little use without all engines."""

MOST_EPOCHS_KEPT = 2_000
"""Of a small network more epochs would fit, but 4,000 files are enough for a folder."""

INDEX_SECONDS = 1.0
"""Time between two writes of the index while epochs arrive."""

ROOM_IN_EPOCHS = 8
"""The history leaves room on the disk for so many checkpoints of all engines: past epochs are worth
less than the next checkpoint."""

FILE_OVERHEAD = 2_048
"""Bytes of a file besides its tensors, at most."""


class ShareOfTime:
    """Holds a thread's processor time to a share of the time that passes. Knows no clock.

    After c seconds of work it rests c / share seconds: so in any stretch of t seconds it works at
    most share * t seconds and the one piece of work that began in it. Unlike a budget, a rest saves
    nothing up for later.

    Args:
        share: above 0, at most 1.
    """

    def __init__(self, share: float) -> None:
        self._share = share
        self._free_at = 0.0

    def spend(self, cost: float, now: float) -> None:
        """Note that `cost` seconds of processor time were spent up to now, in seconds."""
        self._free_at = max(self._free_at, now) + cost / self._share

    def rest(self, now: float) -> float:
        """Return the seconds until the next piece of work may begin."""
        return max(0.0, self._free_at - now)


class HistoryWriter:
    """Keeps epochs of all engines of a run; no trainer waits for it.

    An epoch is kept of all engines or of none, so that a branch can begin there with all. The
    first engine that reaches an epoch decides: epochs whose number is a power of two are always
    kept, others while few wait to be written; and these are written one by one, with rests between
    that hold the processor time to `SHARE`. What waits at the end is written after the training.

    Args:
        run: the run folder.
        mailbox: receives `SaveFailed`, once until an epoch can be written again.
        engines: epochs that each engine has done already.
        epoch_steps: steps per epoch.
    """

    def __init__(
        self, run: Run, mailbox: Mailbox, engines: Mapping[EngineName, int], epoch_steps: int
    ) -> None:
        self._run, self._mailbox, self._epoch_steps = run, mailbox, epoch_steps
        self._engines = tuple(engines)
        shapes = [run.shapes(name) for name in engines]
        size = max(bytes_of(one, run.config.dtype) for one in shapes)
        self._room = ROOM_IN_EPOCHS * sum(bytes_of(one, run.config.dtype) for one in shapes)
        self._most_waiting = max(MOST_WAITING, MOST_WAITING_BYTES // size)
        self._most = epochs_that_fit(shapes, run.config.dtype, run.config.history)
        found = run.history.kept()
        self._kept = {epoch for name in engines for epoch in found[name]}
        self._newest = max([-1, *self._kept, *(done or -1 for done in engines.values())])
        self._changed = Condition()
        self._waiting: deque[Checkpoint] = deque()
        self._dropped: set[int] = set()
        self._thinning = 0.0
        """Processor time of the trainers for choosing, which the next rest makes up for."""
        self._closing = self._hurries = self._has_failed = False
        self._thread = Thread(target=self._work, name="history", daemon=True)

    def start(self) -> None:
        """Start to write."""
        self._thread.start()

    def wants(self, epoch: int) -> bool:
        """Return whether an engine should hand over the epoch that it has just done.

        Args:
            epoch: epochs done.
        """
        with self._changed:
            if epoch > self._newest:
                self._newest = epoch
                is_free = len(self._waiting) < MOST_WAITING
                if self._most and (is_always_kept(epoch) or is_free):
                    self._keep(epoch)
            return epoch in self._kept and len(self._waiting) < self._most_waiting

    def put(self, checkpoint: Checkpoint) -> None:
        """Write a checkpoint that `wants` asked for soon; returns at once."""
        with self._changed:
            self._waiting.append(checkpoint)
            self._changed.notify_all()

    def hurry(self) -> None:
        """Write what waits without rests: call it when the training pauses.

        Then it slows nothing down, and the epochs before are what one looks back at: 36 of 51 were
        not on the disk yet.
        """
        with self._changed:
            self._hurries = bool(self._waiting)
            self._changed.notify_all()

    def close(self, seconds: float) -> None:
        """Write the rest, then end the thread; wait at most `seconds`."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        if self._thread.ident is not None:
            self._thread.join(seconds)

    def _keep(self, epoch: int) -> None:
        began = thread_time()
        before = {*self._kept, epoch}
        self._kept = set(thinned(before, self._most))
        self._dropped |= before - self._kept
        self._thinning += thread_time() - began

    def _work(self) -> None:
        stand_back()
        pace = ShareOfTime(SHARE)
        indexed_at, is_stale = monotonic(), False
        while True:
            with self._changed:
                rest = INDEX_SECONDS if is_stale else None
                self._changed.wait_for(lambda: self._waiting or self._closing, rest)
                rest = pace.rest(monotonic())
                self._changed.wait_for(lambda: self._closing or self._hurries, rest)
                checkpoint = self._waiting[0] if self._waiting else None
                if checkpoint is None and self._closing and not is_stale:
                    return
                dropped, self._dropped = self._dropped, set()
                thinning, self._thinning = self._thinning, 0.0
            began = thread_time()
            if checkpoint is not None:
                is_stale |= self._write(checkpoint, dropped)
                with self._changed:
                    self._waiting.popleft()
                    self._hurries &= bool(self._waiting)
                    self._changed.notify_all()
            if is_stale and (checkpoint is None or monotonic() - indexed_at >= INDEX_SECONDS):
                self._write_index()
                indexed_at, is_stale = monotonic(), False
            pace.spend(thread_time() - began + thinning, monotonic())

    def _write(self, checkpoint: Checkpoint, dropped: set[int]) -> bool:
        """Write one epoch of an engine, and delete those that are kept no longer."""
        at = checkpoint.position
        try:
            for name in self._engines if dropped else ():
                self._run.history.remove(name, dropped)
            if at.epoch in self._kept and self._has_room():
                self._run.write_past(checkpoint)
        except FolderGoneError:
            return False  # the checkpoints say so
        except Exception as error:  # after any error training continues, and the screen shows it
            if not self._has_failed:
                self._has_failed = True
                path = str(self._run.history.path)
                self._mailbox.put(SaveFailed(checkpoint.engine, at.step, path, failure_text(error)))
            return False
        self._has_failed = False
        return True

    def _has_room(self) -> bool:
        disk = os.statvfs(self._run.path)
        return disk.f_bavail * disk.f_frsize >= self._room

    def _write_index(self) -> None:
        # The names of the files are the list, so an old index costs nothing here.
        with suppress(OSError):
            self._run.history.write_index(self._epoch_steps)


def is_always_kept(epoch: int) -> bool:
    """Return whether an epoch is kept however little time there is: 0, 1, 2, 4, 8 and so on."""
    return epoch & (epoch - 1) == 0


def epochs_that_fit(shapes: Sequence[Shapes], dtype: str, megabytes: int) -> int:
    """Return how many epochs fit into a history.

    Args:
        shapes: of the tensors in a checkpoint, for each engine.
        dtype: `float32` or `float64`.
        megabytes: of 2**20 bytes.
    """
    size = sum(bytes_of(one, dtype) for one in shapes)
    return min(MOST_EPOCHS_KEPT, megabytes * 2**20 // size)


def bytes_of(shapes: Shapes, dtype: str) -> int:
    """Return the bytes of a checkpoint's file, at most."""
    width = 8 if dtype == "float64" else 4
    return width * sum(map(prod, shapes.values())) + FILE_OVERHEAD
