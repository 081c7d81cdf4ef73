"""Rows of the list for what is no run of ours: watched loops, and sweeps."""

import math
from datetime import UTC, datetime
from pathlib import Path

from mlpwatch.core.errors import RunError
from mlpwatch.core.monitor.follower import LoopState, summarize_loops
from mlpwatch.core.monitor.loop_events import LOOP_ENGINE, VAL_ACCURACIES, accuracy_share, first_of
from mlpwatch.core.runs.layout import GROUP_NAME
from mlpwatch.core.runs.listing import EngineSummary, RunStateName, RunSummary, group_folders
from mlpwatch.core.sweeps.reading import GroupReader, GroupReading, group_state
from mlpwatch.core.text import printable
from mlpwatch.tui.formatting import with_keys
from mlpwatch.tui.runs.columns import ListedRun

_MOST_NUMBERS = 4
"""Of a loop's newest numbers; more do not fit beside its settings."""


class OtherIndex:
    """Lists the watched loops and sweeps of one folder. Not thread-safe.

    Args:
        saved: the folder of all runs, which need not exist.
    """

    def __init__(self, saved: Path) -> None:
        self._saved = saved
        self._readers: dict[Path, GroupReader] = {}

    def read(self) -> list[ListedRun]:
        """Return a row of each.

        Raises:
            RunError: `saved` itself can't be read.
        """
        loops = [_loop_row(loop) for loop in summarize_loops(self._saved)]
        return loops + [self._sweep(path) for path in group_folders(self._saved)]

    def _sweep(self, path: Path) -> ListedRun:
        try:
            # A reader keeps what it has read: only what has changed is read again.
            reader = self._readers.get(path) or GroupReader(path)
            self._readers[path] = reader
            return _sweep_row(reader.read())
        except RunError as error:
            self._readers.pop(path, None)
            summary = RunSummary(printable(path.name), path, "damaged", str(error))
            return ListedRun(summary, kind="sweep")


def why_not_here(run: ListedRun) -> str:
    """Return why actions on runs do not work on a row; empty if they do."""
    if run.kind == "loop":
        return f"{run.summary.name} is a watched loop: only its own program continues or changes it"
    if run.kind == "sweep":
        return f"{run.summary.name} is a sweep: " + with_keys(
            "{enter} shows its trials, which are runs"
        )
    return ""


def _loop_row(loop: LoopState) -> ListedRun:
    """Return the row of a watched loop: its validation accuracy is in NumPy's column."""
    manifest = loop.manifest
    accuracy = accuracy_share(first_of(loop.values, VAL_ACCURACIES))
    known = None if math.isnan(accuracy) else accuracy
    numbers = [f"{printable(name)} {one:.4g}" for name, one in loop.values.items()]
    script = f" of {manifest.script}" if manifest and manifest.script else ""
    summary = RunSummary(
        loop.name,
        loop.path,
        "training" if loop.state == "paused" else loop.state,
        loop.reason if loop.state in ("failed", "damaged") else "",
        created=manifest.created if manifest else None,
        epochs_planned=manifest.epochs if manifest else None,
        engines=(EngineSummary(LOOP_ENGINE, loop.epoch, known, None),),
        is_held=not loop.has_ended,
    )
    facts = [f"watched loop{script}", f"step {loop.step:,}", *numbers[:_MOST_NUMBERS]]
    return ListedRun(summary, kind="loop", note=" · ".join(facts))


def _sweep_row(reading: GroupReading) -> ListedRun:
    state: RunStateName = "training" if reading.is_training else "stopped"
    if not reading.is_training and reading.is_done:
        has_one = any(row.state == "finished" for row in reading.rows)
        state = "finished" if has_one else "failed"
    written = (reading.path / GROUP_NAME).stat().st_mtime
    summary = RunSummary(
        reading.name,
        reading.path,
        state,
        created=datetime.fromtimestamp(written, UTC),
        is_held=reading.is_training,
    )
    return ListedRun(summary, kind="sweep", note=f"sweep · {group_state(reading)}")
