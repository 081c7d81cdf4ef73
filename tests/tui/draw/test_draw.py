"""On the draw screen ink goes where the mouse goes, and both models read what it leaves."""

import re
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from syrupy.assertion import SnapshotAssertion
from textual.events import Key
from textual.pilot import Pilot

from mlpwatch.core.analysis.inference import Prediction
from mlpwatch.core.arrays import Floats
from mlpwatch.core.config import ENGINE_NAMES, EngineName
from mlpwatch.core.drawing.normalisation import CENTRINGS, centre, network_input
from mlpwatch.core.drawing.sketch import Sketch
from mlpwatch.tui.draw.view import DrawView
from tests.support.keys.draw_effects import ink
from tests.support.samples.scenes import (
    CONFIG,
    FakeSession,
    digits,
    ended,
    epoch_done,
    started,
    trained,
    training,
)
from tests.support.samples.step_trace_samples import played_prediction
from tests.support.stage import Stage, on_stage, until, while_loading

pytestmark = pytest.mark.slow

SEVEN = [((2.2, 1.5), (5.8, 1.5)), ((5.8, 1.5), (3.6, 7.0))]


def drawn_seven() -> Sketch:
    sketch = Sketch((8, 8))
    for start, end in SEVEN:
        sketch.draw(start, end)
    return sketch


async def draw(
    stage: Stage, strokes: list[tuple[tuple[float, float], tuple[float, float]]]
) -> None:
    for start, end in strokes:
        stage.app.screen.query_one(DrawView).post_message(DrawView.Stroke(start, end, erases=False))
    await stage.pilot.pause()
    await stage.look()


def expected(engine: EngineName, images: np.ndarray) -> np.ndarray:
    return played_prediction(engine, CONFIG, digits(), images).probabilities


async def test_both_models_read_the_centred_drawing_and_the_winner_is_marked() -> None:
    sketch = drawn_seven()
    seen = network_input(centre(sketch.fine, (8, 8), CENTRINGS["full-height"]), "0..1")
    async with on_stage(training()) as stage:
        await stage.press("d")
        await draw(stage, SEVEN)
        await until(lambda: "▸" in stage.text(), stage.pilot)
        for number in range(10):
            shares = [float(expected(name, seen)[0, number]) for name in ENGINE_NAMES]
            (row,) = re.findall(rf"^.*│ +{number} [^│]*$", stage.text(), re.M)
            assert re.findall(r"\d+\.\d", row) == [f"{share * 100:.1f}" for share in shares]
            wins = [expected(name, seen)[0].argmax() == number for name in ENGINE_NAMES]
            assert row.count("▸") == sum(wins)


async def test_as_it_stands_the_networks_see_the_pixels_themselves() -> None:
    seen = network_input(drawn_seven().pixels, "0..1")
    async with on_stage(training()) as stage:
        await stage.press("d", "n")
        await draw(stage, SEVEN)
        winner = int(expected("numpy", seen)[0].argmax())
        share = f"{expected('numpy', seen)[0, winner] * 100:.1f}"
        await until(lambda: share in stage.text(), stage.pilot)


async def test_the_range_of_the_run_is_what_the_networks_are_given() -> None:
    given: list[np.ndarray] = []

    class Listening(FakeSession):
        def predict(self, name: EngineName, images: Floats) -> Future[Prediction]:
            given.append(images)
            return super().predict(name, images)

    session = Listening(config=replace(CONFIG, pixel_range="-1..1"))
    async with on_stage(training(), session=session) as stage:
        await stage.press("d")
        await draw(stage, SEVEN)
        await until(lambda: given, stage.pilot)
    assert given[-1].min() == -1
    assert given[-1].max() == 1


async def test_the_mouse_draws_where_it_is_dragged_and_the_right_button_erases() -> None:
    async with on_stage(training()) as stage:
        await stage.press("d")
        view = stage.app.screen.query_one(DrawView)
        await drag(stage.pilot, view, (12, 6), (40, 6))
        # Eight columns and four rows per pixel, inside a frame of one, from the cells' middles.
        sketch = Sketch((8, 8))
        sketch.draw((11.5 / 8, 5.5 / 4), (39.5 / 8, 5.5 / 4))
        line = {(x, y) for y, x in np.ndindex(32, 64) if sketch.pixels[y // 4, x // 8] > 1 / 8}
        assert ink(stage) == line
        await stage.pilot.hover(view, offset=(40, 20))
        assert ink(stage) == line, "not after the button is let go"
        await drag(stage.pilot, view, (4, 6), (60, 6), button=3)
        assert not ink(stage)
        await drag(stage.pilot, view, (12, 6), (40, 6))
        await stage.press("x")
        await drag(stage.pilot, view, (4, 6), (60, 6))
        assert not ink(stage), "the keys' eraser is the mouse's too"


async def drag(
    pilot: Pilot[Any],
    view: DrawView,
    start: tuple[int, int],
    end: tuple[int, int],
    button: int = 1,
) -> None:
    await pilot.mouse_down(view, offset=start, button=button)
    await pilot.hover(view, offset=end)
    await pilot.mouse_up(view, offset=end)


async def test_without_a_press_the_mouse_leaves_nothing() -> None:
    async with on_stage(training()) as stage:
        await stage.press("d")
        view = stage.app.screen.query_one(DrawView)
        await stage.pilot.hover(view, offset=(20, 10))
        await stage.pilot.click(view, offset=(120, 20))
        assert not ink(stage)
        hint = ("draw a digit:", "mouse, or space and arrows")
        assert all(line in stage.text() for line in hint)
        await draw(stage, SEVEN)
        assert not any(line in stage.text() for line in hint)


@pytest.mark.parametrize("size", [(80, 24), (140, 40), (220, 60)])
async def test_the_papers_cells_are_the_pixels(size: tuple[int, int]) -> None:
    async with on_stage(training(), size) as stage:
        await stage.press("d")
        await draw(stage, SEVEN)
        rows = stage.app.screen.query_one(DrawView).text().split("\n")
        papers = [row.split("│")[1] for row in rows if row.startswith("│")]
        zoom = len(papers) // 8
        found = [[row[2 * zoom * x] for x in range(8)] for row in papers[::zoom]]
        levels = np.rint(drawn_seven().pixels * 4).astype(int)
        assert found == [[" ░▒▓█"[level] for level in row] for row in levels]
        assert all(len(set(row[2 * zoom * x : 2 * zoom * (x + 1)])) == 1
                   for row in papers for x in range(8))  # fmt: skip


async def test_a_kept_drawing_joins_the_set_with_both_readings(drawings_folder: Path) -> None:
    async with on_stage(training(), (80, 24)) as stage:
        await stage.press("d")
        await draw(stage, SEVEN)
        for label, count in (("7", "1 drawing"), ("7", "2 drawings"), ("1", "3 drawings")):
            await stage.press("enter", label)
            await until(lambda count=count: f"set  {count}" in stage.text(), stage.pilot)  # type: ignore[misc]
        assert "kept in /" in stage.text()
        assert [path.name for path in drawings_folder.iterdir()] == ["digits-8x8.jsonl"]
        assert stage.row(" 66.7 %").count("66.7 %") == 2
        assert re.search(r" 1  7 +\d+\.\d x 7 +\d+\.\d x", stage.text())
        assert re.search(r" 7  7 +\d+\.\d   7 +\d+\.\d\s*$", stage.text(), re.M)
    async with on_stage(training(), (80, 24)) as stage:
        await stage.press("d")
        await until(lambda: "set  3 drawings" in stage.text(), stage.pilot)
        asked = stage.session.questions
        await stage.feed(epoch_done("numpy", 6))
        await until(lambda: stage.session.questions > asked, stage.pilot)
        await draw(stage, SEVEN)
        for key in (Key("enter", None), Key("7", "7")):  # in one burst
            stage.app.post_message(key)
        await until(lambda: "set  4 drawings" in stage.text(), stage.pilot)


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ("enter", "nothing to keep yet: draw first"),
        ("space enter escape", "not kept"),
        ("space enter w", "not kept: a label is one of 0 to 9"),
        ("space enter space", "not kept: a label is one of 0 to 9"),
    ],
)
async def test_what_is_not_kept_is_said(keys: str, words: str, drawings_folder: Path) -> None:
    async with on_stage(training()) as stage:
        await stage.press("d", *keys.split())
        assert words in stage.text()
    assert not drawings_folder.exists()


async def test_a_set_that_can_not_be_written_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("MLPWATCH_DRAWINGS", str(tmp_path / "file"))
    async with on_stage(training(), (220, 60)) as stage:
        await stage.press("d", "space", "enter", "3")
        await until(lambda: "was not kept" in stage.text(), stage.pilot)


async def test_bars_follow_the_models_while_they_learn_and_rest_with_them() -> None:
    async with on_stage(training()) as stage:
        await stage.press("d", "space", "down")
        await until(lambda: "▸" in stage.text(), stage.pilot)
        await stage.pilot.pause()
        asked = stage.session.questions
        await stage.look()
        assert stage.session.questions == asked, "nothing is new: nobody is asked"
        await stage.feed(*trained("numpy", 109, first=108))
        await until(lambda: stage.session.questions > asked, stage.pilot)


async def test_one_question_at_a_time_and_the_last_stroke_counts() -> None:
    waiting: list[Callable[[], None]] = []

    class Slow(FakeSession):
        def predict(self, name: EngineName, images: Floats) -> Future[Prediction]:
            answer: Future[Prediction] = Future()
            prediction = played_prediction(name, CONFIG, digits(), images)
            waiting.append(lambda: answer.set_result(prediction))
            return answer

    async with on_stage(training(), session=Slow()) as stage:
        await stage.press("d", "space", "down", "down", "right")
        assert len(waiting) == 2, "one per model, however many strokes"
        first, second = waiting
        waiting.clear()
        first()
        await stage.pilot.pause()
        assert not waiting, "one model has not answered yet"
        second()
        await until(lambda: len(waiting) == 2, stage.pilot)


async def test_a_failure_to_read_is_said_and_does_not_end_anything() -> None:
    class Broken(FakeSession):
        def predict(self, name: EngineName, images: Floats) -> Future[Prediction]:  # noqa: ARG002
            answer: Future[Prediction] = Future()
            answer.set_exception(RuntimeError("no memory"))
            return answer

    async with on_stage(training(), session=Broken()) as stage:
        await stage.press("d", "space")
        await until(lambda: "could not be asked: no memory" in stage.text(), stage.pilot)


async def test_it_opens_while_loading_too() -> None:
    async with while_loading() as stage:
        await stage.press("d", "space", "enter", "x", "n", "c", "shift+up")
        assert "importing NumPy" in stage.text()


async def test_an_ended_run_still_reads() -> None:
    async with on_stage([*training(), ended("numpy"), ended("torch")]) as stage:
        await stage.press("d", "space", "down")
        await until(lambda: "▸" in stage.text(), stage.pilot)


async def test_only_one_model_has_the_bars_to_itself() -> None:
    session = FakeSession(config=replace(CONFIG, only="numpy"))
    async with on_stage([started("numpy")], session=session) as stage:
        await stage.press("d", "space", "down")
        await until(lambda: "▸" in stage.text(), stage.pilot)
        assert "PyTorch" not in stage.text()


@pytest.mark.parametrize("size", [(80, 24), (140, 40)], ids=lambda s: f"{s[0]}x{s[1]}")
async def test_the_screen(size: tuple[int, int], snapshot: SnapshotAssertion) -> None:
    async with on_stage(training(), size) as stage:
        await stage.press("d")
        await draw(stage, SEVEN)
        await stage.press("enter", "7")
        await until(lambda: "set  1 drawing" in stage.text(), stage.pilot)
        await stage.press("enter", "1")
        await until(lambda: "set  2 drawings" in stage.text(), stage.pilot)
        await stage.press("n", "n")
        await until(lambda: stage.text().count("▸") == 2, stage.pilot)
        await stage.pilot.pause()
        assert stage.text() == snapshot


async def test_plain_ascii_is_plain() -> None:
    async with on_stage(training(), ascii_only=True) as stage:
        await stage.press("d", "space", "down", "down")
        await until(lambda: ">" in stage.text(), stage.pilot)
        assert stage.text().isascii()
