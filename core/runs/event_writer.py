"""Writes a run's event log in its own thread, a little later than the trainers report."""

from collections import deque
from collections.abc import Iterable, Mapping
from contextlib import suppress
from math import ceil, inf, isfinite, nan
from threading import Event as Flag
from threading import Lock, Thread
from time import monotonic
from typing import assert_never

from mlpwatch.core.config import EngineName
from mlpwatch.core.events import (
    CheckpointEvaluated,
    CheckpointSaved,
    DifferenceFound,
    EpochDone,
    Event,
    GapMeasured,
    LayersMeasured,
    LogRewritten,
    Notice,
    Paused,
    RanksMeasured,
    RateChanged,
    Resumed,
    RunEnded,
    RunStarted,
    SaveFailed,
    StepCompared,
    StepDone,
    StepGroup,
)
from mlpwatch.core.runs.event_log import Entry, EventLog, Plan

WRITE_SECONDS = 0.7
"""Time between two writes."""

MOST_WAITING = 4_096
"""Most event tuples kept while the disk does not answer; the oldest are dropped. A trainer reports
its steps together, a hundred times a second: 20 s of two trainers."""

CLOSE_SECONDS = 2.0
"""Longest wait for the disk at the end of a run: these are only curves, not weights."""

MOST_GROUPS = 2_048
"""Groups in a planned run: 8 per bucket of the charts. Each takes about 120 bytes in the log."""

MOST_EARLY = 4 * MOST_GROUPS
"""Most groups that are closed before they are full: one per second for two hours."""

RANKS_SECONDS, MOST_PER_DOUBLING = 2.0, 500
"""Least time between two lines with the speeds of the ranks; later at most so many until the time
doubles."""

FRESH_SECONDS = 1.0
"""Training time after which a group is closed even if it is not full, so that a slow run is seen to
move in another terminal."""


class StepGroups:
    """Groups one engine's steps: groups of fixed length, aligned to the whole run.

    No group contains the end of an epoch except as its last step: checkpoints are written there.

    Args:
        engine: its steps are grouped.
        plan: determines the length of a group.
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
        """Add steps in order; return the groups that they complete."""
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
        """Return the unfinished group, at most `MOST_EARLY` times."""
        if not self._count or self._early >= MOST_EARLY:
            return []
        self._early += 1
        return self.close()

    def close(self) -> list[StepGroup]:
        """Return the unfinished group, if there is one."""
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
    """Receives the events of a mailbox and appends them to the log, steps in groups.

    Entries that can't be written are tried again with the next ones, without a message: the
    checkpoints report faults of the disk.

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
        """Events, or an engine whose group should be closed."""
        self._began = monotonic()
        self._ranks_written: dict[EngineName, float] = {}
        self._unwritten: deque[Entry] = deque([plan], maxlen=MOST_WAITING)
        self._writing = Lock()
        self._closing = Flag()
        self._thread = Thread(target=self._work, name="event-writer", daemon=True)

    def start(self) -> None:
        """Start to write."""
        self._thread.start()

    def take(self, events: tuple[Event, ...]) -> None:
        """Add events, from any thread; returns at once."""
        self._arrived.append(events)

    def close_group(self, engine: EngineName) -> None:
        """End the group now, because a checkpoint is made; returns at once."""
        self._arrived.append(engine)

    def flush(self) -> None:
        """Write everything that has arrived. Call it before a checkpoint is written.

        Then the log of a killed process has all losses before its checkpoint.
        """
        with self._writing:
            self._write_arrived()

    def close(self, seconds: float = CLOSE_SECONDS) -> None:
        """Write the rest, then end the thread; wait at most `seconds`."""
        self._closing.set()
        if self._thread.ident is not None:
            self._thread.join(seconds)

    def _work(self) -> None:
        closing = False
        while not closing:
            closing = self._closing.wait(WRITE_SECONDS)
            with self._writing:
                if not self._arrived:
                    # Single steps of a paused run should be visible too.
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
        # Any error is ignored, and training continues: only curves in other terminals need the log.
        with suppress(Exception):
            if self._log.path.parent != self._folder:
                # The run's folder was deleted, and the run has another one now.
                self._unwritten.appendleft(self._plan)
                self._folder = self._log.path.parent
            self._log.append(self._unwritten)
            self._unwritten.clear()

    def _entries(self, events: tuple[Event, ...]) -> list[Entry]:
        # Steps arrive several at a time, other events one at a time.
        steps = [event for event in events if isinstance(event, StepDone)]
        if steps:
            return [*self._groups[steps[0].engine].add(steps)]
        match event := events[0]:
            case RunEnded():
                return [*self._so_far(event.engine), event]
            case RunStarted() | GapMeasured() | StepCompared() | DifferenceFound():
                return [event]
            case CheckpointSaved() | SaveFailed():
                return [event]
            case RanksMeasured():
                return [event] if self._is_due(event) else []
            case Paused() | Resumed() | RateChanged():
                # So that a follower sees the last step before a pause or a change.
                return [*self._so_far(event.engine), event]
            case StepDone() | StepGroup() | CheckpointEvaluated() | LogRewritten() | Notice():
                return []  # steps are handled above; the others come from logs
            case EpochDone() | LayersMeasured():
                return []  # the metrics log has them, by epoch
            case _:
                assert_never(event)

    def _is_due(self, event: RanksMeasured) -> bool:
        """Return whether to write it: only the newest is read, so few of a long run do."""
        now, last = monotonic(), self._ranks_written.get(event.engine, -inf)
        if now - last < max(RANKS_SECONDS, (now - self._began) / MOST_PER_DOUBLING):
            return False
        self._ranks_written[event.engine] = now
        return True

    def _so_far(self, engine: EngineName) -> list[Entry]:
        return [*self._groups[engine].close()]
