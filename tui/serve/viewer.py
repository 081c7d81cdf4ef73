"""One viewer: `mlpwatch attach` in a pseudo-terminal of its own, with less priority than training.

The process draws as in any terminal. What it writes goes to the browser only as fast as that takes
it: when the terminal is full, the process skips frames.
"""

import asyncio
import fcntl
import os
import signal
import struct
import subprocess
import termios
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from time import monotonic

MOST_COLUMNS, MOST_ROWS = 500, 200

READ_BYTES = 65_536

NICENESS = 19
"""The least priority: a viewer draws in the time that training leaves."""

END_SECONDS = 10.0
"""One who may change something may have started a run: so long it may take to save it."""

_LOOK_SECONDS = 0.02

_OF_OTHER_TERMINALS = (
    "SSH_", "TERM", "TMUX", "STY", "KITTY_", "WEZTERM_", "ITERM_", "VTE_", "KONSOLE_", "WT_",
    "GHOSTTY_", "TEXTUAL", "COLUMNS", "LINES", "NO_COLOR", "LC_", "COLORFGBG",
)  # fmt: skip
"""Beginnings of variables that describe the terminal of the server, not the browser's."""


def viewer_environment() -> dict[str, str]:
    """Return the environment of a viewer's process: the browser's terminal, and one thread."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(_OF_OTHER_TERMINALS)
    }
    threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    look = {"TERM": "xterm-256color", "COLORTERM": "truecolor", "LC_ALL": "C.UTF-8"}
    return kept | threads | look


class Viewer:
    """A process and its terminal, from the start to the end of both.

    Args:
        command: the program and its arguments.
        columns: of the terminal.
        rows: likewise.

    Raises:
        OSError: there is no terminal, or the program can't be started.
    """

    def __init__(self, command: Sequence[str], columns: int, rows: int) -> None:
        self._terminal, side = os.openpty()
        self._is_open = True
        try:
            os.set_blocking(self._terminal, False)
            self._set_size(columns, rows)
            self._process = subprocess.Popen(
                command, stdin=side, stdout=side, stderr=side, start_new_session=True,
                env=viewer_environment(),
            )  # fmt: skip
        except BaseException:
            self._close()
            raise
        finally:
            os.close(side)
        take_least_priority(self._process.pid)

    @property
    def pid(self) -> int:
        """The process's number."""
        return self._process.pid

    def resize(self, columns: int, rows: int) -> None:
        """Give the terminal another size."""
        if self._is_open:
            self._set_size(columns, rows)
            with suppress(OSError):
                self._process.send_signal(signal.SIGWINCH)

    def _set_size(self, columns: int, rows: int) -> None:
        size = min(max(rows, 1), MOST_ROWS), min(max(columns, 1), MOST_COLUMNS)
        fcntl.ioctl(self._terminal, termios.TIOCSWINSZ, struct.pack("HHHH", *size, 0, 0))

    async def read(self) -> bytes:
        """Return what the process has written next; nothing once it has ended."""
        while self._is_open:
            try:
                return os.read(self._terminal, READ_BYTES)
            except BlockingIOError:
                await self._ready(writing=False)
            except OSError:
                break  # Linux: no process has the other side open
        return b""

    async def write(self, data: bytes) -> None:
        """Type something, as soon as the process takes it."""
        while data and self._is_open:
            try:
                data = data[os.write(self._terminal, data) :]
            except BlockingIOError:
                await self._ready(writing=True)
            except OSError:
                return

    async def _ready(self, *, writing: bool) -> None:
        loop = asyncio.get_running_loop()
        add = loop.add_writer if writing else loop.add_reader
        remove = loop.remove_writer if writing else loop.remove_reader
        ready = loop.create_future()
        add(self._terminal, _set, ready)
        try:
            await ready
        finally:
            remove(self._terminal)

    async def end(self, *, saves: bool) -> None:
        """End the process and close its terminal.

        Args:
            saves: it may have something to save, and gets the time for it.
        """
        self._close()
        if saves:
            with suppress(OSError):
                self._process.send_signal(signal.SIGHUP)
            deadline = monotonic() + END_SECONDS
            while self._process.poll() is None and monotonic() < deadline:
                await asyncio.sleep(_LOOK_SECONDS)
        if self._process.poll() is None:
            # With what it may have started: it leads its group.
            with suppress(OSError):
                os.killpg(self._process.pid, signal.SIGKILL)
        while self._process.poll() is None:
            await asyncio.sleep(_LOOK_SECONDS)

    def _close(self) -> None:
        if self._is_open:
            self._is_open = False
            os.close(self._terminal)


def _set(ready: "asyncio.Future[None]") -> None:
    if not ready.done():
        ready.set_result(None)


def take_least_priority(pid: int) -> None:
    """Give a process, which leads a session, the least priority, where the system lets us."""
    with suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, pid, NICENESS)
    # Linux shares the processor between sessions first: niceness counts only inside of one.
    with suppress(OSError):
        Path(f"/proc/{pid}/autogroup").write_text(str(NICENESS), encoding="ascii")
