"""The contact sheet shows the list's images, their labels and readings, and follows the keys."""

import re
from time import thread_time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray
from rich.color import ColorSystem

from mlpwatch.core.analysis.inference import evaluate
from mlpwatch.core.analysis.mistakes import MISTAKE_LISTS, SplitEvaluations, mistake_rows
from mlpwatch.core.network.losses import loss_for
from mlpwatch.tui.images.contact_sheet import _KEPT_PICTURES, ContactSheet, SheetSource
from mlpwatch.tui.images.renderers import (
    INK,
    RAMP,
    Renderer,
    image_canvas,
    line_canvases,
    renderers,
    resample,
    small_canvases,
)
from mlpwatch.tui.kit.look import Look
from mlpwatch.tui.kit.theme import GREY_STEPS, Grey, Role
from mlpwatch.tui.mistakes.digit_view import DigitView
from mlpwatch.tui.mistakes.selection import MistakeSelection
from tests.support.pty.recording import RecordingApp
from tests.support.samples.scenes import CONFIG, digits, evaluation, training
from tests.support.stage import Stage, on_stage

IMAGES = arrays(
    np.float32,
    st.tuples(st.integers(1, 40), st.integers(1, 40)),
    elements=st.floats(0, 1, width=32),
)
RENDERERS: tuple[Renderer, ...] = ("ramp", "half blocks", "braille")


def pixel_image(height: int = 28, width: int = 28) -> NDArray[np.float64]:
    return np.random.default_rng(1).random((height, width))


def test_braille_dots_are_the_pixels() -> None:
    image = pixel_image()
    canvas = image_canvas(image, 14, 7, "braille")
    assert (canvas.width, canvas.height) == (14, 7)
    bits = [[0x01, 0x08], [0x02, 0x10], [0x04, 0x20], [0x40, 0x80]]
    for y, x in np.ndindex(image.shape):
        code = ord(canvas.cell(x // 2, y // 4)[0].replace(" ", "\u2800"))
        assert bool(code & bits[y % 4][x % 2]) == (image[y, x] >= INK)


def test_half_blocks_are_the_pixels_in_grey() -> None:
    image = pixel_image()
    canvas = image_canvas(image, 28, 14, "half blocks")
    assert (canvas.width, canvas.height) == (28, 14)
    for x, y in np.ndindex(28, 14):
        character, ink = canvas.cell(x, y)
        levels = [round(float(image[2 * y + half, x]) * GREY_STEPS) for half in (0, 1)]
        if levels == [0, 0]:
            assert character == " "
            continue
        assert isinstance(ink, Grey)
        shown = {" ": [ink.ground, ink.ground], "▄": [0, ink.fore], "▀": [ink.fore, ink.ground]}
        assert shown[character] == levels


def test_pictures_without_shades_are_the_inked_pixels() -> None:
    image = pixel_image()
    (canvas,) = line_canvases(image[np.newaxis], 28, 14, "half blocks")
    assert (canvas.width, canvas.height) == (28, 14)
    for x, y in np.ndindex(28, 14):
        inked = [bool(image[2 * y + half, x] >= INK) for half in (0, 1)]
        assert canvas.cell(x, y) == (" ▄▀█"[2 * inked[0] + inked[1]], Role.TEXT)
    (braille,) = line_canvases(image[np.newaxis], 14, 7, "braille")
    assert braille.text() == image_canvas(image, 14, 7, "braille").text()


def test_a_small_ramp_has_two_pixels_in_a_row() -> None:
    image = pixel_image(14, 14)
    (canvas,) = small_canvases(image[np.newaxis], 14, 7, "ramp")
    for x, y in np.ndindex(14, 7):
        mean = (image[2 * y, x] + image[2 * y + 1, x]) / 2
        assert canvas.cell(x, y)[0] == RAMP[round(mean * 9)]


@settings(deadline=None)
@given(IMAGES, st.integers(2, 60), st.integers(1, 30), st.sampled_from(RENDERERS))
def test_any_image_fits_with_square_pixels(
    image: NDArray[np.float32], columns: int, rows: int, renderer: Renderer
) -> None:
    stack = np.stack([image, image[::-1]])
    alone, *small = (
        image_canvas(image, columns, rows, renderer),
        *small_canvases(stack, columns, rows, renderer),
        *line_canvases(stack, columns, rows, renderer),
    )
    assert small[0].text() == small_canvases(image[np.newaxis], columns, rows, renderer)[0].text()
    for canvas in (alone, *small):
        assert 1 <= canvas.width <= columns
        assert 1 <= canvas.height <= rows


@pytest.mark.parametrize("shape", [(20, 60), (60, 20), (32, 32)])
@pytest.mark.parametrize("renderer", RENDERERS)
def test_a_cell_is_twice_as_high_as_wide(shape: tuple[int, int], renderer: Renderer) -> None:
    canvas = image_canvas(np.ones(shape), 44, 18, renderer)
    assert canvas.height * 2 / canvas.width == pytest.approx(shape[0] / shape[1], rel=0.12)


def test_a_terminal_gets_only_what_it_can_show() -> None:
    assert renderers(Look(ascii_only=True)) == ("ramp",)
    assert renderers(Look(colours=None)) == ("ramp", "braille")
    assert renderers(Look(colours="standard")) == ("ramp", "braille")
    assert renderers(Look(colours="256")) == RENDERERS


def sheet(stage: Stage) -> ContactSheet:
    return stage.app.screen.query_one(ContactSheet)


def captions(stage: Stage) -> list[tuple[str, ...]]:
    """True class and both readings of each small digit."""
    rows = sheet(stage).text().split("\n")
    return [tuple(found) for row in rows for found in re.findall(r"(\d) → (\d) (\d)", row)]


async def test_every_small_digit_has_its_label_and_readings_in_the_lists_order() -> None:
    labels = digits().validation_labels
    numpy, torch = evaluation("numpy", 5), evaluation("torch", 3)
    rows = np.flatnonzero(numpy.predictions != labels)
    async with on_stage(training()) as stage:
        await stage.press("m")
        expected = [
            (str(labels[row]), str(numpy.predictions[row]), str(torch.predictions[row]))
            for row in rows
        ]
        shown = captions(stage)
        assert len(shown) == min(len(rows), sheet(stage).per_page)
        assert shown == expected[: len(shown)]
        text = sheet(stage).text().split("\n")
        images = digits().validation_images[rows[:14]].reshape(-1, 8, 8)
        for n, picture in enumerate(small_canvases(images, 8, 4, "braille")):
            drawn = [row[1 + 10 * n :][:8].ljust(8) for row in text[1:5]]
            assert drawn == [picture.row(y) for y in range(4)]


async def test_a_page_down_shows_the_next_images_and_the_end_the_last() -> None:
    labels = digits().validation_labels
    rows = np.flatnonzero(evaluation("numpy", 5).predictions != labels)
    async with on_stage(training(), (80, 24)) as stage:
        await stage.press("m")
        page = sheet(stage).per_page
        assert page == 24
        await stage.press("pagedown")
        assert f" {page + 1} of {len(rows)} " in stage.text()
        await stage.press("right")
        assert [int(one[0]) for one in captions(stage)] == labels[rows[page : 2 * page]].tolist()
        await stage.press("pageup", "end", "pagedown")
        assert f" {len(rows)} of {len(rows)} " in stage.text(), "no further than the last"
        await stage.press("home", "up")
        assert f" 1 of {len(rows)} " in stage.text()


def test_no_more_small_pictures_are_kept_than_a_few_pages() -> None:
    sheet = ContactSheet(id="sheet")
    source = SheetSource(
        np.arange(3 * _KEPT_PICTURES), (2, 2), lambda rows: np.ones((len(rows), 2, 2)),
        lambda _row: (), "test",
    )  # fmt: skip
    for place in range(0, len(source.rows), 50):
        sheet._source, sheet._cursor = source, place
        assert "@" in sheet.paint(80, 24).text()
        assert len(sheet._pictures) <= _KEPT_PICTURES


async def test_a_click_chooses_and_a_second_one_enlarges() -> None:
    async with on_stage(training()) as stage:
        await stage.press("m")
        await stage.pilot.click(ContactSheet, offset=(1 + 2 * 10 + 3, 5 + 2))
        await stage.look()
        place = 14 + 3
        assert f" {place} of 90 " in stage.text()
        await stage.pilot.click(ContactSheet, offset=(1 + 10, 1), times=2)
        await stage.look()
        assert " 2 of 90 " in stage.text()
        assert stage.app.screen.query_one(DigitView).display


async def test_enter_and_escape_go_to_the_digit_and_back_to_its_place() -> None:
    async with on_stage(training()) as stage:
        await stage.press("m", "down", "right", "enter", "right", "escape")
        assert " 17 of 90 " in stage.text()
        assert sheet(stage).display
        await stage.press("tab", "o", "right", "v")
        before = sheet(stage).text(), stage.row(" 2 of ")
        await stage.press("escape", "m")
        assert "▸ PyTorch wrong" in stage.text(), "as it was left"
        assert "surest mistakes first" in stage.text()
        assert (sheet(stage).text(), stage.row(" 2 of ")) == before


async def test_the_hint_goes_away_after_some_keys_and_never_comes_back() -> None:
    hint = "arrows choose a digit, enter enlarges it"
    async with on_stage(training()) as stage:
        stage.state.say("a fault", bad=True)
        await stage.press("m")
        assert " a fault" in stage.text(), "faults come first"
        await stage.press("escape")
        stage.state.say("told before")
        await stage.press("m")
        assert hint in stage.text()
        stage.state.say("told before")
        await stage.press("enter")
        assert "y why: the training digits most alike" in stage.text()
        await stage.press("escape", *["right"] * 5)
        await stage.look()
        assert hint in stage.text(), "time alone is no key"
        await stage.press("right")
        assert hint not in stage.text()
        await stage.press("escape", "m")
        assert hint not in stage.text()


async def test_small_digits_are_grey_where_the_terminal_has_greys() -> None:
    async with on_stage(training(), (80, 24)) as stage:
        stage.app.console._color_system = ColorSystem.TRUECOLOR
        await stage.press("m")
        canvas = sheet(stage).paint(80, 20)
        inks = {canvas.cell(x, y)[1] for x in range(80) for y in range(20)}
        assert any(isinstance(ink, Grey) for ink in inks)


@pytest.mark.parametrize("renderer", RENDERERS)
async def test_the_next_large_digit_sends_less_than_four_kilobytes(renderer: Renderer) -> None:
    """28x28 digits of strokes as long and as soft as MNIST's, in a pane as in 140x40."""
    images = [digits().images[n].reshape(8, 8) for n in (3, 8, 10, 15)]
    large = [resample(np.kron(image, np.ones((4, 4))), 28, 28) for image in images]
    view = DigitView()
    app = RecordingApp(view)
    async with app.run_test(size=(92, 34)) as pilot:
        view.update(large[0], renderer)
        await pilot.pause()
        for image in large[1:]:
            app.sent.clear()
            view.update(image, renderer)
            await pilot.pause()
            assert 0 < app.sent_bytes() < 3_000, "the bars beside it send some hundred more"


def test_ten_thousand_images_are_listed_in_a_fraction_of_a_frame() -> None:
    random = np.random.default_rng(0)
    labels = random.integers(0, 10, 10_000)
    logits = [random.normal(0, 1, (10_000, 10)).astype(np.float32) for _ in range(4)]
    loss = loss_for(CONFIG, "numpy")
    one, two, three, four = (evaluate(each, labels, loss) for each in logits)
    readings = SplitEvaluations(
        labels, {"numpy": one, "torch": two}, {"numpy": three, "torch": four}
    )
    selection = MistakeSelection("numpy")
    seconds = []
    for which in MISTAKE_LISTS * 3:
        start = thread_time()
        selection.take(readings)
        selection.choose_list(which)
        selection.next_order()
        selection.move(1)
        seconds.append(thread_time() - start)
    assert len(mistake_rows(readings, "numpy")) > 8_000
    assert sorted(seconds)[len(seconds) // 2] < 0.02
