"""A file that grows line by line and survives crashes: appended, synced, torn ends cut off."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Lock
from typing import BinaryIO

from mlpwatch.core.errors import RunError
from mlpwatch.core.files.durable import replace_durably, sync_folder
from mlpwatch.core.text import printable


class LineFile:
    """One such file. Safe from several threads; one process at a time writes.

    Args:
        path: of the file, which need not exist yet.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = Lock()

    def append_text(self, text: str, *, sync: bool = True) -> None:
        """Add a line and wait until it is on disk; a torn last line is cut off first.

        Args:
            text: of the line; several lines are joined by line feeds.
            sync: whether to wait; a power cut may take what was not waited for.

        Raises:
            OSError: for example a full disk; nothing was added.
        """
        data = (text + "\n").encode()
        with self._lock:
            handle = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600)
            with os.fdopen(handle, "r+b", buffering=0) as file:
                size = _cut_torn_line(file)
                try:
                    _write_all(file, data)
                    if sync:
                        os.fsync(file.fileno())
                except OSError:
                    # Otherwise a caller that tries again would leave the line twice.
                    with suppress(OSError):
                        file.truncate(size)
                    raise
            if size == 0 and sync:
                sync_folder(self.path.parent)

    def raw_lines(self) -> Iterator[bytes]:
        """Yield one line after another with its line feed, which a torn last one lacks.

        Holds one line at a time: a log of a million takes 200 MB.

        Raises:
            RunError: the file can't be read.
        """
        if not self._is_there():
            return
        with self._named_errors(), self.path.open("rb") as file:
            yield from file

    def trim_lines(self, is_dropped: Callable[[bytes], bool]) -> None:
        """Drop those lines for which the call says so, and a torn last line.

        Raises:
            OSError: the file can't be replaced; it is as it was.
            RunError: the file can't be read.
        """
        with self._lock:
            kept, is_changed = [], False
            for raw in self.raw_lines():
                if raw.endswith(b"\n") and not is_dropped(raw[:-1]):
                    kept.append(raw)
                else:
                    is_changed = True
            if is_changed:
                replace_durably(self.path, b"".join(kept))

    def read_from(self, offset: int) -> bytes:
        """Return the bytes from `offset` on, below 0 from the end; nothing if there is no file.

        Raises:
            RunError: the file can't be read.
        """
        if not self._is_there():
            return b""
        with self._named_errors(), self.path.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, offset + size if offset < 0 else offset))
            return file.read()

    def _is_there(self) -> bool:
        with self._named_errors():
            if not self.path.is_file() and self.path.exists():
                # Opening a FIFO would wait for a writer for ever.
                raise RunError(f"{printable(self.path)}: not a regular file; move it away")
            return self.path.is_file()

    @contextmanager
    def _named_errors(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise RunError(
                f"{printable(self.path)}: {error.strerror}; make it readable or start a new run"
            ) from None


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
