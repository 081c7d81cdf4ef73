"""What follows the end of a run: the command of `--on-end`, a word from `--notify`."""

import argparse
import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from math import isnan, nan
from pathlib import Path
from threading import Event as Flag
from threading import Lock, Thread
from time import monotonic
from typing import TYPE_CHECKING, Protocol

from mlpwatch.core.text import excerpt, one_line

if TYPE_CHECKING:
    from subprocess import Popen

    from mlpwatch.core.training.session import Session

FINISH_SECONDS = 30.0
"""How long a process whose run has ended by itself waits for its command."""

LEAVE_SECONDS = 3.0
"""How long it waits after a key or a signal; the command then runs on by itself."""

SETTLE_SECONDS = 5.0
"""How long the command waits for the last checkpoint: a disk may not answer."""

MOST_OUTPUT_BYTES = 1_000_000
"""Of a command's output, which are kept."""

_KEEPER_SECONDS = 1.0
"""For the last bytes to reach the file."""

_LOOK_SECONDS = 0.1
_TAIL_BYTES = 2_000
_WORST_FIRST = ("failed", "diverged", "stopped", "finished")


def add_end_options(parser: argparse.ArgumentParser) -> None:
    """Add what happens when the run ends."""
    group = parser.add_argument_group("at the end")
    group.add_argument(
        "--on-end", metavar="CMD",
        help="run CMD in your shell when it ends, fails, diverges or is stopped; its "
        "environment has MLPWATCH_RUN, _PATH, _ENDED, _NUMPY_TEST_ACCURACY and more, its output "
        "goes to on-end.log in the run's folder",
    )  # fmt: skip
    add_notify_option(group)


def add_notify_option(group: argparse._ArgumentGroup) -> None:
    """Add `--notify`."""
    group.add_argument(
        "--notify", action="store_true",
        help="a notification of the terminal, or its bell, when the run ends, fails or diverges",
    )  # fmt: skip


def endings_of(options: argparse.Namespace) -> "RunEndings":
    """Return what the command line wants at the end of a run."""
    notify = options.notifier if getattr(options, "notify", False) else None
    return RunEndings(getattr(options, "on_end", None), notify)


class WhatEnds(Protocol):
    """What ends: a run, or a sweep."""

    @property
    def has_ended(self) -> bool:
        """Whether nothing of it trains any more."""

    @property
    def is_settled(self) -> bool:
        """Whether it is saved."""

    @property
    def path(self) -> Path:
        """Its folder."""

    def variables(self) -> Mapping[str, str]:
        """Return the environment of the command, once it has ended."""

    def news(self) -> str:
        """Return how it has ended, in one line; empty if the user has stopped it."""


class RunEndings:
    """Runs a command at the end of each run or sweep that is followed, and says a word.

    Args:
        command: for the user's shell; None for none.
        notify: receives one line for what has no screen; None for none.
    """

    def __init__(
        self, command: str | None = None, notify: Callable[[str], object] | None = None
    ) -> None:
        self._command, self._notify = command, notify
        self._commands: list[_EndCommand] = []
        self._sessions: list[Session] = []
        self._followed: list[WhatEnds] = []

    def follow(self, session: "Session") -> None:
        """Wait for a run's end in the background. No effect the second time."""
        if session not in self._sessions:
            self._sessions.append(session)
            self.add(_FollowedRun(session))

    def add(self, followed: WhatEnds) -> None:
        """Wait for an end in the background."""
        self._followed.append(followed)
        if self._command:
            self._commands.append(_EndCommand(followed, self._command))

    def begin(self) -> None:
        """Start all commands now, also of runs that are still being saved; say the word."""
        for command in self._commands:
            command.begin()
        for followed in self._followed if self._notify else []:
            if self._notify and (text := followed.news()):
                self._notify(text)

    def failures(self) -> list[str]:
        """Return a line for each command that has failed since the last call."""
        return [line for one in self._commands if (line := one.take_failure())]

    def finish(self, hurry: Flag | None = None) -> list[str]:
        """Wait for the commands, not for long; return a line for each that failed or still runs.

        Args:
            hurry: set by a signal, also while it waits; None for a user who leaves.
        """
        for command in self._commands:
            command.begin()
        began = monotonic()
        lines = []
        for command in self._commands:
            while not command.done.wait(_LOOK_SECONDS):
                is_short = hurry is None or hurry.is_set()
                if monotonic() - began >= (LEAVE_SECONDS if is_short else FINISH_SECONDS):
                    lines.append(command.still_runs)
                    break
        return lines + self.failures()


class _FollowedRun:
    """A run that trains in this process."""

    def __init__(self, session: "Session") -> None:
        self._session = session

    @property
    def has_ended(self) -> bool:
        return self._session.ended

    @property
    def is_settled(self) -> bool:
        return self._session.is_settled

    @property
    def path(self) -> Path:
        return self._session.run.path

    def variables(self) -> Mapping[str, str]:
        return variables(self._session)

    def news(self) -> str:
        ends = {
            self._session.config.label(name): (end.reason, end.test.accuracy if end.test else nan)
            for name, end in self._session.results.items()
        }
        is_news = any(reason != "stopped" for reason, _ in ends.values())
        return end_text(self._session.run.name, ends) if is_news else ""


class _EndCommand:
    """The command of one end: begins when all has ended and is saved."""

    def __init__(self, followed: WhatEnds, command: str) -> None:
        self._followed, self._command = followed, command
        self._is_due, self._lock, self._failure = Flag(), Lock(), ""
        self.done = Flag()
        Thread(target=self._run, name="on-end", daemon=True).start()

    @property
    def still_runs(self) -> str:
        """One line about a command that takes long."""
        path = _output_path(self._followed.path)
        return one_line(f"on-end: still runs, and writes to {path} ({excerpt(self._command)})")

    def begin(self) -> None:
        """Do not wait any longer."""
        self._is_due.set()

    def take_failure(self) -> str:
        """Return why the command failed, in one line, once; else ""."""
        with self._lock:
            failure, self._failure = self._failure, ""
        return failure

    def _run(self) -> None:
        while not self._followed.has_ended and not self._is_due.wait(_LOOK_SECONDS):
            pass
        deadline = monotonic() + SETTLE_SECONDS
        while not self._followed.is_settled and monotonic() < deadline:
            if self._is_due.wait(_LOOK_SECONDS):
                break
        failure = self._failed()
        with self._lock:
            # The reason first: a narrow screen cuts the end.
            self._failure = failure and one_line(f"on-end: {failure} ({excerpt(self._command)})")
        self.done.set()

    def _failed(self) -> str:
        """Run the command to its end; return why it failed, else ""."""
        # Imported here, as all that the first frame does not need.
        import subprocess  # noqa: PLC0415

        shell = os.environ.get("SHELL") or "/bin/sh"
        keeper: subprocess.Popen[bytes] | None = None
        path = _output_path(self._followed.path)
        with suppress(OSError):
            path.unlink()
        try:
            output = os.open(path, os.O_CREAT | os.O_RDWR | os.O_APPEND, 0o666)
        except OSError:
            output = os.open(os.devnull, os.O_RDWR)
        try:
            # Not the file itself: a command that writes without end would fill the disk. What is
            # beyond is read and dropped, so that the command is neither held up nor ended.
            keeper = subprocess.Popen(
                ["/bin/sh", "-c", f"head -c {MOST_OUTPUT_BYTES}; exec cat >/dev/null"],
                stdin=subprocess.PIPE, stdout=output, stderr=subprocess.DEVNULL,
                start_new_session=True,
            )  # fmt: skip
            # A session of its own: no ctrl+c or hangup of this terminal ends it.
            process = subprocess.Popen(
                [shell, "-c", self._command], stdin=subprocess.DEVNULL, stdout=keeper.stdin,
                stderr=keeper.stdin, env={**os.environ, **self._followed.variables()},
                start_new_session=True,
            )  # fmt: skip
            status = process.wait()
            _leave(keeper)
            return f"exit status {status}{_last_line(output)}" if status else ""
        except (OSError, ValueError) as error:
            return f"{shell}: {getattr(error, 'strerror', None) or error}; SHELL names the shell"
        finally:
            if keeper is not None:
                _leave(keeper)
            os.close(output)


def _leave(keeper: "Popen[bytes]") -> None:
    """Wait for the last bytes; what the command has left behind may still write."""
    from subprocess import TimeoutExpired  # noqa: PLC0415 - as above

    if keeper.stdin is not None:
        keeper.stdin.close()
    with suppress(TimeoutExpired):
        keeper.wait(_KEEPER_SECONDS)


def variables(session: "Session") -> dict[str, str]:
    """Return the environment of `--on-end`: how a run has ended, "" where a number is unknown."""
    config, results = session.config, session.results
    reasons = [result.reason for result in results.values()]
    # An engine that could not end in time was stopped.
    reasons += ["stopped"] * (len(config.engine_names) - len(reasons))
    found: dict[str, object] = {
        "RUN": session.run.name,
        "PATH": Path(session.run.path).resolve(),
        "ENDED": min(reasons, key=_WORST_FIRST.index),
        "DATA": session.dataset.name,
        "RECIPE": config.recipe,
        "EPOCHS": config.epochs,
    }
    for name in config.engine_names:
        values = results[name].to_dict() if name in results else {}
        best = values.get("best") or {}
        found |= {
            f"{name.upper()}_{key}": value
            for key, value in {
                "ENDED": values.get("ended", "stopped"),
                "DETAIL": values.get("detail"),
                "TEST_ACCURACY": values.get("test_accuracy"),
                "TEST_LOSS": values.get("test_loss"),
                "VAL_ACCURACY": values.get("val_accuracy"),
                "BEST_EPOCH": best.get("epoch"),
                "SECONDS": values.get("seconds"),
            }.items()
        }
    return {f"MLPWATCH_{name}": shown_variable(value) for name, value in found.items()}


def end_text(run: str, ends: Mapping[str, tuple[str, float]]) -> str:
    """Return how a run has ended in one short line, for a notification.

    Args:
        run: its name.
        ends: the reason and the test accuracy, NaN if unknown, by the models' names.
    """
    parts = [
        f"{label} {reason}" if isnan(accuracy) else f"{label} {accuracy:.2%}"
        for label, (reason, accuracy) in ends.items()
    ]
    worst = min((reason for reason, _ in ends.values()), key=_WORST_FIRST.index)
    return one_line(f"{run} {worst}: {', '.join(parts)}")


def _output_path(folder: Path) -> Path:
    """Return where the command's output goes."""
    from mlpwatch.core.runs.layout import END_OUTPUT_NAME  # noqa: PLC0415 - it imports `secrets`

    return folder / END_OUTPUT_NAME


def shown_variable(value: object) -> str:
    """Return a value as a variable of the environment has it; "" for None."""
    if value is None:
        return ""
    text = f"{value:.6g}" if isinstance(value, float) else str(value)
    return text.replace("\0", "")


def _last_line(output: int) -> str:
    """Return the last line that the command wrote, for a message; "" if it wrote none."""
    with suppress(OSError):
        size = os.fstat(output).st_size
        tail = os.pread(output, _TAIL_BYTES, max(0, size - _TAIL_BYTES))
        lines = [line for line in tail.decode(errors="replace").splitlines() if line.strip()]
        return f": {excerpt(lines[-1])}" if lines else ""
    return ""
