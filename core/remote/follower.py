"""The `RunSource` of a run that another process trains or trained; it reads the run's folder."""

from collections.abc import Callable, Iterable
from concurrent.futures import Future
from dataclasses import replace
from functools import partial
from math import inf
from threading import Event as Flag
from threading import Lock, Thread
from time import monotonic
from typing import TypeVar

from mlpwatch.core.analysis.gradient_comparison import GradientComparison
from mlpwatch.core.analysis.inference import Answer, Prediction, predict
from mlpwatch.core.analysis.step_trace import StepTrace
from mlpwatch.core.analysis.weight_store import WeightStore
from mlpwatch.core.arrays import Floats
from mlpwatch.core.config import EngineName
from mlpwatch.core.data.dataset import Dataset
from mlpwatch.core.epochs import Evaluation
from mlpwatch.core.events import (
    EpochDone,
    Event,
    LogRewritten,
    Mailbox,
    Notice,
    Paused,
    RateChanged,
    Resumed,
    RunEnded,
    RunStarted,
    StepGroup,
)
from mlpwatch.core.limits import check_new_rate
from mlpwatch.core.network.engine import Engine
from mlpwatch.core.network.losses import loss_for
from mlpwatch.core.remote.client import ASK_SECONDS, CommandClient
from mlpwatch.core.remote.protocol import Command, CommandName, Status
from mlpwatch.core.remote.run_images import RunImages
from mlpwatch.core.runs.event_log import Plan
from mlpwatch.core.runs.layout import continuation
from mlpwatch.core.runs.lock import is_locked
from mlpwatch.core.runs.replay import RunTail, damage_notes, recorded_end
from mlpwatch.core.runs.run import Run
from mlpwatch.core.spectating import LOOKS_ONLY, looks_only

FOLLOW_SECONDS = 0.5
"""Time between two reads of the logs, which are written every 0.7 s."""

BURST = 2_000
"""Events sent at a time: the screen takes 16 ms for them, and handles keys between two bursts.
After a resume a long run sends half a million events again."""

TAKEN_SECONDS = 0.005
"""Time between two checks whether the screen has taken a burst."""

ORDERED_SECONDS = 2 * ASK_SECONDS
"""For this time a setting is shown as ordered here, even if older answers differ."""

Setting = TypeVar("Setting")


class RunFollower:
    """Follows a run by reading its folder.

    It takes no lock, so several followers may follow one run. Commands go through the socket in the
    folder to the process that trains the run, if there is one: `stop` ends the run, `leave` only
    ends the following.

    The constructor reads the logs, so do not call it in an event loop. After `start` two threads
    read what is added.

    Args:
        run: see `Run.open`.

    Raises:
        RunError: the folder can't be read.
    """

    notes = ()
    """Empty: the notes are in the logs."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self.mailbox, self.weight_store = Mailbox(), WeightStore()
        self._tail = RunTail(run)
        self._first = self._tail.read() or []
        plan = self._plan()
        self.config = replace(run.config, epochs=plan.epochs)
        self.epoch_steps = plan.epoch_steps
        """Steps per epoch."""
        self._images = RunImages(run, self.config, self.weight_store, self.mailbox.put)
        self._client = CommandClient(run.path, self._on_failure, self._on_status)
        self.is_live = is_locked(run.path)
        """Whether a process trained this run at the last check."""
        self._limit: tuple[float | None, float] = (None, -inf)
        self._lockstep: tuple[bool, float] = (False, -inf)
        self._ordered_rates: dict[EngineName, tuple[float, float]] = {}
        """The value ordered last, and its time on the monotonic clock; likewise above."""
        self._lock = Lock()
        self._paused: frozenset[EngineName] = frozenset()
        """Three threads change it, under the lock; see `_change_paused`."""
        self._threads: dict[EngineName, int] = {}
        self._rates: dict[EngineName, float] = {}
        self._last: dict[EngineName, tuple[int, float]] = {}
        self._ended: set[EngineName] = set()
        self._damage: list[str] = []
        self._closing = Flag()
        self._thread = Thread(target=self._follow, name="run-follower", daemon=True)

    @property
    def dataset(self) -> Dataset:
        """The data set of the run; without images until they are loaded."""
        return self._images.dataset

    @property
    def images_missing(self) -> str:
        """Why there are no images, in one line; empty if there are."""
        return self._images.missing

    @property
    def ended(self) -> bool:
        """Whether the following has ended; the `RunEnded` events are in the mailbox."""
        return self._closing.is_set()

    @property
    def save_error(self) -> str | None:
        """None: the logs report what could not be saved."""
        return None

    @property
    def steps_per_second(self) -> float | None:
        """The speed limit from the last answer or order, or None."""
        return self._setting(self._limit, lambda status: status.steps_per_second)

    @property
    def lockstep(self) -> bool:
        """Whether all engines are kept at the same step, from the last answer or order."""
        return self._setting(self._lockstep, lambda status: status.lockstep)

    def _setting(
        self, ordered: tuple[Setting, float], answered: Callable[[Status], Setting]
    ) -> Setting:
        value, since = ordered
        status = self._client.status
        if monotonic() - since < ORDERED_SECONDS or status is None:
            return value
        return answered(status)

    def threads(self, engine: EngineName) -> int:
        """Return an engine's number of threads, from the last answer or start."""
        status = self._client.status
        return (status.threads if status else self._threads).get(engine, 1)

    def paused(self, engine: EngineName) -> bool:
        """Whether an engine has been paused."""
        return engine in self._paused

    def past_events(self) -> list[Event]:
        """Return the events so far; call it before `start`. The mailbox brings later events."""
        past, self._first = self._first, []
        for event in past:
            self._note(event)
        return past

    def compare_gradients(self) -> GradientComparison:
        """Compare both engines on the newest checkpoint; see `RunImages.compare_gradients`."""
        return self._images.compare_gradients()

    def ask(self, name: EngineName, question: Callable[[Engine], Answer]) -> Future[Answer]:
        """Ask the network with an engine's newest saved weights; see `RunImages.ask`."""
        return self._images.ask(name, question)

    def predict(self, name: EngineName, images: Floats) -> Future[Prediction]:
        """Predict images with an engine's newest saved weights; see `RunSource`."""
        return self.ask(name, partial(predict, images=images, loss=loss_for(self.config, name)))

    def trace_step(self, previous: StepTrace | None = None) -> StepTrace:
        """Compute the step after the newest checkpoint; see `RunImages.trace_step`."""
        return self._images.trace_step(previous)

    def evaluate_test(self) -> dict[EngineName, Evaluation]:
        """Evaluate the test images; see `RunImages.evaluate_test`."""
        return self._images.evaluate_test()

    def ask_for_weights(self) -> None:
        """No effect: the folder has no weights newer than the last checkpoint."""

    def start(self) -> None:
        """Start to follow."""
        self._thread.start()
        self._images.start()
        self._client.start()

    def pause(self, *engines: EngineName) -> None:
        """Pause the named engines, or all."""
        if self._order(Command("pause", engines)):
            self._change_paused(add=engines or self.config.engine_names)

    def resume(self, *engines: EngineName) -> None:
        """Resume the named engines, or all."""
        if self._order(Command("resume", engines)):
            self._change_paused(drop=engines or self.config.engine_names)

    def step(self) -> None:
        """Train one more batch on every paused engine."""
        self._order(Command("step"))

    def save(self) -> None:
        """Ask for checkpoints."""
        self._order(Command("save"))

    def set_steps_per_second(self, limit: float | None) -> None:
        """Limit the speed of every engine; None lifts the limit."""
        if self._order(Command("limit", steps_per_second=limit)):
            self._limit = (limit, monotonic())

    def set_lockstep(self, lockstep: bool) -> None:
        """Set whether the faster engine waits, so that all engines are at the same step."""
        if self._order(Command("lockstep", on=lockstep)):
            self._lockstep = (lockstep, monotonic())

    def learning_rate(self, engine: EngineName) -> float:
        """Return η₀ of an engine from the last order, answer or log, in this order."""
        logged = self._rates.get(engine, self.config.of(engine).learning_rate)
        ordered = self._ordered_rates.get(engine, (logged, -inf))
        if monotonic() - ordered[1] < ORDERED_SECONDS:
            return ordered[0]
        status = self._client.status
        return status.learning_rates.get(engine, logged) if status else logged

    def set_learning_rate(self, rate: float, *engines: EngineName) -> None:
        """Change η₀ of the named engines, or of all, from their next batches on.

        Raises:
            ConfigError: it is out of range.
        """
        check_new_rate(rate)
        if self._order(Command("set", engines, learning_rate=rate)):
            now = monotonic()
            names = engines or self.config.engine_names
            self._ordered_rates |= dict.fromkeys(names, (rate, now))

    def stop(self) -> None:
        """End the run: each engine saves and ends."""
        self._order(Command("stop"))

    def leave(self) -> None:
        """End the following; the run continues. Earlier commands are still sent."""
        self._closing.set()
        self._images.close()
        self._client.close()

    def join(self, seconds: float) -> bool:
        """Wait at most `seconds` until earlier commands are sent; do not wait for loading data."""
        deadline = monotonic() + seconds
        self._client.join(seconds)
        if self._thread.ident is not None:
            self._thread.join(max(0.0, deadline - monotonic()))
        return not self._thread.is_alive()

    def _order(self, order: Command) -> bool:
        if looks_only():
            self.mailbox.put(Notice(LOOKS_ONLY))
            return False
        if self.is_live:
            self._client.send(order)
            return True
        what: CommandName = order.name
        text = f"{what}: nobody trains this run; {continuation(self.run.name, self.run.host)}"
        self.mailbox.put(Notice(text, is_bad=True))
        return False

    def _on_failure(self, why: str) -> None:
        status = self._client.status
        self._set_paused(status.paused if status else ())
        self.mailbox.put(Notice(why, is_bad=True))

    def _on_status(self, status: Status) -> None:
        self._set_paused(status.paused)

    def _set_paused(self, engines: Iterable[EngineName]) -> None:
        with self._lock:
            self._paused = frozenset(engines)

    def _change_paused(
        self, add: Iterable[EngineName] = (), drop: Iterable[EngineName] = ()
    ) -> None:
        with self._lock:
            self._paused = (self._paused | frozenset(add)) - frozenset(drop)

    def _follow(self) -> None:
        while True:
            self._look()
            if self._closing.wait(FOLLOW_SECONDS):
                return

    def _look(self) -> None:
        # Checked before the logs are read, so that they include what the process wrote at its end.
        self.is_live = is_locked(self.run.path)
        events = self._tail.read()
        if events is None:
            events = [self._start_over(), *(self._tail.read() or [])]
        self._send(events)
        if not self.is_live:
            self._send([self._end(name) for name in self._unfinished()])
        self._report_damage()

    def _report_damage(self) -> None:
        before, self._damage = self._damage, damage_notes(self._tail)
        if self._damage != before:
            self._send([Notice(" · ".join(self._damage), is_bad=True)] if self._damage else [])

    def _start_over(self) -> Event:
        self._last, self._ended, self._rates = {}, set(), {}
        self._set_paused(())
        plan = self._plan()
        self.config = replace(self.config, epochs=plan.epochs)
        return LogRewritten(plan.epochs, plan.epoch_steps)

    def _plan(self) -> Plan:
        """Return the planned length of the run from its logs, or an estimate from its epochs."""
        if self._tail.plan:
            return self._tail.plan
        lines = self._tail.last_epochs.values()
        epoch_steps = max((line.step // line.epoch for line in lines if line.epoch), default=1)
        return Plan(self.run.config.epochs, max(1, epoch_steps))

    def _send(self, events: list[Event]) -> None:
        for number, event in enumerate(events, 1):
            self._note(event)
            self.mailbox.put(event)
            if number % BURST == 0:
                while self.mailbox.waiting and not self._closing.wait(TAKEN_SECONDS):
                    pass

    def _note(self, event: Event) -> None:
        match event:
            case StepGroup() | EpochDone():
                step, seconds = self._last.get(event.engine, (0, 0.0))
                self._last[event.engine] = max(step, event.step), max(seconds, event.seconds)
            case RunStarted():
                self._threads[event.engine] = event.threads
                self._ended.discard(event.engine)
                self._change_paused(drop=[event.engine])
            case RateChanged():
                self._rates[event.engine] = event.learning_rate
            case Paused():
                self._change_paused(add=[event.engine])
            case Resumed():
                self._change_paused(drop=[event.engine])
            case RunEnded():
                self._ended.add(event.engine)

    def _unfinished(self) -> list[EngineName]:
        return [name for name in self.config.engine_names if name not in self._ended]

    def _end(self, name: EngineName) -> RunEnded:
        """Return the end of an engine whose process did not write it to the event log."""
        step, seconds = self._last.get(name, (0, 0.0))
        ended = recorded_end(self.run, name)
        if ended is not None:
            return replace(ended, step=step, seconds=seconds)
        detail = f"its process is gone; {continuation(self.run.name, self.run.host)}"
        # Stopped and killed runs of an older mlpwatch have no event log.
        return RunEnded(name, "stopped", detail if self._tail.plan else "", step, seconds)
