"""Non-blocking terminal output: a terminal may be stalled or gone."""

import os
import select
from contextlib import suppress
from queue import SimpleQueue
from threading import Lock, Thread
from typing import IO

LAST_WORDS_SECONDS = 2.0
"""How long leaving waits for a terminal that does not accept the final sequences."""


class Output:
    """Writes in its own thread, ignores errors, and knows how much is still waiting.

    No text is dropped: most escape sequences switch a mode that a later one switches back.
    Code that draws frames checks `waiting` first.

    Args:
        file: the terminal, as a stream or its descriptor.
    """

    def __init__(self, file: IO[str] | int) -> None:
        self._file, self._descriptor, self._encoding = file, -1, "utf-8"
        if isinstance(file, int):
            self._descriptor = file
        else:
            # Only a test's stream has none.
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
        """Characters that the terminal has not accepted yet."""
        return self._handed_over - self._taken

    @property
    def handed_over(self) -> int:
        """Characters passed to `write` so far, accepted or not."""
        return self._handed_over

    @property
    def bytes_taken(self) -> int:
        """Bytes that the terminal has accepted so far."""
        return self._bytes_taken

    def write(self, text: str) -> None:
        """Queue some text; returns at once."""
        # Textual's input thread writes to the terminal too.
        with self._lock:
            self._handed_over += len(text)
        self._texts.put(text)

    def close(self, seconds: float = LAST_WORDS_SECONDS) -> None:
        """Wait until everything is written, or until the time is over."""
        self._texts.put(None)
        self._thread.join(seconds)

    def _run(self) -> None:
        parts: list[str] = []
        while (text := self._texts.get()) is not None:
            parts.append(text)
            # One write per frame: Textual writes its beginning, its cells and its end separately.
            if self._texts.empty():
                self._send("".join(parts))
                parts.clear()
        self._send("".join(parts))

    def _send(self, text: str) -> None:
        data = text.encode(self._encoding, errors="replace")
        # If the terminal is gone, a signal reports it, and the run may still be saved.
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
    """Write everything, even if another program has left the terminal non-blocking.

    Python's streams lose the rest of a write that the terminal accepts only in part.
    """
    left = memoryview(data)
    while left:
        try:
            left = left[os.write(descriptor, left) :]
        except BlockingIOError:
            select.select([], [descriptor], [])
