"""Returns new lines of a run folder's logs as events, like those of a live run."""

from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from itertools import islice
from pathlib import Path

from mlpwatch.core.config import ENGINE_NAMES, EngineName
from mlpwatch.core.epochs import EpochRecord
from mlpwatch.core.errors import RunError
from mlpwatch.core.events import END_REASONS, EpochDone, Event, RunEnded, RunStarted
from mlpwatch.core.files.line_file import LineTail
from mlpwatch.core.files.strict_json import (
    JsonError,
    take_choice,
    take_number,
    take_object,
    take_share,
    take_text,
)
from mlpwatch.core.runs.event_log import Plan, parse_entry
from mlpwatch.core.runs.layout import CONFUSION_NAME, EVENTS_NAME, METRICS_NAME
from mlpwatch.core.runs.listing import parent_folder
from mlpwatch.core.runs.manifest import read_manifest
from mlpwatch.core.runs.metrics import parse_epoch, parse_old_confusion
from mlpwatch.core.runs.run import Run

MOST_LAST_LINES = 1_000
"""Last lines of the events that are searched for ends: the other engine may have trained longer."""


class RunTail:
    """Reads the metrics and the events of one run, each line once.

    Takes no lock. Damaged lines are skipped and counted.

    Args:
        run: another process may train it.
    """

    def __init__(self, run: Run) -> None:
        self._classes = run.dataset.classes
        self._names = run.config.engine_names
        self._metrics = LineTail(run.path / METRICS_NAME)
        self._events = LineTail(run.path / EVENTS_NAME)
        self._confusion = LineTail(run.path / CONFUSION_NAME)
        self._forget()

    def _forget(self) -> None:
        self.plan: Plan | None = None
        """The planned length of the run, if it is in the logs."""
        self.last_epochs: dict[EngineName, EpochRecord] = {}
        """Each engine's newest epoch."""
        self.damaged = Counter[str]()
        """Number of lines skipped so far, by the log's name."""
        self.repeated = 0
        """Number of lines skipped so far because their epoch was read already."""
        self._old_matrices: dict[tuple[EngineName, int], bytes] = {}

    def read(self) -> list[Event] | None:
        """Return the events of the run's engines since the last call.

        None means that a resumed training has rewritten the logs: earlier events are invalid, and
        the next call begins at the start.
        """
        events: list[Event] = []
        if not self._read_old_matrices():
            self._start_over()
            return None
        while True:
            metrics, entries = self._metrics.read(), self._events.read()
            if metrics is None or entries is None:
                self._start_over()
                return None
            found = [*map(self._epoch, metrics), *map(self._entry, entries)]
            events += [event for event in found if event is not None]
            # Many damaged lines in a row are not the end of the file.
            if not metrics and not entries:
                return events

    def _start_over(self) -> None:
        for tail in (self._metrics, self._events, self._confusion):
            tail.rewind()
        self._forget()

    def _read_old_matrices(self) -> bool:
        """Store the matrices of the separate file; False if that file was rewritten.

        All are stored, as text, which is small: a matrix may come before or after its epoch.
        """
        while lines := self._confusion.read():
            for raw in lines:
                found = parse_old_confusion(raw)
                if found is None or len(found[2]) != self._classes:
                    self.damaged[CONFUSION_NAME] += 1
                else:
                    self._old_matrices[found[:2]] = raw
        return lines is not None

    def _epoch(self, raw: bytes) -> EpochDone | None:
        """Return the epoch of a line; None if it is damaged, known, or of another engine.

        However long the file is, no more epochs are returned than a run can have.
        """
        record = parse_epoch(raw)
        matrix = record.confusion if record else None
        if record is None or (matrix is not None and len(matrix) != self._classes):
            self.damaged[METRICS_NAME] += 1
            return None
        last = self.last_epochs.get(record.engine)
        if last is not None and record.epoch <= last.epoch:
            self.repeated += 1
            return None
        self.last_epochs[record.engine] = record
        if matrix is None and (old := self._old_matrices.pop((record.engine, record.epoch), None)):
            found = parse_old_confusion(old)
            record = replace(record, confusion=found[2] if found else None)
        return EpochDone(record) if record.engine in self._names else None

    def _entry(self, raw: bytes) -> Event | None:
        entry = parse_entry(raw)
        if entry is None:
            self.damaged[EVENTS_NAME] += 1
        elif isinstance(entry, Plan):
            self.plan = entry
        elif entry.engine in self._names:
            return entry
        return None


def recorded_end(run: Run, name: EngineName) -> RunEnded | None:
    """Return an engine's end from `result.json`, or from the events of a stopped run.

    None if neither has it. From the result its step is 0, because the result does not have it.
    """
    try:
        result = run.read_result()
        engine = take_object(take_object(result or {}, "engines"), name)
        return RunEnded(
            name,
            reason=take_choice(engine, "ended", END_REASONS),
            detail=take_text(engine, "detail"),
            step=0,
            seconds=take_number(engine, "seconds"),
            test_loss=take_number(engine, "test_loss"),
            test_accuracy=take_share(engine, "test_accuracy"),
        )
    except (RunError, JsonError):
        return _logged_end(run, name)


def _logged_end(run: Run, name: EngineName) -> RunEnded | None:
    with suppress(RunError):
        for raw in islice(run.events.lines_from_end(), MOST_LAST_LINES):
            is_either = b'"ended"' in raw or b'"started"' in raw
            entry = parse_entry(raw) if is_either else None
            if isinstance(entry, (RunEnded, RunStarted)) and entry.engine == name:
                # After this end the run may have been resumed and killed.
                return entry if isinstance(entry, RunEnded) else None
    return None


class ParentTail:
    """Reads what a branch's parent did from the epoch on at which the branch begins.

    Takes no lock; damaged lines are skipped. A parent that is gone did nothing.

    Args:
        path: of the branch's folder; the parent lies beside it.
    """

    def __init__(self, path: Path) -> None:
        self.begins = 0
        """The epoch at which the branch begins."""
        self._tail: LineTail | None = None
        self._columns: Mapping[EngineName, Sequence[EngineName]] = {n: (n,) for n in ENGINE_NAMES}
        try:
            own = read_manifest(path)
            parent = own.parent
            folder = parent_folder(path, parent) if parent else None
            if parent is None or folder is None:
                return
            treatment = own.config.treatment
            if treatment and read_manifest(folder).config.treatment is None:
                # One engine of the parent is the past of both columns.
                self._columns = {treatment.engine: ENGINE_NAMES}
        except RunError:
            return
        self.begins, self._tail = parent.epoch, LineTail(folder / METRICS_NAME)

    @property
    def is_there(self) -> bool:
        """Whether there is a parent."""
        return self._tail is not None

    def read(self) -> list[EpochRecord]:
        """Return the epochs since the last call; again all of them if the parent was resumed."""
        found: list[EpochRecord] = []
        while self._tail is not None:
            lines = self._tail.read()
            if lines is None:
                continue  # rewritten: from its start
            if not lines:
                break
            records = (parse_epoch(raw) for raw in lines)
            found += [
                replace(one, engine=name)
                for one in records
                if one is not None and one.epoch >= self.begins
                for name in self._columns.get(one.engine, ())
            ]
        return found


def damage_notes(tail: RunTail) -> list[str]:
    """Return a line for each log with skipped lines: its name and their number."""
    notes = [
        f"{name}: {_lines(count, 'damaged ')} left out; only what they held is missing"
        for name, count in sorted(tail.damaged.items())
        if count
    ]
    if tail.repeated:
        notes.append(f"{METRICS_NAME}: {_lines(tail.repeated)} of repeated epochs left out")
    return notes


def _lines(count: int, kind: str = "") -> str:
    return f"{count:,} {kind}{'line' if count == 1 else 'lines'}"
