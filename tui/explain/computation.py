"""A value computed in a thread: once for each state of the run, never twice at once."""

import asyncio
from collections.abc import Callable, Coroutine
from time import monotonic
from typing import Generic, TypeVar

from mlpwatch.core.errors import MlpwatchError

Result = TypeVar("Result")

RETRY_SECONDS = 3.0
"""Time between a failure and the next attempt."""


class Computation(Generic[Result]):
    """The newest result, or why there is no newer one.

    Only one computation runs at a time: a slow one can't replace a later result.

    Args:
        seconds: least time between two computations.
    """

    def __init__(self, seconds: float = 0.0) -> None:
        self._seconds = seconds
        self._key: object = None
        self._is_running = False
        self._not_before = 0.0
        self.result: Result | None = None
        self.fault = ""
        """Why the last computation failed, in one line; empty if it did not."""

    def is_due(self, key: object) -> bool:
        """Return whether to compute for a state of the run, or to retry after a failure."""
        is_new = key != self._key or bool(self.fault)
        return is_new and not self._is_running and monotonic() >= self._not_before

    def start(self, key: object, compute: Callable[[], Result]) -> Coroutine[None, None, None]:
        """Return a coroutine that computes in a thread; until it is done nothing else is due."""
        self._key, self._is_running = key, True
        return self._run(compute)

    async def _run(self, compute: Callable[[], Result]) -> None:
        rest = self._seconds
        try:
            self.result, self.fault = await asyncio.to_thread(compute), ""
        except (MemoryError, RuntimeError, TimeoutError, MlpwatchError) as error:
            # PyTorch raises RuntimeError if memory runs out. Training continues.
            self.fault, rest = str(error) or "out of memory", RETRY_SECONDS
        finally:
            self._is_running, self._not_before = False, monotonic() + rest
