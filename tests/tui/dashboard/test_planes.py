"""The plane on the dashboard: both models' regions of a real run, then and now."""

from pathlib import Path

import pytest

from mlpwatch.core.data.dataset import load_dataset
from mlpwatch.tui.dashboard.plane_page import layout_in
from tests.support.points_run import ended_run
from tests.support.stage import until


async def test_both_planes_show_the_run_its_past_epochs_and_make_room_for_the_matrix(
    tmp_path: Path,
) -> None:
    async with ended_run(tmp_path, (140, 40)) as shown:
        await shown.sees(" wrong of 400")
        newest = shown.plane("numpy")
        assert "x1 -1" in newest
        assert "x1 -1" in shown.plane("torch")
        assert {"o", "x", ".", ":"} <= set(newest)
        await shown.pilot.press("less_than_sign", "less_than_sign", "less_than_sign")
        await shown.sees("epoch 3: ")
        await until(lambda: shown.plane("numpy").count("wrong of") == 1, shown.pilot)
        await until(lambda: shown.plane("numpy") != newest, shown.pilot)
        assert "not kept" not in shown.plane("numpy")
        await shown.pilot.press("escape", "c")
        await until(lambda: "confusion" in shown.plane("numpy"), shown.pilot)
        words = [row.split() for row in shown.plane("numpy").split("\n")[1:4]]
        assert words[0][:2] == ["0", "1"]
        assert [row[0] for row in words[1:]] == ["0", "1"]
        labels = load_dataset("moons", 0, "-1..1").validation_labels
        totals = [sum(0 if n == "." else int(n) for n in row[1:3]) for row in words[1:]]
        assert totals == [int((labels == c).sum()) for c in (0, 1)]


async def test_keys_of_the_matrix_say_that_it_is_behind_c(tmp_path: Path) -> None:
    async with ended_run(tmp_path, (80, 24)) as shown:
        await shown.sees(" wrong ")
        await shown.pilot.press("down")
        await shown.sees("the arrows move in the matrix; c shows it")
        await shown.pilot.press("enter")
        await shown.sees("enter opens a cell of the matrix")


@pytest.mark.parametrize("size", [(38, 15), (68, 14), (108, 29), (3, 2), (20, 60), (1, 1)])
def test_a_plane_is_square_and_fits(size: tuple[int, int]) -> None:
    layout = layout_in(*size)
    assert 1 <= layout.columns <= size[0]
    assert 1 <= layout.rows <= size[1]
    assert abs(layout.columns - 2 * layout.rows) <= 1
    assert layout.beside == (size[0] >= 2 * size[1] + 26)
