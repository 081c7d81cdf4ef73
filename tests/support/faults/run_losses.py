"""What a folder of runs holds, before a fault and after it: what was lost between.

Where MLPWATCH_LOSSES names a file, each comparison is noted in it, one JSON object per line:
`python -m tests.bench.faults` adds them up.
"""

import json
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from mlpwatch.core.config import EngineName
from mlpwatch.core.errors import RunError
from mlpwatch.core.events import StepGroup
from mlpwatch.core.runs.checkpoints import LatestCheckpoint
from mlpwatch.core.runs.layout import (
    EVENTS_NAME,
    MANIFEST_NAME,
    METRICS_NAME,
    OWNER_NAME,
    RESULT_NAME,
    SOCKET_NAME,
)
from mlpwatch.core.runs.run import Run

FLEETING = re.compile(
    rf"{OWNER_NAME}|{SOCKET_NAME}|{RESULT_NAME}|\..*\.tmp|.*\.safetensors(\.previous)?"
)
"""Belongs to a process, to an end, or to a write that is under way. Checkpoints count by their
steps: between two renames of a save the one before is the only one."""

Line = tuple[str, EngineName, int]
"""Log, engine, and epoch or step."""


@dataclass(frozen=True, slots=True)
class Loss:
    """What a fault has cost."""

    files: int
    """That were there before it."""
    lost: tuple[str, ...]
    """Of them, those that are gone or lack something that they held."""
    steps: int
    """Of training that a whole checkpoint held before, and none holds now."""


@dataclass(frozen=True, slots=True)
class Standing:
    """What one run holds."""

    files: frozenset[str]
    steps: dict[EngineName, int]
    """Of each engine's newest whole checkpoint."""
    epochs: dict[EngineName, int]
    """The same, in whole epochs."""
    lines: frozenset[Line]

    @property
    def safe_lines(self) -> frozenset[Line]:
        """Those that no resume writes anew: up to the checkpoints."""
        return frozenset(
            line
            for line in self.lines
            if line[2] <= (self.steps if line[0] == EVENTS_NAME else self.epochs).get(line[1], 0)
        )


def standing(saved: Path) -> dict[str, Standing]:
    """Return what each readable run under `saved` holds."""
    found = {}
    for card in sorted(saved.glob(f"*/{MANIFEST_NAME}")):
        try:
            found[card.parent.name] = _standing(Run.open(saved, card.parent.name))
        except RunError:
            continue
    return found


@contextmanager
def nothing_lost(saved: Path) -> Iterator[None]:
    """Compare what stands before and after the body, note it, and let no loss pass.

    Raises:
        AssertionError: something was lost.
    """
    before = standing(saved)
    yield
    compare(before, standing(saved))


def compare(before: dict[str, Standing], after: dict[str, Standing]) -> None:
    """See `nothing_lost`."""
    nothing = Standing(frozenset(), {}, {}, frozenset())
    for name, was in before.items():
        check(loss(was, after.get(name, nothing)))


@contextmanager
def left_alone(folder: Path) -> Iterator[None]:
    """See that the body changes no byte in a folder, however bad its files are, and note it.

    Raises:
        AssertionError: a file was changed, came or went.
    """
    before = _contents(folder)
    yield
    after = _contents(folder)
    changed = {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)}
    check(Loss(len(before), tuple(sorted(changed)), 0))


def loss(before: Standing, after: Standing) -> Loss:
    """Return what `after` lacks of `before`."""
    lost = {*(before.files - after.files), *(log for log, *_ in before.safe_lines - after.lines)}
    steps = {name: step - after.steps.get(name, 0) for name, step in before.steps.items()}
    lost |= {f"{name}.safetensors" for name in before.steps if name not in after.steps}
    files = len(before.files) + len(before.steps)
    return Loss(files, tuple(sorted(lost)), sum(max(0, missing) for missing in steps.values()))


def check(found: Loss) -> None:
    """Note a comparison, and let no loss pass.

    Raises:
        AssertionError: something was lost.
    """
    if notes := os.environ.get("MLPWATCH_LOSSES"):
        with Path(notes).open("a") as file:
            file.write(json.dumps(asdict(found)) + "\n")
    assert (found.lost, found.steps) == ((), 0), found


def _standing(run: Run) -> Standing:
    newest = {name: _newest(run, name) for name in run.config.engine_names}
    positions = {name: one.checkpoint.position for name, one in newest.items() if one}
    sums = [entry for entry in run.events.read() if isinstance(entry, StepGroup)]
    lines: set[Line] = {(METRICS_NAME, line.engine, line.epoch) for line in run.read_metrics()}
    lines |= {(EVENTS_NAME, entry.engine, entry.step) for entry in sums}
    names = (path.name for path in run.path.iterdir())
    return Standing(
        frozenset(name for name in names if not FLEETING.fullmatch(name)),
        {name: at.step for name, at in positions.items()},
        {name: at.epoch for name, at in positions.items()},
        frozenset(lines),
    )


def _newest(run: Run, engine: EngineName) -> LatestCheckpoint | None:
    try:
        return run.read_latest(engine)
    except RunError:
        return None


def _contents(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }
