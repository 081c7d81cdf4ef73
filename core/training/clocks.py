"""Training time: clocks that stop while a trainer waits, and a pacer for the speed limit."""

import math
from time import perf_counter

MOST_WAIT_SECONDS = 60.0
"""Longest single wait for a step, even at the lowest speed limit: a wait of years overflows."""


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
