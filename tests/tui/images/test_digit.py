"""Digits are shown pixel for pixel, or averaged so that no ink is lost."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from mlpwatch.tui.images.renderers import RAMP, digit_rows, resample
from mlpwatch.tui.mistakes.digit_view import DigitView
from tests.support.pty.recording import RecordingApp

IMAGES = arrays(
    np.float32,
    st.tuples(st.integers(1, 32), st.integers(1, 32)),
    elements=st.floats(0, 1, width=32),
)


def ramp_image() -> NDArray[np.float32]:
    """Every level of the ramp, in 28 by 28."""
    return np.asarray(np.arange(784) % 10 / 9, np.float32).reshape(28, 28)


def test_at_full_size_every_cell_is_its_pixel() -> None:
    image = ramp_image()
    rows = digit_rows(image, 56, 28)
    assert len(rows) == 28
    for y, row in enumerate(rows):
        assert row == "".join(2 * RAMP[round(float(pixel) * 9)] for pixel in image[y])


def test_small_images_are_enlarged_by_a_whole_factor() -> None:
    image = np.eye(8, dtype=np.float64)
    rows = digit_rows(image, 55, 26)
    assert len(rows) == 24
    assert rows[0] == "@" * 6 + " " * 42
    assert rows[2] == rows[0]
    assert rows[3] == " " * 6 + "@" * 6 + " " * 36


@given(IMAGES, st.integers(2, 70), st.integers(1, 40))
def test_it_fits_and_the_mean_ink_stays(
    image: NDArray[np.float32], columns: int, rows: int
) -> None:
    text = digit_rows(image, columns, rows)
    assert 1 <= len(text) <= rows
    assert {len(row) for row in text} == {len(text[0])}
    assert 2 <= len(text[0]) <= columns
    pixels = resample(image, columns // 2, rows)
    assert pixels.mean() == pytest.approx(image.mean(dtype=np.float64), abs=1e-6)
    shown = np.array([[RAMP.index(character) for character in row] for row in text]) / 9
    assert shown.mean() == pytest.approx(image.mean(dtype=np.float64), abs=0.5 / 9 + 1e-6)


def test_averaging_weighs_pixels_by_their_area() -> None:
    image = np.array([[1.0, 0.0, 0.0]] * 3)
    assert resample(image, 2, 2) == pytest.approx(np.array([[2 / 3, 0.0]] * 2))


def test_a_blank_image_is_blank_and_a_full_one_full() -> None:
    for columns, rows in ((56, 28), (20, 9), (2, 1)):
        assert set("".join(digit_rows(np.zeros((28, 28)), columns, rows))) == {" "}
        assert set("".join(digit_rows(np.ones((28, 28)), columns, rows))) == {"@"}


def test_values_beyond_the_range_count_as_its_ends() -> None:
    image = np.array([[-1.0, 2.0, np.nan, np.inf]])
    assert digit_rows(image, 8, 1) == ["  @@  @@"]


@pytest.mark.parametrize(("columns", "rows"), [(0, 5), (1, 5), (5, 0)])
def test_where_nothing_fits_there_is_nothing(columns: int, rows: int) -> None:
    assert digit_rows(ramp_image(), columns, rows) == []


@pytest.mark.parametrize("shape", [(0, 3), (3,), (2, 2, 2)])
def test_what_is_no_image_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="expected \\(height, width\\)"):
        digit_rows(np.zeros(shape), 10, 10)


async def test_the_view_centres_its_image_and_keeps_to_its_pane() -> None:
    view = DigitView()
    async with RecordingApp(view).run_test(size=(60, 30)) as pilot:
        view.update(np.ones((8, 8)))
        await pilot.pause()
        rows = view.text().split("\n")
        assert [len(row) - len(row.lstrip()) for row in rows[3:27]] == [6] * 24
        assert rows[2] == rows[27] == ""
        view.update(None, absent="no mistakes here")
        assert view.text().strip() == "no mistakes here"
        for size in ((56, 28), (20, 8), (5, 2), (1, 1)):
            await pilot.resize_terminal(*size)
            view.update(ramp_image())
            await pilot.pause()
            assert len(view.text().split("\n")) == size[1]
