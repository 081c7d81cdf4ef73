"""A real pseudo-terminal with a program in it, and an emulator of what a person sees."""

import fcntl
import os
import re
import select
import struct
import subprocess
import sys
import termios
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from threading import Condition, Thread
from time import monotonic, sleep
from types import TracebackType
from typing import Self

from tests.support.checkout import CHECKOUT
from tests.support.emulator import Emulator
from tests.support.ending import seconds_to_end

DEADLINE_SECONDS = 60.0
"""For anything that is waited for: slow and busy machines need tens of seconds to import torch."""

_LOOK_SECONDS = 0.02
"""Between two looks at what is waited for."""

_LAUNCHER = (
    "import fcntl, os, sys, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0); "
    "os.execvp(sys.argv[1], sys.argv[1:])"
)
"""Makes the terminal the controlling one, so that ctrl+c and hangups become signals."""

_NOT_PASSED_ON = {
    "NO_COLOR", "SSH_CONNECTION", "TMUX", "COLUMNS", "LINES", "CI", "TEXTUAL_FPS",
    # An installed mlpwatch has its bytecode beside it; compiling takes up to 0.4 s of each start.
    "PYTHONDONTWRITEBYTECODE",
}  # fmt: skip


def mlpwatch_command() -> list[str]:
    """Return the command of this environment: the installed script, or the module."""
    script = Path(sys.executable).with_name("mlpwatch")
    return [str(script)] if script.is_file() else [sys.executable, "-m", "mlpwatch"]


def environment(**changes: str) -> dict[str, str]:
    """Return an environment that finds this checkout and no cached data."""
    kept = {name: value for name, value in os.environ.items() if name not in _NOT_PASSED_ON}
    base = {"TERM": "xterm-256color", "LANG": "C.UTF-8", "PYTHONPATH": str(CHECKOUT)}
    return kept | base | changes


class Terminal:
    """A program in a terminal of its own; use as a context manager.

    Args:
        command: program and arguments.
        folder: working folder.
        columns: of the terminal.
        rows: of the terminal.
        env: the program's environment; None for `environment()`.
        controlling: hangups and typed keys become signals; False for a terminal that the program
            merely reads and writes.
        answers: it tells where its cursor is when it is asked, as real ones do.
    """

    def __init__(
        self,
        command: Sequence[str],
        folder: Path,
        *,
        columns: int = 80,
        rows: int = 24,
        env: Mapping[str, str] | None = None,
        controlling: bool = True,
        answers: bool = False,
    ) -> None:
        self.folder = folder
        self.screen = Emulator(columns, rows, self.send if answers else None)
        self._changed = Condition()
        self._received = bytearray()
        self._main, self._side = os.openpty()
        self._woken, self._wake = os.pipe()
        self._set_size(columns, rows)
        self.attributes_before = termios.tcgetattr(self._side)
        self.process = subprocess.Popen(
            [sys.executable, "-c", _LAUNCHER, *command] if controlling else command,
            stdin=self._side, stdout=self._side, stderr=self._side,
            cwd=folder, env=dict(env or environment()), start_new_session=True,
        )  # fmt: skip
        self._start_reading()

    def __enter__(self) -> Self:
        """Return the running terminal."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End the program if it still runs, and close the terminal."""
        if self.process.poll() is None:
            self.process.kill()
        seconds_to_end(self.process)
        self._close_side()
        self._stop_reading()
        for descriptor in (self._main, self._woken, self._wake):
            if descriptor >= 0:
                os.close(descriptor)

    def text(self) -> str:
        """Return the rows of the screen, without blanks at their ends."""
        with self._changed:
            return self.screen.text()

    def received(self) -> bytes:
        """Return everything that the program has sent."""
        with self._changed:
            return bytes(self._received)

    def wait_for(
        self, wanted: str | Callable[[str], object], seconds: float = DEADLINE_SECONDS
    ) -> str:
        """Wait until the screen holds a text or satisfies a condition; return the screen.

        Raises:
            TimeoutError: it did not in time, or the program ended; the message shows the screen.
        """
        condition = (lambda text: wanted in text) if isinstance(wanted, str) else wanted
        left = seconds
        with self._changed:
            while not condition(self.text()):
                if left <= 0 or self.process.poll() is not None:
                    raise TimeoutError(f"{wanted} not seen; the screen:\n{self.text()}")
                # In slices: a program that ends without a word changes nothing here, and on a
                # machine that was suspended not all of the time is up at once.
                began = monotonic()
                self._changed.wait(1.0)
                left -= min(monotonic() - began, 1.0)
            return self.text()

    def send(self, keys: str) -> None:
        """Type these characters."""
        os.write(self._main, keys.encode())

    def resize(self, columns: int, rows: int) -> None:
        """Change the size, as dragging a window's corner does."""
        with self._changed:
            self.screen.resize(rows, columns)
        self._set_size(columns, rows)

    def wipe(self) -> None:
        """Lose what is shown, as terminals do that were made smaller for a moment."""
        with self._changed:
            self.screen.erase_in_display(2)

    def hang_up(self) -> None:
        """Close the terminal's window: the program gets SIGHUP and nobody reads it any more."""
        self._close_side()
        self._stop_reading()
        # The kernel hangs up when the last descriptor of this side is closed.
        os.close(self._main)
        self._main = -1

    def stall(self) -> None:
        """Take nothing more of what the program sends, as a link does that has stalled."""
        self._stop_reading()

    def drain_again(self) -> None:
        """Take what has waited since `stall`, and what comes from now on."""
        os.read(self._woken, 1)
        self._start_reading()

    def wait_for_silence(self, seconds: float = 1.5) -> str:
        """Wait until nothing has come for some seconds; return the screen."""
        with self._changed:
            while self._changed.wait(seconds):
                pass
        return self.text()

    def wait_for_end(self, seconds: float = DEADLINE_SECONDS) -> int:
        """Wait for the program's end and its last output; return its exit status."""
        seconds_to_end(self.process, seconds)
        status: int = self.process.returncode
        if self._side >= 0:
            self.attributes_after = termios.tcgetattr(self._side)
        self._close_side()
        self._reader.join(seconds)
        return status

    def after_the_app(self) -> list[str]:
        """Return the lines that came after the alternate screen was left."""
        _, found, rest = self.received().rpartition(b"\x1b[?1049l")
        assert found, "the alternate screen was not left"
        return [line.strip() for line in _without_sequences(rest).splitlines() if line.strip()]

    def _set_size(self, columns: int, rows: int) -> None:
        fcntl.ioctl(self._main, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def _close_side(self) -> None:
        if self._side >= 0:
            os.close(self._side)
        self._side = -1

    def _start_reading(self) -> None:
        self._reader = Thread(target=self._read, name="terminal-reader", daemon=True)
        self._reader.start()

    def _stop_reading(self) -> None:
        os.write(self._wake, b".")
        self._reader.join(DEADLINE_SECONDS)

    def _read(self) -> None:
        while True:
            ready, _, _ = select.select([self._main, self._woken], [], [])
            if self._main not in ready:
                return
            data = b""
            # EIO: the last program has closed the other side.
            with suppress(OSError):
                data = os.read(self._main, 65_536)
            with self._changed:
                self._received += data
                self.screen.show(data)
                self._changed.notify_all()
            if not data:
                return


def _without_sequences(data: bytes) -> str:
    return re.sub(rb"\x1b\[[<>=?0-9;$]*[A-Za-z]", b"", data).decode()


def written_at(path: Path) -> int:
    """Return when a file was written, in nanoseconds; 0 where it is absent.

    A checkpoint is absent for an instant in each save, between its two renames.
    """
    try:
        return path.stat().st_mtime_ns
    except FileNotFoundError:
        return 0


def wait_until(condition: Callable[[], object], seconds: float = DEADLINE_SECONDS) -> None:
    """Look again and again until a condition holds.

    Raises:
        TimeoutError: it did not in time.
    """
    # Looks are counted, not seconds: on a machine that was suspended all time is up at once.
    for _ in range(round(seconds / _LOOK_SECONDS)):
        if condition():
            return
        sleep(_LOOK_SECONDS)
    raise TimeoutError(f"not within {seconds:g} s")


def assert_restored(terminal: Terminal) -> None:
    """Check that a program which has ended left the terminal as it found it."""
    received = terminal.received()
    _, entered, left = received.rpartition(b"\x1b[?1049h")
    assert entered, "the app has not drawn"
    for mode in (b"?1049l", b"?25h", b"?1000l", b"?1003l", b"?1006l", b"?1004l", b"?2004l"):
        assert b"\x1b[" + mode in left, f"{mode.decode()} was not sent"
    assert left.rfind(b"\x1b[?25h") > left.rfind(b"\x1b[?25l"), "the cursor stays hidden"
    assert terminal.attributes_after == terminal.attributes_before
