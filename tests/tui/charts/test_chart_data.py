"""What the loss chart draws behind its curve: how far the batches of each bucket lay apart."""

import pytest

from mlpwatch.core.events import StepDone
from mlpwatch.tui.charts.chart import Series
from mlpwatch.tui.charts.chart_data import ChartOptions, loss_series
from mlpwatch.tui.state.run_state import RunState


def bands(steps: int, options: ChartOptions, planned: int = 10_000) -> list[Series]:
    """Of NumPy, whose batches' losses go 1, 2, 3, 1, 2, 3 and so on, a hundred in a second."""
    state = RunState(10, planned // 10, ("numpy",))
    state.apply_all(StepDone("numpy", n, n / 100, 1.0 + n % 3) for n in range(1, steps + 1))
    series = loss_series(state.engines.values(), state, options)
    assert [one.label for one in series if one.marker != "band"] == [
        "NumPy" if options.overlay else "train",
        "val" if options.overlay else "validation",
    ]
    return [one for one in series if one.marker == "band"]


@pytest.mark.parametrize(("by_seconds", "end"), [(False, 5.0), (True, 50.0)])
def test_it_reaches_from_the_lowest_to_the_highest_batch_of_each_full_bucket(
    by_seconds: bool, end: float
) -> None:
    [band] = bands(5_000, ChartOptions(by_seconds=by_seconds))
    assert {y for _, y in band.points} == {1.0, 3.0}
    places = [x for x, _ in band.points]
    assert places == sorted(places)
    assert 0.95 * end < places[-1] < end


def test_the_bucket_that_still_fills_is_left_out_so_that_no_frame_moves_it() -> None:
    before = bands(5_010, ChartOptions())
    assert bands(5_011, ChartOptions()) == before
    assert bands(5_100, ChartOptions()) != before


def test_there_is_none_where_each_step_has_its_own_bucket_nor_in_the_overlay() -> None:
    assert bands(100, ChartOptions(), planned=200) == []
    assert bands(5_000, ChartOptions(overlay=True)) == []
