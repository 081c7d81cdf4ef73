"""The strip below a digit: its predictions over the epochs, at every size and without colour."""

from pathlib import Path

import pytest

from mlpwatch.core.analysis.past.lives import Life
from mlpwatch.core.config import TITLES
from mlpwatch.tui.images.image_rows import ImageRowsView
from mlpwatch.tui.kit.look import SHOWS_ALL, Look
from mlpwatch.tui.kit.theme import Role
from mlpwatch.tui.mistakes.life import LifeFacts, LifeStrip, life_canvas, life_height
from tests.support.samples.past_samples import keep_epochs
from tests.support.samples.scenes import training
from tests.support.stage import on_stage, until

LIFE = Life(
    (0, 1, 4),
    {"numpy": (3, 4, 4), "torch": (9, 9, None)},
    {"numpy": (0.0, 0.5, 1.0), "torch": (0.25, 0.01, 0.0)},
)


def facts(shown: int | None = None) -> LifeFacts:
    return LifeFacts(4, "0123456789", TITLES, 3, shown)


def test_digits_stand_in_a_row_and_bars_below_them() -> None:
    canvas = life_canvas(LIFE, facts(), (80, 5), SHOWS_ALL)
    lines = canvas.text().split("\n")
    assert lines[0].startswith(" life over 3 kept epochs, 0 to 4")
    assert lines[1].split() == ["NumPy", "3x", "4", "4"]
    assert lines[2].split() == ["▁▁▁▁▁", "▄▄▄▄▄", "█████"]
    assert lines[3].split() == ["PyTorch", "9x", "9x"]
    assert lines[4].split() == ["▂▂▂▂▂", "▁▁▁▁▁"]
    assert canvas.cell(10, 1)[1] == Role.BAD
    assert canvas.cell(16, 1)[1] == Role.GOOD


def test_the_epoch_on_the_screen_is_marked() -> None:
    canvas = life_canvas(LIFE, facts(shown=1), (80, 5), SHOWS_ALL)
    assert canvas.cell(16, 1) == ("4", Role.CURSOR)


def test_where_an_epoch_has_one_column_and_no_colour_dots_are_right() -> None:
    many = Life(tuple(range(60)), {"numpy": (3,) * 30 + (4,) * 30}, {"numpy": (0.5,) * 60})
    dull = life_canvas(many, facts(), (80, 2), Look(colours=None)).text().split("\n")
    assert dull[1] == " NumPy    " + "3" * 30 + "·" * 30
    ascii_only = life_canvas(many, facts(), (80, 3), Look(ascii_only=True, colours=None))
    assert ascii_only.text().isascii()
    coloured = life_canvas(many, facts(), (80, 2), SHOWS_ALL).text().split("\n")
    assert coloured[1].endswith("3" * 30 + "4" * 30)


def test_more_epochs_than_columns_are_thinned_and_the_ends_stay() -> None:
    many = Life(tuple(range(200)), {"numpy": (1, *(4,) * 198, 7)}, {"numpy": (1.0,) * 200})
    row = life_canvas(many, facts(), (80, 2), SHOWS_ALL).text().split("\n")[1]
    assert row[10] == "1"
    assert row.rstrip().endswith("47")
    assert len(row) <= 80


@pytest.mark.parametrize(
    ("room", "rows"), [(40, 9), (9, 9), (8, 5), (5, 5), (4, 3), (3, 3), (2, 2), (1, 0), (-3, 0)]
)
def test_bars_go_first_then_the_title(room: int, rows: int) -> None:
    assert life_height(room, 2) == rows


@pytest.mark.parametrize(
    ("size", "rows"), [((80, 24), 3), ((100, 30), 9), ((140, 40), 5), ((220, 60), 9)]
)
async def test_it_comes_by_itself_for_the_large_digit(
    tmp_path: Path, size: tuple[int, int], rows: int
) -> None:
    async with on_stage(training(), size, saved=tmp_path) as stage:
        keep_epochs(stage.session.run.path, range(5))
        await stage.press("m")
        strip = stage.app.screen.query_one(LifeStrip)
        assert not strip.display
        await stage.press("enter")
        await until(lambda: "5 kept epochs, 0 to 4" in strip.text(), stage.pilot)
        assert strip.size == (size[0], rows)
        assert "> 0" in stage.text(), "all bars of the classes are still there"
        assert "  9 " in stage.text()
        if rows > 3:
            assert "▁▁" in strip.text()
        assert (stage.app.screen.query_one(ImageRowsView).display) == (size[1] >= 40)
        await stage.press("escape")
        await until(lambda: not strip.display, stage.pilot)


async def test_without_a_history_nothing_takes_its_place(tmp_path: Path) -> None:
    async with on_stage(training(), (100, 30), saved=tmp_path) as stage:
        await stage.press("m", "enter")
        strip = stage.app.screen.query_one(LifeStrip)
        await until(lambda: strip._reader._thread, stage.pilot)
        strip._look()
        assert not strip.display
