"""Charts, matrices and pictures can be painted at every size, in every kind of terminal."""

from collections.abc import Callable
from functools import partial
from itertools import product
from time import process_time

import numpy as np
import pytest

from mlpwatch.core.analysis.scores import score_classes
from mlpwatch.tui.charts.chart import Chart, Series
from mlpwatch.tui.dashboard.confusion import ConfusionMatrix
from mlpwatch.tui.dashboard.confusion_cells import MatrixFacts, MatrixMode
from mlpwatch.tui.images.contact_sheet import ContactSheet, SheetSource
from mlpwatch.tui.images.image_rows import ImageRow, ImageRowsView
from mlpwatch.tui.images.saliency import Saliency, SaliencyView
from mlpwatch.tui.images.shelf import Picture, Shelf, ShelvesView
from mlpwatch.tui.images.tiles import Tile, TilesView, tile_size
from mlpwatch.tui.kit.cells import CellView
from mlpwatch.tui.kit.look import Look
from mlpwatch.tui.kit.theme import Role

pytestmark = pytest.mark.slow

WIDTHS = (0, 1, 2, 3, 5, 8, 11, 12, 13, 23, 24, 25, 40, 79, 200)
HEIGHTS = (0, 1, 2, 3, 4, 5, 6, 7, 9, 12, 40)
LOOKS = (Look(), Look(ascii_only=True), Look(colours=None))
SHAPES = ((1, 1), (8, 8), (28, 28), (1, 90), (90, 1))


def ink(shape: tuple[int, int], count: int = 9) -> np.ndarray:
    return np.random.default_rng(0).random((count, *shape))


def chart(log_y: bool) -> Chart:
    view = Chart()
    band = [(x, y) for x in range(90) for y in (0.2, 1.9)]
    series = [
        Series("batches", Role.NUMPY_BAND, band, "band"),
        Series("train", Role.NUMPY, [(x, 1 + x % 7 / 9) for x in range(90)]),
        Series("validation", Role.NUMPY_SOFT, [(x, 1.0) for x in range(0, 90, 9)], "dot"),
    ]
    title = ("loss", " · step 1")
    view.update(title, series, x_limits=(0, 90), y_limits=(0.01, 2), log_y=log_y, crosshair=40)
    return view


def matrix(mode: MatrixMode, classes: int) -> ConfusionMatrix:
    view, counts = ConfusionMatrix(), np.arange(classes**2).reshape(classes, classes)
    names = [f"class {n}" if classes > 10 else str(n) for n in range(classes)]
    other = counts.T.copy() if mode == "difference" else None
    facts = MatrixFacts(mode, other=other, scores=score_classes(counts))
    view.update(counts, names, "confusion", Role.NUMPY, cursor=(0, classes - 1), facts=facts)
    return view


def sheet(shape: tuple[int, int]) -> ContactSheet:
    view, rows = ContactSheet(id="sheet"), np.arange(50)
    source = SheetSource(
        rows, shape, lambda r: ink(shape, len(r)), lambda _: [("7", Role.TEXT)], ""
    )
    view.update(source, 40, "half blocks")
    return view


def image_rows(shape: tuple[int, int]) -> ImageRowsView:
    view = ImageRowsView()
    view.update([ImageRow([("near", Role.TEXT)], ink(shape), ["7"] * 9, "distance")] * 3, "braille")
    return view


def shelves(shape: tuple[int, int]) -> ShelvesView:
    view, images = ShelvesView(id="shelves"), ink(shape)
    pictures = [Picture("7", images[0]), *(Picture("w", image - 0.5, 0.5) for image in images)]
    view.update([Shelf([("worst", Role.TEXT)], pictures, together=2, wanted=6)] * 2)
    return view


def saliency(shape: tuple[int, int]) -> SaliencyView:
    view, [image] = SaliencyView(), ink(shape, 1)
    view.update(Saliency(image, image - 0.5, 1.0, "of class 7"))
    return view


def tiles(shape: tuple[int, int]) -> TilesView:
    view, [image] = TilesView(), ink(shape, 1)
    view.update([Tile("unit 1", Role.TEXT, image - 0.5)] * 30, tile_size(shape, 14), 1.0)
    return view


MODES: tuple[MatrixMode, ...] = ("counts", "percent", "difference", "scores")

PICTURES: tuple[Callable[[tuple[int, int]], CellView], ...] = (
    *(sheet, image_rows, shelves, saliency, tiles),
)

VIEWS: dict[str, Callable[[], CellView]] = {
    "chart": partial(chart, log_y=False),
    "chart-log": partial(chart, log_y=True),
    **{f"{mode}-{n}": partial(matrix, mode, n) for mode, n in product(MODES, (1, 2, 10, 47))},
    **{
        f"{make.__name__}-{shape[0]}x{shape[1]}": partial(make, shape)
        for make, shape in product(PICTURES, SHAPES)
    },
}


@pytest.mark.parametrize("view", VIEWS)
def test_every_view_can_be_painted_at_every_size(view: str) -> None:
    painter = VIEWS[view]()
    for look in LOOKS:
        painter.look = look
        for size in product(WIDTHS, HEIGHTS):
            canvas = painter.paint(*size)
            assert (canvas.width, canvas.height) == size


def test_a_chart_on_a_screen_of_5000_by_5000_is_painted_in_time() -> None:
    view = chart(log_y=False)
    view.paint(80, 20)  # imports plotext
    began = process_time()
    canvas = view.paint(2_500, 1_650)
    assert process_time() - began < 3
    assert (canvas.width, canvas.height) == (2_500, 1_650)
    assert "─ train" in canvas.row(0)
