"""Every screen of a run on points of two features: nothing takes them for images."""

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mlpwatch.core.analysis.plane.pictures import (
    POINT_SIDE,
    picture_shape,
    sample_inks,
    source_numbers,
)
from mlpwatch.core.config import PixelRange, RunConfig
from mlpwatch.core.data.dataset import load_dataset
from mlpwatch.core.training.launch import new_session
from mlpwatch.tui.app import MlpwatchApp
from mlpwatch.tui.startup import ScreenOptions
from mlpwatch.tui.state.watch import Watch
from tests.support.screen_text import screen_text
from tests.support.stage import until

CONFIG = RunConfig(
    data="moons", pixel_range="-1..1", hidden=(8,), batch_size=10, train_size=60, epochs=2
)


def test_a_point_is_a_mark_at_its_place_among_training_points() -> None:
    data = load_dataset("circles", 0, "-1..1")
    samples = np.array([[0.9, -0.9], [-1.0, 1.0]], np.float32)
    inks = sample_inks(data, samples, "-1..1")
    assert inks.shape == (2, POINT_SIDE, POINT_SIDE) == (2, *picture_shape(data))
    rows, columns = np.nonzero(inks[0] == 1)
    assert (rows.mean(), columns.mean()) == (25, 25)  # down at the right, 3 x 3 pixels
    rows, columns = np.nonzero(inks[1] == 1)
    assert (rows.mean(), columns.mean()) == (1, 1)
    assert 60 < np.count_nonzero((inks[0] > 0) & (inks[0] < 1)) <= 120


@pytest.mark.parametrize(("pixel_range", "x"), [("0..1", 15.0), ("-1..1", 17.5)])
def test_its_numbers_are_those_of_the_source(pixel_range: PixelRange, x: float) -> None:
    data = replace(load_dataset("moons", 3, pixel_range), bounds=((10.0, 20.0), (-4.0, 0.0)))
    point = np.array([0.5, 1.0], np.float32)
    assert source_numbers(data, point, pixel_range) == pytest.approx((x, 0.0))


async def test_every_screen_says_points_and_shows_them(tmp_path: Path) -> None:
    watch = Watch(lambda report: new_session(CONFIG, tmp_path, "points", report))
    watch.set_limit(None)
    app = MlpwatchApp(watch, CONFIG.engine_names, ScreenOptions(saved=tmp_path))
    async with app.run_test(size=(140, 40)) as pilot:

        async def sees(pattern: str) -> None:
            await until(lambda: re.search(pattern, screen_text(app)), pilot)

        await until(lambda: watch.state is not None and watch.state.ended, pilot)
        await pilot.press("d")
        await sees("nothing to draw: the inputs are points of two numbers")
        await pilot.press("w")
        await sees(r"first layer: units 0–7 of 8, relu\(w·x \+ b\) over x1, x2")
        await sees("each tile is the plane: where a unit answers")
        await pilot.press("escape", "m")
        await sees(r"validation point \d+")
        await pilot.press("enter", "g")
        await sees(r"at -?\d\.\d+, -?\d")
        await sees("a point has no pixels to mark")
        await pilot.press("y")
        await sees(r"nearest \d")
        await pilot.press("escape", "escape", "e", "right")
        await sees(r"A0  points +10x2")
        await pilot.press("right", "right", "right")
        await sees(r"input +w +x +w·x")
        await sees(r"x1 +-?\d")
        await pilot.press("escape", "u")
        await sees("gradient norm|layer 0")
        await pilot.press("escape", "q")
        await until(lambda: watch.left, pilot)
