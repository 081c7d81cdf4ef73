"""How fast both engines train with the screen, against without; and what the screen's thread takes.

Run through `python -m tests.bench.screen --parts speed`.
"""

import os
import signal
from collections.abc import Callable
from pathlib import Path

from mlpwatch.core.config import ENGINE_NAMES, EngineName
from tests.bench.our_runs import START_SECONDS, epochs_logged, logged_speeds, training, watching
from tests.bench.verdicts import Row, load, say
from tests.support.pty.noted import NotedProgram

EPOCHS = 2_000
"""Longer than any reading."""

Speeds = dict[EngineName, float]


def speed_rows(folder: Path, data: str, rounds: int, seconds: float) -> list[Row]:
    """Train in pairs, with and without the screen, each first in turn; return the ratios."""
    ratios: dict[EngineName, list[float]] = {name: [] for name in ENGINE_NAMES}
    shares: list[float] = []
    for number in range(rounds):
        pair: dict[str, Speeds] = {}
        for kind in ("with", "without") if number % 2 else ("without", "with"):
            saved = folder / f"{kind}{number}"
            saved.mkdir()
            if kind == "with":
                pair[kind] = _with_screen(saved, data, seconds, shares)
            else:
                pair[kind] = _without_screen(saved, data, seconds)
        for name in ENGINE_NAMES:
            ratios[name].append(pair["with"][name] / pair["without"][name])
        told = ", ".join(
            f"{name} {pair['with'][name]:,.0f} / {pair['without'][name]:,.0f} steps/s"
            for name in ENGINE_NAMES
        )
        say(f"speed, with / without the screen: {told}, {load()}")
    return [
        *(Row(f"{n} with the screen / without", ratios[n], least=0.95) for n in ENGINE_NAMES),
        Row("share of one core that the screen takes", shares, "%"),
    ]


def _with_screen(saved: Path, data: str, seconds: float, shares: list[float]) -> Speeds:
    def train(program: NotedProgram) -> None:
        before = _main_thread_seconds(program.process.pid)
        program.read(seconds)
        took = _main_thread_seconds(program.process.pid) - before
        shares.append(100 * took / seconds)
        program.end(b"q")

    return _speeds(watching(saved, data, EPOCHS), saved, train)


def _without_screen(saved: Path, data: str, seconds: float) -> Speeds:
    def train(program: NotedProgram) -> None:
        program.read(seconds)
        program.process.send_signal(signal.SIGTERM)
        while program.process.poll() is None:
            program.read(0.05)

    return _speeds(training(saved, data, EPOCHS), saved, train)


def _speeds(program: NotedProgram, saved: Path, train: Callable[[NotedProgram], None]) -> Speeds:
    with program:
        # Measure from the first epoch on: start and import are no training.
        program.read_until(lambda: epochs_logged(saved), START_SECONDS, pause=0.1)
        train(program)
    return logged_speeds(saved)


def _main_thread_seconds(pid: int) -> float:
    """Return the CPU time of a process's first thread, which is the screen's (Linux)."""
    fields = Path(f"/proc/{pid}/task/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
