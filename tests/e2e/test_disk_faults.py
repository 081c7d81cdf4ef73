"""A disk that fails ends no training, costs no checkpoint, and is used again once it works."""

import errno
from contextlib import ExitStack
from pathlib import Path

import pytest

from mlpwatch.core.runs.run import Run
from tests.support.faults.disk_faults import (
    FAULTS,
    delete,
    fill,
    run_on_disk,
    save,
    small_disk,
    survive,
    take_away,
)
from tests.support.faults.run_losses import nothing_lost

pytestmark = pytest.mark.xdist_group("disk")


def test_quota_and_lost_rights_are_survived_in_one_run(tmp_path: Path) -> None:
    with run_on_disk(tmp_path) as terminal:
        for breaking, number in FAULTS.values():
            survive(terminal, tmp_path, breaking, number)
        terminal.send("q")
        assert terminal.wait_for_end() == 0
        assert (
            terminal.after_the_app()[-1]
            == "run saved in saved/demo; mlpwatch resume demo continues it"
        )
    assert_no_epoch_is_missing(tmp_path)


def test_a_full_disk_is_survived(tmp_path: Path) -> None:
    (tmp_path / "saved").mkdir()
    with ExitStack() as stack:
        try:
            stack.enter_context(small_disk(tmp_path / "saved"))
        except PermissionError as error:
            pytest.skip(str(error))
        with run_on_disk(tmp_path) as terminal:
            survive(terminal, tmp_path, fill, errno.ENOSPC)
            terminal.send("q")
            assert terminal.wait_for_end() == 0
        assert_no_epoch_is_missing(tmp_path)


@pytest.mark.rare
def test_a_disk_that_fails_at_the_end_is_a_failure_that_names_what_stands(tmp_path: Path) -> None:
    with run_on_disk(tmp_path) as terminal:
        make_read_only, _ = FAULTS["read-only"]
        with nothing_lost(tmp_path / "saved"):
            mend = make_read_only(terminal, tmp_path / "saved")
            terminal.send("q")
            assert terminal.wait_for_end() == 1
            where = terminal.after_the_app()[-1]
            mend()
    why = "could not be written: Permission denied"
    assert where.startswith(f"the last checkpoint of numpy and torch {why}; numpy ")
    assert where.endswith(" (run saved/demo)")
    assert where.count("last good checkpoint at step") == 2


@pytest.mark.rare
def test_a_folder_that_was_moved_away_is_followed(tmp_path: Path) -> None:
    with run_on_disk(tmp_path) as terminal:
        put_back = take_away(terminal, tmp_path / "saved")
        terminal.send("s")
        # A long path is cut: whichever of the two messages is on the screen.
        terminal.wait_for(
            lambda text: f"{tmp_path}/away/demo" in text or "is gone from saved/demo" in text
        )
        put_back()
        save(terminal, tmp_path / "saved", named="saved in")
        terminal.send("q")
        assert terminal.wait_for_end() == 0
    assert_no_epoch_is_missing(tmp_path)


@pytest.mark.rare
def test_a_folder_that_was_deleted_is_made_again_by_the_key_that_saves(tmp_path: Path) -> None:
    with run_on_disk(tmp_path) as terminal:
        delete(terminal, tmp_path / "saved")
        # Some epoch tells of it, for 30 s before the next checkpoint is due.
        terminal.wait_for("folder is gone; training continues, s saves to saved/demo-2")
        terminal.send("s")
        terminal.wait_for("saved in saved/demo-2")
        terminal.send("q")
        assert terminal.wait_for_end() == 0
        assert terminal.after_the_app()[-1].startswith("run saved in saved/demo-2;")
    latest = Run.open(tmp_path / "saved", "demo-2").read_latest("torch")
    assert latest is not None


def assert_no_epoch_is_missing(folder: Path) -> None:
    """Check that lines which could not be written when their epoch ended were written later."""
    reading = Run.open(folder / "saved", "demo").read_metrics_log()
    assert (reading.skipped, reading.torn) == (0, False)
    for name in ("numpy", "torch"):
        epochs = [line.epoch for line in reading.lines if line.engine == name]
        assert epochs == list(range(1, len(epochs) + 1))
