"""The page of the plane: decision regions, points on them, and what the colours and edges mean."""

from typing import NamedTuple

from mlpwatch.core.analysis.plane.regions import Regions, sample_of
from mlpwatch.core.analysis.plane.window import Window, edges, window_for
from mlpwatch.core.config import PixelRange
from mlpwatch.core.data.dataset import Dataset
from mlpwatch.tui.images.plane import (
    PIXELS_PER_POINT,
    legend_mark,
    plane_canvas,
    put_legend,
    put_points,
    put_wrong_points,
    region_codes,
    rows_per_cell,
)
from mlpwatch.tui.kit.cells import Canvas, columns_of
from mlpwatch.tui.kit.look import Look
from mlpwatch.tui.kit.theme import PLANE_HUES, WRONG_POINT, Ink, Role, plane_code

_LEGEND_COLUMNS, _GAP = 24, 2
"""Beside the plane; with fewer columns one row below it has to do."""


class PlaneLayout(NamedTuple):
    """Where plane and legend are, in cells."""

    columns: int
    rows: int
    beside: bool
    """Whether the legend is beside the plane, not below it."""

    def window(self, pixel_range: PixelRange, look: Look) -> Window:
        """Return the window whose pixels fill the cells."""
        return window_for(pixel_range, self.columns, self.rows * rows_per_cell(look))


def layout_in(width: int, height: int) -> PlaneLayout:
    """Return the largest square that fits: a cell is taken to be twice as high as wide."""
    beside = width >= 2 * height + _GAP + _LEGEND_COLUMNS
    rows = max(1, height if beside else height - 1)
    columns = max(1, min(width, 2 * rows))
    return PlaneLayout(columns, min(rows, max(1, columns // 2)), beside)


def plane_page(
    regions: Regions, data: Dataset, layout: PlaneLayout, pixel_range: PixelRange, look: Look
) -> Canvas:
    """Return the plane with some training points, all wrong validation points and a legend.

    Args:
        regions: of the layout's window.
        data: with its points.
        layout: of the page.
        pixel_range: of the run.
        look: of the terminal.
    """
    window = layout.window(pixel_range, look)
    codes = region_codes(regions)
    rows = sample_of(data.train_count, codes.size // PIXELS_PER_POINT)
    put_points(codes, window, data.train_images[rows], data.train_labels[rows])
    put_wrong_points(codes, window, data.validation_images[regions.wrong])
    plane = plane_canvas(codes, look)
    legend = _edge_texts(data, look)
    wrong = f"{len(regions.wrong):,} wrong of {len(data.validation_labels):,}"
    if layout.beside:
        page = Canvas(layout.columns + _GAP + _LEGEND_COLUMNS, layout.rows)
        page.paste(plane, 0, 0)
        lines: list[tuple[int | None, str]] = [
            (plane_code(n, "point"), f"training {name}")
            for n, name in enumerate(data.class_names[:PLANE_HUES])
        ]
        lines = [*lines, (WRONG_POINT, wrong), (None, "")]
        lines += [(None, f"{legend[0]} across"), (None, f"{legend[1]} up")]
        put_legend(page, layout.columns + _GAP, 0, lines[: layout.rows], look)
        return page
    page = Canvas(max(layout.columns, _columns_below(legend, wrong)), layout.rows + 1)
    page.paste(plane, 0, 0)
    x = 0
    for text, ink in _below(legend, wrong, look):
        x = page.put(x, layout.rows, text, ink)
    return page


def _below(legend: tuple[str, str], wrong: str, look: Look) -> list[tuple[str, Ink]]:
    mark = legend_mark(WRONG_POINT, look)
    return [
        mark,
        (f" {wrong.split(maxsplit=1)[0]} wrong", Role.TEXT),
        (f"  {legend[0]} {legend[1]}", Role.DIM),
    ]


def _columns_below(legend: tuple[str, str], wrong: str) -> int:
    return sum(map(columns_of, (*legend, wrong))) + 8


def _edge_texts(data: Dataset, look: Look) -> tuple[str, str]:
    """Return the values at the edges of both features."""
    to = ".." if look.ascii_only else "…"
    bounds = edges(data.bounds or ((-1.0, 1.0), (-1.0, 1.0)))
    first, second = (f"x{n} {low:.3g}{to}{high:.3g}" for n, (low, high) in enumerate(bounds, 1))
    return first, second
