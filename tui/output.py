"""Terminal output that nobody waits for: a terminal may have stalled, or be gone."""

from queue import SimpleQueue
from threading import Thread
from typing import IO

LAST_WORDS_SECONDS = 2.0
"""How long leaving waits for a terminal that does not take what restores it."""


class Output:
    """Writes in a thread of its own, without bound and without complaint.

    What a stalled link does not take is kept: some 2 to 7 kB a second, 25 MB in an hour at most.

    Args:
        file: the terminal.
    """

    def __init__(self, file: IO[str]) -> None:
        self._file = file
        self._texts: SimpleQueue[str | None] = SimpleQueue()
        self._thread = Thread(target=self._run, name="output", daemon=True)
        self._thread.start()

    def write(self, text: str) -> None:
        """Hand over some text; returns at once."""
        self._texts.put(text)

    def close(self, seconds: float = LAST_WORDS_SECONDS) -> None:
        """Wait until all is written, or for some seconds."""
        self._texts.put(None)
        self._thread.join(seconds)

    def _run(self) -> None:
        while (text := self._texts.get()) is not None:
            try:
                self._file.write(text)
                if self._texts.empty():
                    self._file.flush()
            except (OSError, ValueError):
                # The terminal is gone. Who is left is told by a signal, and may still save.
                continue
