"""Every way to end and every bad file, tried on the real command: what survived, what was lost.

    python -m tests.bench.faults [--kills 200] [--fuzz 20000] [--only WORD] [--jobs 2]

Each row runs the tests that prove it, as processes of their own; a row counts the faults that they
try. Rows whose tests hold limits in seconds come last and one by one, whatever `--jobs` says.
What was on disk before a fault is compared with what is there after it (tests/standing.py):
`files` is how many files were there before, `lost` how many of them are gone or lack something,
`steps` by how many steps of training the newest whole checkpoints are older. Needs Linux; a small
tmpfs needs the right to mount.
"""

import argparse
import json
import os
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from time import monotonic

from tests.bench.our_runs import scratch
from tests.bench.verdicts import load, say
from tests.support.checkout import CHECKOUT

DISK_FAULTS = 6
"""Quota, lost rights, a full disk, lost rights at the end, a moved folder, a deleted one."""

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
    timed: bool = False
    """Its tests hold limits in seconds: nothing else runs beside it."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What came of a row, or of all of them."""

    tried: int
    survived: int
    files: int
    lost: int
    steps: int
    skipped: int
    seconds: float
    output: str = ""

    @property
    def is_bad(self) -> bool:
        """Whether a test failed or anything was lost."""
        return self.survived < self.tried or self.lost > 0 or self.steps > 0

    def columns(self, name: str) -> str:
        """Return a row of the table."""
        return (
            f"{name:<40}{self.tried:>9,}{self.survived:>9,}{self.files:>10,}{self.lost:>6,}"
            f"{self.steps:>6,}{self.skipped:>8}{self.seconds:>8.0f}"
        )


def rows(kills: int, fuzz: int) -> list[FaultRow]:
    """Return all rows: those that take longest first, those that are timed last."""

    def e2e(*names: str, only: str = "") -> tuple[str, ...]:
        return (*(f"tests/e2e/test_{name}.py" for name in names), "-k", only)

    def core(*names: str, only: str = "") -> tuple[str, ...]:
        return (*map(_core_test, names), "-k", only)

    hangup = "SIGHUP or closed_window or closes_without_a_signal or outlives_its_terminal"
    leaving = ("leaving_in_time", "signals")
    data = ("npy", "idx", "data_refusals")
    logs = ("metrics", "event_log", "confusion_in_metrics", "replay", "follower")
    fuzzed = f"{fuzz:,} mutated inputs per reader"
    return [
        FaultRow("SIGKILL of the real command", e2e("kills"), kills),
        FaultRow(fuzzed, core("reader_fuzz", "data_fuzz"), fuzz * FUZZED_READERS),
        FaultRow("killed and resumed, bit for bit", core("exact_resume")),
        FaultRow("SIGKILL at each system call of a save", core("checkpoint_crashes")),
        FaultRow("SIGKILL: epochs kept, branch, new rate", e2e("history_kills"), 45),
        FaultRow("SIGSTOP, SIGCONT, ctrl+z and fg", e2e("job_control")),
        FaultRow("disk full, quota, read-only, moved", e2e("disk_faults"), DISK_FAULTS),
        FaultRow("the folder renamed, deleted, replaced", e2e("gone_folder")),
        FaultRow("any value in any file, FIFO, holes", core("hostile_folders")),
        FaultRow("a run made longer", e2e("longer_run")),
        FaultRow(
            "an engine raises or diverges",
            (*core("trainer_endings")[:1], *e2e("hostile_names", only="trainer or screen")),
        ),
        FaultRow("attached; its process is killed", e2e("attach", only="killed or ordered")),
        FaultRow("two processes, one run", e2e("run_owner") + core("owner")[:1]),
        FaultRow("bad checkpoints", core("bad_files", "checkpoints")),
        FaultRow("bad configs", core("run", only="config")),
        FaultRow("bad logs", core(*logs, only="damaged or torn or garbage or repeated or long")),
        FaultRow("bad data files", core(*data)),
        FaultRow("hostile names, paths and links", e2e("hostile_names") + core("layout")[:1]),
        FaultRow("renamed and deleted while trained", core("changes")),
        FaultRow("q, Ctrl-C, SIGTERM", e2e(*leaving, only=f"not ({hangup})"), timed=True),
        FaultRow("the link drops", e2e(*leaving, "attach", only=hangup), timed=True),
    ]


def _core_test(name: str) -> str:
    """Return the path of a test of core; a name that is not there is an error, no empty row."""
    (path,) = CHECKOUT.glob(f"tests/core/**/test_{name}.py")
    return str(path.relative_to(CHECKOUT))


def judge(row: FaultRow, environment: dict[str, str], notes: Path) -> Verdict:
    """Run the tests of a row.

    Args:
        row: which.
        environment: of the tests.
        notes: receives what each fault has cost.
    """
    began = monotonic()
    notes.write_text("")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-n", "0", "-p", "no:cacheprovider",
         "-m", "rare or not rare", *row.tests],
        cwd=CHECKOUT, env=environment | {"MLPWATCH_LOSSES": str(notes)},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    counts = {
        what: int(n) for n, what in re.findall(r"(\d+) (passed|failed|error|skipped)", done.stdout)
    }
    failed = counts.get("failed", 0) + counts.get("error", 0)
    tests = counts.get("passed", 0) + failed
    tried = tests if row.faults is None else row.faults
    survived = tried if not failed and done.returncode == 0 else max(0, tried - max(1, failed))
    losses = [json.loads(text) for text in notes.read_text().splitlines()]
    return Verdict(
        tried,
        survived,
        files=sum(loss["files"] for loss in losses),
        lost=sum(len(loss["lost"]) for loss in losses),
        steps=sum(loss["steps"] for loss in losses),
        skipped=counts.get("skipped", 0),
        seconds=monotonic() - began,
        output=done.stdout,
    )


def total(verdicts: list[Verdict]) -> Verdict:
    """Add up all rows."""
    sums = {
        what: sum(getattr(verdict, what) for verdict in verdicts)
        for what in ("tried", "survived", "files", "lost", "steps", "skipped", "seconds")
    }
    return Verdict(**sums)


def main() -> int:
    """Try all rows, print the table, and return 1 if anything was lost."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--fuzz", type=int, default=400, help="mutated inputs per reader")
    parser.add_argument("--only", default="", help="rows whose name holds this")
    parser.add_argument("--jobs", type=int, default=1, help="rows at the same time")
    options = parser.parse_args()
    counts = {"MLPWATCH_KILLS": str(options.kills), "MLPWATCH_FUZZ": str(options.fuzz)}
    wanted = [row for row in rows(options.kills, options.fuzz) if options.only in row.name]
    say(
        f"{'fault':<40}{'tried':>9}{'survived':>9}{'files':>10}{'lost':>6}{'steps':>6}"
        f"{'skipped':>8}{'seconds':>8}"
    )
    with scratch() as folder:

        def tried(row: FaultRow) -> Verdict:
            notes = folder / f"losses-{wanted.index(row)}.jsonl"
            verdict = judge(row, os.environ | counts, notes)
            say(verdict.columns(row.name) + (verdict.output if verdict.is_bad else ""))
            return verdict

        with ThreadPoolExecutor(options.jobs) as together:
            verdicts = list(together.map(tried, (row for row in wanted if not row.timed)))
        verdicts += [tried(row) for row in wanted if row.timed]
    all_of_them = total(verdicts)
    say(all_of_them.columns(f"all ({load()})"))
    return 1 if all_of_them.is_bad else 0


if __name__ == "__main__":
    sys.exit(main())
