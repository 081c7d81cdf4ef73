"""A program in a real pseudo-terminal whose output is noted, not understood, while it runs.

What drains the terminal shares the cores with what is measured: this reads up to 64 kB when
something has come, notes the time and sleeps. An emulator reads the notes when the run is over.
"""

import os
import select
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from time import monotonic, sleep
from typing import NamedTuple

from tests.support.pty.program import PtyProgram
from tests.support.terminal import environment as terminal_environment

COLUMNS, ROWS = 140, 40
"""The size that every target is stated for."""

PAUSE_SECONDS = 0.02
"""Sleep after a read: 50 wake-ups a second at most; the kernel keeps what comes meanwhile."""


class Chunk(NamedTuple):
    """What one read brought."""

    at: float
    """`monotonic()` right after the read."""
    data: bytes


def environment(**changes: str) -> dict[str, str]:
    """Return an environment of a local true-colour terminal that finds this checkout."""
    return terminal_environment(**{"COLORTERM": "truecolor"} | changes)


class NotedProgram(PtyProgram):
    """A program in a terminal of 140x40; use as a context manager.

    Args:
        command: program and arguments.
        folder: working folder.
        env: the program's environment; None for `environment()`.
    """

    def __init__(
        self, command: Sequence[str], folder: Path, env: Mapping[str, str] | None = None
    ) -> None:
        self.chunks: list[Chunk] = []
        self.started_at = monotonic()
        super().__init__(command, folder, columns=COLUMNS, rows=ROWS, env=env or environment())
        self.close_side()
        os.set_blocking(self.main, False)

    def close(self) -> None:
        """End the program if it still runs, and close the terminal."""
        self.kill()
        super().close()

    @property
    def received(self) -> int:
        """Bytes so far."""
        return sum(len(chunk.data) for chunk in self.chunks)

    def press(self, keys: bytes) -> float:
        """Type these keys; return the time."""
        self.send(keys)
        return monotonic()

    def read(self, seconds: float, pause: float = PAUSE_SECONDS) -> int:
        """Drain the terminal for some seconds; return how many bytes came.

        Args:
            seconds: how long.
            pause: sleep after a read; 0 to note every chunk's time exactly.
        """
        before, deadline = self.received, monotonic() + seconds
        while (left := deadline - monotonic()) > 0:
            if select.select([self.main], [], [], left)[0]:
                if not self._take() and self.process.poll() is not None:
                    break
                sleep(min(pause, max(0.0, deadline - monotonic())))
        return self.received - before

    def read_until(self, holds: Callable[[], object], seconds: float, pause: float = 0.0) -> float:
        """Drain until a condition holds; return the time of the last chunk before.

        Raises:
            TimeoutError: it did not hold in time, or the program has ended.
        """
        deadline = monotonic() + seconds
        while not holds():
            if monotonic() > deadline or self.process.poll() is not None:
                last = b"".join(chunk.data for chunk in self.chunks)[-2_000:]
                raise TimeoutError(f"not within {seconds:g} s; the program last wrote {last!r}")
            if select.select([self.main], [], [], 0.05)[0]:
                self._take()
                sleep(pause)
        return self.chunks[-1].at if self.chunks else monotonic()

    def saw(self, text: bytes, since: int = 0) -> bool:
        """Return whether a text has come, from the chunk `since` on."""
        return text in b"".join(chunk.data for chunk in self.chunks[since:])

    def end(self, keys: bytes, seconds: float = 30.0) -> int:
        """Type the keys that quit, drain what comes, and return the exit status.

        Raises:
            TimeoutError: the program did not end.
        """
        self.send(keys)
        deadline = monotonic() + seconds
        while self.process.poll() is None:
            if monotonic() > deadline:
                raise TimeoutError(f"no end within {seconds:g} s of {keys!r}")
            self.read(0.05)
        return self.process.returncode

    def _take(self) -> bool:
        """Read all that lies in the kernel's buffer; False where there was nothing."""
        parts = []
        # EIO: the last program has closed the other side. EAGAIN: nothing more for now.
        with suppress(OSError):
            while data := os.read(self.main, 65_536):
                parts.append(data)
        if parts:
            self.chunks.append(Chunk(monotonic(), b"".join(parts)))
        return bool(parts)
