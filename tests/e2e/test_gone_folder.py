"""A run whose folder is renamed, deleted or replaced while it trains touches no other run."""

import re
import shutil
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from mlpwatch.core.runs.run import Run
from tests.support.faults.faulty_runs import headless, said, wait_for_epochs
from tests.support.faults.run_losses import left_alone
from tests.support.terminal import environment, mlpwatch_command
from tests.support.waiting import wait_until

pytestmark = pytest.mark.xdist_group("gone")


def rename(saved: Path) -> None:
    (saved / "demo").rename(saved / "old")


def delete(saved: Path) -> None:
    # The trainer may write between the two halves of a deletion.
    while (saved / "demo").exists():
        shutil.rmtree(saved / "demo", ignore_errors=True)


def delete_config(saved: Path) -> None:
    (saved / "demo" / "config.json").unlink()
    (saved / "demo").rename(saved.parent / "trash")


def link(saved: Path) -> None:
    (saved / "demo").rename(saved.parent / "elsewhere")
    other = Run.open(saved, "other").path
    other.rename(saved.parent / "other")
    (saved / "demo").symlink_to(saved.parent / "other")


def train(folder: Path, name: str) -> None:
    """Train another run to its end."""
    options = ("--data", "digits", "--epochs", "1", "--seed", "8", "--only", "numpy")
    command = [*mlpwatch_command(), "train", *options, "--name", name]
    subprocess.run(command, cwd=folder, env=environment(), check=True, capture_output=True)


def steps_of(run: Run) -> list[int]:
    """Return the steps of the checkpoints, which are read only where the seed is the run's."""
    latest = [run.read_latest(name) for name in run.config.engine_names]
    return [one.checkpoint.position.step for one in latest if one]


@pytest.mark.parametrize(
    ("take", "where"),
    [
        (rename, "saved/old"),
        pytest.param(link, "elsewhere", marks=pytest.mark.rare),
        pytest.param(delete, "saved/demo-2", marks=pytest.mark.rare),
        pytest.param(delete_config, "saved/demo-2", marks=pytest.mark.rare),
    ],
)  # fmt: skip
def test_its_own_folder_is_followed_or_made_again_and_no_other_is_touched(
    tmp_path: Path, take: Callable[[Path], None], where: str
) -> None:
    saved = tmp_path / "saved"
    with headless(tmp_path, "save_every=40", "--seed", "7") as first:
        wait_for_epochs(tmp_path)
        train(tmp_path, "other")
        take(saved)
        if take is not link:
            train(tmp_path, "demo")
        name = saved / "demo"
        with left_alone(name.resolve()):
            wait_until(lambda: "folder is gone" in said(tmp_path))
            first.send_signal(signal.SIGTERM)
            assert first.wait(60) == 128 + signal.SIGTERM
    mine = Run.open(saved, str(tmp_path / where))
    assert mine.config.seed == 7
    assert len(steps_of(mine)) == 2
    assert not (mine.path / "owner.json").exists()
    assert not (mine.path / "control.sock").exists()
    words = said(tmp_path) + said(tmp_path, "out.txt")
    assert re.search(r"this run's folder \S*? ?is gone", words)
