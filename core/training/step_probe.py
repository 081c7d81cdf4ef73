"""Has one engine repeat a step of the other now and then, in a thread of its own."""

from collections import deque
from collections.abc import Callable, Mapping
from math import nan
from threading import Condition, Thread
from time import perf_counter, thread_time

from mlpwatch.core.arrays import Rows
from mlpwatch.core.checking.live.difference import find_difference
from mlpwatch.core.checking.live.rounding import guard_of
from mlpwatch.core.checking.live.step_comparison import TakenStep, compare_step, knows_memory
from mlpwatch.core.config import EngineName, RunConfig
from mlpwatch.core.data.dataset import Dataset, steps_per_epoch
from mlpwatch.core.errors import error_text
from mlpwatch.core.events import DifferenceFound, Event, Mailbox, Notice
from mlpwatch.core.limits import MOST_COMPARED
from mlpwatch.core.network.build import build_engine, layer_sizes, parameter_count
from mlpwatch.core.network.engine import Engine
from mlpwatch.core.network.step_norms import LayerNorms
from mlpwatch.core.network.users.base import UserEngine
from mlpwatch.core.scheduling import stand_back
from mlpwatch.core.training.clocks import ComparisonPace

VERDICT_SECONDS = 20.0
"""Longest wait of a trainer that stops at a difference; a comparison takes 3 ms, and the first one
may wait for PyTorch."""

END_SECONDS = 15.0
"""Longest wait at the end of training for the last comparison, and for the cause of a difference:
a process that checks a PyTorch file imports torch first."""


def why_not_compared(
    config: RunConfig, dataset: Dataset, engines: Mapping[EngineName, Engine]
) -> str:
    """Return why a run's steps can't be compared; empty if they can."""
    sizes = layer_sizes(dataset.features, config.hidden, dataset.classes)
    if len(engines) == 1:
        return "this run trains one model"
    if config.treatment is not None:
        return "control and treatment differ on purpose"
    if parameter_count(sizes, has_bias=config.bias) > MOST_COMPARED:
        return f"the network has more than {MOST_COMPARED:,} weights"
    for name, engine in engines.items():
        if isinstance(engine, UserEngine) and engine.draws_at_random():
            return f"{config.title(name)} draws random numbers of its own, as for dropout"
    return ""


class StepProbe:
    """Compares steps of one engine with the same steps by the other; reports the first difference.

    The trainer copies its weights before and after a step, 0.1 ms; all else happens in the probe's
    own thread, with its own engine. Training is the same to the last bit with and without it.

    Args:
        config: of the run, which trains both engines.
        dataset: of the run.
        taken: the engine whose steps are repeated.
        mailbox: receives `StepCompared`, and once `DifferenceFound`.
    """

    def __init__(
        self, config: RunConfig, dataset: Dataset, taken: EngineName, mailbox: Mailbox
    ) -> None:
        self._config, self._dataset, self._mailbox = config, dataset, mailbox
        self._epoch_steps = steps_per_epoch(dataset.train_count, config.batch_size)
        self.taken: EngineName = taken
        self._by: EngineName = "torch" if taken == "numpy" else "numpy"
        self._other: Engine | None = None
        self.waits = False
        """Whether `train` returns only after the verdict."""
        self.on_outside: Callable[[], None] | None = None
        """Called at the first step outside of rounding, before its trainer trains another."""
        self.on_difference: Callable[[DifferenceFound], None] | None = None
        """Called once the cause is known."""
        self._pace = ComparisonPace()
        self._found = False
        self._changed = Condition()
        self._jobs: deque[tuple[TakenStep, float]] = deque()
        self._is_busy = self._closing = False
        self._thread = Thread(target=self._work, name="step-probe", daemon=True)

    def wants(self, seconds: float, *, is_last: bool) -> bool:
        """Return whether to compare the next step; the trainer asks before each.

        Args:
            seconds: training time before.
            is_last: whether the step is the last of its epoch: its batch may be shorter.
        """
        pace = self._pace
        return seconds >= pace.due_at or (is_last and pace.wants_last(seconds))

    def train(
        self,
        engine: Engine,
        rows: Rows,
        *,
        step: int,
        rate: float,
        seconds: float,
        measured: bool = False,
    ) -> tuple[LayerNorms, ...]:
        """Train one batch, and hand it over to be compared.

        Args:
            engine: trains.
            rows: (batch,) of the training images.
            step: steps done before.
            rate: the learning rate, which the engine has already.
            seconds: training time before.
            measured: whether to return the norms of the layers; see `Engine.train_batch`.
        """
        began, started = perf_counter(), thread_time()
        before = engine.state()
        copied = thread_time()
        norms = engine.train_batch(rows, measured=measured)
        trained = thread_time()
        after = engine.weights()
        copying = copied - started + thread_time() - trained
        at = seconds + perf_counter() - began
        self._hand_over(TakenStep(engine.name, step + 1, at, rows, rate, before, after), copying)
        return norms

    def close(self, *, at_once: bool = False) -> None:
        """Finish what is being compared, or leave it; afterwards no event is sent.

        Args:
            at_once: do not wait; the cause of a difference may then stay unsaid.
        """
        with self._changed:
            if not at_once:
                self._changed.wait_for(lambda: not (self._jobs or self._is_busy), END_SECONDS)
            self._pace.end()
            self._closing = True
            self._changed.notify_all()

    def _hand_over(self, taken: TakenStep, copying: float) -> None:
        with self._changed:
            if self._closing:
                return
            self._pace.take(taken.seconds, is_last=not taken.step % self._epoch_steps)
            if self._thread.ident is None:
                self._thread.start()
            self._jobs.append((taken, copying))
            self._changed.notify_all()
            if self.waits:
                self._changed.wait_for(lambda: not self._jobs or self._closing, VERDICT_SECONDS)

    def _work(self) -> None:
        stand_back()
        while job := self._next():
            try:
                self._compare(*job)
            except Exception as error:  # training continues, without comparisons
                what = "steps are not compared any more, training continues"
                self._send(Notice(f"{what}: {error_text(error)}", is_bad=True))
                self.close(at_once=True)
        self._done()

    def _next(self) -> tuple[TakenStep, float] | None:
        """Wait for a step to compare; None if there will be none."""
        with self._changed:
            self._is_busy = False
            self._changed.notify_all()
            while not (self._jobs or self._closing):
                self._changed.wait()
            if self._closing:
                return None
            self._is_busy = True
            return self._jobs[0]

    def _compare(self, taken: TakenStep, copying: float) -> None:
        config, dataset = self._config, self._dataset
        # The thread's own time: waiting for a core that trains costs nothing.
        started = thread_time()
        if self._other is None:
            self._other = self._build()
        if not knows_memory(config, taken):
            self._skip()
            return
        compared = compare_step(config, dataset, self._other, taken, guard=guard_of(config))
        cost = thread_time() - started + copying
        with self._changed:
            if not self._closing:
                self._pace.pay(cost, taken.seconds)
        if compared is not None:
            self._send(compared)
        is_new = compared is not None and compared.is_outside and not self._found
        if is_new and self.on_outside:
            self.on_outside()
        self._done()
        if is_new:
            self._found = True
            difference = self._explained(taken)
            self._send(difference)
            if self.on_difference:
                self.on_difference(difference)

    def _skip(self) -> None:
        """Compare no more: the optimizer's memory is not known after the first step."""
        title = self._config.title(self.taken)
        self._send(Notice(
            f"only the first step is compared: {title} keeps the memory of its optimizer to itself"
        ))  # fmt: skip
        self.close(at_once=True)

    def _explained(self, taken: TakenStep) -> DifferenceFound:
        try:
            return find_difference(self._config, self._dataset, taken)
        except Exception as error:  # a run that stops here must stop all the same
            return DifferenceFound(
                taken.engine, taken.step, taken.seconds, differs=taken.engine, tensor="update",
                code="unknown", factor=nan, tensors=(),
                text=f"the cause could not be looked for: {error_text(error)}",
            )  # fmt: skip

    def _build(self) -> Engine:
        data = self._dataset
        images, labels, levels = data.train_images, data.train_labels, data.grey_levels
        engine = build_engine(
            self._by, self._config, images, labels, data.classes, grey_levels=levels
        )
        if self._by == "torch":
            # The trainers use the cores. NumPy's thread count belongs to the process: unchanged.
            engine.use_threads(1)
        return engine

    def _done(self) -> None:
        """Take the step from the list, and let a trainer that waits go on."""
        with self._changed:
            if self._jobs:
                self._jobs.popleft()
            self._changed.notify_all()

    def _send(self, event: Event) -> None:
        with self._changed:
            if not self._closing:
                self._mailbox.put(event)


def probe_for(config: RunConfig, dataset: Dataset, mailbox: Mailbox) -> StepProbe:
    """Return a probe of the user's own steps; if both are, or none, of those in NumPy's place."""
    is_torch = config.network_torch is not None and config.network is None
    return StepProbe(config, dataset, "torch" if is_torch else "numpy", mailbox)
