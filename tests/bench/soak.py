"""A long run at full speed with the screen on: memory flat, threads and file descriptors constant.

    python -m tests.bench.soak [--minutes 60] [--warm-up 5]

On MNIST with the recipe twin, in a real pseudo-terminal of 140x40.
"""

import argparse
import os
import sys
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from tests.bench.our_runs import data_argument, epochs_logged, scratch, watched
from tests.bench.verdicts import say
from tests.support.pty.noted import NotedProgram

MOST_GROWTH_MB = 5.0
"""From the end of the warm-up to the end."""

EPOCHS = 100_000
"""Longer than any soak."""

WARM_UP_LIMIT_SECONDS = 300.0
"""For the epochs that belong to a warm-up, on a machine that is busy with other things."""

SAMPLE_SECONDS = 2.0
WINDOW = 5
"""Samples whose median is compared: one alone may fall into an evaluation."""


@dataclass(frozen=True, slots=True)
class Sample:
    """What the process holds at one moment."""

    megabytes: float
    """Resident memory."""
    threads: int
    descriptors: int


def sample(pid: int) -> Sample:
    """Read what a process holds (Linux)."""
    status = Path(f"/proc/{pid}/status").read_text()
    fields = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
    descriptors = len(list(Path(f"/proc/{pid}/fd").iterdir()))
    return Sample(int(fields["VmRSS"].split()[0]) / 1024, int(fields["Threads"]), descriptors)


def soak(
    folder: Path, data: str, warm_up: float, seconds: float, *, epochs: int = 0, niceness: int = 0
) -> list[Sample]:
    """Train with the screen on; return samples from the warm-up's end on.

    Args:
        folder: receives the run.
        data: what `--data` takes.
        warm_up: seconds before the first sample: caches fill, the allocator settles.
        seconds: between first and last sample.
        epochs: that both engines have done at least before the first sample.
        niceness: above 0, other programs go first once it trains.
    """
    with watched(folder, data, EPOCHS) as program:
        program.send(b"]")  # lifts a limit of the speed
        if niceness:
            give_way(program.process.pid, niceness)
        _drain(program, warm_up)
        program.read_until(lambda: epochs_logged(folder) >= epochs, WARM_UP_LIMIT_SECONDS, pause=1)
        found = []
        for _ in range(max(2 * WINDOW, round(seconds / SAMPLE_SECONDS))):
            _drain(program, SAMPLE_SECONDS)
            found.append(sample(program.process.pid))
    return found


def give_way(pid: int, niceness: int) -> None:
    """Let other programs go before a process, before all of its threads (Linux)."""
    for task in Path(f"/proc/{pid}/task").iterdir():
        os.setpriority(os.PRIO_PROCESS, int(task.name), niceness)
    # A session of its own is weighed as a whole: sched(7), autogrouping.
    with suppress(OSError):
        Path(f"/proc/{pid}/autogroup").write_text(str(niceness))


def growth(samples: list[Sample]) -> float:
    """Return the megabytes that came on top between the first samples and the last."""
    first, last = samples[:WINDOW], samples[-WINDOW:]
    return median(one.megabytes for one in last) - median(one.megabytes for one in first)


def faults_of(samples: list[Sample]) -> list[str]:
    """Return what is not as it must be, in one line each."""
    found = []
    if growth(samples) > MOST_GROWTH_MB:
        found.append(
            f"memory grew by {growth(samples):.1f} MB, at most {MOST_GROWTH_MB:g} expected"
        )
    # A checkpoint or a log line that is being written holds one or two for a moment; a leak stays.
    for what in ("threads", "descriptors"):
        counts = [getattr(one, what) for one in samples]
        if min(counts[-WINDOW:]) > min(counts[:WINDOW]):
            found.append(f"{what}: {counts[0]} at first, {counts[-1]} at last")
    return found


def _drain(program: NotedProgram, seconds: float) -> None:
    """Take what comes and forget it: notes of an hour would fill our own memory."""
    program.read(seconds)
    program.chunks.clear()


def main() -> int:
    """Soak, print what was found, and return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=60.0, help="in all")
    parser.add_argument("--warm-up", type=float, default=5.0, help="of them, in minutes")
    options = parser.parse_args()
    with scratch() as folder:
        (folder / "saved").mkdir()
        data = data_argument(folder)
        rest = options.minutes - options.warm_up
        samples = soak(folder / "saved", data, 60 * options.warm_up, 60 * rest)
    memory = [one.megabytes for one in samples]
    say(f"{options.minutes:g} minutes, the first {options.warm_up:g} not counted")
    say(f"memory       {memory[0]:.1f} MB to {memory[-1]:.1f} MB: {growth(samples):+.1f} MB")
    for what in ("threads", "descriptors"):
        counts = sorted({getattr(one, what) for one in samples})
        say(f"{what:<12} {', '.join(map(str, counts))}")
    for fault in faults_of(samples):
        say(f"MISSED: {fault}")
    return 1 if faults_of(samples) else 0


if __name__ == "__main__":
    sys.exit(main())
