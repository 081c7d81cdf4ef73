"""Disks that fail under a real run: full, over quota, read-only, gone; and back again."""

import errno
import os
import re
import resource
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from mlpwatch.core.config import ENGINE_NAMES
from mlpwatch.core.runs.run import Run
from tests.support.faults.faulty_runs import DEMO
from tests.support.faults.run_losses import nothing_lost
from tests.support.orders import slow_down
from tests.support.terminal import Terminal, environment, mlpwatch_command

TMPFS_BYTES = 256 * 1024

Mend = Callable[[], None]
Break = Callable[[Terminal, Path], Mend]
"""Breaks the disk under `saved`, and returns what mends it."""


@contextmanager
def small_disk(folder: Path) -> Iterator[None]:
    """Mount a tmpfs of 256 KiB.

    Raises:
        PermissionError: this user or machine may not mount.
    """
    size = f"size={TMPFS_BYTES}"
    command = ["mount", "-t", "tmpfs", "-o", size, "mlpwatch", str(folder)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        raise PermissionError("there is no mount command") from None
    if done.returncode:
        raise PermissionError(f"no tmpfs can be mounted here: {done.stderr.strip()}")
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def fill(_terminal: Terminal, saved: Path) -> Mend:
    """Leave no byte free."""
    filler = saved / "filler"
    with filler.open("wb", buffering=0) as file, suppress(OSError):
        while True:
            file.write(bytes(4096))
    return filler.unlink


def limit_quota(terminal: Terminal, _saved: Path) -> Mend:
    """Let no file of the process grow beyond 500 bytes, as a quota does."""
    pid, unlimited = terminal.process.pid, (resource.RLIM_INFINITY, resource.RLIM_INFINITY)
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (500, resource.RLIM_INFINITY))
    return lambda: resource.prlimit(pid, resource.RLIMIT_FSIZE, unlimited) and None


def make_read_only(_terminal: Terminal, saved: Path) -> Mend:
    """Take the right to write from the run's folder."""
    (saved / "demo").chmod(0o500)
    return lambda: (saved / "demo").chmod(0o700)


def take_away(_terminal: Terminal, saved: Path) -> Mend:
    """Move the whole folder of runs away."""
    away = saved.with_name("away")
    saved.rename(away)

    def put_back() -> None:
        # Whatever was made meanwhile gives way.
        shutil.rmtree(saved, ignore_errors=True)
        away.rename(saved)

    return put_back


def delete(_terminal: Terminal, saved: Path) -> Mend:
    """Delete the run."""
    while (saved / "demo").exists():
        shutil.rmtree(saved / "demo", ignore_errors=True)
    return lambda: None


FAULTS: dict[str, tuple[Break, int]] = {
    "quota": (limit_quota, errno.EFBIG),
    "read-only": (make_read_only, errno.EACCES),
}


def without_root_rights() -> list[str]:
    """Return the words before a command that make file permissions count even for root."""
    if os.geteuid() != 0:
        return []
    return ["setpriv", "--bounding-set=-dac_override,-dac_read_search"]


@contextmanager
def run_on_disk(folder: Path) -> Iterator[Terminal]:
    """Watch a long run that saves below `folder`, and save it once."""
    command = [*without_root_rights(), *mlpwatch_command(), *DEMO, "--threads", "1"]
    with Terminal(command, folder, columns=140, rows=40, env=environment()) as terminal:
        terminal.wait_for(lambda text: len(re.findall(r"[1-9]\d*/\d+ ", text)) >= len(ENGINE_NAMES))
        slow_down(folder / "saved/demo")
        save(terminal, folder / "saved")
        yield terminal


def save(terminal: Terminal, saved: Path, named: str = "saved in saved/demo") -> dict[str, int]:
    """Press `s`, wait for both to be saved beyond what there was, and return the steps."""
    before = steps_on_disk(saved)
    terminal.send("s")

    def is_newer(_text: str) -> bool:
        found = steps_on_disk(saved)
        return all(found[name] > before[name] for name in found)

    terminal.wait_for(is_newer)
    terminal.wait_for(named)
    return steps_on_disk(saved)


def steps_on_disk(saved: Path) -> dict[str, int]:
    """Return the step of each engine's newest whole checkpoint; -1 before the first."""
    run = Run.open(saved, "demo")
    latest = {name: run.read_latest(name) for name in ENGINE_NAMES}
    return {name: found.checkpoint.position.step if found else -1 for name, found in latest.items()}


def survive(terminal: Terminal, folder: Path, breaking: Break, number: int) -> None:
    """Break the disk; see that the screen says so, training goes on, nothing is lost; mend it.

    Raises:
        AssertionError: something of this did not hold.
        TimeoutError: something of this did not come.
    """
    saved = folder / "saved"
    before = steps_on_disk(saved)
    with nothing_lost(saved):
        mend = breaking(terminal, saved)
        try:
            terminal.send("s")
            terminal.wait_for(f"not saved at saved/demo: {os.strerror(number)}")
            epochs = _epochs(terminal.text())
            terminal.wait_for(lambda text: all(map(int.__lt__, epochs, _epochs(text))))
        finally:
            mend()
        assert steps_on_disk(saved) == before, "the last whole checkpoints stay"
        save(terminal, saved)


def _epochs(text: str) -> list[int]:
    return [int(found) for found in re.findall(r" (\d+)/\d+ ", text)][: len(ENGINE_NAMES)]
