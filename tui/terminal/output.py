"""Terminal output that nobody waits for: a terminal may have stalled, or be gone."""

import os
import select
from contextlib import suppress
from queue import SimpleQueue
from threading import Lock, Thread
from typing import IO

LAST_WORDS_SECONDS = 2.0
"""How long leaving waits for a terminal that does not take what restores it."""


class Output:
    """Writes in a thread of its own, without complaint, and knows how much still waits.

    Nothing that is handed over is lost: most escape sequences switch a mode that a later one
    switches back. Who draws frames looks at `waiting` first.

    Args:
        file: the terminal, a stream or its descriptor.
    """

    def __init__(self, file: IO[str] | int) -> None:
        self._file, self._descriptor, self._encoding = file, -1, "utf-8"
        if isinstance(file, int):
            self._descriptor = file
        else:
            # A stream without one is a test's.
            with suppress(OSError, ValueError, AttributeError):
                self._descriptor = file.fileno()
                self._encoding = getattr(file, "encoding", None) or self._encoding
        self._texts: SimpleQueue[str | None] = SimpleQueue()
        self._lock = Lock()
        self._handed_over = self._taken = 0
        self._bytes_taken = 0
        self._thread = Thread(target=self._run, name="output", daemon=True)
        self._thread.start()

    @property
    def waiting(self) -> int:
        """Characters that the terminal has not taken yet."""
        return self._handed_over - self._taken

    @property
    def handed_over(self) -> int:
        """Characters so far, taken or not."""
        return self._handed_over

    @property
    def bytes_taken(self) -> int:
        """Bytes that the terminal has taken so far."""
        return self._bytes_taken

    def write(self, text: str) -> None:
        """Hand over some text; returns at once."""
        # Textual's input thread answers the terminal too.
        with self._lock:
            self._handed_over += len(text)
        self._texts.put(text)

    def close(self, seconds: float = LAST_WORDS_SECONDS) -> None:
        """Wait until all is written, or for some seconds."""
        self._texts.put(None)
        self._thread.join(seconds)

    def _run(self) -> None:
        parts: list[str] = []
        while (text := self._texts.get()) is not None:
            parts.append(text)
            # One write per frame: Textual hands over its beginning, its cells and its end apart.
            if self._texts.empty():
                self._send("".join(parts))
                parts.clear()
        self._send("".join(parts))

    def _send(self, text: str) -> None:
        data = text.encode(self._encoding, errors="replace")
        # Where the terminal is gone, a signal says so, and the run may still be saved.
        with suppress(OSError, ValueError):
            if not isinstance(self._file, int):
                if self._descriptor < 0:
                    self._file.write(text)
                self._file.flush()
            if self._descriptor >= 0:
                _write_all(self._descriptor, data)
            self._bytes_taken += len(data)
        self._taken += len(text)


def _write_all(descriptor: int, data: bytes) -> None:
    """Write all of it, also where another program has left the terminal non-blocking.

    Python's streams lose the rest of a write that the terminal has taken in part.
    """
    left = memoryview(data)
    while left:
        try:
            left = left[os.write(descriptor, left) :]
        except BlockingIOError:
            select.select([], [descriptor], [])
