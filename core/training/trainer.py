"""The step loop that trains one engine: it obeys a `Control` and reports to a `Mailbox`."""

import math
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace

from mlpwatch.core.analysis.gap import GapMeter
from mlpwatch.core.analysis.weight_store import WeightSnapshot, WeightStore
from mlpwatch.core.arrays import Rows, Tensors
from mlpwatch.core.config import RunConfig
from mlpwatch.core.data.dataset import Dataset, batch_order, steps_per_epoch
from mlpwatch.core.epochs import EpochRecord, Evaluation
from mlpwatch.core.errors import DivergedError, error_text
from mlpwatch.core.events import (
    EndReason,
    LayersMeasured,
    Mailbox,
    Paused,
    RateChanged,
    Resumed,
    RunEnded,
    RunStarted,
    StepDone,
)
from mlpwatch.core.network.build import layer_sizes, parameter_count
from mlpwatch.core.network.engine import Engine
from mlpwatch.core.runs.checkpoints import Checkpoint, Position
from mlpwatch.core.training.clocks import StepPacer, TrainingClocks
from mlpwatch.core.training.control import Control
from mlpwatch.core.training.epoch_report import EndedEpoch, EpochReporter, Outlets
from mlpwatch.core.training.history_writer import HistoryWriter
from mlpwatch.core.training.layer_samples import LayerSampler, layers_of
from mlpwatch.core.training.ranks.exchange import RankLostError
from mlpwatch.core.training.rates import RunRates
from mlpwatch.core.training.recorder import Recorder
from mlpwatch.core.training.result import EngineResult
from mlpwatch.core.training.step_probe import StepProbe

REPORT_SECONDS = 0.01
"""Time between two reports of steps. A lock per step would cost only 1 µs of 300 µs, but reading a
loss from a GPU waits for the device; 100 times a second, that wait does not matter."""

SAVE_SECONDS = 30.0
"""An automatic checkpoint is written at the first end of an epoch after this time."""


def train(
    engine: Engine,
    dataset: Dataset,
    config: RunConfig,
    control: Control,
    mailbox: Mailbox,
    *,
    recorder: Recorder,
    gap_meter: GapMeter | None = None,
    weight_store: WeightStore | None = None,
    probe: StepProbe | None = None,
    history: HistoryWriter | None = None,
    start: Position | None = None,
    changes: Sequence[RateChanged] = (),
    best: EpochRecord | None = None,
) -> EngineResult:
    """Train until the planned epochs are done, a stop, or a failure. Never raises.

    Sends `RunStarted` first and `RunEnded` last. A run that finishes or is stopped is saved, and
    the test images are evaluated. A run that failed is saved if its weights are consistent and
    finite; a run that diverged keeps its last checkpoint.

    Args:
        engine: new, or loaded with the state that belongs to `start`.
        dataset: the same for both engines.
        config: epochs, batch size, seed, loss and schedule are used.
        control: orders, read once per step.
        mailbox: receives the events.
        recorder: receives checkpoints and metrics.
        gap_meter: receives the weights at each epoch's end, if both engines train.
        weight_store: receives the weights at each epoch's end, at checkpoints, and on request.
        probe: receives some steps of this engine, if another engine repeats them.
        history: keeps some epochs' checkpoints.
        start: where a resumed run continues; None for a new run.
        changes: of the learning rate in the earlier training, in the order of their steps.
        best: the earlier epoch with the lowest validation loss.
    """
    outlets = Outlets(mailbox, recorder, gap_meter, weight_store, history)
    training = _Training(engine, dataset, config, outlets, start or Position())
    training.probe = probe
    training.rates = RunRates(config, changes, start or Position())
    training.reporter.best = best
    control.begin_at(training.rates.base)
    return training.run(control, is_new=start is None)


class _Training:
    """The variables of the loop; used for one run by one thread."""

    control: Control
    probe: StepProbe | None
    rates: RunRates

    def __init__(
        self, engine: Engine, dataset: Dataset, config: RunConfig, outlets: Outlets, start: Position
    ) -> None:
        self.engine, self.dataset, self.config = engine, dataset, config
        self.mailbox, self.recorder = outlets.mailbox, outlets.recorder
        self.weight_store, self.history = outlets.weight_store, outlets.history
        self.reporter = EpochReporter(engine, dataset, config, outlets)
        self.background = self.reporter.background
        self.epoch, self.batch, self.step = start.epoch, start.batch, start.step
        self.epoch_loss_sum = start.epoch_loss_sum
        self.clocks = TrainingClocks(start.seconds, start.epoch_seconds)
        self.samples = dataset.train_count
        self.epoch_steps = steps_per_epoch(self.samples, config.batch_size)
        self.sampler = LayerSampler(self.epoch_steps)
        self.is_single = self.step == 0
        """Whether the next step is the run's first or was ordered alone: the screen shows it."""
        self.unreported: list[tuple[int, int, float]] = []
        self.seconds = self.reported_at = self.saved_at = start.seconds
        """Training time after the last step, after the last report, and at the last save."""
        self.pacer = StepPacer()
        self.own_samples = 0
        self.weights: Tensors | None = None
        self.waiting = False
        """Whether `Paused` was sent, and `Resumed` not yet."""
        self.is_whole = True
        """False while an update is half done."""
        self.saved_step = -1
        """Step of the last checkpoint handed over."""

    def run(self, control: Control, *, is_new: bool) -> EngineResult:
        """See `train`."""
        self.control = control
        reason: EndReason = "failed"
        detail, test = "", None
        self._send_started()
        try:
            if is_new:
                # At once, so that a run killed early can be resumed too.
                start = self._save(after_reports=False)
                if self.history is not None and self.history.wants(0):
                    self.history.put(start)
            reached = self._train_epochs()
            self._check_sound()
            self.clocks.stop_steps()
            if reached == "finished":
                self.background.wait()
                if self.epoch < self.config.epochs:
                    detail = self.reporter.out_of_patience(self.epoch)
            # Before the test images, because the exit may not wait for an evaluation.
            self._save(after_reports=False)
            self.background.wait()
            test = self.reporter.evaluate_test()
            reason = reached
        except DivergedError as error:
            reason, detail = "diverged", str(self.reporter.first_divergence(error))
        except Exception as error:  # the other engine continues, and the screen shows the error
            # The ranks meet before the update.
            self.is_whole = self.is_whole or isinstance(error, RankLostError)
            self._save_after_failure()
            detail = error_text(error)
        self.clocks.stop()
        self.background.close()
        if self.probe is not None:
            # The engine's last event is its end. A user who leaves does not wait for a cause.
            self.probe.close(at_once=reason != "finished")
        self.recorder.flush()
        scores = (test.loss, test.accuracy) if test else (math.nan, math.nan)
        name, seconds = self.engine.name, self.clocks.total.seconds
        self.mailbox.put(RunEnded(name, reason, detail, self.step, seconds, *scores, test=test))
        return self._outcome(reason, detail, test)

    def _train_epochs(self) -> EndReason:
        config = self.config
        while self.epoch < config.epochs and not self.reporter.out_of_patience(self.epoch):
            order = batch_order(config.seed, self.epoch, self.samples)
            while self.batch < self.epoch_steps:
                if not self._may_step():
                    return "stopped"
                first = self.batch * config.batch_size
                self._train_batch(order[first : first + config.batch_size])
            self._end_epoch()
        return "finished"

    def _train_batch(self, rows: Rows) -> None:
        if (changed := self.rates.due(self.step)) is not None:
            self._change_rate(changed)
        rate = self.rates.at(self.step, self.config.epochs * self.epoch_steps)
        self.engine.set_learning_rate(rate)
        is_sample = self.sampler.is_due(self.epoch, self.batch, self.seconds)
        measured = is_sample or self.is_single
        self.is_whole = False
        is_last = self.batch + 1 == self.epoch_steps
        if self.probe is not None and self.probe.wants(self.seconds, is_last=is_last):
            seconds = self.clocks.total.seconds
            norms = self.probe.train(
                self.engine, rows, step=self.step, rate=rate, seconds=seconds, measured=measured
            )
        else:
            norms = self.engine.train_batch(rows, measured=measured)
        self.step += 1
        self.batch += 1
        self.is_whole = True
        if norms:
            if is_sample:
                self.sampler.add(norms)
            self.is_single = False
            self.mailbox.put(LayersMeasured(self.engine.name, self.step, layers_of(norms)))
        seconds = self.clocks.total.seconds
        self.seconds = seconds
        self.unreported.append((self.step, len(rows), seconds))
        if seconds - self.reported_at >= REPORT_SECONDS:
            self._report_steps()

    def _report_steps(self) -> None:
        losses = self.engine.take_losses()
        steps, self.unreported = self.unreported, []
        self.reported_at = self.clocks.total.seconds
        events = []
        for (step, images, seconds), loss in zip(steps, losses, strict=True):
            events.append(StepDone(self.engine.name, step, seconds, loss))
            self.epoch_loss_sum += loss * images
            self.own_samples += images
            if not math.isfinite(loss):
                self.mailbox.put_steps(events)
                what = f"the loss is {loss}"
                raise self.reporter.diverged(what, step, self.engine.first_nonfinite_tensor())
        self.mailbox.put_steps(events)

    def _end_epoch(self) -> None:
        """Start the evaluation, the report and the checkpoint in the background."""
        self.clocks.stop_steps()
        self._check_sound()
        self.epoch += 1
        self.batch = 0
        past = self._past_epoch()
        ended = EndedEpoch(
            epoch=self.epoch,
            step=self.step,
            seconds=self.clocks.total.seconds,
            train_loss=self.epoch_loss_sum / self.samples,
            samples_per_second=self.samples / max(self.clocks.epoch.seconds, 1e-9),
            weights=past.state.weights if past else self.engine.weights(),
            layers=self.sampler.take(),
        )
        self.epoch_loss_sum = 0.0
        self.clocks.next_epoch()
        due = self.clocks.total.seconds - self.saved_at >= SAVE_SECONDS
        checkpoint = self._checkpoint() if due else None
        self.reporter.submit(ended, checkpoint, past)
        if self.config.patience is not None:
            self._keep_best()

    def _keep_best(self) -> None:
        """Wait for the validation, which decides whether to go on; save if it is the best."""
        self.background.wait()
        if self.reporter.best is not None and self.reporter.best.epoch == self.epoch:
            self.recorder.save_best(self._checkpoint())
            self.saved_step = self.step

    def _past_epoch(self) -> Checkpoint | None:
        """Return a checkpoint of the epoch that was just done, if the history keeps it."""
        if self.history is None or not self.history.wants(self.epoch):
            return None
        position = replace(self._position(), epoch_loss_sum=0.0, epoch_seconds=0.0)
        return Checkpoint(self.engine.name, self.engine.state(), position)

    def _check_sound(self) -> None:
        self._report_steps()
        if tensor := self.engine.first_nonfinite_tensor():
            raise self.reporter.diverged("a weight is not finite", self.step, tensor)

    def _may_step(self) -> bool:
        """Obey orders until the next batch may be trained; False if training must end."""
        while True:
            match self.control.take(self.step):
                case "run" if self._is_due():
                    self._start_clocks()
                    return True
                case "catch-up" if not self.control.paused:
                    self.pacer.count_step()
                    self._start_clocks()
                    return True
                case "step" | "catch-up" as order:
                    self.is_single = order == "step"
                    self.clocks.start()
                    return True
                case "hold":
                    self._hold()
                case "rate":
                    self._change_rate(self.control.rate_taken, is_new=True)
                case "save":
                    self._save()
                case "show":
                    self._publish(self.engine.weights())
                case "threads":
                    self.engine.use_threads(self.control.threads)
                case "wait":
                    self._wait()
                case "stop":
                    return False

    def _change_rate(self, rate: float, *, is_new: bool = False) -> None:
        """Change η₀ from the next batch on; `is_new`: by an order, not again as before."""
        self._report_steps()
        seconds, before = self.clocks.total.seconds, self.rates.base
        self.rates.change(rate)
        change = RateChanged(self.engine.name, self.step, seconds, rate, before)
        if is_new:
            self.rates.forget_planned()
            self.recorder.record_rate(change)
        else:
            self.control.begin_at(rate)
        self.mailbox.put(change)

    def _is_due(self) -> bool:
        """Return whether the speed limit allows the next step now; wait a while if not."""
        limit = self.control.steps_per_second
        if limit is None or self.waiting:
            return True
        if seconds := self.pacer.wait_seconds(limit):
            self._report_steps()
            self.control.wait(seconds)
        return not seconds

    def _wait(self) -> None:
        self._report_steps()
        self.clocks.stop()
        if not self.waiting:
            self.waiting = True
            self.mailbox.put(Paused(self.engine.name, self.step))
        self.control.wait()

    def _hold(self) -> None:
        """Wait for the other engine; if that takes long, report the last steps."""
        self.clocks.stop()
        if not self.control.wait(REPORT_SECONDS if self.unreported else None):
            self._report_steps()

    def _start_clocks(self) -> None:
        self.clocks.start()
        if self.waiting:
            self.waiting = False
            self.mailbox.put(Resumed(self.engine.name, self.step))

    def _publish(self, weights: Tensors) -> None:
        if self.weight_store is not None:
            shown = WeightSnapshot(self.engine.name, self.epoch, self.step, weights)
            self.weight_store.publish(shown)

    def _save(self, *, after_reports: bool = True) -> Checkpoint:
        """Hand over a checkpoint, by default after the log lines of earlier epochs."""
        checkpoint = self._checkpoint()
        if after_reports:
            self.background.wait()
        self.recorder.save(checkpoint)
        self.saved_step = self.step
        return checkpoint

    def _save_after_failure(self) -> None:
        """Save a checkpoint after a failure, if training can resume from it."""
        # Errors here are ignored: the first failure is reported.
        with suppress(Exception):
            if self.is_whole and self.saved_step != self.step:
                self._check_sound()
                self._save(after_reports=False)

    def _checkpoint(self) -> Checkpoint:
        self._report_steps()
        self.saved_at = self.clocks.total.seconds
        state = self.engine.state()
        self.weights = state.weights
        self._publish(state.weights)
        return Checkpoint(self.engine.name, state, self._position())

    def _position(self) -> Position:
        return Position(
            epoch=self.epoch,
            batch=self.batch,
            step=self.step,
            seconds=self.clocks.total.seconds,
            epoch_loss_sum=self.epoch_loss_sum,
            epoch_seconds=self.clocks.epoch.seconds,
            planned_epochs=self.config.epochs,
            learning_rate=self.rates.base if self.rates.is_changed else None,
        )

    def _send_started(self) -> None:
        data = self.dataset
        sizes = layer_sizes(data.features, self.config.hidden, data.classes)
        threads, seconds = self.control.threads, self.clocks.total.seconds
        count = parameter_count(sizes, has_bias=self.config.bias)
        self.mailbox.put(RunStarted(self.engine.name, count, threads, self.step, seconds))

    def _outcome(self, reason: EndReason, detail: str, test: Evaluation | None) -> EngineResult:
        sound = reason in ("finished", "stopped")
        speed = self.own_samples / max(self.clocks.steps.seconds, 1e-9)
        weights, at, found = self.weights if sound else None, self._position(), self.reporter
        return EngineResult(reason, detail, at, speed, weights, test, found.validation, found.best)
