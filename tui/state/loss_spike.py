"""Notices when a training loss jumps up. Pure: losses in, a step out."""

import math
from collections import deque
from statistics import median

STRETCH = 32
"""Batches whose mean is one point: the losses of single batches differ a hundredfold late in a
run."""

REMEMBERED = 16
"""Stretches whose median the next one is held against."""

FEWEST = 3
"""Stretches before the first verdict: a loss that has just begun to fall has no median."""

TIMES = 3.0
"""A stretch above so many times the median is a spike, if it is also above `SHARE`."""

SHARE = 0.25
"""Of the first stretch's loss. Near zero a loss triples often and loses nothing: what was learned
is still there. Above a quarter of where it began, most of it is gone."""


class LossSpikes:
    """Follows one engine's losses, batch by batch or as sums of batches.

    The rule: the mean of at least 32 batches is above 3 times the median of the 16 such means
    before it, and above a quarter of the first. A loss that is not finite is a spike at once. A
    spike ends when a mean is again below both limits; high means do not enter the median.
    """

    def __init__(self) -> None:
        self.began: int | None = None
        """Steps done before the newest spike's first batch; None before the first spike."""
        self.lasts = False
        """Whether the loss is still up."""
        self.times = math.nan
        """The highest mean of the newest spike, as a multiple of the median; inf if not finite."""
        self._since = 0
        """Stretches since the newest spike ended."""
        self._means: deque[float] = deque(maxlen=REMEMBERED)
        self._first = math.nan
        self._from = 0
        self._count = 0
        self._sum = 0.0

    @property
    def is_news(self) -> bool:
        """Whether the loss is up, or was among the last stretches."""
        return self.lasts or (self.began is not None and self._since < REMEMBERED)

    def end(self, step: int) -> None:
        """Note that the engine diverged; a loss that went up before is the beginning."""
        if not self.lasts:
            self._raise(step, math.inf)

    def add(self, step: int, loss: float, count: int = 1) -> None:
        """Add the mean loss of `count` batches, of which the last was `step`."""
        if not self._count:
            self._from = step - count
        self._count += count
        self._sum += loss * count
        if self._count >= STRETCH or not -math.inf < loss < math.inf:
            self._close()

    def _close(self) -> None:
        mean, begins = self._sum / self._count, self._from
        self._count, self._sum = 0, 0.0
        if not math.isfinite(mean):
            self._raise(begins, math.inf)
            return
        if math.isnan(self._first):
            self._first = mean
        if len(self._means) >= FEWEST:
            usual = median(self._means)
            if mean > TIMES * usual and mean > SHARE * self._first:
                self._raise(begins, mean / usual if usual > 0 else math.inf)
                return
        self._since = 0 if self.lasts else self._since + 1
        self.lasts = False
        self._means.append(mean)

    def _raise(self, begins: int, times: float) -> None:
        if not self.lasts:
            self.began, self.times = begins, 0.0
        self.lasts, self.times = True, max(times, self.times)
