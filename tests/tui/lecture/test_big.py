"""The large numbers: what they say, how large they are, and that keys still work."""

import math

import pytest

from mlpwatch.tui.dashboard.screen import Dashboard
from mlpwatch.tui.kit.cells import Canvas
from mlpwatch.tui.kit.theme import Role
from mlpwatch.tui.lecture.big_digits import (
    UNKNOWN,
    accuracy_digits,
    columns_of_digits,
    largest_scale,
    loss_digits,
    put_digits,
)
from mlpwatch.tui.lecture.big_screen import BigScreen, scale_for
from tests.support.samples.scenes import epoch_read, training
from tests.support.stage import on_stage


@pytest.mark.parametrize(
    ("share", "text"),
    [(0.972, "97.2"), (0.99999, "99.9"), (1.0, "100"), (0.0, "0.0"), (math.nan, UNKNOWN)],
)
def test_an_accuracy_has_one_decimal_and_only_all_is_100(share: float, text: str) -> None:
    assert accuracy_digits(share) == text


@pytest.mark.parametrize(
    ("loss", "text"),
    [
        (0.0821, "0.082"), (0.5, "0.500"), (2.304, "2.30"), (13.12, "13.1"), (1204.4, "1204"),
        (123.6, "124"), (9999.7, UNKNOWN), (math.inf, UNKNOWN), (math.nan, UNKNOWN),
    ],
)  # fmt: skip
def test_a_loss_has_at_most_four_figures(loss: float, text: str) -> None:
    assert loss_digits(loss) == text
    assert columns_of_digits(text, 1) <= columns_of_digits("0.000", 1)


def test_digits_are_drawn_from_cells() -> None:
    canvas = Canvas(12, 5)
    put_digits(canvas, 0, 0, "1.", scale=1, role=Role.NUMPY, ascii_only=True)
    assert [canvas.row(y).rstrip() for y in range(5)] == [
        "  ##",
        "####",
        "  ##",
        "  ##",
        "######  ##",
    ]


def test_digits_are_as_large_as_fits() -> None:
    assert [scale_for(*size, 2) for size in ((80, 21), (140, 37), (220, 57), (60, 21))] == [
        1, 2, 3, 0,
    ]  # fmt: skip
    assert scale_for(80, 21, 1) == 1
    assert largest_scale(["0"], 6, 5) == 1
    assert largest_scale(["0"], 5, 5) == 0


@pytest.mark.parametrize(
    ("size", "plain"), [((80, 24), False), ((140, 40), True), ((30, 8), False)]
)
async def test_the_screen_shows_both_models_and_takes_keys(
    size: tuple[int, int], plain: bool
) -> None:
    is_small = size[0] == 30
    async with on_stage(training(), size, ascii_only=plain) as stage:
        await stage.press("v")
        assert isinstance(stage.app.screen, BigScreen)
        text = stage.text()
        assert text.isascii() or not plain
        assert "NumPy" in text
        assert "PyTorch" in text
        if is_small:
            assert " 70.0  val" in text
        else:
            assert ("#" if plain else "█") in text
            for words in ("epoch 5/12", "validation accuracy %", "points", "q back"):
                assert words in text
        await stage.feed(epoch_read("numpy", 6))
        stage.app.update_screen(numbers=True)
        assert "epoch 6/12" in stage.text() or is_small
        assert stage.text() != text
        await stage.press("space")
        assert [engine.phase for engine in stage.state.engines.values()] == ["paused", "paused"]
        assert "paused" in stage.text() or is_small
        await stage.press("q")
        assert isinstance(stage.app.screen, Dashboard)
