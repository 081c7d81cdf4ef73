"""The band between the lowest and the highest of each bucket lies behind the curve."""

import pytest

from mlpwatch.tui.charts.chart import Series
from mlpwatch.tui.kit.theme import Role
from tests.support.samples.chart_samples import PLAN, cells, loss_curve, painted, train

BAND = [(x, y) for x in range(0, PLAN, 100) for y in (0.5, 2.0)]


@pytest.mark.parametrize("ascii_only", [False, True])
def test_a_band_fills_what_lies_between_low_and_high_behind_the_curve(ascii_only: bool) -> None:
    band = Series("batches", Role.NUMPY_BAND, BAND, "band")
    curve = train([(0, 1.25), (PLAN, 1.25)])
    alone = cells(painted(curve, ascii_only=ascii_only), Role.NUMPY)
    canvas = painted(band, curve, ascii_only=ascii_only)
    assert cells(canvas, Role.NUMPY) == alone, "the curve is whole, and no dot of the band in it"
    filled = cells(canvas, Role.NUMPY_BAND)
    rows = {y for _, y in filled}
    assert rows == set(range(2, 9)) - {y for _, y in alone}, "0.5 to 2 of 2.5"
    assert all(len([x for x, y in filled if y == row]) >= 63 for row in rows)
    assert canvas.row(0).rstrip().endswith("batches")


def test_a_band_s_name_gives_way_first() -> None:
    band = Series("batches", Role.NUMPY_BAND, BAND, "band")
    validation = Series("validation", Role.NUMPY_SOFT, [(100.0, 1.0)], "dot")
    names = painted(band, train(loss_curve(20_000)), validation, size=(32, 12)).row(0)
    assert "train" in names
    assert "validation" in names
    assert "batches" not in names
