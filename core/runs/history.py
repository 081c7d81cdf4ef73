"""Past epochs of a run: a checkpoint per engine and kept epoch, in its folder `history`."""

import os
from collections.abc import Collection, Iterable, Sequence
from contextlib import suppress
from itertools import groupby
from pathlib import Path

from mlpwatch.core.config import ENGINE_NAMES, EngineName
from mlpwatch.core.files.durable import OpenFolder, replace_durably, unlink
from mlpwatch.core.files.strict_json import to_json
from mlpwatch.core.files.tensor_files import Shapes
from mlpwatch.core.runs.checkpoints import Checkpoint, encode_checkpoint, read_checkpoint
from mlpwatch.core.runs.layout import (
    HISTORY_INDEX_NAME,
    is_history_file,
    parse_past_name,
    past_name,
)

INDEX_FORMAT = 1


class History:
    """The kept epochs of one run. Thread-safe; only one process at a time may write.

    Each file is complete or absent, and the names of the files are the list of what is kept.

    Args:
        path: of the history folder, which need not exist yet.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.folder: OpenFolder | None = None
        """The run's folder while the run is locked; then `path` gives only the name in it."""

    def kept(self) -> dict[EngineName, list[int]]:
        """Return the kept epochs of each engine, oldest first; a missing folder has none."""
        found: dict[EngineName, list[int]] = {name: [] for name in ENGINE_NAMES}
        for name in self._names():
            if parsed := parse_past_name(name):
                found[parsed[0]].append(parsed[1])
        return {engine: sorted(epochs) for engine, epochs in found.items()}

    def epochs(self, engines: Iterable[EngineName]) -> list[int]:
        """Return the epochs that are kept of all these engines, oldest first."""
        kept = self.kept()
        sets = [set(kept[name]) for name in engines]
        return sorted(set.intersection(*sets)) if sets else []

    def write(self, checkpoint: Checkpoint, seed: int) -> None:
        """Write an engine's checkpoint of the epoch that it has just done.

        Raises:
            CheckpointError: the state has NaN or infinity; nothing was written.
            OSError: for example a full disk; nothing was written.
        """
        path = self.path / past_name(checkpoint.engine, checkpoint.position.epoch)
        data = encode_checkpoint(path, checkpoint, seed)
        replace_durably(path, data, folder=self._open_or_make())

    def read(
        self, engine: EngineName, epoch: int, expected: Shapes, *, dtype: str, seed: int
    ) -> Checkpoint:
        """Read an engine's checkpoint of a kept epoch; see `read_checkpoint`.

        Raises:
            CheckpointError: it is not kept, or damaged.
        """
        path = self.path / past_name(engine, epoch)
        return read_checkpoint(path, expected, dtype=dtype, seed=seed)

    def remove(self, engine: EngineName, epochs: Iterable[int]) -> None:
        """Delete an engine's checkpoints of these epochs, if they are there.

        Raises:
            OSError: one can't be deleted.
        """
        for epoch in epochs:
            with suppress(FileNotFoundError):
                unlink(self.path / past_name(engine, epoch), folder=self._opened())

    def trim(self, engine: EngineName, epoch: int) -> None:
        """Delete an engine's checkpoints after `epoch`: a resumed run writes them again.

        Raises:
            OSError: one can't be deleted.
        """
        self.remove(engine, [one for one in self.kept()[engine] if one > epoch])

    def remove_leftovers(self) -> None:
        """Delete the unfinished files of a killed writer; only the single writer may call this."""
        for name in self._names():
            if name.startswith(".") and is_history_file(name):
                with suppress(OSError):
                    unlink(self.path / name, folder=self._opened())

    def write_index(self, epoch_steps: int) -> None:
        """Write `index.json`: engines and step of each kept epoch, for other programs.

        Raises:
            OSError: for example a full disk; the old index stays.
        """
        folder = self._opened()
        if folder is None:
            return
        kept = self.kept()
        epochs = sorted({epoch for one in kept.values() for epoch in one})
        values = {
            "format": INDEX_FORMAT,
            "epochs": [
                {
                    "epoch": epoch,
                    "step": epoch * epoch_steps,
                    "engines": [name for name in ENGINE_NAMES if epoch in kept[name]],
                }
                for epoch in epochs
            ],
        }
        replace_durably(
            self.path / HISTORY_INDEX_NAME, (to_json(values) + "\n").encode(), folder=folder
        )

    def _opened(self) -> OpenFolder | None:
        """Open the history folder; None if there is none."""
        try:
            return OpenFolder(self.path, inside=self.folder)
        except FileNotFoundError:
            return None

    def _open_or_make(self) -> OpenFolder:
        at = self.folder
        with suppress(FileExistsError):
            os.mkdir(self.path.name if at else self.path, 0o700, dir_fd=at.handle if at else None)
        return OpenFolder(self.path, inside=at)

    def _names(self) -> list[str]:
        try:
            folder = self._opened()
            return os.listdir(folder.handle) if folder else []  # noqa: PTH208
        except OSError:
            return []


def thinned(epochs: Collection[int], most: int) -> list[int]:
    """Return at most `most` of these epochs: the first, all of the newest, ever sparser between.

    The newer half stays. Of the older, those go first whose neighbours are closest, measured by
    their age: so distances grow in proportion to the age. Epochs that come one by one and all at
    once are thinned by the same rule, and what is gone is never asked for again.

    Args:
        epochs: in any order.
        most: 0 or more.
    """
    kept = sorted(epochs)
    if most <= 1:
        return kept[len(kept) - most :]
    while len(kept) > most:
        newest = kept[-1]
        last_old = max(2, len(kept) - most // 2)
        at = min(
            range(1, last_old),
            key=lambda i: ((kept[i + 1] - kept[i - 1]) / (newest - kept[i] + 1), i),
        )
        del kept[at]
    return kept


def kept_text(epochs: Sequence[int]) -> str:
    """Return epochs as a text such as `0-2, 4, 8-20`."""
    stretches = []
    for _, numbered in groupby(enumerate(epochs), lambda pair: pair[1] - pair[0]):
        stretch = [epoch for _, epoch in numbered]
        stretches.append(str(stretch[0]) if len(stretch) == 1 else f"{stretch[0]}-{stretch[-1]}")
    return ", ".join(stretches)
