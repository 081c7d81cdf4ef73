"""Every way to end and every bad file, tried on the real command: what survived, what was lost.

    python -m tests.bench.faults [--kills 200] [--fuzz 20000]

Each row runs the tests that prove it, as processes of their own; a row counts the faults that they
try. Needs Linux; a small tmpfs needs the right to mount.
"""

import argparse
import os
import re
import subprocess
import sys
from dataclasses import dataclass
from time import monotonic

from tests.bench.verdicts import load, say
from tests.e2e.terminal import CHECKOUT

DISK_FAULTS = 5
"""Quota, lost rights, a vanished folder, a full disk, a folder that vanishes before the end."""

FUZZED_READERS = 12
"""Seven of a run's own files, two kinds of .npz and its members, IDX plain and packed."""


@dataclass(frozen=True, slots=True)
class FaultRow:
    """One way for things to go wrong."""

    name: str
    tests: tuple[str, ...]
    """Arguments for pytest."""
    faults: int | None = None
    """How many are tried; None for one per test."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What came of a row."""

    tried: int
    survived: int
    skipped: int
    seconds: float
    output: str


def rows(kills: int, fuzz: int) -> list[FaultRow]:
    """Return all rows, quick ones first."""

    def e2e(*names: str) -> tuple[str, ...]:
        return tuple(f"tests/e2e/test_{name}.py" for name in names)

    def core(*names: str) -> tuple[str, ...]:
        return tuple(f"tests/core/test_{name}.py" for name in names)

    return [
        FaultRow("q, Ctrl-C, SIGTERM in two seconds", e2e("leaving_in_time")),
        FaultRow("signals, hangup, stalled link", e2e("signals")),
        FaultRow("SIGSTOP, SIGCONT, ctrl+z and fg", e2e("job_control")),
        FaultRow("SIGKILL of the real command", e2e("kills"), kills),
        FaultRow("SIGKILL at each system call", core("checkpoint_crashes")),
        FaultRow("disk full, quota, rights, gone", e2e("disk_faults"), DISK_FAULTS),
        FaultRow("an engine raises; hostile names", e2e("hostile_names")),
        FaultRow("two processes, one run", e2e("run_owner") + core("run_owner")),
        FaultRow("bad checkpoints, by name", core("checkpoints")),
        FaultRow("bad data files, by name", core("array_files", "idx_files")),
        FaultRow("bad metrics and configs", core("metrics_log", "runs")),
        FaultRow(
            f"{fuzz:,} mutated inputs per reader",
            core("reader_fuzz", "file_fuzz"),
            fuzz * FUZZED_READERS,
        ),
    ]


def judge(row: FaultRow, environment: dict[str, str]) -> Verdict:
    """Run the tests of a row."""
    began = monotonic()
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-n", "0", "-p", "no:cacheprovider", *row.tests],
        cwd=CHECKOUT, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    counts = {
        what: int(n) for n, what in re.findall(r"(\d+) (passed|failed|error|skipped)", done.stdout)
    }
    failed = counts.get("failed", 0) + counts.get("error", 0)
    tests = counts.get("passed", 0) + failed
    tried = tests if row.faults is None else row.faults
    survived = tried if not failed and done.returncode == 0 else max(0, tried - max(1, failed))
    seconds = monotonic() - began
    return Verdict(tried, survived, counts.get("skipped", 0), seconds, done.stdout)


def main() -> int:
    """Try all rows, print the table, and return 1 if anything was lost."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--fuzz", type=int, default=400, help="mutated inputs per reader")
    options = parser.parse_args()
    counts = {"MLPWATCH_KILLS": str(options.kills), "MLPWATCH_FUZZ": str(options.fuzz)}
    verdicts = []
    say(f"{'fault':<36}{'tried':>10}{'survived':>10}{'lost':>6}{'skipped':>9}{'seconds':>9}")
    for row in rows(options.kills, options.fuzz):
        verdict = judge(row, os.environ | counts)
        verdicts.append(verdict)
        lost = verdict.tried - verdict.survived
        say(
            f"{row.name:<36}{verdict.tried:>10,}{verdict.survived:>10,}{lost:>6,}"
            f"{verdict.skipped:>9}{verdict.seconds:>9.0f}"
        )
        if lost:
            say(verdict.output)
    tried, survived = (sum(getattr(v, what) for v in verdicts) for what in ("tried", "survived"))
    say(
        f"faults tried {tried:,}, survived {survived:,}, files lost {tried - survived:,} ({load()})"
    )
    return 0 if tried == survived else 1


if __name__ == "__main__":
    sys.exit(main())
