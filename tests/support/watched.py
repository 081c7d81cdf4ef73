"""Programs that watch their own loop, in processes of their own."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mlpwatch.core.monitor.records import LoopLine, parse_loop_line
from mlpwatch.core.runs.layout import LOOP_LOG_NAME
from tests.support.checkout import CHECKOUT
from tests.support.terminal import environment

ENDLESS = """
import mlpwatch, time
rates = []
with mlpwatch.watch("loop", optimizer=rates.append) as run:
    for number in run.steps(range(10**9)):
        run.log(loss=1 / (1 + number), rate=rates[-1] if rates else 0.1)
        if run.save_requested:
            run.saved(f"step-{number}.pt")
        time.sleep(0.001)
print("after the block")
"""


def lines_of(folder: Path) -> list[LoopLine]:
    """Return the whole lines of a loop's log; none before its first write."""
    if not (folder / LOOP_LOG_NAME).exists():
        return []
    raw = (folder / LOOP_LOG_NAME).read_bytes().split(b"\n")[:-1]
    found = [parse_loop_line(one) for one in raw]
    assert None not in found
    return [line for line in found if line is not None]


@contextmanager
def program(text: str, folder: Path) -> "Iterator[subprocess.Popen[str]]":
    """Start a program in a folder; what is left of it is killed."""
    process = subprocess.Popen(
        [sys.executable, "-c", text], cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        text=True, env=environment(PYTHONPATH=f"{CHECKOUT / '.src'}"),
    )  # fmt: skip
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def run_program(text: str, folder: Path, seconds: float = 60) -> "subprocess.CompletedProcess[str]":
    """Run a program in a folder to its end."""
    return subprocess.run(
        [sys.executable, "-c", text], cwd=folder, capture_output=True, text=True, check=False,
        timeout=seconds, env=environment(PYTHONPATH=f"{CHECKOUT / '.src'}"),
    )  # fmt: skip
