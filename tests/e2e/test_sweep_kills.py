"""A sweep that is interrupted, or whose processes are killed, loses nothing."""

import json
import os
import signal
from pathlib import Path

import numpy as np
import pytest

from mlpwatch.core.config import ENGINE_NAMES
from mlpwatch.core.runs.run import Run
from mlpwatch.core.scheduling import available_cores
from tests.support.sweeps import LONG, begin, epochs_of, reading, training_pid, undisturbed
from tests.support.waiting import last_words, wait_until

pytestmark = [pytest.mark.xdist_group("sweeps"), pytest.mark.slow]


def assert_same_weights(one: Path, other: Path) -> None:
    for engine in ENGINE_NAMES:
        found = Run.open(one.parent, str(one)).read_latest(engine)
        again = Run.open(other.parent, str(other)).read_latest(engine)
        assert found is not None
        assert again is not None
        for name, array in found.checkpoint.state.weights.items():
            np.testing.assert_array_equal(array, again.checkpoint.state.weights[name])


def runs(pid: int) -> bool:
    """Whether a process runs; one that has ended and was not waited for has no command line."""
    path = Path(f"/proc/{pid}/cmdline")
    return path.exists() and path.read_bytes() != b""


@pytest.mark.rare
def test_a_killed_worker_and_ctrl_c_change_no_number(tmp_path: Path) -> None:
    # On one core, so that PyTorch's last bits do not depend on when NumPy ends: see `Session`.
    sweep = begin(tmp_path, *LONG, "40", "--seeds", "2", "--threads", "1")
    wait_until(lambda: epochs_of(tmp_path) >= 3)
    killed = training_pid(tmp_path)
    os.kill(killed, signal.SIGKILL)
    # Another process takes the trial over, from its last checkpoint.
    wait_until(lambda: epochs_of(tmp_path) >= 3 and training_pid(tmp_path) != killed)
    before = epochs_of(tmp_path)
    wait_until(lambda: epochs_of(tmp_path) > before)
    # As a terminal does: to every process of the sweep.
    os.killpg(sweep.pid, signal.SIGINT)
    said = last_words(sweep)
    assert sweep.returncode == 130
    assert "saved; the same sweep continues it" in said
    assert "Traceback" not in said
    found = reading(tmp_path)
    assert found is not None
    assert [row.state for row in found.rows] == ["stopped", "waiting"]
    assert not found.is_training

    again = begin(tmp_path, "--threads", "1", "--json")
    out, err = again.communicate(timeout=120)
    assert again.returncode == 0, err
    assert json.loads(out)["states"] == {"finished": 2}
    other = undisturbed(tmp_path, tmp_path / "other", threads=1)
    for seed in (0, 1):
        assert_same_weights(tmp_path / "g" / f"seed={seed}", other / f"seed={seed}")


@pytest.mark.rare
@pytest.mark.skipif(available_cores() < 2, reason="two trials at a time want two cores")
def test_processes_whose_sweep_is_killed_save_and_end(tmp_path: Path) -> None:
    sweep = begin(tmp_path, *LONG, "2000", "--seeds", "2", "--jobs", "2")
    wait_until(lambda: min(epochs_of(tmp_path, 0), epochs_of(tmp_path, 1)) >= 3)
    pids = [training_pid(tmp_path, number) for number in (0, 1)]
    sweep.kill()
    # Ends when nobody holds its pipes any more.
    sweep.communicate(timeout=60)
    wait_until(lambda: not any(map(runs, pids)))
    found = reading(tmp_path)
    assert found is not None
    assert [row.state for row in found.rows] == ["stopped", "stopped"]
    for seed in (0, 1):
        latest = Run.open(tmp_path, f"g/seed={seed}").read_latest("numpy")
        assert latest is not None
        # Saved at the end, not only at the last regular checkpoint.
        assert latest.checkpoint.position.epoch >= 3
