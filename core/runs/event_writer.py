"""Writes a run's event log in a thread of its own, a little behind the trainers."""

from collections import deque
from collections.abc import Iterable, Mapping
from contextlib import suppress
from math import ceil, inf, isfinite, nan
from threading import Event as Flag
from threading import Lock, Thread
from typing import assert_never

from mlpwatch.core.config import EngineName
from mlpwatch.core.events import (
    CheckpointEvaluated,
    CheckpointSaved,
    EpochDone,
    Event,
    GapMeasured,
    LogRewritten,
    Notice,
    Paused,
    Resumed,
    RunEnded,
    RunStarted,
    SaveFailed,
    StepDone,
    StepGroup,
)
from mlpwatch.core.runs.event_log import Entry, EventLog, Plan

WRITE_SECONDS = 0.7
"""Time between two looks at what has come."""

MOST_WAITING = 4_096
"""Handed-over events kept while the disk does not answer; the oldest go. A trainer reports its
steps a hundred times a second, all of them together: 20 s of two."""

CLOSE_SECONDS = 2.0
"""How long an end waits for a disk that does not answer: these are curves, not weights."""

MOST_GROUPS = 2_048
"""Of a planned run: 8 per bucket of the charts. Each takes about 120 bytes in the log."""

MOST_EARLY = 4 * MOST_GROUPS
"""Groups that may be closed before they are full: two hours of one per second."""

FRESH_SECONDS = 1.0
"""Training time after which a group that is not full is closed all the same: who watches a slow
run from elsewhere sees it move."""


class StepGroups:
    """Groups one engine's steps: groups of fixed length, aligned to the whole run.

    None reaches across the end of an epoch, where checkpoints are due.

    Args:
        engine: whose steps.
        plan: decides the length.
    """

    def __init__(self, engine: EngineName, plan: Plan) -> None:
        self._engine, self._epoch_steps = engine, plan.epoch_steps
        self._length = max(1, ceil(plan.epochs * plan.epoch_steps / MOST_GROUPS))
        self._early = 0
        self._opened_at = -inf
        self._step = self._count = 0
        self._seconds = self._sum = 0.0
        self._low, self._high = inf, -inf

    def add(self, steps: Iterable[StepDone]) -> list[StepGroup]:
        """Take in steps in order; return the groups that they complete."""
        done: list[StepGroup] = []
        for event in steps:
            if not self._count:
                self._opened_at = event.seconds
            self._take(event)
            is_full = not event.step % self._length or not event.step % self._epoch_steps
            if is_full or not isfinite(event.loss):
                done += self.close()
            elif event.seconds - self._opened_at >= FRESH_SECONDS:
                done += self.close_early()
        return done

    def close_early(self) -> list[StepGroup]:
        """Return what has not been returned yet, unless that was done too often."""
        if not self._count or self._early >= MOST_EARLY:
            return []
        self._early += 1
        return self.close()

    def close(self) -> list[StepGroup]:
        """Return what has not been returned yet: one group, or none."""
        if not self._count:
            return []
        mean = self._sum / self._count if isfinite(self._sum) else nan
        low, high = (self._low, self._high) if isfinite(mean) else (nan, nan)
        group = StepGroup(self._engine, self._step, self._count, self._seconds, mean, low, high)
        self._count, self._sum = 0, 0.0
        self._low, self._high = inf, -inf
        return [group]

    def _take(self, event: StepDone) -> None:
        self._count += 1
        self._sum += event.loss
        self._low = min(self._low, event.loss)
        self._high = max(self._high, event.loss)
        self._step, self._seconds = event.step, event.seconds


class EventWriter:
    """Takes what a mailbox is given, and appends it to the log, steps summed up.

    What can't be written is tried again with the next; checkpoints tell of the disk's faults.

    Args:
        log: of the run.
        plan: written first.
        names: the engines that train.
    """

    def __init__(self, log: EventLog, plan: Plan, names: Iterable[EngineName]) -> None:
        self._log, self._plan, self._folder = log, plan, log.path.parent
        self._groups: Mapping[EngineName, StepGroups] = {
            name: StepGroups(name, plan) for name in names
        }
        self._arrived: deque[tuple[Event, ...] | EngineName] = deque(maxlen=MOST_WAITING)
        """Events, or an engine whose group is to be closed."""
        self._unwritten: deque[Entry] = deque([plan], maxlen=MOST_WAITING)
        self._writing = Lock()
        self._closing = Flag()
        self._thread = Thread(target=self._work, name="event-writer", daemon=True)

    def start(self) -> None:
        """Begin to write."""
        self._thread.start()

    def take(self, events: tuple[Event, ...]) -> None:
        """Take in events, from any thread; returns at once."""
        self._arrived.append(events)

    def close_group(self, engine: EngineName) -> None:
        """Let no group reach across this moment, since a checkpoint is taken; returns at once."""
        self._arrived.append(engine)

    def flush(self) -> None:
        """Write all that has arrived. Call it before a checkpoint is written.

        Then a process that is killed leaves no checkpoint without the losses before it.
        """
        with self._writing:
            self._write_arrived()

    def close(self, seconds: float = CLOSE_SECONDS) -> None:
        """Write what is left, then end the thread; gives up after some seconds."""
        self._closing.set()
        if self._thread.ident is not None:
            self._thread.join(seconds)

    def _work(self) -> None:
        closing = False
        while not closing:
            closing = self._closing.wait(WRITE_SECONDS)
            with self._writing:
                if not self._arrived:
                    # Single steps of a paused run are to be seen too.
                    for groups in self._groups.values():
                        self._unwritten += groups.close_early()
                self._write_arrived()

    def _write_arrived(self) -> None:
        while self._arrived:
            arrived = self._arrived.popleft()
            if isinstance(arrived, str):
                self._unwritten += self._so_far(arrived)
            else:
                self._unwritten += self._entries(arrived)
        self._write()

    def _write(self) -> None:
        if not self._unwritten:
            return
        # Whatever it is, training goes on: only curves of other terminals depend on it.
        with suppress(Exception):
            if self._log.path.parent != self._folder:
                # The run's folder was deleted, and it has another one now.
                self._unwritten.appendleft(self._plan)
                self._folder = self._log.path.parent
            self._log.append(self._unwritten)
            self._unwritten.clear()

    def _entries(self, events: tuple[Event, ...]) -> list[Entry]:
        # Steps come by the dozen, all else alone.
        steps = [event for event in events if isinstance(event, StepDone)]
        if steps:
            return [*self._groups[steps[0].engine].add(steps)]
        match event := events[0]:
            case RunEnded():
                return [*self._so_far(event.engine), event]
            case RunStarted() | GapMeasured() | CheckpointSaved() | SaveFailed():
                return [event]
            case Paused() | Resumed():
                # A follower of a paused run sees its last step.
                return [*self._so_far(event.engine), event]
            case StepDone() | StepGroup() | CheckpointEvaluated() | LogRewritten() | Notice():
                return []  # steps are above; the others come from logs
            case EpochDone():
                return []  # the metrics log has them
            case _:
                assert_never(event)

    def _so_far(self, engine: EngineName) -> list[Entry]:
        return [*self._groups[engine].close()]
