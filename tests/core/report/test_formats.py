"""Exported files: what they hold, where they go, and that they replace nothing."""

import csv
import json
import os
from pathlib import Path

import pytest

from mlpwatch.core.files.new_files import create_file
from mlpwatch.tui.__main__ import main
from tests.support.samples.sweep_samples import group_of, make_group, train_trial

pytestmark = pytest.mark.xdist_group("report")


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


def export(saved: Path, *words: str) -> int:
    return main(["export", "--saved", str(saved), *words])


def test_json_is_one_object_with_settings_and_matrices(saved: Path, here: Path) -> None:
    assert export(saved, "seed", "--to", "json") == 0
    found = json.loads((here / "seed.json").read_text())
    assert (found["run"], found["config"]["loss"]) == ("seed", "mse")
    assert found["result"]["engines"]["numpy"]["ended"] == "finished"
    assert len(found["metrics"]) == 8
    for epoch in found["metrics"]:
        rows = epoch["confusion"]
        right = sum(rows[k][k] for k in range(10)) / sum(map(sum, rows))
        assert right == pytest.approx(epoch["val_accuracy"])


def test_what_csv_has_json_has(saved: Path, here: Path) -> None:
    assert export(saved, "seed", "--to", "csv") == export(saved, "seed", "--to", "json") == 0
    epochs = json.loads((here / "seed.json").read_text())["metrics"]
    rows = list(csv.DictReader((here / "seed.csv").read_text().splitlines()))
    wanted = ("engine", "epoch", "step", "train_loss", "val_loss", "val_accuracy")
    for row in rows:
        key = row["engine"], int(row["epoch"])
        (same,) = [one for one in epochs if (one["engine"], one["epoch"]) == key]
        assert [row[name] for name in wanted] == [str(same[name]) for name in wanted]
        # An epoch in which there was no time to measure the layers has none.
        layers = same.get("layers") or {"gradient_norm": ["", ""]}
        norms = [row[f"layer_{k}_gradient_norm"] for k in range(2)]
        assert norms == [str(norm) for norm in layers["gradient_norm"]]


def test_nothing_is_overwritten(
    saved: Path, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (here / "seed.json").write_text("mine")
    assert export(saved, "seed", "--to", "json") == 0
    assert (here / "seed.json").read_text() == "mine"
    assert json.loads((here / "seed-2.json").read_text())["run"] == "seed"
    assert export(saved, "seed", "--to", "json", "-o", "seed.json") == 2
    assert "-o seed.json: exists already and is not overwritten" in capsys.readouterr().err
    assert (here / "seed.json").read_text() == "mine"


def test_output_goes_to_a_file_a_folder_or_standard_output(
    saved: Path, here: Path, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    (here / "folder").mkdir()
    assert export(saved, "seed", "--to", "csv", "-o", "folder") == 0
    assert export(saved, "seed", "--to", "csv", "-o", "mine.txt") == 0
    capfdbinary.readouterr()
    assert export(saved, "seed", "--to", "csv", "-o", "-") == 0
    out, _ = capfdbinary.readouterr()
    assert out == (here / "mine.txt").read_bytes() == (here / "folder/seed.csv").read_bytes()
    assert sorted(path.name for path in here.iterdir()) == ["folder", "mine.txt"]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("seed", "--to", "xml"), "--to: invalid choice: 'xml' (choose from 'csv', 'json', "),
        (("seed",), "required: --to"),
        (("sed", "--to", "csv"), "did you mean seed?"),
        (("seed", "--to", "csv", "-o", "no/such.csv"), "-o no/such.csv: not written, No such file"),
        (("seed", "--to", "csv", "-o", ""), "-o '': expected a path"),
    ],
)
def test_bad_input_is_one_line(
    saved: Path,
    here: Path,
    capsys: pytest.CaptureFixture[str],
    words: tuple[str, ...],
    expected: str,
) -> None:
    assert export(saved, *words) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert expected in err
    assert err.count("\n") == 1
    assert not list(here.iterdir())


def test_a_sweep_has_its_statistics_and_all_its_runs(tmp_path: Path, here: Path) -> None:
    group = group_of({"learning_rate": (0.1, 0.3)}, seeds=2)
    path = make_group(tmp_path / "saved", "lr", group)
    for trial in group.trials:
        train_trial(path, trial, {"numpy": 0.9, "torch": 0.8})
    assert export(tmp_path / "saved", "lr", "--to", "json") == 0
    found = json.loads((here / "lr.json").read_text())
    assert found["group"] == "lr"
    assert found["settings"][0]["difference"]["mean"] == pytest.approx(-0.1)
    assert len(found["runs"]) == 4
    assert export(tmp_path / "saved", "lr", "--to", "csv") == 0
    rows = list(csv.DictReader((here / "lr.csv").read_text().splitlines()))
    assert len({row["run"] for row in rows}) == 4


def test_a_file_that_can_not_be_linked_is_still_whole_and_new(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(Path, "hardlink_to", refuse)
    create_file(tmp_path / "one", b"whole")
    assert (tmp_path / "one").read_bytes() == b"whole"
    with pytest.raises(FileExistsError):
        create_file(tmp_path / "one", b"other")
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == ["one"]


def test_a_failed_write_leaves_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match="No space left"):
        create_file(tmp_path / "one", b"whole")
    assert not [path for path in tmp_path.iterdir() if path.is_file()]


def test_others_may_read_it_as_the_umask_says(tmp_path: Path) -> None:
    before = os.umask(0o022)
    try:
        create_file(tmp_path / "one", b"")
    finally:
        os.umask(before)
    assert (tmp_path / "one").stat().st_mode & 0o777 == 0o644
