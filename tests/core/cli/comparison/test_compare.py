"""`mlpwatch compare`: the numbers of sweeps and runs."""

import json
from pathlib import Path

import pytest

from mlpwatch.core.files.strict_json import to_json
from mlpwatch.core.runs.listing import list_runs
from mlpwatch.core.sweeps.reading import GroupReader
from mlpwatch.core.sweeps.table import table_lines
from mlpwatch.tui.__main__ import main
from tests.support.samples.run_samples import create
from tests.support.samples.sweep_samples import group_of, make_group, train_trial


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    """Return a folder with two sweeps and a run."""
    for name, rise in (("one", 0.0), ("two", 0.02)):
        group = group_of({"learning_rate": (0.1, 0.3)}, seeds=3)
        path = make_group(tmp_path, name, group)
        for trial in group.trials[:4]:
            numpy = 0.9 + trial.seed / 100 + rise
            train_trial(path, trial, {"numpy": numpy, "torch": numpy - 0.04})
    create(tmp_path, "alone")
    return tmp_path


def said(capsys: pytest.CaptureFixture[str], saved: Path, *words: str) -> str:
    assert main(["compare", "--saved", str(saved), *words]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    return out


def test_the_numbers_are_those_of_the_sweep(
    saved: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = json.loads(said(capsys, saved, "one", "two", "--json"))
    assert found["groups"] == [
        json.loads(to_json(GroupReader(saved / name).read().to_dict())) for name in ("one", "two")
    ]
    first = found["differences"][0]
    assert (first["from"], first["to"], first["engine"], first["n"]) == ("one", "two", "numpy", 2)
    assert first["mean"] == pytest.approx(0.02)
    assert first["config"] == {"learning_rate": 0.1}


def test_a_table_for_people(saved: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = said(capsys, saved, "one", "two")
    assert "one: 4 of 6 finished" in text
    assert "PyTorch is 4.00 ± 0.00 points lower: real" in text
    assert "two against one · learning-rate 0.1: NumPy is 2.00 ± 0.00 points higher: real" in text


def test_runs_and_trials_show_the_settings_that_differ(
    saved: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    names = ("one/learning-rate=0.1,seed=0", "one/learning-rate=0.3,seed=1")
    heading, first, second = said(capsys, saved, *names).splitlines()
    assert heading.split() == ["run", "learning-rate", "seed", "NumPy", "PyTorch", "state"]
    assert first.split()[1:] == ["0.1", "0", "90.00%", "86.00%", "finished"]
    assert second.split()[1:] == ["0.3", "1", "91.00%", "87.00%", "finished"]
    (run,) = json.loads(said(capsys, saved, "alone", "--json"))["runs"]
    assert (run["run"], run["state"]) == ("alone", "stopped")
    assert [one.name for one in list_runs(saved)] == ["alone"]


def test_a_narrow_terminal_has_the_verdict_below_its_row(saved: Path) -> None:
    reading = GroupReader(saved / "one").read()
    wide, narrow = table_lines(reading, 140), table_lines(reading, 80)
    assert len(wide) == 3
    assert max(map(len, narrow)) <= 80
    assert narrow[2] == "  PyTorch is 4.00 ± 0.00 points lower: real"
    assert wide == table_lines(reading)


def test_the_list_of_runs_has_a_line_per_sweep(
    saved: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (saved / "two" / "group.json").write_text("{")
    assert main(["runs", "--saved", str(saved)]) == 0
    *runs, one, two = capsys.readouterr().out.splitlines()
    assert len(runs) == 2
    assert one == "sweep one: 4 of 6 finished; mlpwatch compare one shows it"
    assert two.startswith("sweep two: ")
    assert "group.json" in two
    (saved / "alone" / "config.json").unlink()
    (saved / "alone").rmdir()
    assert main(["runs", "--saved", str(saved)]) == 0
    assert capsys.readouterr().out.count("\n") == 2


def test_a_name_that_is_neither_is_one_line(
    saved: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["compare", "--saved", str(saved), "onne"]) == 2
    assert "did you mean one?" in capsys.readouterr().err
