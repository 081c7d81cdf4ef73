"""The weights screen shows the first layer as it is, whoever trains, and says what is dead."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import numpy as np
import pytest

import mlpwatch.core.analysis.weight_tiles
from mlpwatch.core.analysis.weight_store import WeightSnapshot
from mlpwatch.core.analysis.weight_tiles import DeadCount, first_layer, shared_scale
from mlpwatch.core.arrays import Tensors
from mlpwatch.core.config import ENGINE_NAMES, EngineName
from mlpwatch.tui.images.signed import put_levels, signed_levels, signed_style
from mlpwatch.tui.images.tiles import TilesView, shrink
from mlpwatch.tui.kit.cells import Canvas
from mlpwatch.tui.kit.look import Look
from mlpwatch.tui.weights.reader import WeightsReader
from mlpwatch.tui.weights.screen import WeightsScreen
from mlpwatch.tui.weights.text import dead_text, units_text, weights_per_dot
from tests.support.samples.scenes import (
    CONFIG,
    FakeSession,
    digits,
    finished,
    trained,
    training,
    weights,
)
from tests.support.stage import Stage, on_stage, until

pytestmark = pytest.mark.slow

SIZES = [(80, 24), (140, 40), (220, 60)]


@pytest.fixture(autouse=True)
def terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever terminal the tests run in."""
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLORTERM", "truecolor")


@asynccontextmanager
async def on_weights(
    size: tuple[int, int] = (140, 40),
    *,
    session: FakeSession | None = None,
) -> AsyncIterator[Stage]:
    """The screen, with tiles and the count of dead units."""
    async with on_stage(training(), size, session=session) as stage:
        await stage.press("w")
        await until(lambda: "dead unit" in stage.text(), stage.pilot)
        yield stage


@pytest.mark.parametrize(("engine", "step"), [("numpy", 107), ("torch", 67)])
async def test_every_cell_is_the_weights_it_stands_for(engine: EngineName, step: int) -> None:
    async with on_weights() as stage:
        view = stage.app.screen.query_one(f"#{engine}-tiles", TilesView)
        steps: dict[EngineName, int] = {"numpy": 107, "torch": 67}
        scale = shared_scale(
            *(
                first_layer(WeightSnapshot(name, 0, at, weights(name, at)), (8, 8))
                for name, at in steps.items()
            )
        )
        assert f"+{scale:g}" in stage.text()
        w = weights(engine, step)["layers.0.weight"]
        style = signed_style(Look(colours=stage.app.console.color_system))
        assert style == "halves"
        for unit, (x, y) in {0: (0, 1), 2: (40, 1), 4: (20, 11)}.items():
            expected = Canvas(16, 8)
            levels = signed_levels(shrink(w[unit].reshape(8, 8), 16, 16), scale)
            put_levels(expected, 0, 0, levels, style)
            found = [[view._shown.cell(x + i, y + j) for i in range(16)] for j in range(8)]
            assert found == [[expected.cell(i, j) for i in range(16)] for j in range(8)]


async def test_it_says_whose_weights_how_old_and_how_many_units_are_dead() -> None:
    async with on_weights() as stage:
        await until(lambda: stage.text().count("dead unit") == 2, stage.pilot)
        titles = stage.row("NumPy  epoch")
        assert "NumPy  epoch 5 · step 107" in titles
        assert "PyTorch  epoch 3 · step 67" in titles
        assert titles.index("dead units: 2 of 32") < titles.index("PyTorch")
        assert titles.rstrip().endswith("dead units: 1 of 32")
        assert stage.text().count("5 dead") == 2, "marked in both models"
        assert "first layer: units 0–8 of 32, 64 weights each" in stage.text()
        deeper = DeadCount(107, (np.array([False, False]), np.array([True, False, True])))
        assert dead_text(deeper)[0][0] == "dead units: 0 of 2, 2 of 3 "
        reader = WeightsReader(stage.app.runs.top)
        reader.dead["numpy"] = deeper
        assert reader.dead_units("numpy") == set(), "tiles are of the first layer"


@pytest.mark.parametrize(
    ("pixels", "dots", "text"),
    [
        ((28, 28), (14, 14), "2x2"),
        ((28, 28), (7, 14), "4x2"),
        ((28, 28), (28, 28), ""),
        ((8, 8), (16, 16), ""),
        ((60, 60), (28, 28), "2.1x2.1"),
    ],
)
def test_tiles_say_when_a_dot_averages_weights(
    pixels: tuple[int, int], dots: tuple[int, int], text: str
) -> None:
    assert weights_per_dot(pixels, dots) == text
    (told,) = units_text(CONFIG, digits(), 120, 130, 512, mean=text)
    assert (f"dots average {text} weights" in told[0]) == bool(text)
    assert len(told[0]) + len(" −0.03 ████ 0 ████ +0.03 ") <= 80, "room for the scale"


def test_one_tile_alone_is_one_unit() -> None:
    assert units_text(CONFIG, digits(), 3, 4, 32)[0][0].startswith(" first layer: unit 3 of 32,")


@pytest.mark.parametrize("error", [MemoryError("784 MB"), RuntimeError("can't allocate 784 MB")])
async def test_a_lack_of_memory_is_said_and_newer_weights_try_again(
    error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object) -> None:
        raise error

    async with on_stage(training()) as stage:
        with monkeypatch.context() as patch:
            patch.setattr(mlpwatch.core.analysis.weight_tiles, "first_layer", fails)
            await stage.press("w")
            await stage.says("the weights could not be read: ")
        await stage.press("space")
        await until(lambda: stage.text().count("dead unit") == 2, stage.pilot)


async def test_weights_follow_training() -> None:
    async with on_stage(training(), fps=50.0) as stage:
        await stage.press("w")
        await stage.feed(*trained("numpy", 130, first=108))
        await until(lambda: "step 130" in stage.text(), stage.pilot)


async def test_it_asks_for_weights_by_itself_but_not_after_the_end() -> None:
    async with on_stage(training()) as stage:
        assert stage.session.weight_store.latest("numpy").step == 100, "the end of epoch 5"  # type: ignore[union-attr]
        await stage.press("w")
        assert stage.session.weight_store.latest("numpy").step == 107  # type: ignore[union-attr]
    async with on_stage(finished()) as stage:
        last = stage.session.weight_store.latest("torch")
        await stage.press("w")
        await until(lambda: "step 240" in stage.text(), stage.pilot)
        assert stage.session.weight_store.latest("torch") is last


async def test_the_last_page_ends_with_the_last_unit() -> None:
    hint = "ink on + pixels raises a unit's answer"
    async with on_weights() as stage:
        await stage.press("escape")
        stage.state.say("told before")
        await stage.press("w")
        assert hint in stage.text()
        await stage.press("right", "right", "right", "right", "right")
        assert "units 24–31 of 32" in stage.text()
        await stage.press("left", "left", "left", "left")
        assert "units 0–8 of 32" in stage.text()
        assert hint not in stage.text(), "read by now"


async def test_a_narrow_screen_shows_one_model_at_a_time() -> None:
    async with on_weights((80, 24)) as stage:
        assert "NumPy  epoch" in stage.text()
        assert "PyTorch  epoch" not in stage.text()
        await stage.press("tab")
        assert "PyTorch  epoch" in stage.text()
        assert "NumPy  epoch" not in stage.text()
        await stage.press("tab")
        assert "NumPy  epoch" in stage.text()


async def test_one_model_alone_needs_no_other() -> None:
    session = FakeSession(config=replace(CONFIG, only="torch"))
    async with on_stage(
        [e for e in training() if getattr(e, "engine", "") == "torch"][:30], session=session
    ) as stage:
        await stage.press("w")
        await until(lambda: "dead unit" in stage.text(), stage.pilot)
        await stage.press("tab")
        assert "PyTorch  epoch" in stage.text()
        assert "NumPy  epoch" not in stage.text()


async def test_sigmoid_units_are_never_called_dead() -> None:
    session = FakeSession(config=replace(CONFIG, activation="sigmoid"))
    async with on_stage(training(), session=session) as stage:
        await stage.press("w")
        await until(lambda: "step 107" in stage.text(), stage.pilot)
        await stage.press("n")
        assert "dead units" not in stage.text()
        assert "no unit of the first layer is dead" in stage.text()


async def test_without_hidden_layers_each_tile_is_a_class() -> None:
    session = FakeSession(config=replace(CONFIG, hidden=()))
    w = np.arange(640, dtype=np.float32).reshape(10, 64) / 640
    layers: Tensors = {"layers.0.weight": w, "layers.0.bias": np.zeros(10, np.float32)}
    async with on_stage(training(), session=session) as stage:
        for name in ENGINE_NAMES:
            session.weight_store.publish(WeightSnapshot(name, 5, 240, layers))
        session.ask_for_weights = lambda: None  # type: ignore[method-assign]
        await stage.press("w")
        await until(lambda: "class 0" in stage.text(), stage.pilot)
        assert "no hidden layer: weights of the classes 0–9" in stage.text()


async def test_nothing_that_changes_nothing_is_sent() -> None:
    async with on_weights() as stage:
        await until(lambda: stage.text().count("dead unit") == 2, stage.pilot)
        screen = stage.app.screen
        assert isinstance(screen, WeightsScreen)
        drawn: list[object] = []
        for view in screen.query(TilesView):
            view.refresh = lambda *regions, **_: drawn.append(regions)  # type: ignore[method-assign, assignment]
        stage.session.ask_for_weights()
        screen._draw()
        await stage.look()
        assert drawn == []


async def test_closing_it_at_once_again_and_again_harms_nothing() -> None:
    async with on_stage(training()) as stage:
        for _ in range(8):
            await stage.pilot.press("w")
            await stage.pilot.press("escape")
        await stage.press("w")
        await until(lambda: "dead unit" in stage.text(), stage.pilot)
