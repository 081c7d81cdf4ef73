"""A file that another program writes while we read it: grown, cut, rewritten or replaced."""

import os
from pathlib import Path

from mlpwatch.core.files.durable import open_regular
from mlpwatch.core.files.line_file import MOST_BYTES, MOST_LINE_BYTES

_HEAD_BYTES = 256
"""First bytes by which a file that was rewritten is recognised, though it is longer than before.
Lightning writes its table again, with another header, when a new metric appears."""

PIECE_BYTES = 2**20
"""Most bytes read at a time, so that a long log appears on the screen while it is still read."""


class GrowingFile:
    """Reads a file from where the last call stopped; never waits, never writes.

    Args:
        path: of the file, which need not exist yet.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.offset = 0
        """Bytes taken so far."""
        self.written_at = 0.0
        """When the file was last changed, in Unix time; 0 before the first look."""
        self.fault = ""
        """Why nothing more is read, in one line; empty while all is well."""
        self._inode: int | None = None
        self._head = b""
        self._seen: tuple[int, int] | None = None
        """Size and time of change at the last look."""
        self._is_lost = False
        """Whether the file could not be opened at the last look."""

    def peek(self, most: int = PIECE_BYTES) -> bytes | None:
        """Return the next bytes without taking them; empty if there are none.

        None means that the file was cut, rewritten or replaced: the next call begins at its start.
        """
        try:
            with os.fdopen(open_regular(self.path), "rb", buffering=0) as file:
                found = os.fstat(file.fileno())
                self.written_at = found.st_mtime
                if self._is_lost:
                    self.fault, self._is_lost = "", False
                if (found.st_size, found.st_mtime_ns) == self._seen and (
                    found.st_ino == self._inode and found.st_size == self.offset
                ):
                    return b""
                head = os.pread(file.fileno(), _HEAD_BYTES, 0)
                known = self._head[: self.offset]
                if (
                    self._inode not in (None, found.st_ino)
                    or found.st_size < self.offset
                    or not head.startswith(known)
                ):
                    self.rewind()
                    return None
                self._inode, self._head = found.st_ino, head
                self._seen = found.st_size, found.st_mtime_ns
                return os.pread(file.fileno(), most, self.offset)
        except OSError as error:
            self.fault, self._is_lost = (error.strerror or type(error).__name__).lower(), True
            return b""

    def take(self, count: int) -> None:
        """Take bytes that were peeked at."""
        self.offset += count

    def rewind(self) -> None:
        """Begin at the start again."""
        self.offset, self._inode, self._head, self._seen = 0, None, b"", None
        self.fault = ""


class GrowingLines(GrowingFile):
    """Reads complete lines; a half-written last line waits for its line feed."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self._skipping = False
        """Whether the start of a line that is too long was dropped."""

    def lines(self) -> list[bytes] | None:
        """Return the next complete lines without line feeds; None as in `peek`.

        A line above 4 MiB is dropped, and a file above 2 GiB is not read.
        """
        data = self.peek()
        if not data:
            return None if data is None else []
        if self._seen and self._seen[0] > MOST_BYTES:
            self.fault = f"{self._seen[0]:,} bytes, where at most {MOST_BYTES:,} were expected"
            return []
        whole = data.rfind(b"\n") + 1
        if not whole and len(data) == PIECE_BYTES:
            data = self.peek(MOST_LINE_BYTES) or b""
            whole = data.rfind(b"\n") + 1
            if not whole and len(data) == MOST_LINE_BYTES:
                self._skipping = True
                self.take(len(data))
                return []
        if not whole:
            return []
        self.take(whole)
        lines = data[:whole].split(b"\n")[:-1]
        if self._skipping:
            self._skipping = False
            del lines[0]
        return lines

    def last_line(self) -> bytes:
        """Return the half-written last line, without taking it; empty if it is too long."""
        data = self.peek()
        return b"" if data is None or len(data) == PIECE_BYTES or b"\n" in data else data

    def rewind(self) -> None:
        """Begin at the start again."""
        super().rewind()
        self._skipping = False
