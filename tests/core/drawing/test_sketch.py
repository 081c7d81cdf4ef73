"""Ink appears where the pen goes, softly, and goes where the eraser goes."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlpwatch.core.drawing.sketch import FINE, Sketch, block_means

points = st.tuples(st.floats(-5, 33), st.floats(-5, 33))


def test_paper_is_blank_until_drawn_on_and_after_clearing() -> None:
    sketch = Sketch((28, 28))
    assert sketch.is_blank
    sketch.draw((5, 5), (20, 20))
    assert not sketch.is_blank
    sketch.clear()
    assert sketch.is_blank
    assert not sketch.pixels.any()


def test_a_stroke_is_as_thick_as_the_pen_with_a_soft_edge() -> None:
    sketch = Sketch((28, 28))
    sketch.draw((4, 14), (24, 14))
    across = sketch.pixels[:, 14]
    assert across.sum() == pytest.approx(2 * 1.4, abs=0.1)
    np.testing.assert_array_equal(across[[12, 13, 14, 15]] > 0, True)
    assert across[13] == across[14] == 1
    assert 0 < across[12] < 1
    assert not sketch.pixels[:, [0, 27]].any()


def test_a_dot_is_round_and_stands_where_it_was_put() -> None:
    sketch = Sketch((8, 8))
    sketch.draw((2.5, 5.5), (2.5, 5.5))
    ink = sketch.pixels
    assert ink.argmax() == 5 * 8 + 2
    assert ink.sum() == pytest.approx(np.pi * 0.7**2, rel=0.1)
    np.testing.assert_allclose(ink[4:7, 1:4], ink[4:7, 1:4].T, atol=1e-6)


def test_drawing_over_a_stroke_again_adds_nothing() -> None:
    sketch = Sketch((28, 28))
    sketch.draw((3, 3), (20, 9))
    once = sketch.fine
    sketch.draw((20, 9), (3, 3))
    np.testing.assert_allclose(sketch.fine, once, atol=1e-6)


def test_the_eraser_takes_a_stroke_away_and_leaves_the_rest() -> None:
    sketch = Sketch((28, 28))
    sketch.draw((5, 5), (5, 22))
    kept = sketch.fine
    sketch.draw((20, 5), (20, 22))
    sketch.erase((20, 3), (20, 24))
    np.testing.assert_array_equal(sketch.fine, kept)


@pytest.mark.parametrize(("right", "down"), [(1, 0), (0, -2), (-3, 1), (0, 0)])
def test_a_shift_moves_whole_pixels(right: int, down: int) -> None:
    sketch, other = Sketch((12, 12)), Sketch((12, 12))
    sketch.draw((4, 4), (8, 7))
    sketch.shift(right, down)
    other.draw((4 + right, 4 + down), (8 + right, 7 + down))
    np.testing.assert_allclose(sketch.fine, other.fine, atol=1e-6)


def test_what_is_shifted_off_the_paper_is_lost() -> None:
    sketch = Sketch((8, 8))
    sketch.draw((4, 4), (4, 4))
    sketch.shift(9, 0)
    sketch.shift(-9, 0)
    assert sketch.is_blank


@given(points, points)
def test_ink_stays_between_none_and_full_wherever_the_pen_goes(
    start: tuple[float, float], end: tuple[float, float]
) -> None:
    sketch = Sketch((28, 20))
    sketch.draw(start, end)
    sketch.erase(end, start)
    assert sketch.pixels.shape == (28, 20)
    assert 0 <= sketch.fine.min() <= sketch.fine.max() <= 1
    assert sketch.fine.shape == (28 * FINE, 20 * FINE)


def test_block_means_are_the_means_of_blocks() -> None:
    ink = np.arange(24, dtype=np.float32).reshape(4, 6)
    expected = [[ink[y : y + 2, x : x + 2].mean() for x in (0, 2, 4)] for y in (0, 2)]
    np.testing.assert_allclose(block_means(ink, 2), expected)
