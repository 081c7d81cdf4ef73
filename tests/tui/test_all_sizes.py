"""No terminal is too small or too large for any screen in any mode."""

from pathlib import Path

import pytest

from mlpwatch.core.runs.run import Run
from tests.support.samples.scenes import training
from tests.support.stage import on_stage

pytestmark = pytest.mark.slow

SIZES = [
    (1, 1), (1, 60), (200, 1), (2, 2), (5, 3), (20, 4), (80, 5), (80, 6), (80, 7), (7, 24),
    (40, 12), (80, 24), (139, 41), (300, 100),
]  # fmt: skip
"""Columns and rows: panes of 6 rows and fewer, odd ones, and a wall of screens."""

MODES = {
    "dashboard": [
        "", "left", "left left", "z", "o", "o z", "f", "x", "l", "c", "c c", "c c c", "tab",
        "tab z", "tab tab z", "tab tab tab", "up", "less_than_sign", "left f z",
    ],
    "mistakes": [
        "m", "m g", "m g g", "m enter", "m enter g", "m enter g g", "m enter y", "m enter y y",
        "m enter g a", "m v", "m v v", "m enter v g", "m tab", "m T", "m end", "m t", "m enter o",
    ],
    "explain": ["e", *(f"e{' right' * n}" for n in range(1, 8))],
    "draw": ["d", "d space right right down", "d space right enter 3", "d x", "d n space down"],
    "layers": ["u", "u tab", "u less_than_sign", "u down"],
    "weights": ["w", "w z", "w tab", "w tab tab", "w z tab end", "w n"],
    "runs": ["r", "r slash a b c", "r down d", "r n", "r right right", "r down enter", "r c"],
    "compare": ["r m down m o", "r m down m o l", "r m down m o x left left"],
    "help": ["question_mark", "m question_mark", "ctrl+p", "ctrl+p w", "r ctrl+p down"],
}  # fmt: skip
"""Keys that lead from the dashboard into each mode of each screen."""


# Each screen is opened at the smallest sizes by the test below as well.
@pytest.mark.rare
@pytest.mark.parametrize(("where", "modes"), MODES.items(), ids=MODES)
async def test_every_screen_in_every_mode_stands_every_size(
    where: str, modes: list[str], runs: dict[str, Run]
) -> None:
    assert runs, where
    for number, mode in enumerate(modes):
        async with on_stage(training(), (120, 40), saved=Path("saved")) as stage:
            for key in mode.split():
                await stage.press(key)
            opened = type(stage.app.screen)
            for columns, rows in [(1, 1), (80, 6), *SIZES[number % 4 :: 4]]:
                await stage.pilot.resize_terminal(columns, rows)
                await stage.look()
                assert type(stage.app.screen) is opened, (mode, columns, rows)


async def test_every_screen_opens_in_the_smallest_terminals(runs: dict[str, Run]) -> None:
    assert runs
    for size in [(1, 1), (12, 6)]:
        for mode in ("z", "o", "m enter g", "e", "d", "w", "u", "r n", "question_mark", "ctrl+p"):
            async with on_stage(training(), size, saved=Path("saved")) as stage:
                for key in mode.split():
                    await stage.press(key)
                await stage.look()
