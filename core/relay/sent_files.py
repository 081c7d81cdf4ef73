"""The far side's view of a run folder: what has been added to it since the other side was sent it.

The near side keeps a mirror of the folder, which everything that follows a run on its own machine
then reads: the charts, the mistakes, the tour. Logs are sent by offset, so that a link which was
lost continues where it ended, without a gap and without a line twice. Checkpoints (0.4 MB each for
784-128-10, every 30 s) are sent only when a screen asks for them.
"""

import os
import zlib
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from math import inf
from pathlib import Path
from time import monotonic
from typing import Any

from mlpwatch.core.config import ENGINE_NAMES
from mlpwatch.core.files.durable import open_regular
from mlpwatch.core.files.strict_json import MAX_FILE_BYTES
from mlpwatch.core.relay.frames import MOST_PAYLOAD
from mlpwatch.core.relay.thinning import thinned_lines
from mlpwatch.core.runs.layout import (
    CONFUSION_NAME,
    EVENTS_NAME,
    HISTORY_NAME,
    IMAGES_NAME,
    LOOP_LOG_NAME,
    MACHINE_NAME,
    MANIFEST_NAME,
    METRICS_NAME,
    PLAN_NAME,
    PREDICTIONS_NAME,
    RATES_NAME,
    RESULT_NAME,
    WATCH_NAME,
    checkpoint_name,
    network_name,
    parse_past_name,
)

WHOLE_NAMES = (MANIFEST_NAME, WATCH_NAME, PLAN_NAME, RESULT_NAME, *map(network_name, ENGINE_NAMES))
"""Small files that are written once or replaced."""

LOG_NAMES = (CONFUSION_NAME, METRICS_NAME, EVENTS_NAME, RATES_NAME, LOOP_LOG_NAME, MACHINE_NAME)
"""Files that grow line by line. The first comes first: the epochs want their matrices."""

MACHINE_SECONDS = 10.0
"""Least time between two looks at the figures of the machine, which come every second, also while
the run is paused and nothing else goes over the link."""

ASKED_NAMES = (*map(checkpoint_name, ENGINE_NAMES), PREDICTIONS_NAME, IMAGES_NAME)
"""Large files that are sent on request."""

PIECE_BYTES = 2**20
"""Most bytes of a log that are read at a time."""

CHUNK_BYTES = 2**15
"""A large file is sent in such pieces, so that the logs do not wait for it on a thin link."""

MARK_BYTES = 256
"""The bytes before an offset by which a log is recognised."""

GROUPS_PER_SECOND, EPOCHS_PER_SECOND, MOST_AT_ONCE = 1.0, 0.5, 2_000
"""Of each engine, as sent; a chart has a few hundred columns. The last is for what came before, or
while the link was down."""

FEWEST_SECONDS = 1.0
"""A look counts as so much time, at least."""


@dataclass(frozen=True, slots=True)
class Piece:
    """What is new in a file."""

    name: str
    mark: str
    """By which this side recognises the place afterwards."""
    data: bytes
    is_fresh: bool = True
    """Whether it takes the file's place; otherwise it is added to it."""


class GrowingLog:
    """Sends a log from where the other side has it.

    Args:
        path: of the log, which need not exist yet.
        mark: of the last piece that the other side has; empty if it has none.
    """

    def __init__(self, path: Path, mark: str = "") -> None:
        self._path, self._mark = path, mark
        self._read_at = -inf

    def news(self) -> Iterator[Piece]:
        """Yield the new lines, in pieces of a few hundred kilobytes at most."""
        seconds = max(FEWEST_SECONDS, monotonic() - self._read_at)
        if self._path.name == MACHINE_NAME and seconds < MACHINE_SECONDS:
            return
        self._read_at = monotonic()
        with suppress(OSError):
            handle = open_regular(self._path)
            try:
                found = os.fstat(handle)
                offset = _offset_of(self._mark, handle)
                pieces = max(1, -(-(found.st_size - offset) // PIECE_BYTES))
                while piece := self._next(handle, offset, seconds / pieces, pieces):
                    offset = _number_in(piece.mark)
                    yield piece
            finally:
                os.close(handle)

    def _next(self, handle: int, offset: int, seconds: float, pieces: int) -> Piece | None:
        data = os.pread(handle, PIECE_BYTES, offset)
        whole = data.rfind(b"\n") + 1
        if not whole and len(data) == PIECE_BYTES:
            whole = len(data)  # no line of ours; the rest of it will not parse
        # The other side has more than the file now: a resume has cut or replaced it.
        is_fresh = offset == 0 and _number_in(self._mark) > 0
        if not whole and not is_fresh:
            return None
        if offset == 0:
            seconds = inf
        most = MOST_AT_ONCE / pieces
        groups = round(min(most, GROUPS_PER_SECOND * seconds))
        epochs = round(min(most, EPOCHS_PER_SECOND * seconds))
        lines = data[:whole].split(b"\n")[:-1]
        lines = thinned_lines(self._path.name, lines, max(1, groups), max(1, epochs))
        self._mark = _mark_of(handle, offset + whole)
        return Piece(self._path.name, self._mark, b"".join(b"%s\n" % x for x in lines), is_fresh)


def _number_in(mark: str) -> int:
    """Return the offset in a mark; 0 if there is none."""
    with suppress(ValueError, IndexError):
        return max(0, int(mark.split(":")[1]))
    return 0


def _mark_of(handle: int, offset: int) -> str:
    """Return inode, offset and a checksum of what stands before it."""
    begin = max(0, offset - MARK_BYTES)
    before = zlib.crc32(os.pread(handle, offset - begin, begin))
    return f"{os.fstat(handle).st_ino}:{offset}:{before:x}"


def _offset_of(mark: str, handle: int) -> int:
    """Return the offset of a mark; 0 where the file is another one, or was cut."""
    offset = _number_in(mark)
    is_there = offset <= os.fstat(handle).st_size and _mark_of(handle, offset) == mark
    return offset if is_there else 0


@dataclass(slots=True)
class SentFolder:
    """What the other side has of a run folder.

    Args:
        path: of the folder.
        marks: of the files that the other side has, from an earlier link.
    """

    path: Path
    marks: dict[str, str]
    _logs: dict[str, GrowingLog] = field(init=False)
    _told: dict[str, Any] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        """Begin where the other side is."""
        self._logs = {
            name: GrowingLog(self.path / name, self.marks.get(name, "")) for name in LOG_NAMES
        }

    def pieces(self) -> Iterator[Piece]:
        """Yield what is new in the files that are always sent; an empty mark: it is gone."""
        for name in WHOLE_NAMES:
            mark = signature(self.path / name)
            if mark == self.marks.get(name, ""):
                continue
            data = _content(self.path / name) if mark else b""
            if data is not None:
                self.marks[name] = mark
                yield Piece(name, mark, data)
        for log in self._logs.values():
            yield from log.news()

    def facts(self) -> Iterator[tuple[str, Mapping[str, Any]]]:
        """Yield kind and fields of what has changed: kept epochs, and versions of large files."""
        kept = {"numbers": _kept(self.path / HISTORY_NAME)}
        versions = {"marks": {name: signature(self.path / name) for name in ASKED_NAMES}}
        for kind, fields in (("kept", kept), ("versions", versions)):
            if self._told.get(kind) != fields:
                self._told[kind] = fields
                yield kind, fields


def signature(path: Path) -> str:
    """Return a text that changes whenever a file is replaced; empty if it is absent."""
    try:
        found = path.stat()
    except OSError:
        return ""
    return f"{found.st_ino}:{found.st_size}:{found.st_mtime_ns}"


def may_be_asked(name: str) -> bool:
    """Return whether this is a large file of a run folder."""
    folder, _, inner = name.rpartition("/")
    if folder == HISTORY_NAME:
        return parse_past_name(inner) is not None
    return name in ASKED_NAMES


class Transfer:
    """Sends one large file piece by piece, as it was when it was opened.

    Args:
        folder: of the run.
        name: of the file in it.

    Raises:
        OSError: it can't be opened.
    """

    def __init__(self, folder: Path, name: str) -> None:
        self.name = name
        self._handle = open_regular(folder / name)
        self.mark, self.size = signature(folder / name), os.fstat(self._handle).st_size
        self._at = 0

    def next(self) -> bytes:
        """Return the next piece; empty at the end."""
        data = os.pread(self._handle, CHUNK_BYTES, self._at)
        self._at += len(data)
        return data

    def close(self) -> None:
        """Close the file."""
        os.close(self._handle)


def _content(path: Path) -> bytes | None:
    try:
        with os.fdopen(open_regular(path), "rb") as file:
            return file.read(min(MAX_FILE_BYTES, MOST_PAYLOAD))
    except OSError:
        return None


def _kept(history: Path) -> dict[str, list[int]]:
    found: dict[str, list[int]] = {name: [] for name in ENGINE_NAMES}
    with suppress(OSError):
        for name in os.listdir(history):  # noqa: PTH208
            if parsed := parse_past_name(name):
                found[parsed[0]].append(parsed[1])
    return {name: sorted(epochs) for name, epochs in found.items()}
