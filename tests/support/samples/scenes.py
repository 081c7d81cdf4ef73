"""Scenes for the screens: fixed events, and a session that obeys orders and trains nothing."""

import math
from collections.abc import Iterable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass, field
from functools import cache

import numpy as np
from numpy.typing import NDArray

from mlpwatch.core.analysis.gradient_comparison import EngineGradient, GradientComparison
from mlpwatch.core.analysis.inference import Prediction, evaluate
from mlpwatch.core.analysis.step_trace import StepTrace
from mlpwatch.core.analysis.weight_store import WeightSnapshot, WeightStore
from mlpwatch.core.arrays import Floats
from mlpwatch.core.config import EngineName, RunConfig
from mlpwatch.core.data.dataset import Dataset
from mlpwatch.core.epochs import EpochRecord, Evaluation, LayerRecord, Matrix
from mlpwatch.core.events import (
    CheckpointSaved,
    DifferenceFound,
    EndReason,
    EpochDone,
    Event,
    GapMeasured,
    Mailbox,
    Paused,
    RateChanged,
    Resumed,
    RunEnded,
    RunStarted,
    StepCompared,
    StepDone,
    TensorPair,
)
from mlpwatch.core.network.build import initial_weights
from mlpwatch.core.network.losses import loss_for
from tests.support.samples.fake_folder import RUN_PATH, FakeFolder
from tests.support.samples.step_trace_samples import played_prediction, sample_trace

CONFIG = RunConfig(data="digits", hidden=(32,), batch_size=50, epochs=12)
TRAIN, VALIDATION = 1_000, 300
EPOCH_STEPS = TRAIN // CONFIG.batch_size

STEP_SECONDS: dict[EngineName, float] = {"numpy": 0.05, "torch": 0.08}
"""Training time per step of each engine: the two advance at different speeds."""


@cache
def digits() -> Dataset:
    """The bundled digits in their own order, so that no splitter decides what is shown."""
    from sklearn.datasets import load_digits

    bunch = load_digits()
    images = (np.asarray(bunch.data) / 16).astype(np.float32)
    labels = np.asarray(bunch.target, np.int64)
    held = TRAIN + VALIDATION
    return Dataset(
        name="digits",
        normalisation="full-height",
        image_shape=(8, 8),
        classes=10,
        images=images[:held],
        labels=labels[:held],
        train_count=TRAIN,
        source_rows=np.arange(held, dtype=np.intp),
        test_images=images[held:],
        test_labels=labels[held:],
        sha256="0" * 64,
    )


@cache
def evaluation(engine: EngineName, epoch: int, *, test: bool = False) -> Evaluation:
    """An evaluation that gets better by the epoch; the two engines err alike, but not always."""
    data = digits()
    labels = data.test_labels if test else data.validation_labels
    shared, own = (
        np.random.default_rng(seed).normal(0.0, 1.0, (len(labels), data.classes))
        for seed in (7, 11 if engine == "numpy" else 13)
    )
    logits = 1.1 * shared + 0.5 * own
    logits[np.arange(len(labels)), labels] += 1.6 + 0.2 * epoch
    return evaluate(logits.astype(np.float32), labels, loss_for(CONFIG, engine))


def started(engine: EngineName, *, first_step: int = 0, seconds: float = 0.0) -> RunStarted:
    """The first event of an engine."""
    return RunStarted(engine, 64 * 32 + 32 + 32 * 10 + 10, 1, first_step, seconds)


def loss_at(engine: EngineName, step: int) -> float:
    """A loss that falls, with the jitter of batches."""
    slower = 45 if engine == "numpy" else 52
    return 0.12 + 2.2 * math.exp(-step / slower) + 0.05 * math.sin(1.7 * step)


def epoch_done(engine: EngineName, epoch: int) -> EpochDone:
    """The end of an epoch."""
    step = epoch * EPOCH_STEPS
    losses = [loss_at(engine, n) for n in range(step - EPOCH_STEPS + 1, step + 1)]
    validation = evaluation(engine, epoch)
    record = EpochRecord(
        engine=engine,
        epoch=epoch,
        step=step,
        seconds=step * STEP_SECONDS[engine],
        train_loss=sum(losses) / len(losses),
        val_loss=validation.loss,
        val_accuracy=validation.accuracy,
        samples_per_second=CONFIG.batch_size / STEP_SECONDS[engine],
        confusion=validation.confusion,
        layers=layers_at(engine, epoch),
    )
    return EpochDone(record, validation)


def layers_at(engine: EngineName, epoch: int) -> tuple[LayerRecord, LayerRecord]:
    """Layers whose gradients shrink while the loss does; PyTorch's first loses units at epoch 3."""
    falls = math.exp(-epoch / 4)
    dead = 0.71 if engine == "torch" and epoch >= 3 else 0.03125
    return LayerRecord(0.8 * falls, 4e-3 * falls, dead), LayerRecord(0.5 * falls, 9e-3 * falls)


def epoch_read(
    engine: EngineName,
    epoch: int,
    *,
    epoch_steps: int = EPOCH_STEPS,
    train_loss: float = 1.0,
    val_loss: float = 1.0,
    accuracy: float = 0.5,
    confusion: "Matrix | None" = None,
) -> EpochDone:
    """An epoch as a log has it, without the predictions for each image."""
    step, seconds = epoch * epoch_steps, float(epoch)
    numbers = (train_loss, val_loss, accuracy, 1e5)
    return EpochDone(EpochRecord(engine, epoch, step, seconds, *numbers, confusion=confusion))


def trained(engine: EngineName, steps: int, *, first: int = 1) -> Iterator[Event]:
    """The events of steps `first` to `steps`, with the ends of epochs among them."""
    for step in range(first, steps + 1):
        yield StepDone(engine, step, step * STEP_SECONDS[engine], loss_at(engine, step))
        if step % EPOCH_STEPS == 0:
            yield epoch_done(engine, step // EPOCH_STEPS)


def gap(epoch: int) -> GapMeasured:
    """How far apart rounding has driven both after an epoch."""
    return GapMeasured(
        "torch", epoch, epoch * EPOCH_STEPS, 4e-8 * 2**epoch, (4e-8 * 2**epoch, 3e-8 * epoch), 1e-9
    )


def compared(step: int, difference: float = 6e-8) -> StepCompared:
    """One of NumPy's steps, repeated by PyTorch."""
    seconds = step * STEP_SECONDS["numpy"]
    return StepCompared("numpy", step, seconds, difference, 4e-6, difference / 4e-6)


CAUSE = (
    "every gradient: PyTorch's is NumPy's divided by 10, the number of classes: PyTorch's averages "
    "over the classes, too (1/(B C) Σ_images Σ_classes, as nn.MSELoss() and np.mean() do); NumPy "
    "sums over the classes and averages over the images (1/B Σ_images Σ_classes)."
)


def difference(step: int = 1, layers: int = 2) -> DifferenceFound:
    """Why `seed`'s PyTorch differs from NumPy; as many layers as asked."""
    pairs = [
        TensorPair("outputs", (3, 7), 0.125, 0.125, 1e-6, passed=True),
        TensorPair("loss", (), 2.5, 0.25, 1e-6, passed=False),
    ]
    for k in reversed(range(layers)):
        pairs += [
            TensorPair(f"weight gradient {k}", (2, 31), -0.0625, -0.00625, 1e-8, passed=False),
            TensorPair(f"bias gradient {k}", (2,), 0.5, 0.05, 1e-8, passed=False),
        ]
    pairs += [
        TensorPair(f"update of {kind} {k}", (0, 0), 1.0, 1.0, 1e-8, passed=True)
        for k in reversed(range(layers))
        for kind in ("weight", "bias")
    ]
    return DifferenceFound(
        "numpy", step, step * STEP_SECONDS["numpy"], "torch", "loss",
        "loss-mean-over-classes", 0.1, CAUSE, tuple(pairs),
    )  # fmt: skip


def ended(
    engine: EngineName, reason: EndReason = "finished", detail: str = "", *, step: int = 240
) -> RunEnded:
    """The last event of an engine."""
    seconds = step * STEP_SECONDS[engine]
    if reason not in ("finished", "stopped"):
        return RunEnded(engine, reason, detail, step, seconds)
    test = evaluation(engine, 12, test=True)
    return RunEnded(engine, reason, detail, step, seconds, test.loss, test.accuracy, test)


def training() -> list[Event]:
    """NumPy in its sixth epoch, PyTorch in its fourth."""
    return [
        started("numpy"),
        started("torch"),
        *trained("numpy", 107),
        *trained("torch", 67),
        *map(gap, (1, 2, 3)),
    ]


def finished() -> list[Event]:
    """Both done and saved."""
    return [
        started("numpy"),
        started("torch"),
        *trained("numpy", 240),
        *trained("torch", 240),
        *map(gap, range(1, 13)),
        CheckpointSaved("numpy", 240, f"{RUN_PATH}/numpy.safetensors"),
        CheckpointSaved("torch", 240, f"{RUN_PATH}/torch.safetensors"),
        ended("numpy"),
        ended("torch"),
    ]


WHY_DIVERGED = (
    "the loss is nan at step 67 (epoch 4, batch 7), first in layers.0.weight;"
    " try a lower --learning-rate"
)


def failed() -> list[Event]:
    """PyTorch diverged, NumPy goes on."""
    return [*training(), ended("torch", "diverged", WHY_DIVERGED, step=67)]


@dataclass
class FakeSession:
    """A `RunSource` that notes the orders that it is given, and trains nothing."""

    config: RunConfig = CONFIG
    dataset: Dataset = field(default_factory=digits)
    past: list[Event] = field(default_factory=list)
    """What the logs of a resumed run tell."""
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Begin with nothing done."""
        self.mailbox = Mailbox()
        self.run = FakeFolder()
        self.epoch_steps = EPOCH_STEPS
        self.save_error: str | None = None
        self.images_missing = ""
        self.limit: float | None = None
        self.lockstep = False
        self.rates: dict[EngineName, float] = {}
        self.started = False
        self.questions = 0
        self.steps: dict[EngineName, int] = dict.fromkeys(self.config.engine_names, 0)
        self._paused: set[EngineName] = set()
        self._ended: set[EngineName] = set()
        self.weight_store = WeightStore()

    @property
    def ended(self) -> bool:
        return len(self._ended) == len(self.steps)

    @property
    def steps_per_second(self) -> float | None:
        return self.limit

    def threads(self, engine: EngineName) -> int:  # noqa: ARG002 - the protocol's name
        return 1

    def paused(self, engine: EngineName) -> bool:
        return engine in self._paused

    def past_events(self) -> list[Event]:
        return self.past

    def start(self) -> None:
        self.started = True

    def pause(self, *engines: EngineName) -> None:
        for name in engines or tuple(self.steps):
            self._paused.add(name)
            self.mailbox.put(Paused(name, self.steps[name]))

    def resume(self, *engines: EngineName) -> None:
        for name in engines or tuple(self.steps):
            self._paused.discard(name)
            self.mailbox.put(Resumed(name, self.steps[name]))

    def step(self) -> None:
        for name in self._paused:
            self.feed(trained(name, self.steps[name] + 1, first=self.steps[name] + 1))

    def save(self) -> None:
        for name, step in self.steps.items():
            if name not in self._ended:
                self.mailbox.put(CheckpointSaved(name, step, f"{RUN_PATH}/{name}.safetensors"))

    def compare_gradients(self) -> GradientComparison:
        engines = {name: EngineGradient(0.5, (1.25, 0.75)) for name in self.steps}
        return GradientComparison(self.config.batch_size, engines, 0.0)

    def ask_for_weights(self) -> None:
        for name, step in self.steps.items():
            self._show(name, step)

    def _show(self, name: EngineName, step: int, *, evaluated: bool = False) -> None:
        shown = WeightSnapshot(name, step // EPOCH_STEPS, step, weights(name, step))
        self.weight_store.publish(shown, evaluated=evaluated)

    def evaluate_test(self) -> dict[EngineName, Evaluation]:
        return {name: evaluation(name, 5, test=True) for name in self.steps}

    def trace_step(self, previous: StepTrace | None = None) -> StepTrace:
        return sample_trace(self.config, self.dataset, self.steps, previous)

    def predict(self, name: EngineName, images: Floats) -> Future[Prediction]:
        self.questions += 1
        answer: Future[Prediction] = Future()
        answer.set_result(played_prediction(name, self.config, self.dataset, images))
        return answer

    def set_steps_per_second(self, limit: float | None) -> None:
        self.limit = limit

    def set_lockstep(self, lockstep: bool) -> None:
        self.lockstep = lockstep

    def learning_rate(self, engine: EngineName) -> float:
        return self.rates.get(engine, self.config.learning_rate)

    def set_learning_rate(self, rate: float, *engines: EngineName) -> None:
        for name in engines or tuple(self.steps):
            before, step = self.learning_rate(name), self.steps[name]
            self.rates[name] = rate
            self.mailbox.put(RateChanged(name, step, step * STEP_SECONDS[name], rate, before))

    def stop(self) -> None:
        for name, step in self.steps.items():
            if name not in self._ended:
                self.feed([ended(name, "stopped", step=step)])

    def leave(self) -> None:
        self.stop()

    def join(self, seconds: float) -> bool:  # noqa: ARG002 - the protocol's name
        return True

    def feed(self, events: Iterable[Event]) -> None:
        """Put events into the mailbox, as a trainer would."""
        for event in events:
            if isinstance(event, StepDone | RunEnded):
                self.steps[event.engine] = event.step
            if isinstance(event, RunEnded):
                self._ended.add(event.engine)
            if isinstance(event, EpochDone):
                self._show(event.engine, event.step, evaluated=True)
            self.mailbox.put(event)


def weights(engine: EngineName, step: int) -> dict[str, NDArray[np.float32]]:
    """Weights of a 64-32-10 network that turn from noise to differences of mean digits.

    Units 5 and 19 of NumPy, and 5 of PyTorch, have biases that no image overcomes.
    """
    data, random = digits(), np.random.default_rng(3)
    w = initial_weights((64, 32, 10), CONFIG)
    labels = data.train_labels
    means = np.array([data.train_images[labels == c].mean(axis=0) for c in range(10)])
    pairs = random.integers(0, 10, (32, 2))
    learned = min(1.0, step / 240) * (means[pairs[:, 0]] - means[pairs[:, 1]])
    w["layers.0.weight"] = (w["layers.0.weight"] * 0.5 + learned).astype(np.float32)
    dead = [5, 19] if engine == "numpy" else [5]
    w["layers.0.bias"][dead] = -60.0
    return w
