"""Two processes never write one run; one that was killed is taken over with a word."""

import json
import signal
import subprocess
from pathlib import Path

import pytest

from tests.support.faults.faulty_runs import headless, wait_for_epochs
from tests.support.faults.run_losses import nothing_lost
from tests.support.terminal import environment, mlpwatch_command
from tests.support.waiting import DEADLINE_SECONDS, wait_until

pytestmark = pytest.mark.xdist_group("owner")


def resume(folder: Path, *options: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [*mlpwatch_command(), "resume", "demo", "--headless", "--only", "numpy", *options],
        cwd=folder, env=environment(), stdin=subprocess.DEVNULL, capture_output=True, text=True,
        timeout=DEADLINE_SECONDS, check=False,
    )  # fmt: skip


def test_a_live_run_is_refused_by_pid_and_a_killed_one_taken_over(tmp_path: Path) -> None:
    owner = tmp_path / "saved/demo/owner.json"
    with headless(tmp_path, "save_every=10", "--only", "numpy") as process:
        wait_for_epochs(tmp_path, engines=1)
        wait_until((tmp_path / "saved/demo/numpy.safetensors").exists)
        assert json.loads(owner.read_text())["pid"] == process.pid
        with nothing_lost(tmp_path / "saved"):
            refused = resume(tmp_path)
        assert refused.returncode == 2
        line = refused.stderr.splitlines()[-1]
        assert f"in use by another mlpwatch, process {process.pid}; stop that one" in line
        process.send_signal(signal.SIGKILL)
        process.wait(DEADLINE_SECONDS)
    gone = f"the process {process.pid} that trained 'demo' is gone; going on from its last"
    # As many epochs as the killed run has surely done: this ends at once.
    with nothing_lost(tmp_path / "saved"):
        again = resume(tmp_path, "--epochs", "1")
    assert gone in again.stderr
