"""Orders to the trainers of one run: a level (run, pause, stop), requests, and lockstep."""

import math
from collections import deque
from collections.abc import Callable
from threading import Condition
from time import monotonic
from typing import Literal

Action = Literal[
    "run", "catch-up", "step", "rate", "save", "show", "threads", "wait", "hold", "stop"
]
"""The next action of a trainer: train a batch, train one regardless of the speed limit, train one
batch while paused, use a new learning rate, write a checkpoint, publish the weights, use a new
thread count, wait while paused, wait for the other engine in lockstep, or end."""

LEAVE_SECONDS = 1.2
"""Longest wait at the exit for the disk and for the trainers, which check orders once per batch.
With the screen's own exit, 0.1 to 0.4 s on a busy machine, it is below two seconds."""

SAVE_REST_SECONDS = 0.5
"""Least time between two requested checkpoints of an engine in training. Each copies all weights
and waits for the previous epoch's report: a request at every step halved the training speed."""


class ControlGroup:
    """The common part of one run's controls: a lock, and whether the engines are in lockstep."""

    def __init__(self) -> None:
        self.changed = Condition()
        self.controls: list[Control] = []
        self.lockstep = False
        """Whether no engine may be ahead of another by a step; see `set_lockstep`."""

    def set_lockstep(self, lockstep: bool) -> None:
        """Set whether the faster engine waits for the slower one after each step.

        An engine that is behind catches up first, even while paused.
        """
        with self.changed:
            self.lockstep = lockstep
            self.wake_all()

    def pause_level(self, controls: list["Control"]) -> None:
        """Pause several engines at the same step: the leader waits, the others catch up."""
        with self.changed:
            for control in controls:
                control.begin_pause(levels=len(controls) > 1)
            self.wake_all()

    def pause_at(self, step: int) -> None:
        """Pause all engines once each has done `step` steps, or at once where one has."""
        with self.changed:
            for control in self.controls:
                control.order_pause(step)
            self.wake_all()

    def each(self, order: Callable[["Control"], object]) -> None:
        """Give an order to all engines."""
        for control in self.controls:
            order(control)

    def step(self, controls: list["Control"]) -> None:
        """Train one more batch on each that is paused.

        All are granted their step together: one that sees another a step ahead before it has its
        own would catch up and then take its step too, so that all take two.
        """
        with self.changed:
            for control in controls:
                control.step()

    def set_learning_rate(self, rate: float, controls: list["Control"]) -> None:
        """Set the learning rate of several engines from their next batches on.

        Engines that are kept or paused at the same step change it at the same step.
        """
        with self.changed:
            first = 0
            if self.lockstep or all(control.levels for control in controls):
                first = max(control.next_step for control in self.controls)
            for control in controls:
                control.order_rate(rate, first)
            self.wake_all()

    def wake_all(self) -> None:
        """Make every trainer check its orders; the caller holds the lock."""
        for control in self.controls:
            control.is_calm = control.is_fast = False
        self.changed.notify_all()


class Control:
    """Orders for one trainer, read once per step.

    Any thread may give orders; one trainer takes them. While there is no order but to run, `take`
    reads one attribute and uses no lock.

    Args:
        threads: the engine's number of threads at first.
        steps_per_second: the speed limit, or None.
        group: shared with the other engines of the run.
    """

    def __init__(
        self,
        threads: int = 1,
        steps_per_second: float | None = None,
        group: ControlGroup | None = None,
    ) -> None:
        self._group = group or ControlGroup()
        self._group.controls.append(self)
        self._changed = self._group.changed
        self._level: Literal["run", "pause", "stop"] = "run"
        self._levels = False
        """Whether it was paused with others: it trains up to the step of the engine ahead."""
        self._step = 0
        """Steps done at the last `take` that checked the orders."""
        self._is_training = False
        """Whether that `take` let it train a batch."""
        self.learning_rate = math.nan
        """η₀ as ordered last; NaN before the trainer has said what it begins with."""
        self.rate_taken = math.nan
        """η₀ of the last action `rate`; a newer order may be for a later step."""
        self._rate_from: int | None = None
        """The step from which on the ordered η₀ holds; None if the trainer uses it."""
        self._pause_at: int | None = None
        """The step at which it will pause."""
        self._steps_granted = 0
        self._save_wanted = False
        self._saved_at = -SAVE_REST_SECONDS
        self._weights_wanted = False
        self._calls: deque[Callable[[], None]] = deque()
        self._closed = False
        self._threads = threads
        self._threads_new = True
        self._steps_per_second = steps_per_second
        self.is_calm = False
        """Whether nothing has changed since the trainer's last `take`: it may sleep."""
        self.is_fast = False
        """Whether nothing has changed, and the order was to run: `take` need not check."""

    @property
    def paused(self) -> bool:
        """Whether the engine has been paused."""
        return self._level == "pause"

    @property
    def levels(self) -> bool:
        """Whether it was paused together with others, at the same step."""
        return self._levels

    @property
    def next_step(self) -> int:
        """Most steps that may be done when the trainer looks at an order given now."""
        return self._step + self._is_training

    @property
    def threads(self) -> int:
        """The engine's current number of threads."""
        return self._threads

    @property
    def steps_per_second(self) -> float | None:
        """The speed limit, or None."""
        return self._steps_per_second

    def pause(self) -> None:
        """Pause before the next batch."""
        self._group.pause_level([self])

    def begin_pause(self, *, levels: bool) -> None:
        """Pause, perhaps together with others; the caller holds the lock and wakes all."""
        if self._level == "run":
            self._level, self._levels = "pause", levels
        elif not levels:
            # Paused alone while it catches up: it stops at once.
            self._levels = False

    def order_pause(self, step: int) -> None:
        """Pause once `step` steps are done; the caller holds the lock and wakes all."""
        self._pause_at = step

    def resume(self) -> None:
        """Train again; single steps that were granted but not yet taken are dropped.

        So is a pause that is ahead, if another engine has paused there already.
        """
        with self._changed:
            if any(one._pause_at is None for one in self._others()):
                self._pause_at = None
            if self._level == "pause":
                self._level = "run"
            self._levels = False
            self._steps_granted = 0
            self._group.wake_all()

    def step(self) -> None:
        """Train one more batch while paused. No effect otherwise."""
        with self._changed:
            if self._level == "pause":
                self._steps_granted += 1
            self._notify()

    def save(self) -> None:
        """Write a checkpoint soon; requests within `SAVE_REST_SECONDS` share one."""
        with self._changed:
            self._save_wanted = True
            self._notify()

    def show_weights(self) -> None:
        """Publish the weights before the next batch, paused or not."""
        with self._changed:
            self._weights_wanted = True
            self._notify()

    def stop(self) -> None:
        """End the run; also wakes a paused trainer. It can't be undone."""
        with self._changed:
            self._level = "stop"
            self._notify()

    def call(self, function: Callable[[], None]) -> bool:
        """Make the trainer's thread call a function between two batches, paused or not.

        Args:
            function: must be quick, because training waits for it, and must not raise.

        Returns:
            False if the trainer has ended and makes no more calls.
        """
        with self._changed:
            if not self._closed:
                self._calls.append(function)
                self._notify()
            return not self._closed

    def close(self) -> None:
        """Make the remaining calls; call this in the trainer's thread after the last batch."""
        with self._changed:
            self._closed = True
            self._group.wake_all()
        self._call_all()

    def set_threads(self, threads: int) -> None:
        """Set the engine's number of threads."""
        with self._changed:
            self._threads_new = self._threads_new or threads != self._threads
            self._threads = threads
            self._notify()

    def set_steps_per_second(self, limit: float | None) -> None:
        """Set the speed limit; None lifts it."""
        with self._changed:
            self._steps_per_second = limit
            self._notify()

    def begin_at(self, rate: float) -> None:
        """Note the η₀ that the trainer uses; an order that waits is newer."""
        with self._changed:
            if self._rate_from is None:
                self.learning_rate = rate

    def order_rate(self, rate: float, first: int) -> None:
        """Change η₀ once `first` steps are done; the caller holds the lock and wakes all."""
        self.learning_rate, self._rate_from = rate, first

    def take(self, step: int = 0) -> Action:
        """Return the next action at once, and remove its request; make the requested calls.

        Args:
            step: steps done so far.
        """
        if self.is_fast:
            return "run"
        while True:
            # Without the lock, so that orders do not wait for these calls.
            self._call_all()
            with self._changed:
                if self._calls:
                    continue
                self._arrive(step)
                action = self._take()
                self.is_calm = action in ("run", "catch-up", "wait", "hold")
                self._is_training = action in ("run", "catch-up", "step")
                is_pending = (
                    self._save_wanted or self._rate_from is not None or self._pause_at is not None
                )
                may_run = action == "run" and not is_pending
                self.is_fast = may_run and not self._group.lockstep
                return action

    def wait(self, seconds: float | None = None) -> bool:
        """Block until anything changes, at most `seconds`; False after that time."""
        with self._changed:
            # If an order was given since the last `take`, do not sleep.
            return not self.is_calm or self._changed.wait_for(lambda: not self.is_calm, seconds)

    def _call_all(self) -> None:
        while self._calls:
            self._calls.popleft()()

    def _take(self) -> Action:
        if self._pause_at is not None and self._step >= self._pause_at:
            self._pause_at = None
            if self._level == "run":
                self._level, self._levels = "pause", len(self._group.controls) > 1
        if request := self._take_request():
            return request
        if self._level == "pause" and self._steps_granted:
            self._steps_granted -= 1
            return "step"
        if self._is_behind():
            return "catch-up"
        if self._level == "pause":
            return "wait"
        return "hold" if self._is_ahead() else "run"

    def _take_request(self) -> Action | None:
        if self._threads_new:
            self._threads_new = False
            return "threads"
        if self._level == "stop":
            return "stop"
        if self._rate_from is not None and self._step >= self._rate_from:
            self._rate_from, self.rate_taken = None, self.learning_rate
            return "rate"
        if self._save_wanted and self._may_save():
            self._save_wanted, self._saved_at = False, monotonic()
            return "save"
        if self._weights_wanted:
            self._weights_wanted = False
            return "show"
        return None

    def _may_save(self) -> bool:
        # While paused, a checkpoint does not slow down the training.
        return self.paused or monotonic() - self._saved_at >= SAVE_REST_SECONDS

    def _arrive(self, step: int) -> None:
        """Record the steps done; wake the other trainers if they may wait for it."""
        if step == self._step:
            return
        leads = all(step > other._step for other in self._others())
        self._step = step
        if self._group.lockstep or (self._levels and leads):
            self._group.wake_all()

    def _is_behind(self) -> bool:
        """Whether this engine must catch up with another."""
        return any(
            other._step > self._step
            for other in self._others()
            if self._group.lockstep or (self._levels and other._levels)
        )

    def _is_ahead(self) -> bool:
        """Whether this engine must wait for another before its next step."""
        return self._group.lockstep and any(
            other._step < self._step or (other.paused and other._step == self._step)
            for other in self._others()
        )

    def _others(self) -> list["Control"]:
        return [one for one in self._group.controls if one is not self and not one._closed]

    def _notify(self) -> None:
        self.is_calm = self.is_fast = False
        self._changed.notify_all()
