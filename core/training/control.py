"""Orders from outside to one trainer: a level (run, pause, stop), and counted requests."""

from collections import deque
from collections.abc import Callable
from threading import Condition
from typing import Literal

Action = Literal["run", "step", "save", "show", "threads", "wait", "stop"]
"""What a trainer does next: train on, train one batch while paused, write a checkpoint, show
its weights, take a new thread count, wait, or end."""

LEAVE_SECONDS = 1.2
"""How long leaving waits for the trainers, which look up once per batch, and for the disk. With the
screen's own end, 0.1 to 0.4 s on a busy machine, it stays below two seconds."""


class Control:
    """Orders for one trainer, read once per step.

    Any thread may give orders; one trainer takes them. While nothing but running is wanted,
    `take` reads one attribute and touches no lock.

    Args:
        threads: threads that the engine may use at first.
        steps_per_second: the speed limit, or None.
    """

    def __init__(self, threads: int = 1, steps_per_second: float | None = None) -> None:
        self._changed = Condition()
        self._level: Literal["run", "pause", "stop"] = "run"
        self._steps_granted = 0
        self._saves_wanted = 0
        self._weights_wanted = False
        self._calls: deque[Callable[[], None]] = deque()
        self._closed = False
        self._threads = threads
        self._threads_new = True
        self._steps_per_second = steps_per_second
        self._calm: Action | None = None
        """`run` or `wait` while nothing has changed since the trainer took that order."""

    @property
    def paused(self) -> bool:
        """Whether the trainer is told to wait."""
        return self._level == "pause"

    @property
    def threads(self) -> int:
        """Threads that the engine may use now."""
        return self._threads

    @property
    def steps_per_second(self) -> float | None:
        """The speed limit, or None."""
        return self._steps_per_second

    def pause(self) -> None:
        """Wait from the next batch on."""
        with self._changed:
            if self._level == "run":
                self._level = "pause"
            self._notify()

    def resume(self) -> None:
        """Go on; steps granted while paused and not yet taken are forgotten."""
        with self._changed:
            if self._level == "pause":
                self._level = "run"
            self._steps_granted = 0
            self._notify()

    def step(self) -> None:
        """Train on one more batch while paused; does nothing otherwise."""
        with self._changed:
            if self._level == "pause":
                self._steps_granted += 1
            self._notify()

    def save(self) -> None:
        """Write a checkpoint before the next batch; a stop saves anyway."""
        with self._changed:
            self._saves_wanted += 1
            self._notify()

    def show_weights(self) -> None:
        """Publish a copy of the weights before the next batch; paused or not."""
        with self._changed:
            self._weights_wanted = True
            self._notify()

    def stop(self) -> None:
        """End the run; wakes a paused trainer. Nothing undoes it."""
        with self._changed:
            self._level = "stop"
            self._notify()

    def call(self, function: Callable[[], None]) -> bool:
        """Let the trainer's thread call a function between two batches, paused or not.

        Args:
            function: quick, since training waits for it; must not raise.

        Returns:
            False if the trainer has ended and will call nothing any more.
        """
        with self._changed:
            if not self._closed:
                self._calls.append(function)
                self._notify()
            return not self._closed

    def close(self) -> None:
        """Call what is left to call; from the trainer's thread, after its last batch."""
        with self._changed:
            self._closed = True
        self._call_all()

    def set_threads(self, threads: int) -> None:
        """Give the engine another number of threads."""
        with self._changed:
            self._threads_new = self._threads_new or threads != self._threads
            self._threads = threads
            self._notify()

    def set_steps_per_second(self, limit: float | None) -> None:
        """Set the speed limit; None lifts it."""
        with self._changed:
            self._steps_per_second = limit
            self._notify()

    def take(self) -> Action:
        """Return the next order at once, counting down requests; make the calls asked for."""
        if self._calm == "run":
            return "run"
        while True:
            # Not under the lock: whoever gives an order must not wait for them.
            self._call_all()
            with self._changed:
                if self._calls:
                    continue
                order = self._take()
                self._calm = order if order in ("run", "wait") else None
                return order

    def wait(self, seconds: float | None = None) -> None:
        """Block until anything changes, or for some seconds, whichever comes first."""
        with self._changed:
            # An order given since the last `take` must not be slept over.
            if self._calm is not None:
                self._changed.wait(seconds)

    def _call_all(self) -> None:
        while self._calls:
            self._calls.popleft()()

    def _take(self) -> Action:
        if self._threads_new:
            self._threads_new = False
            return "threads"
        if self._level == "stop":
            return "stop"
        if self._saves_wanted:
            # One save answers every request made so far.
            self._saves_wanted = 0
            return "save"
        if self._weights_wanted:
            self._weights_wanted = False
            return "show"
        if self._level == "pause" and self._steps_granted:
            self._steps_granted -= 1
            return "step"
        return "wait" if self._level == "pause" else "run"

    def _notify(self) -> None:
        self._calm = None
        self._changed.notify_all()
