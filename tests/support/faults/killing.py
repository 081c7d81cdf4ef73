"""A save-heavy run that is killed again and again, and what must hold of its folder each time."""

import random
import re
import signal
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

from mlpwatch.core.config import EngineName
from mlpwatch.core.events import StepGroup
from mlpwatch.core.runs.checkpoints import checkpoint_path
from mlpwatch.core.runs.layout import (
    EVENTS_NAME,
    HISTORY_NAME,
    MANIFEST_NAME,
    METRICS_NAME,
    OWNER_NAME,
    SOCKET_NAME,
)
from mlpwatch.core.runs.run import Run
from tests.support.faults.faulty_runs import faulty_environment
from tests.support.faults.run_losses import Standing, compare, standing
from tests.support.terminal import mlpwatch_command, written_at
from tests.support.waiting import last_words, wait_until

OPTIONS = ("--only", "numpy", "--threads", "1")
NEW = (
    "train", "--data", "digits", "--name", "demo", "--epochs", "100000", "--hidden", "16",
    "--optimizer", "momentum", *OPTIONS,
)  # fmt: skip
RESUMED = ("resume", "demo", "--headless", *OPTIONS)

LATEST_KILL_SECONDS = 0.3
"""After the first new checkpoint; at a save every 5 steps there are hundreds in this time."""

NAMES = {
    MANIFEST_NAME, METRICS_NAME, EVENTS_NAME, OWNER_NAME, SOCKET_NAME,
    "numpy.safetensors", "numpy.safetensors.previous", HISTORY_NAME,
}  # fmt: skip
"""What a run folder holds; besides these, only the unfinished file that a kill interrupted."""

UNFINISHED = re.compile(r"\.[a-z]+\.[a-z]+\.\w+\.tmp")


def unexplained(folder: Path) -> list[str]:
    """Return the files that are neither a run's nor an unfinished one, which resume removes."""
    names = [path.name for path in folder.iterdir()]
    return [name for name in names if name not in NAMES and not UNFINISHED.fullmatch(name)]


@dataclass
class Kills:
    """Kills one run round by round.

    Args:
        folder: holds `saved/`.
        seed: of the moments.
    """

    folder: Path
    seed: int = 20261123
    rounds: int = 0
    step: int = 0
    """Of the newest checkpoint that a kill left."""
    stood: dict[str, Standing] = field(default_factory=dict)
    """What the last kill left in `saved`."""
    faults: list[str] = field(default_factory=list)
    """What did not hold, in one line each."""

    def __post_init__(self) -> None:
        """Begin a series of moments."""
        self.moments = random.Random(self.seed)

    def round(self) -> None:
        """Start or resume the run, kill it at a random moment, and look at what it left."""
        process = self._start()
        try:
            self._wait_for_the_moment(process)
        finally:
            process.send_signal(signal.SIGKILL)
            last_words(process)
        self.rounds += 1
        self._look()

    def end(self) -> int:
        """Resume once more, stop in order, and return the step of the last checkpoint."""
        process = self._start()
        self._wait_for_a_save()
        process.terminate()
        said = last_words(process)
        if process.returncode != 128 + signal.SIGTERM:
            self.faults.append(f"the last resume ended with {process.returncode}: {said}")
        self._look()
        leftovers = [name for name in self._names() if name not in NAMES or name == OWNER_NAME]
        self.faults += [f"{name} is left after an orderly end" for name in leftovers]
        return self.step

    def _start(self) -> "subprocess.Popen[str]":
        exists = (self.folder / "saved/demo").exists()
        return subprocess.Popen(
            [*mlpwatch_command(), *(RESUMED if exists else NEW)],
            cwd=self.folder, env=faulty_environment("save_every=5"), text=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
        )  # fmt: skip

    def _wait_for_the_moment(self, process: "subprocess.Popen[str]") -> None:
        """Wait for a save and a little; each fourth time not: it may be loading or resuming."""
        while_starting = self.rounds % 4 == 3
        if not while_starting:
            self._wait_for_a_save(process)
        longest = 2.0 if while_starting else LATEST_KILL_SECONDS
        try:
            process.wait(self.moments.uniform(0, longest))
        except subprocess.TimeoutExpired:
            return
        self.faults.append(f"round {self.rounds}: ended by itself with {process.returncode}")

    def _wait_for_a_save(self, process: "subprocess.Popen[str] | None" = None) -> None:
        path = checkpoint_path(self.folder / "saved/demo", "numpy")
        before = written_at(path)

        def is_new() -> bool:
            has_ended = process is not None and process.poll() is not None
            return has_ended or written_at(path) > before

        wait_until(is_new)

    def _look(self) -> None:
        """Note every way in which the folder is not what it must be.

        Raises:
            AssertionError: something that the kill before had left is lost.
        """
        folder = self.folder / "saved/demo"
        self.faults += [f"round {self.rounds}: {name} unexplained" for name in unexplained(folder)]
        run = Run.open(self.folder / "saved", "demo")
        name: EngineName = "numpy"
        latest = run.read_latest(name)
        if latest is None:
            self.faults.append(f"round {self.rounds}: no checkpoint")
            return
        step = latest.checkpoint.position.step
        if step < self.step:
            self.faults.append(f"round {self.rounds}: step {step} after {self.step}")
        self.step = step
        before, self.stood = self.stood, standing(self.folder / "saved")
        compare(before, self.stood)
        groups = [entry for entry in run.events.read() if isinstance(entry, StepGroup)]
        logged = sum(group.count for group in groups if group.step <= step)
        if logged != step:
            self.faults.append(f"round {self.rounds}: losses of {logged} of {step} steps")
        if damaged := run.read_metrics_log().skipped:
            self.faults.append(f"round {self.rounds}: {damaged} damaged lines of metrics")

    def _names(self) -> list[str]:
        return [path.name for path in (self.folder / "saved/demo").iterdir()]
