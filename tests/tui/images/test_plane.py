"""A plane in cells: two pixels in a half block, or a character; points over regions."""

import numpy as np

from mlpwatch.core.analysis.plane.regions import Regions
from mlpwatch.core.analysis.plane.window import Window
from mlpwatch.tui.images.plane import (
    legend_mark,
    plane_canvas,
    put_points,
    put_wrong_points,
    region_codes,
)
from mlpwatch.tui.kit.look import SHOWS_ALL, Look
from mlpwatch.tui.kit.theme import (
    PLANE_CODES,
    PLANE_HUES,
    WRONG_POINT,
    PlaneInk,
    Role,
    plane_code,
    plane_style,
)

PLAIN = Look(ascii_only=True)


def halves(rows: int = 4) -> Regions:
    """Class 0 at the left, class 1 at the right; unsure in the bottom row."""
    classes = np.tile(np.repeat([0, 1], 2), (rows, 1))
    sureness = np.full(classes.shape, 0.99)
    sureness[-1] = 0.6
    return Regions(classes, sureness, np.array([0]), 0.9)


def test_a_half_block_has_the_upper_pixel_before_the_lower() -> None:
    canvas = plane_canvas(region_codes(halves()), SHOWS_ALL)
    sure, unsure = plane_code(1, "sure"), plane_code(1, "unsure")
    assert (canvas.width, canvas.height) == (4, 2)
    assert canvas.cell(3, 0) == (" ", PlaneInk(sure, sure))
    assert canvas.cell(3, 1) == ("▀", PlaneInk(sure, unsure))


def test_points_are_at_their_places_and_wrong_ones_above_the_others() -> None:
    codes, window = region_codes(halves()), Window(-1.0, 1.0, columns=4, rows=4)
    points = np.array([[-0.9, 0.9], [0.9, -0.9], [0.1, 0.1]], np.float32)
    put_points(codes, window, points, np.array([0, 1, 1]))
    put_wrong_points(codes, window, points[2:])
    canvas = plane_canvas(codes, SHOWS_ALL)
    assert canvas.cell(0, 0) == ("▀", PlaneInk(plane_code(0, "point"), plane_code(0, "sure")))
    assert canvas.cell(3, 1) == ("▀", PlaneInk(plane_code(1, "sure"), plane_code(1, "point")))
    assert canvas.cell(2, 0) == ("▀", PlaneInk(plane_code(1, "sure"), WRONG_POINT))


def test_without_shades_regions_and_points_are_characters() -> None:
    codes, window = region_codes(halves(2)), Window(-1.0, 1.0, columns=4, rows=2)
    points = np.array([[-0.9, 0.9], [0.9, 0.9], [-0.1, -0.9]], np.float32)
    put_points(codes, window, points[:2], np.array([0, 1]))
    put_wrong_points(codes, window, points[2:])
    for look in (PLAIN, Look(colours=None), Look(colours="standard")):
        canvas = plane_canvas(codes, look)
        assert canvas.text() == "o.:x\n.#::"
        assert canvas.cell(1, 1) == ("#", Role.BAD)


def test_a_legend_shows_the_same_marks() -> None:
    assert legend_mark(plane_code(1, "point"), PLAIN)[0] == "x"
    assert legend_mark(WRONG_POINT, SHOWS_ALL) == ("▀▀", PlaneInk(WRONG_POINT, WRONG_POINT))


def test_every_code_has_a_colour_of_its_own() -> None:
    for dark in (True, False):
        colours = {plane_style(PlaneInk(code, code), dark).bgcolor for code in range(PLANE_CODES)}
        assert len(colours) == PLANE_CODES
    assert plane_code(PLANE_HUES, "sure") == plane_code(0, "sure")
