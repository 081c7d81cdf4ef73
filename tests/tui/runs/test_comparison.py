"""Compared runs: their curves, what differs, and damaged files among them."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from mlpwatch.core.errors import RunError
from mlpwatch.core.events import RateChanged
from mlpwatch.core.recipes import from_recipe
from mlpwatch.core.training.rates import append_rates
from mlpwatch.tui.kit.theme import RUNS
from mlpwatch.tui.runs.comparison import (
    Axes,
    ComparedRun,
    engines_of,
    rate_marks_of,
    series_of,
    settings_texts,
    values_at,
)
from tests.support.samples.run_scenes import make_run

TWIN = from_recipe("twin", data="digits", epochs=12)


@pytest.fixture
def runs(tmp_path: Path) -> list[ComparedRun]:
    make_run(tmp_path, "one", TWIN, 1, {"numpy": 3, "torch": 2})
    wide = replace(TWIN, hidden=(64, 32), learning_rate=0.05, only="torch")
    make_run(tmp_path, "two", wide, 2, {"torch": 5})
    found = [ComparedRun(0, tmp_path / "one"), ComparedRun(3, tmp_path / "two")]
    for run in found:
        assert run.read()
    return found


def test_each_run_is_a_curve_of_its_own_hue_and_line(runs: list[ComparedRun]) -> None:
    assert engines_of(runs) == ["numpy", "torch"]
    (numpy,) = series_of(runs, "numpy", "val_loss", seconds=False)
    assert numpy.label == "1"
    assert [x for x, _ in numpy.points] == [1, 2, 3]
    one, two = series_of(runs, "torch", "val_accuracy", seconds=True)
    assert (one.label, two.label) == ("1", "4")
    assert one.role != two.role
    assert one.marker != two.marker
    assert [round(x, 1) for x, _ in two.points] == [1.7, 3.4, 5.1, 6.8, 8.5]
    assert all(0 < y < 100 for _, y in two.points)


def test_only_what_differs_is_named(runs: list[ComparedRun]) -> None:
    assert settings_texts(runs) == [
        "hidden 128 · learning rate 0.3 · only None",
        "hidden 64-32 · learning rate 0.05 · only torch",
    ]
    assert settings_texts(runs[:1]) == [
        "hidden 128 · optimizer sgd · learning rate 0.3 · batch size 64 · epochs 12"
    ]


def test_axes_show_the_longest_run_and_only_widen(runs: list[ComparedRun]) -> None:
    axes = Axes()
    assert axes.x(runs, seconds=False) == (0.0, 5.0)
    assert axes.x(runs[:1], seconds=False) == (0.0, 5.0)
    assert axes.x(runs, seconds=True)[1] >= 8.5
    low, high = axes.y(runs, "val_loss", log=True)
    assert 0 < low < high
    assert axes.y(runs, "val_accuracy", log=False)[1] == 100.0


def test_values_are_read_out_where_there_are_any(runs: list[ComparedRun]) -> None:
    first, second = (run.engines["torch"].lines[2] for run in runs)
    expected = f"1: {first.val_accuracy:.2%}  4: {second.val_accuracy:.2%}"
    assert values_at(runs, "torch", "val_accuracy", 2) == expected
    assert values_at(runs, "torch", "val_loss", 5).startswith("4: ")
    assert values_at(runs, "numpy", "val_loss", 99) == "no run has it"


def test_only_a_run_that_has_changed_is_read_again(runs: list[ComparedRun], tmp_path: Path) -> None:
    assert not runs[0].read()
    with (tmp_path / "one" / "metrics.jsonl").open("a") as file:
        text = (tmp_path / "one" / "metrics.jsonl").read_text().splitlines()[0]
        file.write(json.dumps(json.loads(text) | {"epoch": 4, "seconds": 9.0}) + "\n{torn")
    assert runs[0].read()
    assert list(runs[0].engines["numpy"].lines) == [1, 2, 3, 4]
    (tmp_path / "one" / "config.json").unlink()
    assert not runs[0].read(), "its settings are known"


def test_a_diverged_epoch_is_a_gap(tmp_path: Path) -> None:
    run = make_run(tmp_path, "one", TWIN, 1, {"numpy": 2})
    line = run.read_metrics()[-1]
    run.append_metrics(replace(line, epoch=3, seconds=float("nan"), val_loss=float("nan")))
    compared = ComparedRun(0, run.path)
    compared.read()
    curve = compared.engines["numpy"].curves["val_loss", False]
    assert (curve.count, curve.gaps) == (2, 1)
    assert compared.engines["numpy"].curves["val_loss", True].count == 2


def test_a_run_that_can_not_be_read_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="not a run folder"):
        ComparedRun(0, tmp_path / "none").read()


def test_each_run_s_changes_of_the_learning_rate_are_marked_in_its_hue(
    runs: list[ComparedRun],
) -> None:
    assert rate_marks_of(runs, "torch", seconds=False) == []
    one, two = runs
    steps = one.engines["torch"].lines[1].step
    up = RateChanged("torch", steps // 2, 0.5, 0.6, 0.3)
    # A branch knows its parent's changes before it makes them.
    append_rates(one.folder, [up, RateChanged("torch", 100 * steps, 9.5, 0.3, 0.6)])
    append_rates(two.folder, [RateChanged("torch", steps, 1.5, 0.02, 0.05)])
    assert [one.read(), two.read()] == [True, True]
    first, second = rate_marks_of(runs, "torch", seconds=False)
    assert (round(first.x, 1), first.is_raised, first.role) == (0.5, True, RUNS[0])
    assert (second.is_raised, second.role) == (False, RUNS[3])
    assert [mark.x for mark in rate_marks_of(runs, "torch", seconds=True)] == [0.5, 1.5]
    assert rate_marks_of(runs, "numpy", seconds=False) == []
