"""A run that trains in this process: its trainers, their threads and orders."""

import math
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from functools import partial
from threading import Lock, Thread
from time import monotonic
from typing import Any

from mlpwatch.core.analysis.gap import GapMeter
from mlpwatch.core.analysis.gradient_comparison import GradientComparison, compare_gradients
from mlpwatch.core.analysis.inference import Answer, Prediction, answer_with, evaluate_test, predict
from mlpwatch.core.analysis.step_trace import StepTrace, trace_step
from mlpwatch.core.analysis.weight_store import WeightStore
from mlpwatch.core.arrays import Floats
from mlpwatch.core.config import EngineName, RunConfig
from mlpwatch.core.data.dataset import Dataset, steps_per_epoch
from mlpwatch.core.epochs import Evaluation
from mlpwatch.core.errors import MlpwatchError
from mlpwatch.core.events import (
    DifferenceFound,
    EpochDone,
    Event,
    GapMeasured,
    Mailbox,
    Notice,
    RateChanged,
    StepCompared,
    StepGroup,
)
from mlpwatch.core.limits import check_new_rate
from mlpwatch.core.network.engine import Engine
from mlpwatch.core.network.losses import loss_for
from mlpwatch.core.remote.server import CommandServer
from mlpwatch.core.runs.checkpoints import Position
from mlpwatch.core.runs.event_log import Plan
from mlpwatch.core.runs.event_writer import EventWriter
from mlpwatch.core.runs.replay import RunTail
from mlpwatch.core.runs.run import Run
from mlpwatch.core.scheduling import available_cores, share_interpreter
from mlpwatch.core.training.control import Control, ControlGroup
from mlpwatch.core.training.history_writer import LAST_SECONDS, HistoryWriter
from mlpwatch.core.training.rates import Past
from mlpwatch.core.training.recorder import DiskRecorder
from mlpwatch.core.training.result import EngineResult, result_of
from mlpwatch.core.training.step_probe import probe_for, why_not_compared
from mlpwatch.core.training.trainer import train

PAST_EVENTS = (EpochDone, StepGroup, GapMeasured, StepCompared, DifferenceFound, RateChanged)
"""What a resumed run's logs say of its earlier training."""

ASK_SECONDS = 30.0
"""Longest wait of `trace_step` for a trainer: an evaluation or a checkpoint may come first."""


class Session:
    """The `RunSource` of a run that trains in this process.

    Args:
        config: of the run.
        dataset: shared by both engines.
        engines: new, or loaded with the states that belong to `positions`.
        run: the folder for checkpoints and metrics.
        positions: where each engine continues; other engines start at the first step.
        notes: notes for the user about a resumed run, one line each.
        past: what its earlier training decides of the next.
    """

    def __init__(
        self,
        config: RunConfig,
        dataset: Dataset,
        engines: Mapping[EngineName, Engine],
        run: Run,
        positions: Mapping[EngineName, Position] | None = None,
        *,
        notes: Sequence[str] = (),
        past: Past | None = None,
    ) -> None:
        self.config, self.dataset, self.run = config, dataset, run
        self.notes = tuple(notes)
        self._engines = dict(engines)
        self._event_writer = EventWriter(
            run.events, Plan(config.epochs, self.epoch_steps), self._engines
        )
        self.mailbox = Mailbox(listener=self._event_writer.take)
        self._command_server = CommandServer(self, run.path, run.folder)
        self._positions = dict(positions or {})
        self._past = past or Past()
        self._cores = config.threads or available_cores()
        share = max(1, self._cores // len(self._engines))
        self._group = ControlGroup()
        self._controls = {name: Control(share, group=self._group) for name in self._engines}
        self.gap_meter, self.weight_store = GapMeter(), WeightStore()
        self._not_compared = why_not_compared(config, dataset, self._engines)
        self._probe = None if self._not_compared else probe_for(config, dataset, self.mailbox)
        self.stopped_at: DifferenceFound | None = None
        """The difference that ended the run; see `stop_at_difference`."""
        self._recorder = DiskRecorder(run, self.mailbox, self._event_writer)
        done = {name: self._positions.get(name, Position()).epoch for name in self._engines}
        self._history = (
            HistoryWriter(run, self.mailbox, done, self.epoch_steps) if config.history else None
        )
        self._results: dict[EngineName, EngineResult] = {}
        self._result_error: str | None = None
        self._stopped_at = math.inf
        self._lock, self._comparing = Lock(), Lock()
        # Daemons, so that a second Ctrl-C exits at once even if a trainer is busy.
        self._threads = [
            Thread(target=self._train, args=(name,), name=f"train-{name}", daemon=True)
            for name in self._engines
        ]

    @property
    def epoch_steps(self) -> int:
        """Steps per epoch."""
        return steps_per_epoch(self.dataset.train_count, self.config.batch_size)

    @property
    def lockstep(self) -> bool:
        """Whether all engines are kept at the same step."""
        return self._group.lockstep

    @property
    def steps_per_second(self) -> float | None:
        """The speed limit, or None."""
        return next(iter(self._controls.values())).steps_per_second

    @property
    def images_missing(self) -> str:
        """Always empty: the images are loaded."""
        return ""

    @property
    def ended(self) -> bool:
        """Whether every engine has ended."""
        return len(self._results) == len(self._engines)

    @property
    def is_settled(self) -> bool:
        """Whether every engine has ended and its last checkpoint is on disk, or has failed."""
        return self.ended and self._recorder.is_idle

    @property
    def results(self) -> dict[EngineName, EngineResult]:
        """The results of the engines that have ended, in the order of the screen."""
        return {name: self._results[name] for name in self._engines if name in self._results}

    @property
    def working(self) -> tuple[EngineName, ...]:
        """Engines that have started and not ended."""
        has_started = any(thread.ident for thread in self._threads)
        return tuple(n for n in self._engines if has_started and n not in self._results)

    @property
    def save_error(self) -> str | None:
        """What could not be saved, in one line; None if everything is saved."""
        if unsaved := self._recorder.unsaved:
            engines, reasons = " and ".join(sorted(unsaved)), ", ".join(sorted({*unsaved.values()}))
            return f"the last checkpoint of {engines} could not be written: {reasons}"
        if lines := self._recorder.unwritten_lines:
            return f"{lines} lines of the run's logs could not be written"
        if self.ended and not self._recorder.is_idle:
            return "the last checkpoints are not on disk yet: it is slow or does not answer"
        return self._result_error

    def last_saved_step(self, engine: EngineName) -> int | None:
        """Return the step of an engine's newest checkpoint on disk; None if there is none."""
        before = self._positions.get(engine)
        return self._recorder.saved_steps.get(engine, before.step if before else None)

    def is_saved(self, engine: EngineName) -> bool:
        """Return whether the last step of an engine that has ended, or must end, is saved."""
        if engine in self._results:
            return self.save_error is None
        # A trainer that must stop hands over a checkpoint and takes no step after it.
        as_of = self._recorder.saved_as_of.get(engine, -math.inf)
        return as_of >= self._stopped_at

    def threads(self, engine: EngineName) -> int:
        """Return an engine's current number of threads."""
        return self._controls[engine].threads

    def paused(self, engine: EngineName) -> bool:
        """Whether an engine has been paused."""
        return self._controls[engine].paused

    def compare_gradients(self) -> GradientComparison:
        """Compare both engines on NumPy's newest published weights; takes milliseconds."""
        # One at a time: if two overlap, the one with the older weights might end last.
        with self._comparing:
            latest = self.weight_store.latest(next(iter(self._engines)))
            return compare_gradients(self.config, self.dataset, latest.weights if latest else None)

    def ask(self, name: EngineName, question: Callable[[Engine], Answer]) -> Future[Answer]:
        """Ask an engine a question in its trainer's thread, between two batches; returns at once.

        Args:
            name: of the engine.
            question: must not change the engine; takes a few milliseconds, while training waits.

        Returns:
            A future with the answer, or with the error that the question raises.
        """
        answer: Future[Answer] = Future()
        call = partial(answer_with, answer, question, self._engines[name])
        if not self._controls[name].call(call):
            # The engine is no longer trained, and questions only read it.
            Thread(target=call, name=f"ask-{name}", daemon=True).start()
        return answer

    def predict(self, name: EngineName, images: Floats) -> Future[Prediction]:
        """Predict images between two batches; see `RunSource`."""
        return self.ask(name, partial(predict, images=images, loss=loss_for(self.config, name)))

    def trace_step(self, previous: StepTrace | None = None) -> StepTrace:
        """Compute each engine's next step part by part, or the step taken since `previous`.

        Waits for the trainers' states, and takes milliseconds: too slow for the event loop.

        Raises:
            TimeoutError: a trainer was busy for longer than `ASK_SECONDS`.
        """
        asked = {name: self.ask(name, lambda engine: engine.state()) for name in self._engines}
        states = {name: answer.result(ASK_SECONDS) for name, answer in asked.items()}
        rates = {name: self.learning_rate(name) for name in self._engines}
        return trace_step(self.config, self.dataset, states, previous, rates=rates)

    def past_events(self) -> list[Event]:
        """Return the epochs and steps in a resumed run's logs; call it before `start`."""
        past = RunTail(self.run).read() or []
        return [event for event in past if isinstance(event, PAST_EVENTS)]

    def evaluate_test(self) -> dict[EngineName, Evaluation]:
        """Evaluate the test images with each engine's weights of its last epoch; takes 0.1 s.

        Raises:
            MemoryError: not enough memory.
            RuntimeError: not enough memory, reported by PyTorch.
        """
        shown = {name: self.weight_store.evaluated(name) for name in self._engines}
        weights = {name: one.weights for name, one in shown.items() if one is not None}
        return evaluate_test(self.config, self.dataset, weights)

    def start(self) -> None:
        """Start the trainers, and listen for commands from other processes."""
        share_interpreter()
        self._recorder.start()
        self._event_writer.start()
        if self._history is not None:
            self._history.start()
        self._command_server.start()
        for thread in self._threads:
            thread.start()

    def pause(self, *engines: EngineName) -> None:
        """Pause the named engines, or all; several are paused at the same step.

        The engine that is ahead waits before its next batch; the others catch up first.
        """
        self._group.pause_level(self._named(engines))
        if self._history and all(control.paused for control in self._controls.values()):
            self._history.hurry()

    def pause_at_epoch(self, epoch: int) -> None:
        """Pause all engines once each has trained `epoch` epochs; a later call replaces it."""
        self._group.pause_at(epoch * self.epoch_steps)

    def resume(self, *engines: EngineName) -> None:
        """Resume the named engines, or all."""
        for control in self._named(engines):
            control.resume()

    def step(self) -> None:
        """Train one more batch on every paused engine."""
        self._group.step(list(self._controls.values()))

    def save(self) -> None:
        """Ask every engine for a checkpoint, and try again to write failed ones."""
        self._recorder.retry()
        for name, control in self._controls.items():
            if name not in self._results:
                control.save()

    def ask_for_weights(self) -> None:
        """Ask every engine, paused or not, to publish its weights; returns at once."""
        self._group.each(Control.show_weights)

    def set_lockstep(self, lockstep: bool) -> None:
        """Set whether the faster engine waits, so that all engines are at the same step."""
        self._group.set_lockstep(lockstep)

    def set_steps_per_second(self, limit: float | None) -> None:
        """Limit the speed of every engine; None lifts the limit."""
        self._group.each(lambda control: control.set_steps_per_second(limit))

    def learning_rate(self, engine: EngineName) -> float:
        """Return η₀ of an engine as ordered last; its schedule scales it."""
        rate = self._controls[engine].learning_rate
        return rate if rate > 0 else self.config.of(engine).learning_rate

    def set_learning_rate(self, rate: float, *engines: EngineName) -> None:
        """Change η₀ of the named engines, or of all, from their next batches on.

        Raises:
            ConfigError: it is out of range.
        """
        check_new_rate(rate)
        self._group.set_learning_rate(rate, self._named(engines))

    def stop_at_difference(self, *, ends: bool) -> None:
        """Pause both engines at the first step that rounding does not explain.

        They are kept at the same step, so that both stop there. Call it before `start`.

        Args:
            ends: stop the run once the cause is known.
        """
        if self._probe is None:
            text = f"steps are not compared: {self._not_compared}"
            self.mailbox.put(Notice(text, is_bad=True))
            return

        def end(difference: DifferenceFound) -> None:
            self.stopped_at = difference
            self.stop()

        self.set_lockstep(True)
        self._probe.waits, self._probe.on_outside = True, self.pause
        self._probe.on_difference = end if ends else None

    def stop(self) -> None:
        """End the run: each engine saves and ends."""
        self._stopped_at = min(self._stopped_at, monotonic())
        self._group.each(Control.stop)

    def leave(self) -> None:
        """Save and end, because the screen is closed."""
        self.stop()

    def join(self, seconds: float) -> bool:
        """Wait for the trainers and the recorder; False if they take longer than `seconds`."""
        deadline = monotonic() + seconds
        for thread in filter(lambda thread: thread.ident, self._threads):
            thread.join(max(0.0, deadline - monotonic()))
        if any(thread.is_alive() for thread in self._threads):
            return False
        written = self._recorder.close(max(0.0, deadline - monotonic()))
        self._event_writer.close(max(0.0, deadline - monotonic()))
        if self._history is not None:
            # Small networks take 40 ms for what waits; a disk that does not answer gets no more.
            self._history.close(max(LAST_SECONDS if written else 0.0, deadline - monotonic()))
        self._command_server.close()
        if written:
            self.run.sign_off()
        return written

    def result(self) -> dict[str, Any]:
        """Return the object for `train --json`, with the engines that have ended."""
        return result_of(
            str(self.run.path), self.dataset.name, self.config, self.results, self.stopped_at
        )

    def _train(self, name: EngineName) -> None:
        result = train(
            self._engines[name],
            self.dataset,
            self.config.of(name),
            self._controls[name],
            self.mailbox,
            recorder=self._recorder,
            gap_meter=self.gap_meter if len(self._engines) > 1 else None,
            weight_store=self.weight_store,
            probe=self._probe if self._probe and self._probe.taken == name else None,
            history=self._history,
            start=self._positions.get(name),
            changes=self._past.changes.get(name, ()),
            best=self._past.best.get(name),
        )
        self._controls[name].close()
        with self._lock:
            self._results[name] = result
            if self.ended:
                self._write_result()
        # Not the reverse: OpenBLAS rounds by its threads, NumPy's bits would hang on PyTorch.
        if name == "numpy" and "torch" in self._controls and self.config.treatment is None:
            self._controls["torch"].set_threads(self._cores)

    def _write_result(self) -> None:
        if any(result.reason == "stopped" for result in self._results.values()):
            return
        try:
            self._recorder.replace_gone_folder()
            self.run.write_result(self.result())
        except (OSError, MlpwatchError) as error:
            self._result_error = f"result.json could not be written: {error}"

    def _named(self, engines: tuple[EngineName, ...]) -> list[Control]:
        return [self._controls[name] for name in engines or self._controls]
