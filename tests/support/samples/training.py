"""Training in the tests: a tiny data set, recorders in memory, engines and mailboxes with hooks."""

from collections.abc import Callable, Sequence
from threading import Thread
from typing import Any

import numpy as np

from mlpwatch.core.analysis.weight_store import WeightStore
from mlpwatch.core.arrays import Floats, Rows, Tensors
from mlpwatch.core.config import EngineName, RunConfig
from mlpwatch.core.data.dataset import Dataset
from mlpwatch.core.epochs import EpochRecord
from mlpwatch.core.events import Event, Mailbox, RateChanged, StepDone
from mlpwatch.core.network.build import build_engine
from mlpwatch.core.network.engine import Engine, EngineState
from mlpwatch.core.network.step_norms import LayerNorms
from mlpwatch.core.runs.checkpoints import Checkpoint, Position
from mlpwatch.core.training.control import Control
from mlpwatch.core.training.result import EngineResult
from mlpwatch.core.training.trainer import train

SECONDS = 30.0
"""How long a test waits for a thread before it fails."""

TRAIN, VALIDATION, TEST = 90, 20, 20


def tiny_dataset() -> Dataset:
    """Return 130 random images of 2 x 3 pixels in 3 classes that a network can tell apart."""
    random = np.random.default_rng(5)
    labels = random.integers(0, 3, TRAIN + VALIDATION + TEST)
    images = random.normal(0, 0.5, (len(labels), 6)) + np.eye(3, 6)[labels]
    pixels, kept = images.astype(np.float32), TRAIN + VALIDATION
    dataset = Dataset(
        name="tiny",
        image_shape=(2, 3),
        classes=3,
        images=pixels[:kept],
        labels=labels[:kept],
        train_count=TRAIN,
        source_rows=np.arange(kept),
        test_images=pixels[kept:],
        test_labels=labels[kept:],
        sha256="0" * 64,
    )
    for array in (dataset.images, dataset.labels, dataset.test_images, dataset.test_labels):
        array.flags.writeable = False
    return dataset


class HookedEngine:
    """An engine that tells a test what is asked of it.

    Args:
        engine: does the work.
        before_step: called with the number of each training step, from 1, before it.
    """

    def __init__(self, engine: Engine, before_step: Callable[[int], None] | None = None) -> None:
        self.engine = engine
        self.before_step = before_step
        self.name: EngineName = engine.name
        self.activation = engine.activation
        self.batches: list[Rows] = []
        self.thread_counts: list[int] = []
        self.rates: list[float] = []

    def use_threads(self, threads: int) -> None:
        """Note the count; these networks need no second thread."""
        self.thread_counts.append(threads)
        self.engine.use_threads(1)

    def set_learning_rate(self, learning_rate: float) -> None:
        """Note the rate and pass on."""
        self.rates.append(learning_rate)
        self.engine.set_learning_rate(learning_rate)

    def train_batch(self, rows: Rows, *, measured: bool = False) -> tuple[LayerNorms, ...]:
        """Note the rows, call the hook, pass on."""
        self.batches.append(rows.copy())
        if self.before_step:
            self.before_step(len(self.batches))
        return self.engine.train_batch(rows, measured=measured)

    def take_losses(self) -> list[float]:
        """Pass on."""
        return self.engine.take_losses()

    def loss_and_gradient(self, rows: Rows) -> tuple[float, dict[str, Floats]]:
        """Pass on."""
        return self.engine.loss_and_gradient(rows)

    def forward_pass(self, rows: Rows) -> list[Floats]:
        """Pass on."""
        return self.engine.forward_pass(rows)

    def logits(self, images: Floats, weights: Tensors | None = None) -> Floats:
        """Pass on."""
        return self.engine.logits(images, weights)

    def first_nonfinite_tensor(self) -> str | None:
        """Pass on."""
        return self.engine.first_nonfinite_tensor()

    def weights(self) -> dict[str, Floats]:
        """Pass on."""
        return self.engine.weights()

    def state(self) -> EngineState:
        """Pass on."""
        return self.engine.state()

    def load_state(self, state: EngineState) -> None:
        """Pass on."""
        self.engine.load_state(state)


class HookedMailbox(Mailbox):
    """Keeps every event, and calls `on_event` in the trainer's thread as each one arrives."""

    def __init__(self) -> None:
        super().__init__()
        self.events: list[Event] = []
        self.on_event: Callable[[Event], None] = lambda _event: None

    def put(self, event: Event) -> None:
        """See `Mailbox`."""
        if not isinstance(event, StepDone):
            self.events.append(event)
            self.on_event(event)
        super().put(event)

    def put_steps(self, steps: Any) -> None:  # noqa: ANN401
        """See `Mailbox`."""
        for step in steps:
            self.events.append(step)
            self.on_event(step)


class MemoryRecorder:
    """Satisfies `core.recorder.Recorder`; `on_save` is called in the trainer's thread."""

    def __init__(self) -> None:
        self.first: Checkpoint | None = None
        """Of a new run, before its first step."""
        self.saves: list[Checkpoint] = []
        """All others."""
        self.lines: list[EpochRecord] = []
        self.changes: list[RateChanged] = []
        self.best: list[Checkpoint] = []
        self.flushes = 0
        self.on_save: Callable[[], None] = lambda: None

    def save(self, checkpoint: Checkpoint) -> None:
        """Keep a checkpoint."""
        if self.first is None and checkpoint.position.step == 0:
            self.first = checkpoint
            return
        self.saves.append(checkpoint)
        self.on_save()

    def record(self, epoch: EpochRecord) -> None:
        """Keep a line."""
        self.lines.append(epoch)

    def save_best(self, checkpoint: Checkpoint) -> None:
        """Keep a best checkpoint."""
        self.best.append(checkpoint)

    def record_rate(self, change: RateChanged) -> None:
        """Keep a change."""
        self.changes.append(change)

    def flush(self) -> None:
        """Count."""
        self.flushes += 1


class Training:
    """One call of `core.trainer.train` on the tiny data set, in a thread of its own.

    Args:
        name: of the engine.
        start: state and position to go on from.
        changes: of the learning rate in the training before.
        settings: replace those of a 6-5-3 network of 3 epochs of 6 batches, the last of 10.
    """

    def __init__(
        self,
        name: EngineName = "numpy",
        start: Checkpoint | None = None,
        changes: Sequence[RateChanged] = (),
        **settings: Any,  # noqa: ANN401
    ) -> None:
        values: dict[str, Any] = {"hidden": (5,), "batch_size": 16, "epochs": 3} | settings
        self.config = RunConfig(**values)
        self.dataset = tiny_dataset()
        images, labels = self.dataset.train_images, self.dataset.train_labels
        self.engine = HookedEngine(build_engine(name, self.config, images, labels, 3))
        if start:
            self.engine.load_state(start.state)
        self.changes = changes
        self.position: Position | None = start.position if start else None
        self.control, self.mailbox, self.recorder = Control(), HookedMailbox(), MemoryRecorder()
        self.weight_store = WeightStore()
        self.results: list[EngineResult] = []
        self.thread = Thread(target=self._train, daemon=True)

    def run(self) -> EngineResult:
        """Train to the end and return how it ended."""
        self.thread.start()
        return self.join()

    def join(self) -> EngineResult:
        """Wait for the end and return how it ended."""
        # In slices: on a machine that was suspended meanwhile not all of the time is up at once.
        for _ in range(round(SECONDS)):
            self.thread.join(1.0)
        assert not self.thread.is_alive()
        return self.results[0]

    def of(self, *kinds: type) -> list[Any]:
        """Return the events of these types, in order."""
        return [event for event in self.mailbox.events if isinstance(event, kinds)]

    def _train(self) -> None:
        self.results.append(
            train(
                self.engine,
                self.dataset,
                self.config,
                self.control,
                self.mailbox,
                recorder=self.recorder,
                weight_store=self.weight_store,
                start=self.position,
                changes=self.changes,
            )
        )
