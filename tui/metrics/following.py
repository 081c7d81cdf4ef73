"""A source of numbers, read by a thread of its own into a store that the screen draws from."""

import math
from collections.abc import Sequence
from threading import Event as Flag
from threading import Lock, Thread
from time import monotonic
from typing import Protocol

from mlpwatch.core.errors import error_text
from mlpwatch.core.scalars.store import ScalarPoint, ScalarSeries, ScalarStore

POLL_SECONDS = 0.25
"""Time between two looks for new points once all are read."""

_POINTS_AT_ONCE = 2_000
"""Points that are stored before the screen may read again: 2 ms."""


class ScalarSource(Protocol):
    """Where the numbers come from. One thread at a time."""

    @property
    def title(self) -> str:
        """Name, safe to print."""
        ...

    @property
    def format(self) -> str:
        """What is read, in a word or two."""
        ...

    @property
    def prefixes(self) -> tuple[str, ...]:
        """Folders of several runs or parts, which begin some of the names."""
        ...

    @property
    def written_at(self) -> float:
        """When it was last written, in Unix time; 0 if unknown."""
        ...

    @property
    def ended(self) -> bool:
        """Whether it is known that no more will come."""
        ...

    @property
    def planned(self) -> float:
        """The last step; NaN if unknown."""
        ...

    @property
    def fault(self) -> str:
        """What can't be read, in one line; empty if nothing."""
        ...

    def read(self) -> list[ScalarPoint]:
        """Return some of the new points; none if there are no more."""
        ...


class FollowedMetrics:
    """Reads a source until it is stopped; the screen may ask at any time.

    Args:
        source: not used by anybody else from now on.
        axis: what its steps count.
    """

    def __init__(self, source: ScalarSource, axis: str = "step") -> None:
        self.source, self.axis = source, axis
        self.has_read_all = False
        """Whether all that was there at the start has been read."""
        self.first_step, self.last_step = math.inf, -math.inf
        """The least and the largest step so far."""
        self.error = ""
        """Why reading ended, in one line; empty while it has not."""
        self._store, self._lock, self._stop = ScalarStore(), Lock(), Flag()
        self._thread = Thread(target=self._read, name="metrics", daemon=True)

    def start(self) -> None:
        """Begin to read."""
        self._thread.start()

    def stop(self) -> None:
        """End reading soon."""
        self._stop.set()

    @property
    def revision(self) -> int:
        """Grows with each point."""
        return self._store.revision

    def names(self) -> tuple[str, ...]:
        """Return the names so far."""
        with self._lock:
            return tuple(self._store.names())

    def series(self, name: str) -> ScalarSeries:
        """Return a series.

        Raises:
            KeyError: there is no such name.
        """
        with self._lock:
            return self._store.series(name)

    def last(self, name: str) -> float:
        """Return the newest value of a series, not averaged with others.

        Raises:
            KeyError: there is no such name.
        """
        with self._lock:
            return self._store.last(name).value

    def take(self, points: Sequence[ScalarPoint]) -> None:
        """Store points."""
        for n in range(0, len(points), _POINTS_AT_ONCE):
            part = points[n : n + _POINTS_AT_ONCE]
            with self._lock:
                self._store.add(part)
                steps = [float(point.step) for point in part if math.isfinite(point.step)]
                self.first_step = min([self.first_step, *steps])
                self.last_step = max([self.last_step, *steps])

    def _read(self) -> None:
        try:
            while not self._stop.is_set():
                began = monotonic()
                if points := self.source.read():
                    self.take(points)
                    if self.has_read_all:
                        self._stop.wait(POLL_SECONDS - (monotonic() - began))
                else:
                    self.has_read_all = True
                    self._stop.wait(POLL_SECONDS)
        except Exception as error:  # files may contain anything; the screen shows what was read
            self.error = error_text(error)
