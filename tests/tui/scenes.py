"""Scenes for the screens: a session that obeys orders and trains nothing, fed with fixed events."""

import math
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import PurePath
from threading import Event as Flag
from time import monotonic
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
from textual.pilot import Pilot

from core.config import EngineName, RunConfig
from core.data import Dataset
from core.evaluation import Evaluation, evaluate
from core.losses import loss_for
from core.runs import MetricsLine
from core.session import Session
from core.telemetry import (
    CheckpointSaved,
    EndReason,
    EpochDone,
    Event,
    Mailbox,
    Paused,
    Resumed,
    RunEnded,
    RunStarted,
    StepDone,
)
from tests.tui.screen_text import screen_text
from tui.app import MlpwatchApp, ScreenOptions
from tui.run_state import RunState
from tui.watch import Report, Watch

CONFIG = RunConfig(data="digits", hidden=(32,), batch_size=50, epochs=12)
RUN_PATH = PurePath("saved/2026-11-23-twin-k3f9")
TRAIN, VALIDATION = 1_000, 300
EPOCH_STEPS = TRAIN // CONFIG.batch_size

DEADLINE_SECONDS = 30.0
NEVER_FPS = 0.001
"""The app's own timer stays silent: a test decides when the mailbox is looked into."""

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
    return EpochDone(
        engine=engine,
        epoch=epoch,
        step=step,
        seconds=step * STEP_SECONDS[engine],
        train_loss=sum(losses) / len(losses),
        samples_per_second=CONFIG.batch_size / STEP_SECONDS[engine],
        validation=evaluation(engine, epoch),
    )


def trained(engine: EngineName, steps: int, *, first: int = 1) -> Iterator[Event]:
    """The events of steps `first` to `steps`, with the ends of epochs among them."""
    for step in range(first, steps + 1):
        yield StepDone(engine, step, step * STEP_SECONDS[engine], loss_at(engine, step))
        if step % EPOCH_STEPS == 0:
            yield epoch_done(engine, step // EPOCH_STEPS)


def ended(
    engine: EngineName, reason: EndReason = "finished", detail: str = "", *, step: int = 240
) -> RunEnded:
    """The last event of an engine."""
    test = evaluation(engine, 12, test=True) if reason in ("finished", "stopped") else None
    return RunEnded(engine, reason, detail, step, step * STEP_SECONDS[engine], test)


def training() -> list[Event]:
    """NumPy in its sixth epoch, PyTorch in its fourth."""
    return [
        started("numpy"),
        started("torch"),
        *trained("numpy", 107),
        *trained("torch", 67),
    ]


def finished() -> list[Event]:
    """Both done and saved."""
    return [
        started("numpy"),
        started("torch"),
        *trained("numpy", 240),
        *trained("torch", 240),
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
    """Obeys the orders that a `core.session.Session` takes, and notes them."""

    config: RunConfig = CONFIG
    dataset: Dataset = field(default_factory=digits)
    past: list[MetricsLine] = field(default_factory=list)
    """What the metrics log of a resumed run holds."""

    def __post_init__(self) -> None:
        """Begin with nothing done."""
        self.mailbox = Mailbox()
        self.run = SimpleNamespace(path=RUN_PATH, read_metrics=lambda: self.past)
        self.epoch_steps = EPOCH_STEPS
        self.save_error: str | None = None
        self.limit: float | None = None
        self.started = False
        self.steps: dict[EngineName, int] = dict.fromkeys(self.config.engine_names, 0)
        self._paused: set[EngineName] = set()
        self._ended: set[EngineName] = set()

    @property
    def ended(self) -> bool:
        return len(self._ended) == len(self.steps)

    def threads(self, _engine: EngineName) -> int:
        return 1

    def paused(self, engine: EngineName) -> bool:
        return engine in self._paused

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
                path = f"{RUN_PATH}/{name}.safetensors"
                self.mailbox.put(CheckpointSaved(name, step, path))

    def set_steps_per_second(self, limit: float | None) -> None:
        self.limit = limit

    def stop(self) -> None:
        for name, step in self.steps.items():
            if name not in self._ended:
                self.feed([ended(name, "stopped", step=step)])

    def join(self, _seconds: float) -> bool:
        return True

    def feed(self, events: Iterable[Event]) -> None:
        """Put events into the mailbox, as a trainer would."""
        for event in events:
            if isinstance(event, StepDone | RunEnded):
                self.steps[event.engine] = event.step
            if isinstance(event, RunEnded):
                self._ended.add(event.engine)
            self.mailbox.put(event)


@dataclass
class Stage:
    """A running app, and the session that it follows."""

    app: MlpwatchApp
    pilot: Pilot[Any]
    session: FakeSession

    @property
    def state(self) -> RunState:
        """The state that the panels read."""
        state = self.app.watch_session.state
        assert state is not None, "still loading"
        return state

    async def feed(self, *events: Event) -> None:
        """Let events happen, and the screen show them."""
        self.session.feed(events)
        await self.look()

    async def press(self, *keys: str) -> None:
        """Press keys, one after another, and look at what came of each."""
        for key in keys:
            await self.pilot.press(key)
            await self.look()

    async def look(self) -> None:
        """Do what the app's timer does."""
        self.app.watch_session.poll()
        if update := getattr(self.app.screen, "update", None):
            update(numbers=True)
        await self.pilot.pause()

    def text(self) -> str:
        """Everything on the screen, row by row."""
        return screen_text(self.app)

    def row(self, words: str) -> str:
        """The first row that holds these words."""
        found = [line for line in self.text().split("\n") if words in line]
        assert found, f"{words!r} is not on the screen:\n{self.text()}"
        return found[0]


async def until(condition: Callable[[], object], pilot: Pilot[Any]) -> None:
    """Wait for a condition, with a deadline.

    Raises:
        TimeoutError: it did not come true.
    """
    deadline = monotonic() + DEADLINE_SECONDS
    while not condition():
        if monotonic() > deadline:
            raise TimeoutError(f"not after {DEADLINE_SECONDS:g} s")
        await pilot.pause(0.01)


@asynccontextmanager
async def on_stage(
    events: Iterable[Event] = (),
    size: tuple[int, int] = (140, 40),
    *,
    session: FakeSession | None = None,
    ascii_only: bool = False,
    fps: float = NEVER_FPS,
) -> AsyncIterator[Stage]:
    """Run the app on a session that has come as far as these events."""
    played = session or FakeSession()
    watch = Watch(lambda _report: cast("Session", played))
    options = ScreenOptions(fps=fps, ascii_only=ascii_only)
    app = MlpwatchApp(watch, played.config.engine_names, options)
    async with app.run_test(size=size) as pilot:
        stage = Stage(app, pilot, played)

        def has_begun() -> bool:
            watch.poll()
            return watch.session is not None

        await until(has_begun, pilot)
        await stage.feed(*events)
        yield stage


@asynccontextmanager
async def while_loading(
    size: tuple[int, int] = (140, 40), text: str = "importing NumPy, scikit-learn and PyTorch"
) -> AsyncIterator[Stage]:
    """Run the app while its session still loads."""
    played, may_load = FakeSession(), Flag()

    def start(report: Report) -> Session:
        report(text)
        may_load.wait(DEADLINE_SECONDS)
        return cast("Session", played)

    watch = Watch(start)
    app = MlpwatchApp(watch, played.config.engine_names, ScreenOptions(fps=NEVER_FPS))
    async with app.run_test(size=size) as pilot:
        try:
            stage = Stage(app, pilot, played)
            await until(lambda: watch.loading == text, pilot)
            await stage.look()
            yield stage
        finally:
            may_load.set()
