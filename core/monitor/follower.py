"""Follows the folder of a watched loop: its numbers, epochs and state; and its line in the list."""

import math
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from mlpwatch.core.errors import RunError
from mlpwatch.core.files.line_file import LineFile, LineTail
from mlpwatch.core.monitor.records import LoopLine, LoopManifest, parse_loop_line
from mlpwatch.core.runs.layout import LOOP_LOG_NAME, WATCH_NAME, is_watched
from mlpwatch.core.runs.listing import all_folders
from mlpwatch.core.runs.lock import is_locked
from mlpwatch.core.text import printable

if TYPE_CHECKING:
    from mlpwatch.core.scalars.store import ScalarPoint

LoopStateName = Literal["training", "paused", "finished", "stopped", "failed", "damaged"]

NO_END = "no end in its log: the process was killed, or the disk was full"

_MOST_LAST_LINES = 20_000
"""Lines at the end of a log that are searched for its last epoch: two minutes at most."""


@dataclass(frozen=True, slots=True)
class LoopState:
    """How a watched loop stands; its texts are safe to print."""

    name: str
    path: Path
    state: LoopStateName
    reason: str = ""
    """Why it failed or stopped, or what is damaged; else empty."""
    manifest: LoopManifest | None = None
    """None if it can't be read."""
    step: int = 0
    epoch: int = 0
    time: float = math.nan
    """Of its last line, in Unix time."""
    values: dict[str, float] = field(default_factory=dict)
    """Numbers of its last epoch; before the first one, of its last step."""
    notes: tuple[str, ...] = ()
    """What could not be written, and what was lost."""

    @property
    def has_ended(self) -> bool:
        """Whether no more lines will come."""
        return self.state not in ("training", "paused")


class LoopFollower:
    """Reads what a loop adds to its folder, each line once. Takes no lock. Not thread-safe.

    Args:
        path: of the folder.

    Raises:
        RunError: it is no folder of a watched loop, or is damaged.
    """

    def __init__(self, path: Path) -> None:
        self.manifest = LoopManifest.read(path)
        self._path, self._tail = path, LineTail(path / LOOP_LOG_NAME)
        self.damaged = 0
        """Lines that could not be read."""
        self.lost_end = False
        """Whether the process is gone and has not written its end; said by one `read`."""
        self.state = LoopState(printable(path.name), path, "training", manifest=self.manifest)
        """As of the last `read`."""

    def read(self) -> list[LoopLine]:
        """Return the new lines, at most 4 MB of them at a time; empty if there are none."""
        # Checked before the log is read, so that it has what the process wrote at its end.
        is_live = is_locked(self._path, WATCH_NAME)
        raw = self._tail.read()
        if raw is None:
            # Not by us: a loop never cuts its log. It is read from the start.
            self.state = replace(self.state, state="training", step=0, epoch=0)
            raw = self._tail.read() or []
        lines = [line for one in raw if (line := parse_loop_line(one)) is not None]
        self.damaged += len(raw) - len(lines)
        for line in lines:
            self.state = after(self.state, line)
        self.lost_end = not raw and not is_live and not self.state.has_ended
        if self.lost_end:
            self.state = replace(self.state, state="failed", reason=NO_END)
        return lines


def after(state: LoopState, line: LoopLine) -> LoopState:
    """Return the state after one more line."""
    state = replace(state, time=line.time, step=max(state.step, line.step))
    match line.kind:
        case "scalars" if not state.epoch:
            return replace(state, values={**state.values, **line.values})
        case "epoch":
            return replace(state, epoch=line.epoch, values=dict(line.values))
        case "paused" | "resumed":
            return replace(state, state="paused" if line.kind == "paused" else "training")
        case "unwritten":
            return replace(state, notes=(*state.notes[-9:], line.text))
        case "ended":
            return replace(state, state=line.end or "finished", reason=line.text)
    return state


class LoopSource:
    """The numbers of a watched loop, for the screen of metrics. One thread at a time.

    Args:
        path: of the folder.

    Raises:
        RunError: as `LoopFollower`.
    """

    format = "watched loop"
    prefixes = ()

    def __init__(self, path: Path) -> None:
        self._follower = LoopFollower(path)
        self.path = path
        self.epoch_line: LoopLine | None = None
        """The newest epoch that gave labels: its confusion matrix."""

    @property
    def state(self) -> LoopState:
        """How the loop stands, as of the last `read`."""
        return self._follower.state

    @property
    def title(self) -> str:
        """Name of the run, safe to print."""
        return self.state.name

    @property
    def written_at(self) -> float:
        """Unix time of its last line; 0 before the first one."""
        return 0.0 if math.isnan(self.state.time) else self.state.time

    @property
    def ended(self) -> bool:
        """Whether no more will come."""
        return self.state.has_ended

    @property
    def planned(self) -> float:
        """The last step; NaN if the loop has not said it."""
        manifest = self._follower.manifest
        return float(manifest.epochs or math.nan) * (manifest.steps_per_epoch or math.nan)

    @property
    def fault(self) -> str:
        """What can't be read, was lost, or made it fail; empty if nothing."""
        state, damaged = self.state, self._follower.damaged
        parts = [f"failed: {state.reason}"] if state.state == "failed" else []
        parts += [f"{damaged:,} damaged lines"] if damaged else []
        return " · ".join([*parts, *state.notes[-1:]])

    def read(self) -> "list[ScalarPoint]":
        """Return some of the new points; none if there are no more."""
        while lines := self._follower.read():
            for line in lines:
                if line.confusion is not None:
                    self.epoch_line = line
            if points := [point for line in lines for point in points_of(line)]:
                return points
        return []


def points_of(line: LoopLine) -> "Iterator[ScalarPoint]":
    """Yield the numbers of a line; a change of the learning rate is one too."""
    # Only where they are drawn: the store imports NumPy.
    from mlpwatch.core.scalars.store import ScalarPoint  # noqa: PLC0415

    for name, value in line.values.items():
        yield ScalarPoint(name, float(line.step), value, line.time)


def summarize_loop(path: Path) -> LoopState:
    """Return how a loop stands, from the end of its log; it names any fault of the folder."""
    name = printable(path.name)
    try:
        state = LoopState(name, path, "training", manifest=LoopManifest.read(path))
        is_live = is_locked(path, WATCH_NAME)
        found: list[LoopLine] = []
        for raw in islice(LineFile(path / LOOP_LOG_NAME).lines_from_end(), _MOST_LAST_LINES):
            if (line := parse_loop_line(raw)) is not None:
                found.append(line)
                if line.kind == "epoch":
                    break
        for line in reversed(found):
            state = after(state, line)
    except RunError as error:
        return LoopState(name, path, "damaged", str(error))
    if not is_live and not state.has_ended:
        state = replace(state, state="failed", reason=NO_END)
    return state


def summarize_loops(saved: Path) -> list[LoopState]:
    """Return how all watched loops under `saved` stand, newest first.

    Raises:
        RunError: `saved` itself can't be read.
    """
    found = [summarize_loop(path) for path in all_folders(saved) if is_watched(path)]
    return sorted(found, key=_age)


def _age(loop: LoopState) -> tuple[float, str]:
    return (-loop.manifest.created.timestamp() if loop.manifest else math.inf, loop.name)
