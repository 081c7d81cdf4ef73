"""What a run folder's logs have told since one last looked, as the events of a live run."""

from collections import Counter
from math import isfinite

from core.config import MAX_EPOCHS, EngineName
from core.confusion_log import CONFUSION_NAME, Matrix, parse_confusion_line
from core.evaluation import numbers_alone
from core.event_log import EVENTS_NAME, EngineEnded, Plan, parse_entry
from core.line_tail import LineTail
from core.metrics_log import MetricsLine, parse_metrics_line
from core.run_listing import METRICS_NAME
from core.runs import Run
from core.telemetry import EpochRead, Event, RunEnded


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

    def read(self) -> list[Event] | None:
        """Return the events that have come since the last call, as far as they are of its engines.

        None means that a resumed training has rewritten the logs: what was returned so far no
        longer holds, and the next call begins at the start.
        """
        events: list[Event] = []
        while True:
            more = self._read_some()
            if more is None:
                self._forget()
                return None
            if not more:
                return events
            events += more

    def _forget(self) -> None:
        self.plan: Plan | None = None
        """How long the run is meant to be, as far as the logs tell."""
        self.last_lines: dict[EngineName, MetricsLine] = {}
        """Each engine's newest epoch."""
        self.damaged = Counter[str]()
        """Lines passed over so far, by the log's name."""
        self._matrices: dict[tuple[EngineName, int], Matrix] = {}
        self._waiting: list[MetricsLine] = []

    def _read_some(self) -> list[Event] | None:
        # The matrices last: the recorder writes an epoch's after its metrics.
        metrics, entries = self._metrics.read(), self._events.read()
        matrices = self._confusion.read()
        if metrics is None or entries is None or matrices is None:
            for tail in (self._metrics, self._events, self._confusion):
                tail.rewind()
            return None
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
        self.damaged[METRICS_NAME] += len(raw_lines) - len(came)
        ready, self._waiting = [*self._waiting, *came], []
        if came and (came[-1].engine, came[-1].epoch) not in self._matrices:
            self._waiting.append(ready.pop())
        return [
            _epoch(line, self._matrices.pop((line.engine, line.epoch), None))
            for line in ready
            if line.engine in self._names
        ]

    def _new_epoch(self, raw: bytes) -> MetricsLine | None:
        """Return the epoch of a line; None where it is damaged, impossible, or told already.

        However long the file is, what comes of it stays within what a run can have.
        """
        line = parse_metrics_line(raw)
        if line is None or line.epoch > MAX_EPOCHS:
            return None
        last = self.last_lines.get(line.engine)
        if last is not None and line.epoch <= last.epoch:
            return None
        self.last_lines[line.engine] = line
        return line

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
    return [
        f"{name}: {count:,} damaged {'line' if count == 1 else 'lines'} passed over; "
        "only what they told is missing"
        for name, count in sorted(tail.damaged.items())
        if count
    ]


def _epoch(line: MetricsLine, confusion: Matrix | None) -> EpochRead:
    return EpochRead(
        line.engine,
        line.epoch,
        line.step,
        line.seconds,
        line.train_loss,
        line.val_loss,
        line.val_accuracy,
        confusion,
    )
