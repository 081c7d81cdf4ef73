"""Keeps the output of C libraries off the terminal while the screen is shown.

OpenMP, OpenBLAS and oneDNN write warnings to descriptors 1 and 2, bypassing Python, into the
middle of the screen.
"""

import fcntl
import os
import sys
from contextlib import suppress

from mlpwatch.core.text import printable

STDOUT, STDERR = 1, 2

MOST_BYTES = 16_000
"""Most bytes that are kept, the newest: a verbose library writes megabytes."""

MOST_LINES = 20
"""Most lines that are printed when the screen is gone."""


class StrayOutput:
    """Redirects the standard descriptors that are terminals to a file while the screen is shown.

    A file, not a pipe: a library that writes into a full pipe would wait for this process's
    interpreter while holding it.
    """

    def __init__(self) -> None:
        self._file = -1
        self._saved: dict[int, int] = {}
        self._text = b""

    def catch(self) -> None:
        """Start redirecting; the terminal is still available as `screen`."""
        for descriptor in (STDOUT, STDERR):
            if descriptor not in self._saved and os.isatty(descriptor):
                if self._file < 0:
                    self._file = _file_in_memory()
                self._saved[descriptor] = os.dup(descriptor)
                os.dup2(self._file, descriptor)

    @property
    def screen(self) -> int:
        """The descriptor of the terminal that standard output was, else standard output itself.

        It stays open after `release`: code that draws on it may not have finished.
        """
        return self._saved.get(STDOUT, STDOUT)

    def release(self) -> None:
        """Restore the descriptors."""
        for stream in (sys.stdout, sys.stderr):
            with suppress(OSError, ValueError, AttributeError):
                stream.flush()
        for descriptor, saved in self._saved.items():
            os.dup2(saved, descriptor)
        self._saved = {}

    def new_line(self) -> str:
        """Return the newest line since the last call, or ""."""
        new = self._read()
        self._text = (self._text + new)[-MOST_BYTES:]
        lines = _lines(new)
        return lines[-1] if lines else ""

    def lines(self) -> list[str]:
        """Return the newest of all lines."""
        self.new_line()
        return _lines(self._text)[-MOST_LINES:]

    def _read(self) -> bytes:
        size = os.fstat(self._file).st_size if self._file >= 0 else 0
        if not size:
            return b""
        new = os.pread(self._file, MOST_BYTES, max(0, size - MOST_BYTES))
        os.ftruncate(self._file, 0)
        return new


def _lines(text: bytes) -> list[str]:
    lines = text.decode(errors="replace").splitlines()
    return [printable(line.strip()) for line in lines if line.strip()]


def _file_in_memory() -> int:
    """Return the descriptor of a file without a name, in memory if the system supports it."""
    if hasattr(os, "memfd_create"):
        descriptor = os.memfd_create("stray output")
    else:
        # Only here: the import takes 3 ms, which would delay the first frame.
        import tempfile  # noqa: PLC0415

        with tempfile.TemporaryFile() as file:
            descriptor = os.dup(file.fileno())
    # So that nothing is written after a gap when the file has been emptied.
    fcntl.fcntl(descriptor, fcntl.F_SETFL, os.O_APPEND)
    return descriptor
