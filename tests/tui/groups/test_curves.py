"""The curves of a setting: mean and spread over the seeds, or one line per seed."""

import math
from pathlib import Path

import numpy as np
import pytest

from mlpwatch.core.sweeps.reading import GroupReader
from mlpwatch.tui.groups.curves import CurveExtents, SweepAxes, curve_series
from mlpwatch.tui.kit.theme import Role
from tests.support.samples.sweep_samples import four_settings, group_of, make_group, train_trial

REACHED = (0.90, 0.94, 0.95)
"""Of NumPy, by seed; the sample's curves are straight lines to it."""


def path_of_three(tmp_path: Path) -> Path:
    group = group_of({})
    path = make_group(tmp_path, "g", group)
    for trial in group.trials:
        train_trial(path, trial, {"numpy": REACHED[trial.seed], "torch": 0.5})
    return path


def test_a_band_is_mean_and_deviation_at_every_place(tmp_path: Path) -> None:
    reading = GroupReader(path_of_three(tmp_path)).read()
    found = curve_series(reading, 0, "val_accuracy", trial=None, bands=True)
    assert [(one.label, one.role, one.marker) for one in found] == [
        ("", Role.NUMPY_BAND, "band"), ("", Role.TORCH_BAND, "band"),
        ("NumPy", Role.NUMPY, "braille"), ("PyTorch", Role.TORCH, "dashed"),
    ]  # fmt: skip
    curves = 100 * np.outer(REACHED, [1 / 3, 2 / 3, 1])
    assert [y for _, y in found[2].points] == pytest.approx(curves.mean(0))
    band = found[0].points
    xs = np.array([x for x, _ in band[::2]])
    assert xs == pytest.approx(np.linspace(1, 3, len(xs))), "no column of a chart is left out"
    for edge, sign in ((band[::2], -1), (band[1::2], 1)):
        expected = np.interp(xs, [1, 2, 3], curves.mean(0) + sign * curves.std(0, ddof=1))
        assert [y for _, y in edge] == pytest.approx(expected)


def test_single_lines_are_the_runs_own_curves(tmp_path: Path) -> None:
    reading = GroupReader(path_of_three(tmp_path)).read()
    found = curve_series(reading, 0, "val_accuracy", trial=None, bands=False)
    assert [one.label for one in found] == ["NumPy", "", "", "PyTorch", "", ""]
    assert [x for x, _ in found[0].points] == [1.0, 2.0, 3.0]
    ends = [one.points[-1][1] for one in found[:3]]
    assert ends == pytest.approx([100 * share for share in REACHED])
    chosen = curve_series(reading, 0, "val_accuracy", trial=reading.rows[1].trial.name, bands=False)
    assert [one.role for one in chosen] == [Role.NUMPY_SOFT] * 3 + [Role.TORCH_SOFT] * 3 + [
        Role.NUMPY, Role.TORCH,
    ]  # fmt: skip
    assert chosen[6].points == found[1].points, "the chosen one is drawn last, over the others"


def test_one_seed_has_no_band(tmp_path: Path) -> None:
    group = group_of({}, seeds=2)
    path = make_group(tmp_path, "g", group)
    assert (
        curve_series(GroupReader(path).read(), 0, "val_loss", trial=None, bands=True)[0].points
        == []
    )
    train_trial(path, group.trials[0], {"numpy": 0.9, "torch": 0.8})
    found = curve_series(GroupReader(path).read(), 0, "val_loss", trial=None, bands=True)
    assert [one.marker for one in found] == ["braille", "dashed"]


def test_settings_share_axes_but_for_one_that_is_far_off() -> None:
    extents = CurveExtents({0: (0.1, 2.0), 1: (0.2, 2.5), 2: (3.0, 8e6)}, {0: (0.1, 0.9)})
    axes = SweepAxes()
    near = axes.y(extents, 0, "val_loss", log=False)
    assert near == axes.y(extents, 1, "val_loss", log=False)
    assert near[1] < 5
    assert axes.y(extents, 2, "val_loss", log=False)[1] >= 8e6
    assert axes.y(extents, 0, "val_accuracy", log=False) == (0.0, 100.0)


def test_what_is_not_finite_is_no_extent(tmp_path: Path) -> None:
    reading = GroupReader(four_settings(tmp_path)).read()
    extents = CurveExtents.of(reading)
    assert extents.loss[0] == (0.5, 1.5)
    assert math.isclose(extents.accuracy[0][1], 0.906)
