"""The next digit costs less than 4 kB at 140x40, however it is drawn and whatever is beside it."""

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from rich.color import ColorSystem
from rich.console import RenderableType
from textual.app import App
from textual.screen import Screen

from mlpwatch.core.analysis.weight_store import WeightSnapshot
from mlpwatch.core.arrays import Tensors
from mlpwatch.core.config import EngineName
from mlpwatch.core.data.dataset import Dataset
from mlpwatch.core.network.build import build_engine
from mlpwatch.tui.images.renderers import resample
from mlpwatch.tui.mistakes.explanation_reader import ExplanationReader
from mlpwatch.tui.terminal.textual_internals import CompositorUpdate
from tests.support.samples.scenes import CONFIG, EPOCH_STEPS, FakeSession, digits, training
from tests.support.stage import Stage, on_stage, until

MOST_BYTES = 4_000
DIGITS = 2


@cache
def large_digits() -> Dataset:
    """The bundled digits as MNIST's are: of 20x20 pixels, in the middle of 28x28."""
    small = digits()

    def enlarged(images: np.ndarray) -> np.ndarray:
        blocks = np.kron(images.reshape(-1, 8, 8), np.ones((1, 5, 5)))
        return np.array([np.pad(resample(one, 20, 20), 4).ravel() for one in blocks], np.float32)

    return replace(
        small,
        image_shape=(28, 28),
        images=enlarged(small.images),
        test_images=enlarged(small.test_images),
    )


@cache
def learned() -> Tensors:
    """Weights after 20 epochs: as noisy where no digit has ink as a run's."""
    data = large_digits()
    engine = build_engine("numpy", CONFIG, data.train_images, data.train_labels, data.classes)
    for _ in range(20):
        for start in range(0, data.train_count, 50):
            engine.train_batch(np.arange(start, start + 50))
    return engine.weights()


class LearnedSession(FakeSession):
    """Shows weights that fit the larger images."""

    def _show(self, name: EngineName, step: int, *, evaluated: bool = False) -> None:
        shown = WeightSnapshot(name, step // EPOCH_STEPS, step, learned())
        self.weight_store.publish(shown, evaluated=evaluated)


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What the app sends to the terminal, update by update."""
    updates: list[str] = []
    display = App._display

    def recorded(
        app: App[object], screen: Screen[object], renderable: RenderableType | None
    ) -> None:
        if isinstance(renderable, CompositorUpdate):
            updates.append(renderable.render_segments(app.console))
        display(app, screen, renderable)

    # Below `SpanApp`, which has brought each update into its shortest form by then.
    monkeypatch.setattr(App, "_display", recorded)
    return updates


async def bytes_per_digit(stage: Stage, sent: list[str]) -> list[int]:
    """Go from digit to digit, and count what each costs with its neighbours."""
    reader: ExplanationReader = vars(stage.app.screen.query_one("#digit-row"))["_reader"]
    counts = []
    for _ in range(DIGITS):
        await until(lambda: reader.fits, stage.pilot)
        await stage.look()
        sent.clear()
        await stage.press("right")
        await until(lambda: reader.fits, stage.pilot)
        await stage.look()
        counts.append(len("".join(sent).encode()))
    return counts


async def test_the_next_digit(sent: list[str]) -> None:
    session = LearnedSession(dataset=large_digits())
    async with on_stage(training(), session=session) as stage:
        stage.app.console._color_system = ColorSystem.TRUECOLOR
        await stage.press("m", "enter")
        await stage.says("· true label")
        costs = {}
        for renderer in ("half blocks", "braille", "ramp", "half blocks too"):
            costs[renderer, "plain"] = await bytes_per_digit(stage, sent)
            await stage.press("g")
            costs[renderer, "gradient"] = await bytes_per_digit(stage, sent)
            await stage.press("g", "g", "v")
    assert all(min(counts) > 1_000 for counts in costs.values()), costs
    assert max(map(max, costs.values())) < MOST_BYTES, costs
