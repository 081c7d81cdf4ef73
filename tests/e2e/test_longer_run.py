"""A resumed run remembers how long it is to be."""

import subprocess
from pathlib import Path

import pytest

from tests.support.terminal import environment, mlpwatch_command
from tests.support.waiting import DEADLINE_SECONDS

pytestmark = pytest.mark.xdist_group("moved")

TRAIN = ("--name", "demo", "--epochs", "2", "--hidden", "8", "--only", "numpy")


def run(folder: Path, *arguments: str) -> tuple[int, str]:
    """Return the exit status and all that was said."""
    done = subprocess.run(
        [*mlpwatch_command(), *arguments], cwd=folder, env=environment(), text=True, check=False,
        stdin=subprocess.DEVNULL, capture_output=True, timeout=DEADLINE_SECONDS,
    )  # fmt: skip
    return done.returncode, done.stdout + done.stderr


def listed(folder: Path) -> str:
    return run(folder, "runs")[1]


@pytest.mark.rare
def test_a_longer_run_shows_its_new_end_while_it_is_stopped(tmp_path: Path) -> None:
    assert run(tmp_path, "train", "--data", "digits", *TRAIN)[0] == 0
    with subprocess.Popen(
        [*mlpwatch_command(), "resume", "demo", "--headless", "--epochs", "50000"],
        cwd=tmp_path, env=environment(), stderr=subprocess.PIPE, stdout=subprocess.DEVNULL,
    ) as process:  # fmt: skip
        assert process.stderr is not None
        said = iter(process.stderr.readline, b"")
        has_trained = any(b" epoch " in line for line in said)
        process.terminate()
        process.communicate(timeout=DEADLINE_SECONDS)
    assert has_trained
    assert "/50000" in listed(tmp_path).replace(",", "")
