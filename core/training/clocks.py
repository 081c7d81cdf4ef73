"""Training time: clocks that stop while a trainer waits, and paces: speed limit, comparisons."""

import math
from time import perf_counter

MOST_WAIT_SECONDS = 60.0
"""Longest single wait for a step, even at the lowest speed limit: a wait of years overflows."""


COST_SHARE = 0.006
"""Most of the training time that comparisons of steps take, in one core's time: after one of 3 ms
the next waits for half a second, after two for a second."""

FREE_SECONDS = 0.005
"""Cost up to which comparisons need not wait: a small network has some at its first steps, however
short the run is. Four of the catalogue's mistakes show from the
second step on."""

FREE_LAST_SECONDS = 0.02
"""Likewise, for the last step of the first epoch."""

MOST_PER_DOUBLING = 1_000
"""The wait grows with the training time, so that a run of any length has a few thousand comparisons
at most: a thousand until the time doubles, then 700 until it doubles again."""


class Stopwatch:
    """Counts seconds while it runs; stopped at first.

    Args:
        seconds: the first value, for a resumed run.
    """

    def __init__(self, seconds: float = 0.0) -> None:
        self._before = seconds
        self._started_at: float | None = None

    @property
    def seconds(self) -> float:
        """Seconds so far."""
        if self._started_at is None:
            return self._before
        return self._before + perf_counter() - self._started_at

    def start(self) -> None:
        """Start. No effect if running."""
        if self._started_at is None:
            self._started_at = perf_counter()

    def stop(self) -> None:
        """Stop. No effect if stopped."""
        self._before = self.seconds
        self._started_at = None


class TrainingClocks:
    """The three clocks of a trainer.

    Args:
        seconds: training time already spent, for a resumed run.
        epoch_seconds: the part of it in the current epoch.
    """

    def __init__(self, seconds: float, epoch_seconds: float) -> None:
        self.total = Stopwatch(seconds)
        """The whole run, with evaluations."""
        self.epoch = Stopwatch(epoch_seconds)
        """Steps of this epoch."""
        self.steps = Stopwatch()
        """Steps since this process began to train."""

    def start(self) -> None:
        """Start all three."""
        for clock in (self.total, self.epoch, self.steps):
            clock.start()

    def stop(self) -> None:
        """Stop all three."""
        for clock in (self.total, self.epoch, self.steps):
            clock.stop()

    def stop_steps(self) -> None:
        """Stop the two clocks of steps, because an evaluation begins."""
        self.epoch.stop()
        self.steps.stop()

    def next_epoch(self) -> None:
        """Reset the epoch's clock to zero."""
        self.epoch = Stopwatch()


class StepPacer:
    """Spaces steps evenly under a speed limit."""

    def __init__(self) -> None:
        self._last_due = -math.inf

    def wait_seconds(self, steps_per_second: float) -> float:
        """Return how long to wait before the next call; 0 if the step may be taken now."""
        now, due = perf_counter(), self._last_due + 1 / steps_per_second
        if now < due:
            return min(due - now, MOST_WAIT_SECONDS)
        # The next time is counted from the time this step was due, so that delays do not add up.
        # At the first step, and after a pause or a slow evaluation, it is counted from now.
        self._last_due = due if now - due < 1 / steps_per_second else now
        return 0.0

    def count_step(self) -> None:
        """Count a step that was taken without a wait."""
        self._last_due = perf_counter()


class ComparisonPace:
    """Says which steps are compared, so that their cost stays a small share of the training time.

    The first step always is. Another comes once all before and one more are paid for: if each costs
    c seconds, n of them have cost n c ≤ `COST_SHARE` t. So before any time t > 100 c they have cost
    less than 1 %; of a small network after 2 s, because of what is free.
    """

    def __init__(self) -> None:
        self.spent = 0.0
        """Seconds that comparisons have cost."""
        self.due_at = -math.inf
        """Training time from which on the next step is compared; infinite while one is."""
        self._newest = 0.0
        """What the newest has cost."""
        self._began: float | None = None
        self._wants_last = True

    def wants_last(self, seconds: float) -> bool:
        """Return whether to compare the last step of an epoch, whose batch may be shorter."""
        if not self._wants_last:
            return False
        trained = seconds - (seconds if self._began is None else self._began)
        # It need not wait for as long as others, since it comes once.
        return self.spent + self._newest <= max(FREE_LAST_SECONDS, 1.5 * COST_SHARE * trained)

    def take(self, seconds: float, *, is_last: bool) -> None:
        """Count a step that will be compared, at this training time."""
        if self._began is None:
            self._began = seconds
        self._wants_last = self._wants_last and not is_last
        self.due_at = math.inf

    def pay(self, cost: float, seconds: float) -> None:
        """Add what the comparison of a step has cost, which was taken at this training time."""
        self.spent += cost
        self._newest = cost
        if self.spent + cost <= FREE_SECONDS:
            self.due_at = seconds
            return
        paid = (self._began or 0.0) + (self.spent + cost) / COST_SHARE
        self.due_at = max(paid, seconds * (1 + 1 / MOST_PER_DOUBLING))

    def end(self) -> None:
        """Compare no more."""
        self.due_at, self._wants_last = math.inf, False
