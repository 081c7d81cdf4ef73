"""A program in a pseudo-terminal of its own; subclasses read what it sends."""

import fcntl
import os
import struct
import subprocess
import sys
import termios
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.support.waiting import seconds_to_end

_LAUNCHER = """
import fcntl, os, sys, termios
from contextlib import suppress
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
if os.nice(0) < 0:
    with suppress(OSError), open("/proc/self/autogroup", "w") as group:
        group.write(str(os.nice(0)))
os.execvp(sys.argv[1], sys.argv[1:])
"""
"""Makes the terminal the controlling one, as a shell does: ctrl+c and hangups become signals. Linux
weighs a new session as a whole and at nice 0 (sched(7), autogrouping): what the caller was given is
handed on to it."""


class PtyProgram:
    """A program in a terminal; use as a context manager.

    Args:
        command: program and arguments.
        folder: working folder.
        columns: of the terminal.
        rows: of the terminal.
        env: the program's environment.
        controlling: hangups and typed keys become signals; False for a terminal that the program
            merely reads and writes.
    """

    def __init__(
        self,
        command: Sequence[str],
        folder: Path,
        *,
        columns: int,
        rows: int,
        env: Mapping[str, str],
        controlling: bool = True,
    ) -> None:
        self.main, self.side = os.openpty()
        PtyProgram.resize(self, columns, rows)
        self.attributes_before = termios.tcgetattr(self.side)
        launcher = [sys.executable, "-S", "-E", "-c", _LAUNCHER] if controlling else []
        self.process = subprocess.Popen(
            [*launcher, *command], stdin=self.side, stdout=self.side, stderr=self.side,
            cwd=folder, env=dict(env), start_new_session=True,
        )  # fmt: skip

    def __enter__(self) -> Self:
        """Return the running program."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End the program if it still runs, and close the terminal."""
        self.close()

    def send(self, keys: str | bytes) -> None:
        """Type these characters or bytes."""
        os.write(self.main, keys.encode() if isinstance(keys, str) else keys)

    def resize(self, columns: int, rows: int) -> None:
        """Change the size, as dragging a window's corner does."""
        fcntl.ioctl(self.main, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def kill(self) -> None:
        """End the program if it still runs."""
        if self.process.poll() is None:
            self.process.kill()
        seconds_to_end(self.process)

    def close_side(self) -> None:
        """Close this process's descriptor of the program's side of the terminal."""
        if self.side >= 0:
            os.close(self.side)
        self.side = -1

    def close(self) -> None:
        """Close the terminal."""
        self.close_side()
        if self.main >= 0:
            os.close(self.main)
        self.main = -1
