"""The draw screen's parts by themselves: the own set in few words, the room it takes, labels."""

import asyncio
from collections.abc import Callable
from concurrent.futures import Future
from types import SimpleNamespace
from typing import cast

import numpy as np
import pytest
from rich.color import ColorSystem
from textual.events import Key

from mlpwatch.core.analysis.inference import Prediction
from mlpwatch.core.arrays import Floats
from mlpwatch.core.config import TITLES, EngineName
from mlpwatch.tui.draw.easel import Easel
from mlpwatch.tui.draw.kept_drawings import KeptRow, OwnSet
from mlpwatch.tui.draw.panels import put_own_set
from mlpwatch.tui.draw.predictions import DrawPredictions
from mlpwatch.tui.draw.screen import DrawScreen
from mlpwatch.tui.draw.view import DrawView, least_size
from mlpwatch.tui.images.pixel_grid import RAMPS, PixelGrid, grid_for, put_pixels
from mlpwatch.tui.kit.cells import Canvas
from mlpwatch.tui.kit.look import Look
from mlpwatch.tui.kit.theme import GREY_STEPS, Grey, Role
from mlpwatch.tui.state.run_state import RunState
from mlpwatch.tui.state.shown_epoch import ShownEpoch
from mlpwatch.tui.state.watch import Watch
from tests.support.samples.scenes import CONFIG, FakeSession, digits, training
from tests.support.samples.step_trace_samples import played_prediction
from tests.support.stage import on_stage, until


@pytest.mark.parametrize(
    ("shape", "size"), [((28, 28), (54, 11)), ((8, 8), (48, 8)), ((60, 60), (70, 19))]
)
def test_an_image_takes_two_pixels_a_column_or_fourteen_columns(
    shape: tuple[int, int], size: tuple[int, int]
) -> None:
    assert least_size(shape) == size


def test_a_cell_of_several_pixels_has_their_mean_ink() -> None:
    image = np.random.default_rng(1).random((8, 8))
    canvas = Canvas(4, 2)
    put_pixels(canvas, (0, 0), image, grid_for((8, 8), 4, 2), Look(ascii_only=True))
    assert grid_for((8, 8), 4, 2).cells_of(5, 3) == (2, 0, 1, 1)
    assert grid_for((8, 8), 64, 32).cells_of(5, 3) == (40, 12, 8, 4), "and the other way round"
    for y, x in np.ndindex(2, 4):
        mean = image[4 * y : 4 * y + 4, 2 * x : 2 * x + 2].mean()
        assert canvas.cell(x, y)[0] == RAMPS[True][round(mean * 9)]


def test_the_own_set_is_told_in_fewer_words_where_there_is_little_room() -> None:
    predictions = OwnSet(
        [KeptRow(3, {"numpy": (3, 0.914), "torch": (5, 1.0)})], {"numpy": 0.914, "torch": 1.0}
    )
    wide = ["your set  1 drawing", "is  NumPy     PyTorch", "     91.4 %   100.0 %"]
    narrow = ["set  1 drawing", "is NumPy  PyTorch", "    91 %  100 %", " 3 3  91  5 100 x"]
    for width, rows in ((23, [*wide, " 3  3  91.4   5 100.0 x"]), (17, narrow)):
        canvas = Canvas(width, 4)
        put_own_set(canvas, (0, 0, width, 4), predictions, "0123456789", TITLES, chosen=None)
        assert canvas.text().split("\n") == rows


def test_the_chosen_drawing_is_in_sight_and_stands_out() -> None:
    rows = [KeptRow(n % 10, {}) for n in range(30)]
    for chosen in (None, 0, 4, 5, 29):
        canvas = Canvas(30, 8)
        put_own_set(
            canvas, (2, 0, 28, 8), OwnSet(rows), "0123456789", {"numpy": "NumPy"}, chosen=chosen
        )
        marked = [canvas.cell(3, y)[0] for y in range(3, 8) if canvas.cell(3, y)[1] == Role.CURSOR]
        assert marked == ([] if chosen is None else [str((29 - chosen) % 10)])


def test_a_letter_is_a_label_in_either_case(monkeypatch: pytest.MonkeyPatch) -> None:
    kept: list[int] = []
    drawings, easel = SimpleNamespace(add=lambda n, _: kept.append(n)), SimpleNamespace(seen=None)
    monkeypatch.setattr(DrawScreen, "_change_set", lambda _, change: change(drawings, easel))
    monkeypatch.setattr(DrawScreen, "_draw", lambda _: None)
    session = SimpleNamespace(dataset=SimpleNamespace(class_names="0123456789AB"))
    screen = DrawScreen(cast("Watch", SimpleNamespace(session=session)))
    for character in "bB":
        screen._asks_label = True
        assert screen.take_key(Key(character, character))
    assert kept == [11, 11]


async def test_a_reading_of_the_set_that_comes_late_is_left_out() -> None:
    waiting: list[Callable[[], None]] = []

    class Slow(FakeSession):
        def predict(self, name: EngineName, images: Floats) -> Future[Prediction]:
            answer: Future[Prediction] = Future()
            prediction = played_prediction(name, CONFIG, digits(), images)
            waiting.append(lambda: answer.set_result(prediction))
            return answer

    session, easel = Slow(), Easel(digits(), "0..1")
    state = RunState(12, 20, tuple(TITLES))
    predictions = DrawPredictions(session, state, ShownEpoch(), easel, lambda: None)
    for row in (0, 60):
        await predictions.kept.add(row % 10, digits().images[row].reshape(8, 8))
    first = asyncio.create_task(predictions.ask_about_set())
    await until_waiting(waiting, 2)
    await predictions.kept.add(3, np.ones((8, 8), np.float32))
    second = asyncio.create_task(predictions.ask_about_set())
    await until_waiting(waiting, 4)
    for answer in waiting[2:]:
        answer()
    await second
    for answer in waiting[:2]:
        answer()
    await first
    assert len(predictions.own.rows) == 3
    images = np.concatenate([digits().images[[0, 60]], np.ones((1, 64))]).astype(np.float32)
    read = played_prediction("numpy", CONFIG, digits(), images).classes
    assert len(set(read)) > 1
    assert [row.predictions["numpy"][0] for row in predictions.own.rows] == read.tolist()


async def until_waiting(waiting: list[Callable[[], None]], count: int) -> None:
    async with asyncio.timeout(30):
        while len(waiting) < count:
            await asyncio.sleep(0)


async def test_a_terminal_too_small_to_draw_on_is_told_how_large_it_has_to_be() -> None:
    async with on_stage(training(), (40, 10)) as stage:
        await stage.press("d", "space", "down")
        assert "too small to draw on" in stage.text()
        columns, rows = map(int, stage.row("it takes").split()[-1].split("x"))
        for size in ((columns - 1, rows), (columns, rows - 1)):
            await stage.pilot.resize_terminal(*size)
            await stage.look()
            assert f"it takes a terminal of {columns}x{rows}" in stage.text()
        await stage.pilot.resize_terminal(columns, rows)
        await stage.look()
        await until(lambda: "the networks see" in stage.text(), stage.pilot)
        assert "too small" not in stage.text()
        assert "█" in stage.text() or "▄" in stage.text(), "what was drawn"


@pytest.mark.parametrize(
    ("columns", "expected"),
    [(16, PixelGrid((8, 8), 1, 0)), (8, PixelGrid((8, 8), 0, 1)), (4, PixelGrid((8, 8), 0, 2))],
)
def test_pixels_in_grey_are_as_dark_as_they_are_where_they_are(
    columns: int, expected: PixelGrid
) -> None:
    grid = grid_for((8, 8), columns, 8)
    assert grid == expected
    image = np.random.default_rng(2).random((8, 8))
    canvas = Canvas(20, 10)
    put_pixels(canvas, (2, 1), image, grid, Look())
    squares = image
    if grid.zoom:
        squares = image.repeat(2, axis=0).repeat(2, axis=1)
    elif grid.shrink == 2:
        squares = np.array([[image[y : y + 2, x : x + 2].mean() for x in range(0, 8, 2)]
                            for y in range(0, 8, 2)])  # fmt: skip
    for y, x in np.ndindex(grid.rows, grid.columns):
        character, ink = canvas.cell(2 + x, 1 + y)
        upper, lower = np.rint(squares[2 * y : 2 * y + 2, x] * GREY_STEPS)
        if upper == lower == 0:
            assert (character, ink) == (" ", Role.TEXT)
            continue
        assert isinstance(ink, Grey)
        shown = {" ": (ink.ground, ink.ground), "▄": (0, ink.fore), "▀": (ink.fore, ink.ground)}
        assert shown[character] == (upper, lower)


async def test_the_pen_is_seen_on_grey_ink_too() -> None:
    async with on_stage(training(), (80, 24)) as stage:
        stage.app.console._color_system = ColorSystem.TRUECOLOR
        await stage.press("d", "space")
        canvas = stage.app.screen.query_one(DrawView)._shown
        cells = [canvas.cell(x, y) for y in range(20) for x in range(40)]
        pens = {character for character, role in cells if role == Role.CURSOR}
        assert pens == {"█"}, "reversed: a hole in the ink"
        assert ("█", Role.TEXT) not in cells
        assert any(isinstance(role, Grey) for _, role in cells)
