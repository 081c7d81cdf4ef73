"""The rows of the sweep's table, and that its numbers are those of the runs' own files."""

import json
from pathlib import Path

import numpy as np
from scipy import stats

from mlpwatch.core.sweeps.reading import GroupReader
from mlpwatch.tui.groups.columns import Line, SettingLine, TrialLine, fitting
from mlpwatch.tui.groups.setting_list import SettingList, SweepPicture
from mlpwatch.tui.groups.table import selected_rows
from tests.support.samples.sweep_samples import four_settings, group_of, make_group, train_trial


def listed(path: Path) -> SettingList:
    found = SettingList()
    found.replace(SweepPicture.of(GroupReader(path).read()))
    return found


def names(settings: SettingList) -> list[str]:
    return [
        f"setting {line.number}" if isinstance(line, SettingLine) else line.row.trial.name
        for line in settings.lines
    ]


def cells(settings: SettingList, line: Line) -> dict[str, str]:
    return {column.heading: column.cell(line)[0].strip() for column in settings.columns}


def of_file(path: Path, name: str, engine: str) -> float:
    """The test accuracy in a run's own file, in percent."""
    values = json.loads((path / name / "result.json").read_text())
    return 100 * float(values["engines"][engine]["test_accuracy"])


def test_the_numbers_are_those_of_numpy_and_scipy_on_the_runs_files(tmp_path: Path) -> None:
    path = four_settings(tmp_path)
    settings = listed(path)
    for line in settings.lines:
        assert isinstance(line, SettingLine)
        trials = [
            row.trial.name
            for row in GroupReader(path).read().rows_of(line.number)
            if (path / row.trial.name).exists()
        ]
        numpy, torch = ([of_file(path, name, one) for name in trials] for one in ("numpy", "torch"))
        interval = stats.ttest_rel(torch, numpy).confidence_interval(0.95)
        mean = np.mean(torch) - np.mean(numpy)
        shown = cells(settings, line)
        assert shown["NumPy %"] == f"{np.mean(numpy):.2f} ± {np.std(numpy, ddof=1):.2f}"
        assert shown["PyTorch %"] == f"{np.mean(torch):.2f} ± {np.std(torch, ddof=1):.2f}"
        margin = (interval.high - interval.low) / 2
        assert shown["PyTorch - NumPy"] == f"{mean:+.2f} ± {margin:.2f} real"
        assert shown["best"] == f"{max(numpy):.2f}"
        settings.move(-99)
        settings.move(line.number)
        (said,) = [text for text, _ in selected_rows(settings, 140)[0] if "points" in text]
        assert said.strip() == f"PyTorch is {-mean:.2f} ± {margin:.2f} points lower: real"


def test_a_setting_says_how_many_are_done_and_what_the_others_do(tmp_path: Path) -> None:
    settings = listed(four_settings(tmp_path))
    shown = [cells(settings, line) for line in settings.lines]
    assert [one["done"] for one in shown] == ["3/3", "3/3", "2/3", "2/3"]
    assert [one["state"] for one in shown] == ["finished", "finished", "1 failed", "waiting"]
    assert [one["left"] for one in shown] == ["", "", "", "0:06"]
    assert [(one["hidden"], one["rate"]) for one in shown] == [
        ("16", "0.1"), ("16", "0.3"), ("32", "0.1"), ("32", "0.3"),
    ]  # fmt: skip
    settings.move(2)
    assert selected_rows(settings, 140)[1][0] == (" failed: numpy diverged; torch diverged", "bad")


def test_trials_are_listed_below_their_setting(tmp_path: Path) -> None:
    settings = listed(four_settings(tmp_path))
    settings.move(3)
    settings.toggle()
    trials = [line for line in settings.lines if isinstance(line, TrialLine)]
    assert names(settings)[3] == "setting 3"
    shown = [cells(settings, line) for line in trials]
    assert [one["hidden"] for one in shown] == ["seed 0", "seed 1", "seed 2"]
    assert [one["done"] for one in shown] == ["3/3", "3/3", "0/3"]
    assert [one["NumPy %"] for one in shown] == ["96.00", "96.20", "–"]
    assert [one["PyTorch - NumPy"] for one in shown] == ["-4.00", "-3.94", ""]
    assert [one["state"] for one in shown] == ["finished", "finished", "waiting"]


def test_rows_are_sorted_and_unknown_ones_come_last(tmp_path: Path) -> None:
    path = make_group(tmp_path, "g", group_of({"learning_rate": (0.1, 0.3, 0.03)}, seeds=1))
    trials = GroupReader(path).read().group.trials
    train_trial(path, trials[1], {"numpy": 0.9, "torch": 0.8})
    train_trial(path, trials[2], {"numpy": 0.95, "torch": 0.8})
    settings = listed(path)
    assert names(settings) == ["setting 0", "setting 1", "setting 2"]
    settings.sort_by(1)
    assert names(settings) == ["setting 2", "setting 0", "setting 1"], "by the rate"
    settings.sort_by(2)
    assert settings.columns[settings.column].heading == "NumPy %"
    assert names(settings) == ["setting 2", "setting 1", "setting 0"], "the highest first"
    settings.reverse()
    assert names(settings) == ["setting 1", "setting 2", "setting 0"], "unknown: still last"


def test_the_cursor_stays_on_its_trial_when_rows_move(tmp_path: Path) -> None:
    path = four_settings(tmp_path)
    settings = listed(path)
    settings.move(2)
    settings.toggle()
    settings.move(2)
    assert names(settings)[settings.row] == "hidden=32,learning-rate=0.1,seed=1"
    settings.sort_by(4)
    settings.filter_by("hidden=32")
    settings.replace(SweepPicture.of(GroupReader(path).read()))
    assert names(settings)[settings.row] == "hidden=32,learning-rate=0.1,seed=1"
    assert settings.setting == 2
    settings.filter_by("hidden=16")
    assert settings.row < len(settings.lines)
    settings.filter_by("hidden=16 lr>")
    assert settings.fault == "lr>: expected a value after >"
    assert settings.settings_shown == 2, "what is wrong is left out"


def test_a_verdict_that_does_not_fit_has_a_row_of_its_own(tmp_path: Path) -> None:
    settings = listed(four_settings(tmp_path))
    first, second = selected_rows(settings, 60)
    assert first == [(" hidden 16 · learning-rate 0.1", "strong")]
    assert second[0][0] == " PyTorch is 3.94 ± 0.15 points lower: real"
    assert len(selected_rows(settings, 100)) == 2, "nothing below moves with the cursor"


def test_narrow_screens_lose_the_least_important_columns(tmp_path: Path) -> None:
    columns = listed(four_settings(tmp_path)).columns
    headings = [column.heading for column in columns]
    assert headings == [
        "hidden", "rate", "done", "NumPy %", "PyTorch %", "PyTorch - NumPy", "best", "state",
        "left",
    ]  # fmt: skip
    kept = [column.heading for column in fitting(columns, 78)]
    assert kept == [one for one in headings if one != "PyTorch - NumPy"]
    assert [column.heading for column in fitting(columns, 26)] == ["hidden", "rate"]
