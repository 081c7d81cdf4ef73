"""The strips of the ranks: the slowest is named, and one process shows none."""

import pytest

from mlpwatch.core.events import RanksMeasured
from mlpwatch.tui.dashboard.ranks import RankStrips, slowest_rank, strip_rows

EVEN = RanksMeasured("numpy", 90, 0.2, (1000.0, 1000.0), (0.02, 0.05))
SLOW = RanksMeasured("numpy", 90, 0.1, (1000.0, 300.0, 1000.0), (0.5, 0.0, 0.4))


def rows(measured: RanksMeasured, width: int = 60, height: int = 4) -> list[str]:
    strips = RankStrips(id="strips")
    strips._measured = measured
    return strips.paint(width, height).text().split("\n")


def test_one_process_has_no_strips_and_a_low_screen_one_line() -> None:
    assert strip_rows(1, 60) == 0
    assert strip_rows(2, 24) == 1
    assert strip_rows(2, 40) == 3
    assert strip_rows(500, 40) == 9


def test_the_rank_that_the_others_wait_for_is_named() -> None:
    assert slowest_rank(EVEN) is None
    assert slowest_rank(SLOW) == 1
    title, *strips = rows(SLOW)
    assert "3 ranks" in title
    assert "rank 1 is slowest: others wait 50%" in title
    assert "waits  50%" in strips[0]
    assert "waits   0%" in strips[1]


def test_of_many_ranks_the_slowest_is_shown() -> None:
    waits = [0.6] * 100
    waits[70] = 0.0
    many = RanksMeasured("numpy", 90, 0.1, (1000.0,) * 100, tuple(waits))
    assert [row.split()[0] for row in rows(many)[1:]] == ["0", "1", "70"]


@pytest.mark.parametrize("width", [24, 38, 58, 108])
def test_a_row_fits(width: int) -> None:
    for row in rows(SLOW, width):
        assert len(row) <= width
    assert "waits  50%" in rows(SLOW, width)[1]
    if width > 35:
        assert "1,000 samples/s" in rows(SLOW, width)[1]
