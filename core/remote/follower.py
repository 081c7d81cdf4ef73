"""A run folder read as if it were a session: trained by another process, or by nobody any more."""

from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import replace
from functools import partial
from math import inf
from threading import Event as Flag
from threading import Thread
from time import monotonic

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
    Resumed,
    RunEnded,
    RunStarted,
    StepGroup,
)
from mlpwatch.core.network.engine import Engine
from mlpwatch.core.network.losses import loss_for
from mlpwatch.core.remote.client import ASK_SECONDS, CommandClient
from mlpwatch.core.remote.protocol import Command, CommandName
from mlpwatch.core.remote.run_images import RunImages
from mlpwatch.core.runs.event_log import Plan
from mlpwatch.core.runs.lock import is_locked
from mlpwatch.core.runs.replay import RunTail, damage_notes, recorded_end
from mlpwatch.core.runs.run import Run

FOLLOW_SECONDS = 0.5
"""Time between two looks into the logs, which are written every 0.7 s."""

BURST = 2_000
"""Events told at a time: the screen takes them in within 16 ms, and looks after its keys between
two bursts. A long run that somebody resumed has half a million to tell anew."""

TAKEN_SECONDS = 0.005
"""Time between two looks whether a burst has been taken."""


class RunFollower:
    """Follows a run from its folder alone, and stands where a `core.session.Session` would.

    It takes no lock, so nobody notices; several may follow one run. `past_events` tells what has
    been, its mailbox what comes. Orders go to the process that trains the run, if there is one,
    through the socket in its folder: `stop` ends the run, `leave` ends the following alone.

    Making one reads the logs: not for an event loop. After `start` two threads read on.

    Args:
        run: see `Run.open`.

    Raises:
        RunError: the folder can't be read.
    """

    notes = ()
    """What the process that trains it should know; a follower is told by the logs."""

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
        self._client = CommandClient(run.path, self._on_failure)
        self.is_live = is_locked(run.path)
        """Whether some process trains this run, as of the last look."""
        self._limit: tuple[float | None, float] = (None, -inf)
        """Ordered last, and when on the monotonic clock."""
        self._paused: set[EngineName] = set()
        self._threads: dict[EngineName, int] = {}
        self._last: dict[EngineName, tuple[int, float]] = {}
        self._ended: set[EngineName] = set()
        self._damage: list[str] = []
        self._closing = Flag()
        self._thread = Thread(target=self._follow, name="run-follower", daemon=True)

    @property
    def dataset(self) -> Dataset:
        """Of the run; without images until they are loaded, and where they can't be."""
        return self._images.dataset

    @property
    def images_missing(self) -> str:
        """Why there are no images to show, in one line; empty where there are."""
        return self._images.missing

    @property
    def ended(self) -> bool:
        """Whether the following has ended; the run's own ends are in the mailbox."""
        return self._closing.is_set()

    @property
    def save_error(self) -> str | None:
        """None: what the trainers could not save, the mailbox tells."""
        return None

    @property
    def steps_per_second(self) -> float | None:
        """The speed limit as of the last answer or order, or None."""
        limit, since = self._limit
        if monotonic() - since < 2 * ASK_SECONDS or self._client.status is None:
            return limit
        return self._client.status.steps_per_second

    def threads(self, engine: EngineName) -> int:
        """Threads that an engine may use, as far as is known."""
        status = self._client.status
        return (status.threads if status else self._threads).get(engine, 1)

    def paused(self, engine: EngineName) -> bool:
        """Whether an engine is told to wait."""
        return engine in self._paused

    def past_events(self) -> list[Event]:
        """Return what has been so far; call it before `start`. The mailbox tells what comes."""
        past, self._first = self._first, []
        for event in past:
            self._note(event)
        return past

    def compare_gradients(self) -> GradientComparison:
        """Compare both engines on the newest checkpoint; see `RunImages.compare_gradients`."""
        return self._images.compare_gradients()

    def ask(self, name: EngineName, question: Callable[[Engine], Answer]) -> Future[Answer]:
        """Have an engine's newest saved weights read; see `RunImages.ask`."""
        return self._images.ask(name, question)

    def predict(self, name: EngineName, images: Floats) -> Future[Prediction]:
        """Ask an engine's newest saved weights about images; see `RunSource`."""
        return self.ask(name, partial(predict, images=images, loss=loss_for(self.config, name)))

    def trace_step(self, previous: StepTrace | None = None) -> StepTrace:
        """Take the step after the newest checkpoint apart; see `RunImages.trace_step`."""
        return self._images.trace_step(previous)

    def evaluate_test(self) -> dict[EngineName, Evaluation]:
        """Read the test images; see `RunImages.evaluate_test`."""
        return self._images.evaluate_test()

    def ask_for_weights(self) -> None:
        """Do nothing: the folder holds no newer weights than those of the last checkpoint."""

    def start(self) -> None:
        """Begin to tell what comes."""
        self._thread.start()
        self._images.start()
        self._client.start()

    def pause(self, *engines: EngineName) -> None:
        """Make the named engines, or all, wait."""
        if self._order(Command("pause", engines)):
            self._paused |= set(engines or self.config.engine_names)

    def resume(self, *engines: EngineName) -> None:
        """Let the named engines, or all, go on."""
        if self._order(Command("resume", engines)):
            self._paused -= set(engines or self.config.engine_names)

    def step(self) -> None:
        """Let every paused engine train on one more batch."""
        self._order(Command("step"))

    def save(self) -> None:
        """Ask for checkpoints."""
        self._order(Command("save"))

    def set_steps_per_second(self, limit: float | None) -> None:
        """Limit the speed of every engine; None lifts the limit."""
        if self._order(Command("limit", steps_per_second=limit)):
            self._limit = (limit, monotonic())

    def stop(self) -> None:
        """End the run: each engine saves and ends."""
        self._order(Command("stop"))

    def leave(self) -> None:
        """End the following; the run is left alone. Orders given before are sent."""
        self._closing.set()
        self._images.close()
        self._client.close()

    def join(self, seconds: float) -> bool:
        """Wait until orders given before are sent, for some seconds; never for loading data."""
        deadline = monotonic() + seconds
        self._client.join(seconds)
        if self._thread.ident is not None:
            self._thread.join(max(0.0, deadline - monotonic()))
        return not self._thread.is_alive()

    def _order(self, order: Command) -> bool:
        if self.is_live:
            self._client.send(order)
            return True
        what: CommandName = order.name
        text = f"{what}: nobody trains this run; mlpwatch resume {self.run.name} goes on with it"
        self.mailbox.put(Notice(text, is_bad=True))
        return False

    def _on_failure(self, why: str) -> None:
        self._paused = set(self._client.status.paused) if self._client.status else set()
        self.mailbox.put(Notice(why, is_bad=True))

    def _follow(self) -> None:
        while True:
            self._look()
            if self._closing.wait(FOLLOW_SECONDS):
                return

    def _look(self) -> None:
        # Before the logs: what a process wrote before its end is then read in this look.
        self.is_live = is_locked(self.run.path)
        events = self._tail.read()
        if events is None:
            events = [self._start_over(), *(self._tail.read() or [])]
        self._tell(events)
        if not self.is_live:
            self._tell([self._end(name) for name in self._unfinished()])
        self._tell_of_damage()

    def _tell_of_damage(self) -> None:
        before, self._damage = self._damage, damage_notes(self._tail)
        if self._damage != before:
            self._tell([Notice(" · ".join(self._damage), is_bad=True)] if self._damage else [])

    def _start_over(self) -> Event:
        self._last, self._ended, self._paused = {}, set(), set()
        plan = self._plan()
        self.config = replace(self.config, epochs=plan.epochs)
        return LogRewritten(plan.epochs, plan.epoch_steps)

    def _plan(self) -> Plan:
        """Return how long the run is meant to be, by its logs or as well as can be told."""
        if self._tail.plan:
            return self._tail.plan
        lines = self._tail.last_epochs.values()
        epoch_steps = max((line.step // line.epoch for line in lines if line.epoch), default=1)
        return Plan(self.run.config.epochs, max(1, epoch_steps))

    def _tell(self, events: list[Event]) -> None:
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
                self._paused.discard(event.engine)
            case Paused():
                self._paused.add(event.engine)
            case Resumed():
                self._paused.discard(event.engine)
            case RunEnded():
                self._ended.add(event.engine)

    def _unfinished(self) -> list[EngineName]:
        return [name for name in self.config.engine_names if name not in self._ended]

    def _end(self, name: EngineName) -> RunEnded:
        """Return the end of an engine whose process is gone without a word in the event log."""
        step, seconds = self._last.get(name, (0, 0.0))
        ended = recorded_end(self.run, name)
        if ended is not None:
            return replace(ended, step=step, seconds=seconds)
        detail = f"its process is gone; mlpwatch resume {self.run.name} goes on"
        # Runs of an older mlpwatch have no event log, whether they were stopped or killed.
        return RunEnded(name, "stopped", detail if self._tail.plan else "", step, seconds)
