"""The history that Hugging Face's Trainer writes whole with each checkpoint."""

import json
import math
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from mlpwatch.core.files.durable import open_regular
from mlpwatch.core.foreign_logs.fields import Names, numbers_in
from mlpwatch.core.scalars.store import ScalarPoint

STATE_NAME = "trainer_state.json"

_MOST_BYTES = 128 * 2**20
"""Largest file that is read: a million entries; each takes about 130 bytes."""

_MOST_CHECKPOINTS = 10_000

_PLACES = ("step", "epoch")

_END = "train_runtime"
"""In the entry that sums up a training that has ended."""

_PARTS = (("eval_", "eval/"), ("test_", "test/"))
"""As Trainer's own TensorBoard callback names them; all else is of the training."""


class StateFile:
    """The state file that is read, for its place and time."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.written_at = 0.0
        """When it was written, in Unix time; 0 before the first look."""
        self.fault = ""
        """Why it is not read, in one line; empty while all is well."""


class TrainerStateReader:
    """Follows an output folder of the Trainer, or one state file.

    Args:
        path: of the folder, whose newest state is read, or of a state file.
        prefix: of all names; may be empty.
    """

    def __init__(self, path: Path, prefix: str = "") -> None:
        self.file = StateFile(path)
        self.ended = False
        """Whether the training has ended: the last entry has its run time."""
        self.planned = math.nan
        """The step at which the training is to end; NaN if unknown."""
        self._path, self._names = path, Names(prefix)
        self._stamp: tuple[str, int, int] | None = None
        self._history: list[dict[str, Any]] = []

    def read(self) -> list[ScalarPoint]:
        """Return the entries since the last call; after a restart those that differ."""
        newest = self._newest()
        if newest is None or newest[1:] == self._stamp:
            return []
        path, self._stamp = newest[0], newest[1:]
        self.file.path = path
        try:
            state = self._parsed(path)
        except (OSError, ValueError, RecursionError) as error:
            # It is written in place: the next look finds it complete.
            self.file.fault = getattr(error, "strerror", None) or str(error)
            self._stamp = None
            return []
        self.file.fault = ""
        found = state.get("log_history")
        history = [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []
        same = _common(self._history, history)
        self._history = history
        most = state.get("max_steps")
        self.planned = float(most) if type(most) is int and 0 < most < 2**53 else math.nan
        self.ended = bool(history) and _END in history[-1]
        new = [entry for entry in history[same:] if _END not in entry]
        return [point for entry in new for point in self._points(entry)]

    def _points(self, entry: dict[str, Any]) -> Iterable[ScalarPoint]:
        numbers = numbers_in(entry)
        step = numbers.get("step", numbers.get("epoch", math.nan))
        for name, value in numbers.items():
            if name not in _PLACES:
                yield ScalarPoint(self._names.clean(_renamed(name)), step, value)

    def _newest(self) -> tuple[Path, str, int, int] | None:
        """Return path and stamp of the state file that was written last."""
        paths = [self._path]
        if self._path.is_dir():
            paths = [self._path / STATE_NAME, *_checkpoint_states(self._path)]
        found = []
        for path in paths:
            try:
                status = path.stat()
            except OSError as error:
                self.file.fault = (error.strerror or "").lower()
                continue
            found.append((status.st_mtime_ns, path, status.st_size))
        if not found:
            return None
        time, path, size = max(found)
        self.file.written_at = time / 1e9
        return path, str(path), time, size

    def _parsed(self, path: Path) -> dict[str, Any]:
        with os.fdopen(open_regular(path), "rb") as file:
            if (size := os.fstat(file.fileno()).st_size) > _MOST_BYTES:
                raise ValueError(f"{size:,} bytes, where at most {_MOST_BYTES:,} were expected")
            state = json.loads(file.read(_MOST_BYTES).decode("utf-8"))
        if not isinstance(state, dict):
            raise ValueError("no object")  # noqa: TRY004 - shown as the others
        return state


def _checkpoint_states(folder: Path) -> list[Path]:
    try:
        with os.scandir(folder) as entries:
            names = [
                entry.name
                for entry, _ in zip(entries, range(_MOST_CHECKPOINTS), strict=False)
                if entry.name.startswith("checkpoint-")
            ]
    except OSError:
        return []
    return [folder / name / STATE_NAME for name in names]


def _common(before: list[dict[str, Any]], after: list[dict[str, Any]]) -> int:
    """Return how many leading entries are the same; entries with NaN never are."""
    pairs = enumerate(zip(before, after, strict=False))
    return next((n for n, (old, new) in pairs if old != new), min(len(before), len(after)))


def _renamed(name: str) -> str:
    for start, part in _PARTS:
        if name.startswith(start):
            return part + name.removeprefix(start)
    return f"train/{name}"
