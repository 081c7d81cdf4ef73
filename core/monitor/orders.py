"""The orders to a watched loop: taken from its socket, obeyed between two of its steps."""

import os
from collections.abc import Callable

from mlpwatch.core.errors import error_text
from mlpwatch.core.files.strict_json import JsonError
from mlpwatch.core.monitor.records import LineKind
from mlpwatch.core.remote.protocol import Command, LoopStatus, Status, parse_command
from mlpwatch.core.training.clocks import StepPacer
from mlpwatch.core.training.control import Control, ControlGroup

SetRate = Callable[[float], None]

Note = Callable[[LineKind, dict[str, float]], None]
"""Writes a line of the log, with its values."""


class LoopOrders:
    """Answers commands in the server's thread; the loop's thread obeys them in `before_step`.

    Args:
        note: called in the loop's thread.
        complain: says a line on stderr.
        set_rate: changes the learning rate, in the loop's thread; None if the loop can't.
        save: writes a checkpoint there; None if the loop looks at `save_requested` instead.
    """

    def __init__(
        self,
        note: Note,
        complain: Callable[[str], None],
        set_rate: SetRate | None,
        save: Callable[[], None] | None = None,
    ) -> None:
        self._group = ControlGroup()
        self._control, self._pacer = Control(group=self._group), StepPacer()
        self._note, self._complain = note, complain
        self._set_rate, self._save = set_rate, save
        self._rate: float | None = None
        self._is_waiting = False
        self.step, self.epoch = 0, 0
        """Begun and done so far; the loop counts them."""
        self.save_requested = False
        self.stopped = False
        """Whether the loop has been asked to end, and has seen it."""

    def before_step(self) -> bool:
        """Obey all orders; wait while paused and above the speed limit. False: the loop must end.

        Without an order it takes 0.1 µs.
        """
        control = self._control
        if control.is_fast and control.steps_per_second is None:
            return True
        while True:
            match control.take(self.step):
                case "stop":
                    self.stopped = True
                    return False
                case "rate":
                    self._change_rate(control.rate_taken)
                case "save":
                    self.save_requested = True
                    if self._save is not None:
                        self._save_now(self._save)
                case "wait":
                    self._wait()
                case "step":
                    self._pacer.count_step()
                    return True
                case "run" | "catch-up" | "hold":
                    if self._may_run():
                        return True
                case "threads" | "show":
                    pass

    def answer(self, line: bytes) -> Status | str:
        """Accept a command, and say how the loop stands; an error in words if it is refused."""
        try:
            order = parse_command(line)
            self._accept(order)
        except ValueError as error:
            return str(error)
        control = self._control
        return Status(
            process=os.getpid(),
            steps_per_second=control.steps_per_second,
            loop=LoopStatus(self.step, self.epoch, control.paused, self.save_requested, self._rate),
        )

    def _accept(self, order: Command) -> None:
        """Raise JsonError if a loop has no such order."""
        if order.engines:
            raise JsonError(f"engine {order.engines[0]!r}: a watched loop has none; leave it out")
        if order.name == "lockstep":
            raise JsonError("order 'lockstep': there is only one loop")
        if order.name == "set":
            if self._set_rate is None:
                raise JsonError(
                    "order 'set': the loop has not said how; give mlpwatch.watch(optimizer=...)"
                )
            self._rate = order.learning_rate
            self._group.set_learning_rate(order.learning_rate or 0.0, [self._control])
        control = self._control
        match order.name:
            case "pause":
                control.pause()
            case "resume":
                control.resume()
            case "step":
                control.step()
            case "save":
                control.save()
            case "limit":
                control.set_steps_per_second(order.steps_per_second)
            case "stop":
                control.stop()

    def _change_rate(self, rate: float) -> None:
        if self._set_rate is None:
            return
        try:
            self._set_rate(rate)
        except Exception as error:
            self._complain(f"order set --learning-rate {rate:g}: {error_text(error)}")
            return
        self._note("rate", {"learning_rate": rate})

    def _save_now(self, save: Callable[[], None]) -> None:
        try:
            save()
        except Exception as error:  # the user's own: the loop must go on
            self._complain(f"order save: {error_text(error)}")

    def _wait(self) -> None:
        if not self._is_waiting:
            self._is_waiting = True
            self._note("paused", {})
        self._control.wait()

    def _may_run(self) -> bool:
        if self._is_waiting:
            self._is_waiting = False
            self._note("resumed", {})
        limit = self._control.steps_per_second
        seconds = self._pacer.wait_seconds(limit) if limit is not None else 0.0
        if seconds:
            self._control.wait(seconds)
        return not seconds


def rate_setter(optimizer: object) -> SetRate | None:
    """Return what changes the learning rate of an optimizer; None if there is none.

    Args:
        optimizer: PyTorch's, with `param_groups`; Keras', with `learning_rate`; a function of the
            rate; or None.

    Raises:
        TypeError: it is none of these.
    """
    if optimizer is None:
        return None
    if hasattr(optimizer, "param_groups"):

        def set_groups(rate: float) -> None:
            for group in optimizer.param_groups:
                group["lr"] = rate

        return set_groups
    if hasattr(optimizer, "learning_rate"):

        def set_attribute(rate: float) -> None:
            optimizer.learning_rate = rate

        return set_attribute
    if callable(optimizer):
        return optimizer
    raise TypeError(
        f"optimizer {type(optimizer).__name__}: expected one with param_groups or learning_rate, "
        "or a function of the new rate"
    )
