"""Reads a file of lines that another process appends to, each line once."""

import os
import stat
from pathlib import Path

MOST_BYTES = 4 * 2**20
"""Read at once; what is longer comes with the next calls."""


class LineTail:
    """Remembers how far a file has been read.

    Args:
        path: of the file, which need not exist yet.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._offset = 0
        self._inode: int | None = None

    def read(self) -> list[bytes] | None:
        """Return the whole lines that have come since the last call, without their line feeds.

        None means that the file was cut or written anew: the next call begins at its start.
        A file that can't be read, or is none, has no lines.
        """
        try:
            # Opening a FIFO would wait for a writer for ever.
            if not stat.S_ISREG(self._path.stat().st_mode):
                return []
            with self._path.open("rb") as file:
                found = os.fstat(file.fileno())
                if self._is_new(found):
                    self.rewind()
                    return None
                self._inode = found.st_ino
                file.seek(self._offset)
                data = file.read(MOST_BYTES)
        except OSError:
            return []
        whole = data.rfind(b"\n") + 1
        if not whole and len(data) == MOST_BYTES:
            whole = len(data)  # no line of ours; what is left of it will not parse
        self._offset += whole
        return data[:whole].split(b"\n")[:-1]

    def rewind(self) -> None:
        """Read from the start again."""
        self._offset, self._inode = 0, None

    def _is_new(self, found: os.stat_result) -> bool:
        return self._inode not in (None, found.st_ino) or found.st_size < self._offset
