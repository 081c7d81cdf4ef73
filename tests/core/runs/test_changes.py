"""Renaming and deleting stay inside the folder of runs, and away from runs that are trained."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from mlpwatch.core.errors import InputError, RunError
from mlpwatch.core.files import scratch
from mlpwatch.core.runs.changes import Contents, delete_run, measure_run, rename_run
from mlpwatch.core.runs.listing import list_runs
from mlpwatch.core.runs.run import Run
from tests.support.samples.run_samples import CONFIG, DIGITS, create, line

OUTSIDE = ["", ".", "..", "../outside", "one/..", "/etc", "a\0b", "../saved/one"]


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    run = create(tmp_path / "saved", "one")
    run.append_metrics(line("numpy", 1))
    run.write_result({"run": "saved/one", "engines": {}})
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "thesis").write_text("precious")
    return tmp_path / "saved"


def names(saved: Path) -> list[str]:
    return sorted(path.name for path in saved.iterdir())


def is_precious_safe(saved: Path) -> bool:
    return (saved.parent / "outside" / "thesis").read_text() == "precious"


def test_a_run_is_deleted_with_all_its_files_and_nothing_else(saved: Path) -> None:
    create(saved, "two")
    sizes = [file.stat().st_size for file in (saved / "one").iterdir()]
    assert measure_run(saved, "one") == Contents(3, sum(sizes))
    delete_run(saved, "one")
    assert names(saved) == ["two"]


@pytest.mark.parametrize("name", OUTSIDE)
def test_nothing_outside_can_be_named(saved: Path, name: str) -> None:
    for act in (measure_run, delete_run, lambda s, n: rename_run(s, n, "new")):
        with pytest.raises(RunError, match="not a folder in"):
            act(saved, name)
    assert is_precious_safe(saved)
    assert names(saved) == ["one"]


def test_of_a_link_only_the_link_goes(saved: Path) -> None:
    outside = saved.parent / "outside"
    create(saved.parent, "elsewhere").path.rename(outside / "run")
    (saved / "link").symlink_to(outside / "run")
    assert measure_run(saved, "link") == Contents(1, 0, str(outside / "run"))
    delete_run(saved, "link")
    assert names(saved) == ["one"]
    assert (outside / "run" / "config.json").exists()
    assert is_precious_safe(saved)


def test_a_link_inside_a_run_is_not_followed(saved: Path) -> None:
    (saved / "one" / "notes").symlink_to(saved.parent / "outside")
    (saved / "one" / "thesis").symlink_to(saved.parent / "outside" / "thesis")
    delete_run(saved, "one")
    assert names(saved) == []
    assert is_precious_safe(saved)


def test_a_folder_that_may_be_no_run_is_not_deleted(saved: Path) -> None:
    (saved / "photos").mkdir()
    (saved / "photos" / "a.jpg").touch()
    with pytest.raises(RunError, match=r"without config\.json"):
        delete_run(saved, "photos")
    (saved / "one" / "photos").mkdir()
    with pytest.raises(RunError, match="'photos', that mlpwatch did not make"):
        delete_run(saved, "one")
    assert names(saved) == ["one", "photos"]


def test_a_run_that_is_trained_is_neither_deleted_nor_renamed(saved: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from mlpwatch.core.runs.run import Run;"
        f"Run.open(Path({str(saved)!r}), 'one').acquire(); print('held', flush=True); input()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(RunError, match="in use by"):
            delete_run(saved, "one")
        with pytest.raises(RunError, match="in use by"):
            rename_run(saved, "one", "two")
        holder.communicate("\n")
    assert names(saved) == ["one"]
    delete_run(saved, "one")


def test_a_damaged_run_can_be_deleted_and_renamed(saved: Path) -> None:
    (saved / "one" / "config.json").write_bytes(b"\0{")
    assert rename_run(saved, "one", "two") == saved / "two"
    delete_run(saved, "two")
    assert names(saved) == []


def test_a_hostile_name_is_deleted_as_it_is_on_disk(saved: Path) -> None:
    name = os.fsdecode(b"\x1b[2J\xff\n")
    (saved / "one").rename(saved / name)
    (listed,) = list_runs(saved)
    assert listed.path.name == name
    delete_run(saved, listed.path.name)
    assert names(saved) == []


@pytest.mark.skipif(os.geteuid() == 0, reason="root may delete everything")
def test_what_can_not_be_deleted_stays_in_the_list(saved: Path) -> None:
    (saved / "one").chmod(0o500)
    with pytest.raises(RunError, match="can't be deleted, Permission denied"):
        delete_run(saved, "one")
    assert names(saved) == ["one"]


def test_an_interrupted_deletion_leaves_no_half_run_and_is_finished_later(
    saved: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    create(saved, "two")
    with monkeypatch.context() as patch:
        patch.setattr(scratch, "_empty", lambda _path: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            delete_run(saved, "one")
    assert [run.name for run in list_runs(saved)] == ["two"]
    delete_run(saved, "two")
    assert names(saved) == []


def test_a_failing_disk_puts_the_run_back(saved: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_path: Path) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(scratch, "_empty", fail)
    with pytest.raises(RunError, match="can't be deleted, Input/output error"):
        delete_run(saved, "one")
    assert names(saved) == ["one"]


def test_a_renamed_run_knows_its_new_path(saved: Path) -> None:
    assert rename_run(saved, "one", "zwei") == saved / "zwei"
    assert names(saved) == ["zwei"]
    assert json.loads((saved / "zwei" / "result.json").read_text())["run"] == str(saved / "zwei")


@pytest.mark.parametrize("name", ["", "../x", "a/b", ".hidden", "-x", "a\x1b[2J", "x" * 101])
def test_a_new_name_is_checked(saved: Path, name: str) -> None:
    with pytest.raises(InputError, match="run name"):
        rename_run(saved, "one", name)
    assert names(saved) == ["one"]


def test_a_taken_name_is_refused_also_a_dangling_link(saved: Path) -> None:
    (saved / "two").symlink_to("nowhere")
    for name in ("one", "two"):
        with pytest.raises(RunError, match="taken"):
            rename_run(saved, "one", name)
    assert names(saved) == ["one", "two"]


def test_a_run_that_has_gone_meanwhile_is_named(saved: Path) -> None:
    for act in (delete_run, lambda s, n: rename_run(s, n, "new")):
        with pytest.raises(RunError, match="run 'gone': no longer in"):
            act(saved, "gone")


@pytest.mark.parametrize("name", [".new-thesis", ".deleted-anything"])
def test_a_folder_of_somebody_else_stays_whatever_its_name(saved: Path, name: str) -> None:
    mine = saved / name
    mine.mkdir()
    (mine / "chapter").write_text("precious")
    (saved / f"{name}-link").symlink_to(saved.parent / "outside")
    (saved / ".new-note").write_text("precious")
    (saved / f"{name}-marked").mkdir()
    (saved / f"{name}-marked" / scratch.MARK_NAME).write_text("not of mlpwatch")
    before = names(saved)
    for path in saved.iterdir():
        os.utime(path, (0, 0), follow_symlinks=False)
    create(saved, "two")
    delete_run(saved, "two")
    Run.create(saved, "three", CONFIG, DIGITS)
    assert names(saved) == sorted([*before, "three"])
    assert (mine / "chapter").read_text() == "precious"
    assert is_precious_safe(saved)


def test_a_deletion_that_was_killed_half_way_is_finished_later(saved: Path) -> None:
    create(saved, "two")
    one = saved / "one"
    (one / scratch.MARK_NAME).write_bytes(scratch.MARK)
    (one / "config.json").unlink()
    one.rename(saved / ".deleted-12345678")
    delete_run(saved, "two")
    assert names(saved) == []


def test_a_mark_that_is_a_link_is_neither_believed_nor_written_through(saved: Path) -> None:
    own = saved / ".deleted-notes"
    own.mkdir()
    (own / "notes.txt").write_text("mine")
    elsewhere = saved.parent / "mark"
    elsewhere.write_bytes(scratch.MARK)
    (own / scratch.MARK_NAME).symlink_to(elsewhere)
    scratch.remove_abandoned(saved)
    assert (own / "notes.txt").read_text() == "mine"
    elsewhere.write_text("precious")
    create(saved, "linked")
    (saved / "linked" / scratch.MARK_NAME).symlink_to(elsewhere)
    with pytest.raises(RunError, match="linked: can't be deleted"):
        delete_run(saved, "linked")
    assert elsewhere.read_text() == "precious"
