"""A branch's charts show what its parent did from there on."""

from pathlib import Path

from mlpwatch.core.config import RunConfig
from mlpwatch.core.epochs import EpochRecord
from mlpwatch.core.runs.manifest import ParentEpoch
from mlpwatch.core.runs.replay import MOST_OF_A_FUTURE, parent_future
from mlpwatch.core.runs.run import Run
from mlpwatch.tui.charts.chart_data import (
    ChartLimits,
    ChartOptions,
    accuracy_series,
    loss_series,
)
from mlpwatch.tui.state.run_state import RunState
from tests.support.samples.run_samples import DIGITS, create, line


def family(saved: Path, epochs: int = 6, parent: str = "old") -> Path:
    """Make a run of some epochs, and a branch from its epoch 2; return the branch's folder."""
    old = create(saved, "old")
    old.append_metrics(*(line("numpy", n, 0.5 + n / 1e6) for n in range(1, epochs + 1)))
    place = ParentEpoch(parent, 2, 2)
    return Run.create(saved, "new", RunConfig(), DIGITS, parent=place).path


def test_the_future_begins_where_the_branch_does(tmp_path: Path) -> None:
    path = family(tmp_path)
    assert [record.epoch for record in parent_future(path)["numpy"]] == [2, 3, 4, 5, 6]
    assert parent_future(tmp_path / "old") == {}
    assert parent_future(tmp_path / "none") == {}


def test_a_long_future_is_thinned_and_one_that_is_gone_is_none(tmp_path: Path) -> None:
    found = parent_future(family(tmp_path, 3000))["numpy"]
    assert len(found) <= MOST_OF_A_FUTURE + 1
    assert (found[0].epoch, found[-1].epoch) == (2, 3000)
    (tmp_path / "old" / "metrics.jsonl").unlink()
    assert parent_future(tmp_path / "new") == {}
    assert parent_future(family(tmp_path / "other", parent="../other/old")) == {}


def test_the_ghost_is_dim_behind_and_within_the_limits() -> None:
    state = RunState(9, 10, ("numpy",))
    state.parent_future = {
        "numpy": [
            EpochRecord("numpy", n, 10 * n, 2.0 * n, 40.0 + n, 1.0, 0.05, 1e5) for n in (2, 3)
        ]
    }
    engines, options = list(state.engines.values()), ChartOptions()
    loss = next(one for one in loss_series(engines, state, options) if one.label == "parent")
    assert loss.points == [(1.5, 42.0), (2.5, 43.0)]
    assert loss.is_aside
    accuracy = accuracy_series(engines, state, options)[0]
    assert (accuracy.label, accuracy.points) == ("parent", [(2, 5.0), (3, 5.0)])
    assert ChartLimits().loss(state, options)[1] >= 43
    assert ChartLimits().accuracy(state)[0] <= 5
    by_seconds = ChartOptions(by_seconds=True)
    assert accuracy_series(engines, state, by_seconds)[0].points == [(4.0, 5.0), (6.0, 5.0)]
    both = accuracy_series(engines, state, ChartOptions(overlay=True))
    assert "parent" not in [one.label for one in both]
