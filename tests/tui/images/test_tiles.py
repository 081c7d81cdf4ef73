"""Tiles of signed numbers: every pixel in its cell, either sign told apart, on any terminal."""

import numpy as np
import pytest

from mlpwatch.tui.images.renderers import RAMP
from mlpwatch.tui.images.saliency import Saliency, SaliencyView
from mlpwatch.tui.images.signed import (
    SignedStyle,
    legend,
    put_levels,
    signed_levels,
    signed_style,
)
from mlpwatch.tui.images.tiles import Tile, TilesView, grid, shrink, tile_size
from mlpwatch.tui.kit.cells import Canvas
from mlpwatch.tui.kit.look import Look
from mlpwatch.tui.kit.theme import Role, Shade, shade_style

STYLES: tuple[SignedStyle, ...] = ("halves", "blocks", "plain")


def drawn(levels: list[list[int]], style: SignedStyle) -> Canvas:
    array = np.array(levels, np.int8)
    canvas = Canvas(array.shape[1], len(array))
    put_levels(canvas, 0, 0, array, style)
    return canvas


@pytest.mark.parametrize(
    ("colours", "ascii_only", "style"),
    [
        ("truecolor", False, "halves"),
        ("256", False, "halves"),
        ("standard", False, "blocks"),
        (None, False, "plain"),
        ("truecolor", True, "plain"),
    ],
)
def test_the_look_is_what_the_terminal_can_show(
    colours: str | None, ascii_only: bool, style: SignedStyle
) -> None:
    assert signed_style(Look(ascii_only, colours)) == style


def test_levels_go_by_share_of_the_full_scale() -> None:
    values = np.array([[0.0, 0.024, 0.026, -0.2, 0.1, 7.0, np.nan, -np.inf, np.inf]])
    assert signed_levels(values, 0.2).tolist() == [[0, 0, 1, -4, 2, 4, 0, -4, 4]]


def test_halves_show_two_pixels_in_a_cell_each_in_its_shade() -> None:
    canvas = drawn([[0, 3, 0, 2, 4], [0, 0, -1, 2, -4]], "halves")
    cells = [canvas.cell(x, 0) for x in range(5)]
    assert cells == [
        (" ", Role.TEXT),
        ("▀", Shade(3, 0)),
        ("▄", Shade(-1)),
        (" ", Shade(2, 2)),
        ("▀", Shade(4, -4)),
    ]


@pytest.mark.parametrize("dark", [True, False])
def test_no_two_shades_look_alike(dark: bool) -> None:
    levels = [level for level in range(-4, 5) if level]
    colours = {shade_style(Shade(level), dark).color for level in levels}
    assert len(colours) == len(levels)
    both = shade_style(Shade(2, -3), dark)
    assert both.color == shade_style(Shade(2), dark).color
    assert both.bgcolor == shade_style(Shade(-3), dark).color


def test_in_16_colours_density_and_hue_tell_level_and_sign() -> None:
    canvas = drawn([[-4, -1, 0, 1, 4]], "blocks")
    assert canvas.row(0) == "█░ ░█"
    roles = [canvas.cell(x, 0)[1] for x in (0, 1, 3, 4)]
    assert roles == [Role.NEGATIVE, Role.NEGATIVE, Role.POSITIVE, Role.POSITIVE]


def test_plain_characters_tell_all_levels_apart_by_themselves() -> None:
    row = drawn([list(range(-4, 5))], "plain").row(0)
    assert row.isascii()
    assert len(set(row)) == 9


@pytest.mark.parametrize("style", STYLES)
def test_the_legend_names_the_scale_and_shows_every_level(style: SignedStyle) -> None:
    pieces = legend(style, "0.2")
    assert pieces[0][0] == "−0.2 "
    assert pieces[-1][0] == " +0.2 "
    shown = [piece for piece in pieces if piece[0] not in ("−0.2 ", " 0 ", " +0.2 ")]
    assert len(set(shown)) == 8


@pytest.mark.parametrize(
    ("shape", "wanted", "size"),
    [
        ((28, 28), 14, (14, 7)),
        ((28, 28), 28, (28, 14)),
        ((8, 8), 14, (16, 8)),
        ((8, 8), 28, (32, 16)),
        ((64, 64), 28, (28, 14)),
        ((1, 1), 14, (14, 7)),
        ((3, 40), 14, (14, 1)),
    ],
)
def test_tiles_are_as_square_as_the_image(
    shape: tuple[int, int], wanted: int, size: tuple[int, int]
) -> None:
    assert tile_size(shape, wanted) == size


def test_as_many_tiles_as_fit_and_a_blank_row_only_where_it_costs_none() -> None:
    size = tile_size((28, 28), 14)
    assert grid(size, 62, 33) == (4, 4, 8, 16)
    assert grid(size, 62, 26) == (4, 3, 9, 16)
    assert grid(size, 5, 3) == (1, 1, 9, 16)


@pytest.mark.parametrize(("width", "step"), [(30, 16), (34, 16), (35, 17), (45, 18), (107, 17)])
def test_columns_left_over_part_the_tiles_and_leave_a_margin(width: int, step: int) -> None:
    fitting = grid(tile_size((28, 28), 14), width, 8)
    assert fitting.column_width == step
    assert (fitting.across - 1) * step + 14 <= width


def test_shrinking_keeps_the_mean_and_whole_pixels_stay() -> None:
    random = np.random.default_rng(0)
    pixels = random.normal(size=(28, 28))
    assert shrink(pixels, 14, 14).mean() == pytest.approx(pixels.mean())
    np.testing.assert_allclose(shrink(pixels, 28, 28), pixels, atol=1e-12)
    enlarged = shrink(pixels[:8, :8], 24, 24)
    np.testing.assert_allclose(enlarged, pixels[:8, :8].repeat(3, 0).repeat(3, 1), atol=1e-12)
    assert (shrink(np.full((4, 4), np.nan), 2, 2) == 0).all()


def test_a_page_shows_each_tile_under_its_name() -> None:
    view = TilesView()
    view.look = Look(ascii_only=True)
    tiles = [Tile(str(n), Role.DIM, np.full((8, 8), sign)) for n, sign in enumerate((1.0, -1.0))]
    view.update(tiles, tile_size((8, 8), 14), 1.0)
    rows = view.paint(40, 9).text().split("\n")
    assert rows[0] == f"{'0':<20}1"
    assert rows[1:] == [f"{'################':<20}%%%%%%%%%%%%%%%%"] * 8


@pytest.mark.parametrize(
    "look", [Look(colours=None), Look(ascii_only=True), Look(colours="standard")]
)
def test_marks_and_ink_share_no_character_where_there_are_no_shades(look: Look) -> None:
    view, ink = SaliencyView(), np.linspace(0, 1, 64).reshape(8, 8)
    view.look = look
    view.update(Saliency(ink, np.linspace(-1, 1, 64).reshape(8, 8), 1.0, "of class 7"))
    rows = view.paint(16, 10).text().split("\n")[:8]
    marks = {row[x] for row in rows for x in range(1, len(row), 2)} - {" "}
    assert len(marks) == 4, "weak and strong, for and against"
    assert not marks & set(RAMP)
