"""A program in a pseudo-terminal, and an emulator of what a person sees there."""

import os
import re
import select
import sys
import termios
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from threading import Condition, Thread
from time import monotonic

from tests.support.checkout import CHECKOUT
from tests.support.pty.emulator import Emulator
from tests.support.pty.program import PtyProgram
from tests.support.waiting import DEADLINE_SECONDS, seconds_to_end

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


class Terminal(PtyProgram):
    """A program in a terminal that an emulator follows; use as a context manager.

    Args:
        command: program and arguments.
        folder: working folder.
        columns: of the terminal.
        rows: of the terminal.
        env: the program's environment; None for `environment()`.
        controlling: hangups and typed keys become signals; False for a terminal that the program
            merely reads and writes.
        answers: it says where its cursor is when it is asked, as real ones do.
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
        self._woken, self._wake = os.pipe()
        super().__init__(
            command, folder, columns=columns, rows=rows, env=env or environment(),
            controlling=controlling,
        )  # fmt: skip
        self._start_reading()

    def close(self) -> None:
        """End the program if it still runs, and close the terminal."""
        self.kill()
        self.close_side()
        self._stop_reading()
        super().close()
        for descriptor in (self._woken, self._wake):
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

    def resize(self, columns: int, rows: int) -> None:
        """Change the size, as dragging a window's corner does."""
        with self._changed:
            self.screen.resize(rows, columns)
        super().resize(columns, rows)

    def wipe(self) -> None:
        """Lose what is shown, as terminals do that were made smaller for a moment."""
        with self._changed:
            self.screen.erase_in_display(2)

    def hang_up(self) -> None:
        """Close the terminal's window: the program gets SIGHUP and nobody reads it any more."""
        self.close_side()
        self._stop_reading()
        # The kernel hangs up when the last descriptor of this side is closed.
        super().close()

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
        if self.side >= 0:
            self.attributes_after = termios.tcgetattr(self.side)
        self.close_side()
        self._reader.join(seconds)
        return status

    def after_the_app(self) -> list[str]:
        """Return the lines that came after the alternate screen was left."""
        _, found, rest = self.received().rpartition(b"\x1b[?1049l")
        assert found, "the alternate screen was not left"
        return [line.strip() for line in _without_sequences(rest).splitlines() if line.strip()]

    def _start_reading(self) -> None:
        self._reader = Thread(target=self._read, name="terminal-reader", daemon=True)
        self._reader.start()

    def _stop_reading(self) -> None:
        os.write(self._wake, b".")
        self._reader.join(DEADLINE_SECONDS)

    def _read(self) -> None:
        while True:
            ready, _, _ = select.select([self.main, self._woken], [], [])
            if self.main not in ready:
                return
            data = b""
            # EIO: the last program has closed the other side.
            with suppress(OSError):
                data = os.read(self.main, 65_536)
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


def assert_restored(terminal: Terminal) -> None:
    """Check that a program which has ended left the terminal as it found it."""
    received = terminal.received()
    _, entered, left = received.rpartition(b"\x1b[?1049h")
    assert entered, "the app has not drawn"
    for mode in (b"?1049l", b"?25h", b"?1000l", b"?1003l", b"?1006l", b"?1004l", b"?2004l"):
        assert b"\x1b[" + mode in left, f"{mode.decode()} was not sent"
    assert left.rfind(b"\x1b[?25h") > left.rfind(b"\x1b[?25l"), "the cursor stays hidden"
    assert terminal.attributes_after == terminal.attributes_before
