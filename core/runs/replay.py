"""What a run folder's logs have told since one last looked, as the events of a live run."""

from collections import Counter
from math import isfinite

from mlpwatch.core.config import MAX_EPOCHS, EngineName
from mlpwatch.core.evaluation import numbers_alone
from mlpwatch.core.events import EpochLogged, Event, RunEnded
from mlpwatch.core.files.line_tail import LineTail
from mlpwatch.core.runs.confusion_log import CONFUSION_NAME, Matrix, parse_confusion_line
from mlpwatch.core.runs.event_log import EVENTS_NAME, EngineEnded, Plan, parse_entry
from mlpwatch.core.runs.listing import METRICS_NAME
from mlpwatch.core.runs.metrics import MetricsLine, parse_metrics_line
from mlpwatch.core.runs.run import Run


class RunTail:
    """Reads the metrics, the matrices and the events of one run, each line once.

    Takes no lock, so that it is in nobody's way. Damaged lines are passed over, and counted.

    Args:
        run: trained elsewhere, or by nobody.
    """

    def __init__(self, run: Run) -> None:
        self._classes = run.dataset.classes
        self._names = run.config.engine_names
        self._metrics = LineTail(run.path / METRICS_NAME)
        self._confusion = LineTail(run.path / CONFUSION_NAME)
        self._events = LineTail(run.path / EVENTS_NAME)
        self._forget()

    def _forget(self) -> None:
        self.plan: Plan | None = None
        """How long the run is meant to be, as far as the logs tell."""
        self.last_lines: dict[EngineName, MetricsLine] = {}
        """Each engine's newest epoch."""
        self.damaged = Counter[str]()
        """Lines passed over so far, by the log's name."""
        self.repeated = 0
        """Lines of epochs that were told already, passed over so far."""
        self._matrices: dict[tuple[EngineName, int], Matrix] = {}
        self._waiting: MetricsLine | None = None
        self._overdue: MetricsLine | None = None

    def read(self, *, is_final: bool = False) -> list[Event] | None:
        """Return the events that have come since the last call, as far as they are of its engines.

        None means that a resumed training has rewritten the logs: what was returned so far no
        longer holds, and the next call begins at the start.

        Args:
            is_final: nobody writes: no epoch waits for its matrix until the next call.
        """
        self._overdue = self._waiting
        events: list[Event] = []
        while True:
            logs = self._read_logs()
            if logs is None:
                self._forget()
                return None
            events += self._take(*logs)
            # A stretch of damaged lines, however long, is not the end.
            if not any(logs):
                break
        if is_final:
            self._overdue = self._waiting
            events += self._epochs([])
        return events

    def _read_logs(self) -> tuple[list[bytes], list[bytes], list[bytes]] | None:
        """Return some new lines of the metrics, the events and the matrices; None: see `read`."""
        # The matrices last: the recorder writes an epoch's after its metrics.
        logs = [tail.read() for tail in (self._metrics, self._events, self._confusion)]
        metrics, entries, matrices = logs
        if metrics is None or entries is None or matrices is None:
            for tail in (self._metrics, self._events, self._confusion):
                tail.rewind()
            return None
        return metrics, entries, matrices

    def _take(
        self, metrics: list[bytes], entries: list[bytes], matrices: list[bytes]
    ) -> list[Event]:
        for raw in matrices:
            line = parse_confusion_line(raw)
            if line is not None and len(line.counts) == self._classes:
                self._matrices[line.engine, line.epoch] = line.counts
            else:
                self.damaged[CONFUSION_NAME] += 1
        return [*self._epochs(metrics), *self._entries(entries)]

    def _epochs(self, raw_lines: list[bytes]) -> list[Event]:
        """Return the new epochs; where the last one's matrix is not there, it waits for a look."""
        came = [line for raw in raw_lines if (line := self._new_epoch(raw)) is not None]
        ready = [self._waiting, *came] if self._waiting else came
        self._waiting = None
        if ready and ready[-1] is not self._overdue and not self._has_matrix(ready[-1]):
            self._waiting = ready.pop()
        return [self._told(line) for line in ready if line.engine in self._names]

    def _new_epoch(self, raw: bytes) -> MetricsLine | None:
        """Return the epoch of a line; None where it is damaged, impossible, or told already.

        However long the file is, what comes of it stays within what a run can have.
        """
        line = parse_metrics_line(raw)
        if line is None or line.epoch > MAX_EPOCHS:
            self.damaged[METRICS_NAME] += 1
            return None
        last = self.last_lines.get(line.engine)
        if last is not None and line.epoch <= last.epoch:
            self.repeated += 1
            return None
        self.last_lines[line.engine] = line
        return line

    def _has_matrix(self, line: MetricsLine) -> bool:
        return (line.engine, line.epoch) in self._matrices

    def _told(self, line: MetricsLine) -> EpochLogged:
        return _epoch(line, self._matrices.pop((line.engine, line.epoch), None))

    def _entries(self, raw_lines: list[bytes]) -> list[Event]:
        events: list[Event] = []
        for entry in map(parse_entry, raw_lines):
            if entry is None:
                self.damaged[EVENTS_NAME] += 1
            elif isinstance(entry, Plan):
                self.plan = entry
            elif entry.engine in self._names:
                events.append(self._end(entry) if isinstance(entry, EngineEnded) else entry)
        return events

    def _end(self, entry: EngineEnded) -> RunEnded:
        test = None
        if isfinite(entry.test_accuracy):
            test = numbers_alone(entry.test_loss, entry.test_accuracy, self._classes)
        return RunEnded(entry.engine, entry.reason, entry.detail, entry.step, entry.seconds, test)


def damage_notes(tail: RunTail) -> list[str]:
    """Return a line for each log with lines that were passed over: which, and how many."""
    notes = [
        f"{name}: {_lines(count, 'damaged ')} passed over; only what they told is missing"
        for name, count in sorted(tail.damaged.items())
        if count
    ]
    if tail.repeated:
        notes.append(f"{METRICS_NAME}: {_lines(tail.repeated)} of epochs told before passed over")
    return notes


def _lines(count: int, kind: str = "") -> str:
    return f"{count:,} {kind}{'line' if count == 1 else 'lines'}"


def _epoch(line: MetricsLine, confusion: Matrix | None) -> EpochLogged:
    return EpochLogged(
        line.engine,
        line.epoch,
        line.step,
        line.seconds,
        line.train_loss,
        line.val_loss,
        line.val_accuracy,
        confusion,
    )
