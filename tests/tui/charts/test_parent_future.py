"""A branch's charts show what its parent did from there on."""

from pathlib import Path

from mlpwatch.core.config import RunConfig
from mlpwatch.core.epochs import EpochRecord
from mlpwatch.core.runs.changes import rename_run
from mlpwatch.core.runs.manifest import ParentEpoch
from mlpwatch.core.runs.replay import ParentTail
from mlpwatch.core.runs.run import Run
from mlpwatch.tui.charts.chart_data import (
    ChartLimits,
    ChartOptions,
    accuracy_series,
    loss_series,
)
from mlpwatch.tui.kit.theme import Role
from mlpwatch.tui.state.epoch_curves import MOST_EPOCHS
from mlpwatch.tui.state.parent_future import ParentFuture
from mlpwatch.tui.state.run_state import RunState
from tests.support.samples.run_samples import DIGITS, create, line


def family(saved: Path, epochs: int = 6, parent: str = "old") -> Path:
    """Make a run of some epochs, and a branch from its epoch 2; return the branch's folder."""
    old = create(saved, "old")
    old.append_metrics(*(line("numpy", n, 0.5 + n / 1e6) for n in range(1, epochs + 1)))
    place = ParentEpoch(parent, 2, 2)
    return Run.create(saved, "new", RunConfig(), DIGITS, parent=place).path


def test_the_future_begins_where_the_branch_does_and_grows_with_the_parent(tmp_path: Path) -> None:
    path = family(tmp_path)
    tail = ParentTail(path)
    assert [record.epoch for record in tail.read()] == [2, 3, 4, 5, 6]
    assert tail.read() == []
    Run.open(tmp_path, "old").append_metrics(line("numpy", 7))
    assert [record.epoch for record in tail.read()] == [7]
    for other in ("old", "none"):
        assert not ParentTail(tmp_path / other).is_there
        assert ParentTail(tmp_path / other).read() == []


def test_a_parent_that_was_resumed_is_read_again(tmp_path: Path) -> None:
    tail, future = ParentTail(family(tmp_path)), ParentFuture()
    future.add(tail.read())
    old = Run.open(tmp_path, "old")
    old.trim_metrics("numpy", 4)
    old.append_metrics(line("numpy", 5, 0.25))
    future.add(tail.read())
    assert {one.epoch: one.val_accuracy for one in future.of("numpy")}[5] == 0.25


def test_a_long_future_is_thinned_and_one_that_is_gone_is_none(tmp_path: Path) -> None:
    found = ParentFuture(ParentTail(family(tmp_path, 3000)).read()).of("numpy")
    assert len(found) <= MOST_EPOCHS + 1
    assert (found[0].epoch, found[-1].epoch) == (2, 3000)
    (tmp_path / "old" / "metrics.jsonl").unlink()
    assert ParentTail(tmp_path / "new").read() == []
    assert not ParentTail(family(tmp_path / "other", parent="../other/old")).is_there


def test_a_renamed_parent_is_found_and_another_of_its_name_is_not(tmp_path: Path) -> None:
    old = Run.create(tmp_path, "old", RunConfig(), DIGITS)
    old.append_metrics(line("numpy", 2, 0.75))
    place = ParentEpoch("old", 2, 2, old.manifest.id)
    path = Run.create(tmp_path, "new", RunConfig(), DIGITS, parent=place).path
    rename_run(tmp_path, "old", "first")
    create(tmp_path, "old").append_metrics(line("numpy", 2, 0.5))
    assert [one.val_accuracy for one in ParentTail(path).read()] == [0.75]
    rename_run(tmp_path, "new", "second")
    assert ParentTail(tmp_path / "second").is_there


def test_the_ghost_is_dim_behind_and_within_the_limits() -> None:
    state = RunState(9, 10, ("numpy",))
    state.parent_future = ParentFuture(
        EpochRecord("numpy", n, 10 * n, 2.0 * n, 40.0 + n, 1.0, 0.05, 1e5) for n in (2, 3)
    )
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
    ghost = accuracy_series(engines, state, ChartOptions(overlay=True))[0]
    assert (ghost.label, ghost.role) == ("parent", Role.NUMPY_BAND), "in its model's colour"
