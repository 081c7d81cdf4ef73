"""How fast each rank is, and how long it waits for the others."""

import numpy as np
from numpy.typing import NDArray

from mlpwatch.core.config import EngineName
from mlpwatch.core.events import RanksMeasured
from mlpwatch.core.training.ranks.exchange import share_of

WINDOW_SECONDS = 1.0
"""Time of the steps that are averaged."""

PAUSE_SECONDS = 0.05
"""Rank 0 was paused, or busy with an epoch's end, if it did nothing for so long: the others waited
for the user, not for a slow rank."""


class RankMeter:
    """Adds up the times of all ranks in rank 0.

    In one sum the rank that comes last waits for nobody: its sum takes the time of the transfer,
    and what the sum takes longer elsewhere is waiting.

    Args:
        engine: whose steps they are.
        size: number of ranks.
        batch: rows of a batch.
    """

    def __init__(self, engine: EngineName, size: int, batch: int) -> None:
        self._engine: EngineName = engine
        shares = [share_of(batch, rank, size) for rank in range(size)]
        self._rows = np.array([share.stop - share.start for share in shares])
        self._was_idle = True
        self._clear()

    def _clear(self) -> None:
        self._computing, self._waiting = np.zeros(len(self._rows)), np.zeros(len(self._rows))
        self._transfer = self._seconds = 0.0
        self._steps = 0

    def add(self, times: NDArray[np.floating], idle: float, step: int) -> RanksMeasured | None:
        """Add a step; return the means once a window is full.

        Args:
            times: (ranks, 3), seconds of computing in this step, seconds of the sum before it.
            idle: seconds of rank 0 before this step.
            step: steps done.
        """
        computing, summing = times[:, 0], times[:, 1]
        was_idle, self._was_idle = self._was_idle, idle > PAUSE_SECONDS
        if not was_idle:
            least = float(summing.min())
            self._computing += computing
            self._waiting += summing - least
            self._transfer += least
            self._steps += 1
            self._seconds += float(computing[0] + summing[0]) + idle
        if self._seconds < WINDOW_SECONDS:
            return None
        whole = np.maximum(self._computing + self._waiting + self._transfer, 1e-12)
        speeds = self._rows * self._steps / np.maximum(self._computing, 1e-12)
        waits = self._waiting / whole
        found = RanksMeasured(
            self._engine,
            step,
            transfer=min(1.0, self._transfer / float(whole[0])),
            samples_per_second=tuple(map(float, speeds)),
            waiting=tuple(map(float, waits)),
        )
        self._clear()
        return found
