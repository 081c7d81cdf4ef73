"""A file that grows line by line and survives crashes: an incomplete last line is cut off."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from itertools import compress
from pathlib import Path
from threading import Lock
from typing import BinaryIO

from mlpwatch.core.errors import RunError
from mlpwatch.core.files.durable import OpenFolder, open_regular, replace_durably, sync_folder
from mlpwatch.core.text import printable

MOST_BYTES = 2 * 2**30
"""Largest file. The longest run, 100,000 epochs of two engines, leaves 110 MB with ten classes and
1.3 GB with 36."""

MOST_LINE_BYTES = 4 * 2**20
"""Longest line, and most bytes read at a time; our longest, a matrix of 36 classes, takes 9 kB."""

_BLOCK_BYTES = 2**16
"""Bytes read at a time when a file is searched from its end."""


class LineFile:
    """A file of lines. Thread-safe; only one process at a time may write.

    Args:
        path: of the file, which need not exist yet.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.folder: OpenFolder | None = None
        """Folder of the file while the run is locked; then `path` gives only its name."""
        self._lock = Lock()

    def append_text(self, text: str, *, sync: bool = True) -> None:
        """Add a line and wait until it is on disk; an incomplete last line is cut off first.

        Args:
            text: the line, or several lines joined by line feeds.
            sync: whether to wait for the disk; without it a power cut may lose the line.

        Raises:
            OSError: for example a full disk; nothing was added.
        """
        data = (text + "\n").encode()
        with self._lock:
            handle = open_regular(self.path, os.O_RDWR | os.O_CREAT, folder=self.folder)
            with os.fdopen(handle, "r+b", buffering=0) as file:
                size = _cut_torn_line(file)
                try:
                    _write_all(file, data)
                    if sync:
                        os.fsync(file.fileno())
                except OSError:
                    # Otherwise a caller that tries again would write the line twice.
                    with suppress(OSError):
                        file.truncate(size)
                    raise
            if size == 0 and sync:
                sync_folder(self.path.parent, self.folder)

    def raw_lines(self) -> Iterator[bytes]:
        """Yield the lines with their line feeds; an incomplete last line has none.

        A line that is too long is yielded in pieces without a line feed.

        Raises:
            RunError: the file can't be read.
        """
        with self._opened() as file:
            while file is not None and (raw := file.readline(MOST_LINE_BYTES)):
                yield raw

    def lines_from_end(self) -> Iterator[bytes]:
        """Yield the lines backwards, without line feeds and without an incomplete last line.

        Raises:
            RunError: the file can't be read.
        """
        with self._opened() as file:
            if file is None:
                return
            end = file.seek(0, os.SEEK_END)
            rest, is_torn = b"", True
            while end > 0:
                start = max(0, end - _BLOCK_BYTES)
                file.seek(start)
                rest, *lines = (file.read(end - start) + rest).split(b"\n")
                end = start
                if is_torn and lines:
                    lines.pop()
                    is_torn = False
                yield from reversed(lines)
                if is_torn or len(rest) > MOST_LINE_BYTES:
                    rest = b""
            if rest:
                yield rest

    def trim_lines(self, is_dropped: Callable[[bytes], bool]) -> None:
        """Drop the lines for which `is_dropped` is true, and an incomplete last line.

        Raises:
            OSError: the file can't be replaced; it is unchanged.
            RunError: the file can't be read.
        """
        with self._lock:
            # One byte per line instead of the lines: a log may have a gigabyte.
            kept = bytearray(
                raw.endswith(b"\n") and not is_dropped(raw[:-1]) for raw in self.raw_lines()
            )
            if not all(kept):
                lines = compress(self.raw_lines(), kept)
                replace_durably(self.path, lines, folder=self.folder)

    @contextmanager
    def _opened(self) -> Iterator[BinaryIO | None]:
        try:
            with os.fdopen(open_regular(self.path, folder=self.folder), "rb") as file:
                if (size := os.fstat(file.fileno()).st_size) > MOST_BYTES:
                    raise RunError(
                        f"{printable(self.path)}: {size:,} bytes, where at most {MOST_BYTES:,} "
                        "were expected; move it away"
                    )
                yield file
        except FileNotFoundError:
            yield None
        except OSError as error:
            raise RunError(
                f"{printable(self.path)}: {error.strerror}; make it readable or start a new run"
            ) from None


class LineTail:
    """Reads a file of lines that another process appends to, each line once.

    Args:
        path: of the file, which need not exist yet.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._offset = 0
        self._inode: int | None = None

    def read(self) -> list[bytes] | None:
        """Return the complete lines since the last call, without their line feeds.

        At most `MOST_LINE_BYTES` at a time; the next calls return the rest. None means that the
        file was cut or replaced: the next call begins at its start. A file that can't be read, is
        not a regular file or is larger than `MOST_BYTES` has no lines.
        """
        try:
            with os.fdopen(open_regular(self._path), "rb") as file:
                found = os.fstat(file.fileno())
                if self._inode not in (None, found.st_ino) or found.st_size < self._offset:
                    self.rewind()
                    return None
                self._inode = found.st_ino
                if found.st_size > MOST_BYTES:
                    return []
                file.seek(self._offset)
                data = file.read(MOST_LINE_BYTES)
        except OSError:
            return []
        whole = data.rfind(b"\n") + 1
        if not whole and len(data) == MOST_LINE_BYTES:
            whole = len(data)  # not one of our lines; the rest of it will not parse
        self._offset += whole
        return data[:whole].split(b"\n")[:-1]

    def rewind(self) -> None:
        """Read from the start again."""
        self._offset, self._inode = 0, None


def _cut_torn_line(file: BinaryIO) -> int:
    """Cut off everything after the last line feed; return the new size."""
    size = end = file.seek(0, os.SEEK_END)
    while end > 0:
        start = max(0, end - _BLOCK_BYTES)
        file.seek(start)
        found = file.read(end - start).rfind(b"\n")
        if found >= 0:
            end = start + found + 1
            break
        end = start
    if end < size:
        file.truncate(end)
    return file.seek(end)


def _write_all(file: BinaryIO, data: bytes) -> None:
    # An unbuffered write may write only a part, for example on a disk that is nearly full.
    view = memoryview(data)
    while view:
        view = view[file.write(view) :]
