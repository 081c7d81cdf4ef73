"""Shelves fill their room with as large pictures as leave room for enough of them."""

import numpy as np
import pytest

from mlpwatch.tui.images.shelf import Picture, Shelf, ShelvesView, near_square
from mlpwatch.tui.kit.cells import Canvas
from mlpwatch.tui.kit.theme import Role


def painted(shelves: list[Shelf], width: int, height: int) -> Canvas:
    view = ShelvesView(id="shelf")
    view.update(shelves)
    return view.paint(width, height)


def shelf(count: int, side: int = 8, *, together: int = 1, wanted: int = 1) -> Shelf:
    pictures = [Picture(f"no {n}", np.full((side, side), 1.0)) for n in range(count)]
    return Shelf([("many", Role.TEXT)], pictures, together, wanted)


def test_as_many_as_fit_are_shown_and_few_are_large() -> None:
    many = painted([shelf(200, wanted=200)], 100, 30).text()
    assert many.count("no ") >= 50
    few = painted([shelf(2, wanted=2)], 100, 30).text()
    assert few.count("no ") == 2
    inked = sum(character not in " no0123456789many" for character in few)
    assert inked > 3 * sum(character not in " no0123456789many" for character in many) / 50


@pytest.mark.parametrize("width", [39, 60, 100])
def test_pictures_that_belong_together_stay_in_a_row(width: int) -> None:
    rows = painted([shelf(30, together=3, wanted=6)], width, 30).text().split("\n")
    for row in rows:
        assert row.count("no ") % 3 == 0
    assert sum(row.count("no ") for row in rows) >= 6


def test_models_share_the_width_or_follow_each_other() -> None:
    wide = painted([shelf(4), shelf(4)], 100, 20).text().split("\n")
    assert wide[0].count("many") == 2
    narrow = painted([shelf(4), shelf(4)], 40, 20).text().split("\n")
    assert narrow[0].count("many") == 1
    assert "\n".join(narrow).count("many") == 2


@pytest.mark.parametrize(("width", "height"), [(1, 1), (0, 0), (3, 40), (200, 3), (5, 5)])
def test_no_room_is_too_small(width: int, height: int) -> None:
    canvas = painted([shelf(9), shelf(9, 28)], width, height)
    assert (canvas.width, canvas.height) == (width, height)
    assert painted([Shelf([], [])], 20, 20).text().strip() == ""


def test_numbers_become_the_smallest_near_square() -> None:
    assert near_square(np.arange(9.0)).tolist() == [[0, 1, 2], [3, 4, 5], [6, 7, 8]]
    ten = near_square(np.arange(10.0))
    assert ten.shape == (3, 4)
    assert int(np.isnan(ten).sum()) == 2
    assert near_square(np.array([7.0])).tolist() == [[7.0]]
