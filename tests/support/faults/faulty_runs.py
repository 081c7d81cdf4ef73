"""Real mlpwatch processes that something goes wrong with; see `tests/support/faults/faulty`."""

import os
import re
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.checkout import CHECKOUT
from tests.support.faults.run_losses import nothing_lost
from tests.support.orders import slow_down
from tests.support.terminal import Terminal, environment, mlpwatch_command
from tests.support.waiting import seconds_to_end, wait_until

FAULTY = CHECKOUT / "tests" / "support" / "faults" / "faulty"

LEAVE_LIMIT_SECONDS = 3.0
"""Leaving takes two seconds at most on a machine that is not busy with other tests."""

DEMO = ("--data", "digits", "--name", "demo", "--epochs", "5000", "--hidden", "16")


def faulty_environment(fault: str) -> dict[str, str]:
    """Return the environment of a process that has these faults."""
    return environment(PYTHONPATH=f"{FAULTY}{os.pathsep}{CHECKOUT}", MLPWATCH_FAULT=fault)


@contextmanager
def watched(folder: Path, fault: str = "", *options: str) -> Iterator[Terminal]:
    """Run the dashboard on a long run in a terminal; slow it when both models did an epoch."""
    command = [*mlpwatch_command(), *DEMO, *options]
    with Terminal(command, folder, env=faulty_environment(fault)) as terminal:
        models = 1 if "--only" in options else 2
        terminal.wait_for(lambda text: len(re.findall(r" +[1-9]\d*/\d+ +training", text)) == models)
        slow_down(folder / "saved/demo")
        yield terminal


@contextmanager
def headless(folder: Path, fault: str = "", *options: str) -> "Iterator[subprocess.Popen[str]]":
    """Run `mlpwatch train` on a long run; its words go to `out.txt` and `err.txt`."""
    command = [*mlpwatch_command(), "train", *DEMO, *options]
    with (folder / "out.txt").open("w") as out, (folder / "err.txt").open("w") as err:
        process = subprocess.Popen(
            command, cwd=folder, env=faulty_environment(fault), text=True,
            stdin=subprocess.DEVNULL, stdout=out, stderr=err,
        )  # fmt: skip
    try:
        yield process
    finally:
        process.kill()
        seconds_to_end(process)


def said(folder: Path, name: str = "err.txt") -> str:
    """Return what a headless run has written so far."""
    return (folder / name).read_text()


def wait_for_epochs(folder: Path, engines: int = 2) -> None:
    """Wait until a headless run has told of an epoch of so many engines, and slow it down."""
    pattern = re.compile(r"^(numpy|torch) +epoch", re.MULTILINE)
    wait_until(lambda: len(set(pattern.findall(said(folder)))) == engines)
    slow_down(folder / "saved/demo")


def seconds_to_leave(terminal: Terminal, how: str | signal.Signals) -> tuple[int, float]:
    """Type a key or send a signal; return the exit status and how long the end took.

    Raises:
        AssertionError: something that was on disk before is not there after it.
    """
    with nothing_lost(terminal.folder / "saved"):
        if isinstance(how, signal.Signals):
            os.kill(terminal.process.pid, how)
        else:
            terminal.send(how)
        took = seconds_to_end(terminal.process)
        status = terminal.wait_for_end()
    return status, took
