"""One step of all ranks: the sum of their gradients, and what rank 0 decides about it."""

from collections.abc import Callable
from functools import cache, partial
from time import monotonic, perf_counter
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from mlpwatch.core.config import EngineName
from mlpwatch.core.errors import MlpwatchError

_UPDATE, _END = 1, 2
"""What rank 0 decides: all update their weights, or the run ends without this step."""

_LOSS, _ORDER = 0, 1
_RATE = slice(2, 6)
_FIRST_RANK = 6
_PER_RANK = 3
"""Seconds of computing in this step, seconds of the sum before it, and whether it was asked to
stop."""


class RanksEndedError(Exception):
    """Rank 0 has ended the engine's training; another rank ends too."""


class RankLostError(MlpwatchError):
    """A rank has ended or can't be reached; the step was not done, and the weights are whole.

    Args:
        explain: returns which rank, in one line; takes up to a second.
    """

    def __init__(self, explain: Callable[[], str]) -> None:
        super().__init__()
        self._explain = cache(explain)

    def __str__(self) -> str:
        """Return which rank it is."""
        return self._explain()


class SummedVector(Protocol):
    """An engine's gradient and the numbers behind it, in every rank."""

    tail: NDArray[np.floating]
    """The numbers behind the gradient (spare,)."""

    def sum(self) -> None:
        """Sum both over all ranks, in place; wait for the others.

        Raises:
            RuntimeError: a rank can't be reached.
        """


def share_of(count: int, rank: int, size: int) -> slice:
    """Return which of a batch's rows a rank computes: consecutive, as evenly as possible."""
    return slice(count * rank // size, count * (rank + 1) // size)


class RankExchange:
    """Satisfies `core.network.engine.Exchange` for one engine of one rank.

    The ranks meet once per step, in one sum. Behind the gradient it has the loss; rank 0's order
    and learning rate, to which the others add 0; and for each rank a place of its own for its
    times, to which the others add 0. So orders take effect in all ranks at the same step, without
    a message of their own: 24 bytes and 12 per rank beside 407 kB of a network 784-128-10.

    Args:
        engine: its name.
        rank: 0 decides, the others follow.
        size: number of ranks.
    """

    def __init__(self, engine: EngineName, rank: int, size: int) -> None:
        self.engine: EngineName = engine
        self.rank, self.size = rank, size
        self.spare = _FIRST_RANK + _PER_RANK * size
        self.steps = 0
        """Sums begun."""
        self.waits_since: float | None = None
        """When the sum began that is not done, on the monotonic clock; None if there is none."""
        self.is_asked_to_stop = False
        """Whether this rank was asked to stop; it does so when rank 0 ends the run."""
        self.explain: Callable[[Exception], str] = str
        """Returns which rank is lost, in one line."""
        self.on_step: Callable[[NDArray[np.floating], float], None] = lambda _times, _idle: None
        """Called in rank 0 with (size, 3), seconds of computing, of the sum before, and whether the
        rank was asked to stop; and with the seconds of rank 0 before this step."""
        self._vector: SummedVector | None = None
        self._began = self._left = perf_counter()
        self._idle = self._summing = 0.0

    def connect(self, vector: SummedVector) -> None:
        """Set what is summed; call it before the first step."""
        self._vector = vector

    def share(self, count: int) -> slice:
        """See `Exchange`."""
        self._began = perf_counter()
        self._idle = self._began - self._left
        return share_of(count, self.rank, self.size)

    def sum(self, loss: float, learning_rate: float) -> tuple[float, float]:
        """See `Exchange`.

        Raises:
            RankLostError: another rank has ended.
            RanksEndedError: rank 0 has ended the training; not raised in rank 0.
        """
        numbers = self._write(loss)
        if self.rank == 0:
            numbers[_ORDER] = _UPDATE
            # Four numbers of 16 bits, which float32 holds exactly; 64 bits it would round.
            numbers[_RATE] = np.array([learning_rate], "<f8").view("<u2")
        self._sum()
        if int(numbers[_ORDER]) == _END:
            raise RanksEndedError
        if self.rank == 0:
            times = numbers[_FIRST_RANK:].reshape(self.size, _PER_RANK)
            self.on_step(times, self._idle)
            return float(numbers[_LOSS]), learning_rate
        rate = numbers[_RATE].astype("<u2").view("<f8")
        return float(numbers[_LOSS]), float(rate[0])

    def end(self) -> None:
        """End the training of the other ranks; only rank 0 calls it.

        Raises:
            RankLostError: another rank has ended.
        """
        self._write(0.0)[_ORDER] = _END
        self._sum()

    def await_end(self) -> None:
        """Wait, after the last step, until rank 0 ends the training.

        Raises:
            RankLostError: another rank has ended.
        """
        self._write(0.0)
        self._sum()

    def _write(self, loss: float) -> NDArray[np.floating]:
        if self._vector is None:
            raise RuntimeError("connect was not called")
        numbers = self._vector.tail
        numbers.fill(0)
        numbers[_LOSS] = loss
        own = _FIRST_RANK + _PER_RANK * self.rank
        numbers[own] = perf_counter() - self._began
        numbers[own + 1] = self._summing
        numbers[own + 2] = self.is_asked_to_stop
        return numbers

    def _sum(self) -> None:
        if self._vector is None:
            raise RuntimeError("connect was not called")
        self.steps += 1
        began, self.waits_since = perf_counter(), monotonic()
        try:
            self._vector.sum()
        except RuntimeError as error:
            raise RankLostError(partial(self.explain, error)) from error
        finally:
            self.waits_since = None
        self._left = perf_counter()
        self._summing = self._left - began
