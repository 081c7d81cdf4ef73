"""Steps summed up for the event log: a few thousand entries tell a run of any length."""

from collections.abc import Iterable
from math import ceil, inf, isfinite, nan

from mlpwatch.core.config import EngineName
from mlpwatch.core.events import StepDone, StepGroup

MOST_GROUPS = 2_048
"""Of a planned run: 8 per bucket of the charts. Each takes about 120 bytes in the log."""

MOST_EARLY = 4 * MOST_GROUPS
"""Groups that may be closed before they are full: two hours of one per second."""

FRESH_SECONDS = 1.0
"""Training time after which a group that is not full is closed all the same: who watches a slow
run from elsewhere sees it move."""


class StepSums:
    """Sums up one engine's steps in groups of fixed length, aligned to the whole run.

    Args:
        engine: whose steps.
        planned_steps: of the whole run.
    """

    def __init__(self, engine: EngineName, planned_steps: int) -> None:
        self._engine = engine
        self._length = max(1, ceil(planned_steps / MOST_GROUPS))
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
            if event.step % self._length == 0 or not isfinite(event.loss):
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
