"""The metrics log: one JSON object per engine and epoch, appended line by line."""

import os
from collections.abc import Collection
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from threading import Lock
from typing import BinaryIO

from core.config import ENGINE_NAMES, EngineName
from core.durable_files import replace_durably, sync_folder
from core.errors import RunError
from core.run_names import printable
from core.strict_json import parse_object, take_choice, take_number, take_whole, to_json

TAIL_BYTES = 16_384
"""Read first for the newest lines: about 80 lines of 200 bytes."""


@dataclass(frozen=True, slots=True)
class MetricsLine:
    """One engine at the end of one epoch. A number that is not finite is null in the file."""

    engine: EngineName
    epoch: int
    """Epochs done so far, counted from 1."""
    step: int
    """Updates done so far."""
    seconds: float
    """Training time so far."""
    train_loss: float
    val_loss: float
    val_accuracy: float
    """0 to 1."""
    samples_per_second: float


@dataclass(frozen=True, slots=True)
class MetricsReading:
    """What a metrics file holds."""

    lines: tuple[MetricsLine, ...]
    """In the order of the file."""
    skipped: int
    """Damaged lines between the others."""
    torn: bool
    """The last line was cut off by a crash, and was left out."""


class MetricsLog:
    """Appends to one metrics file. Safe from several threads; one process at a time.

    Args:
        path: of the file, which need not exist yet.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = Lock()

    def append(self, line: MetricsLine) -> None:
        """Add one line and wait until it is on disk; a torn last line is cut off first.

        Raises:
            OSError: for example a full disk; nothing was added.
        """
        data = (to_json(asdict(line)) + "\n").encode()
        with self._lock:
            handle = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600)
            with os.fdopen(handle, "r+b", buffering=0) as file:
                size = _cut_torn_line(file)
                try:
                    _write_all(file, data)
                    os.fsync(file.fileno())
                except OSError:
                    # Otherwise a caller that tries again would leave the line twice.
                    with suppress(OSError):
                        file.truncate(size)
                    raise
            if size == 0:
                sync_folder(self.path.parent)

    def read(self) -> MetricsReading:
        """Read the whole file; one that does not exist is empty.

        Raises:
            RunError: the file can't be read.
        """
        raw_lines, torn = self._raw_lines()
        lines = [_parse(raw) for raw in raw_lines]
        whole = tuple(line for line in lines if line is not None)
        return MetricsReading(whole, len(lines) - len(whole), torn)

    def trim(self, engine: EngineName, epoch: int) -> None:
        """Drop this engine's lines of later epochs than `epoch`, and a torn last line.

        After a crash the log may be ahead of the checkpoint that training goes on from.

        Raises:
            OSError: the file can't be replaced; it is as it was.
            RunError: the file can't be read.
        """
        with self._lock:
            raw_lines, torn = self._raw_lines()
            kept = [raw for raw in raw_lines if not _is_later(_parse(raw), engine, epoch)]
            if torn or len(kept) < len(raw_lines):
                replace_durably(self.path, b"".join(raw + b"\n" for raw in kept))

    def newest(self, engines: Collection[EngineName]) -> dict[EngineName, MetricsLine]:
        """Return each engine's last line, reading only the end of the file where that suffices.

        Raises:
            RunError: the file can't be read.
        """
        found = _last_lines(self._read_from(-TAIL_BYTES), engines)
        if len(found) < len(engines):
            found = _last_lines(self._read_from(0), engines)
        return found

    def _raw_lines(self) -> tuple[list[bytes], bool]:
        *lines, torn = self._read_from(0).split(b"\n")
        return lines, bool(torn)

    def _read_from(self, offset: int) -> bytes:
        """Return the bytes from `offset` on, below 0 from the end; nothing if there is no file."""
        try:
            if not self.path.is_file():
                if self.path.exists():
                    # Opening a FIFO would wait for a writer for ever.
                    raise RunError(f"{printable(self.path)}: not a regular file; move it away")
                return b""
            with self.path.open("rb") as file:
                size = file.seek(0, os.SEEK_END)
                file.seek(max(0, offset + size if offset < 0 else offset))
                return file.read()
        except OSError as error:
            raise RunError(
                f"{printable(self.path)}: {error.strerror}; make it readable or start a new run"
            ) from None


def _parse(raw: bytes) -> MetricsLine | None:
    try:
        fields = parse_object(raw)
        return MetricsLine(
            engine=take_choice(fields, "engine", ENGINE_NAMES),
            epoch=take_whole(fields, "epoch"),
            step=take_whole(fields, "step"),
            seconds=take_number(fields, "seconds"),
            train_loss=take_number(fields, "train_loss"),
            val_loss=take_number(fields, "val_loss"),
            val_accuracy=take_number(fields, "val_accuracy"),
            samples_per_second=take_number(fields, "samples_per_second"),
        )
    except ValueError:
        return None


def _last_lines(data: bytes, engines: Collection[EngineName]) -> dict[EngineName, MetricsLine]:
    found: dict[EngineName, MetricsLine] = {}
    # What follows the last line feed is torn; a first line cut by the seek does not parse.
    for raw in reversed(data.split(b"\n")[:-1]):
        line = _parse(raw)
        if line is not None and line.engine in engines:
            found.setdefault(line.engine, line)
        if len(found) == len(engines):
            break
    return found


def _is_later(line: MetricsLine | None, engine: EngineName, epoch: int) -> bool:
    return line is not None and line.engine == engine and line.epoch > epoch


def _cut_torn_line(file: BinaryIO) -> int:
    """Cut off what follows the last line feed; return the size that is left."""
    size = file.seek(0, os.SEEK_END)
    if size == 0:
        return 0
    file.seek(size - 1)
    if file.read(1) != b"\n":
        file.seek(0)
        size = file.read().rfind(b"\n") + 1
        file.truncate(size)
    return file.seek(size)


def _write_all(file: BinaryIO, data: bytes) -> None:
    # An unbuffered write may take only a part, for example on a disk that is nearly full.
    view = memoryview(data)
    while view:
        view = view[file.write(view) :]
