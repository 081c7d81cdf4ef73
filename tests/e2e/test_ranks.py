"""One run on many processes, with real ones: `--ranks`, and torch's own torchrun."""

import json
import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from mlpwatch.core.config import EngineName, RunConfig
from mlpwatch.core.runs.checkpoints import Checkpoint
from mlpwatch.core.runs.run import Run
from mlpwatch.core.training.launch import new_session
from tests.support.samples.engines import assert_close
from tests.support.terminal import environment, mlpwatch_command
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("ranks")]

SETTINGS = [
    "--data", "digits", "--dtype", "float64", "--dropout", "0.2", "--hidden", "16",
    "--batch-size", "100",
]  # fmt: skip
"""The last batch of an epoch has 98 images."""


def mlpwatch(folder: Path, *words: str, **changes: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [*mlpwatch_command(), *words], cwd=folder, env=environment(**changes), timeout=120,
        capture_output=True, text=True, check=False,
    )  # fmt: skip


def trained_alone(folder: Path, epochs: int) -> None:
    """Train with `SETTINGS` in this process; the run is called `alone`."""
    config = RunConfig(
        data="digits", dtype="float64", dropout=0.2, hidden=(16,), batch_size=100, epochs=epochs
    )
    session = new_session(config, folder / "saved", "alone", lambda _text: None)
    session.start()
    assert session.join(60.0)


def checkpoint(folder: Path, name: str, engine: EngineName) -> Checkpoint:
    latest = Run.open(folder / "saved", name).read_latest(engine)
    assert latest is not None
    assert latest.note == ""
    return latest.checkpoint


def children(pid: int) -> list[int]:
    """Return the processes that a process has started, oldest first."""
    found = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [int(one) for one in found]


@contextmanager
def started(folder: Path, *words: str) -> Iterator["subprocess.Popen[str]"]:
    """Start a command in a session of its own; at the end none of its processes is left."""
    with subprocess.Popen(
        [*mlpwatch_command(), *words], cwd=folder, env=environment(), text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True,
    ) as process:  # fmt: skip
        ranks: list[int] = []
        try:
            yield process
            ranks = []
        finally:
            if process.poll() is None:
                ranks = children(process.pid)
                process.kill()
            for pid in ranks:
                os.kill(pid, signal.SIGKILL)


def has_epoch(folder: Path, name: str, epoch: int = 1) -> bool:
    log = folder / "saved" / name / "metrics.jsonl"
    return log.is_file() and any(
        json.loads(line)["epoch"] >= epoch for line in log.read_text().splitlines()
    )


def test_two_ranks_learn_what_one_process_does_and_resume_as_three(tmp_path: Path) -> None:
    trained_alone(tmp_path, epochs=3)
    two = mlpwatch(
        tmp_path, "train", *SETTINGS, "--epochs", "2", "--name", "two", "--ranks", "2", "--json"
    )
    assert two.returncode == 0, two.stderr
    assert set(json.loads(two.stdout)["engines"]) == {"numpy", "torch"}
    assert json.loads((tmp_path / "saved/two/config.json").read_text())["ranks"] == 2
    longer = mlpwatch(tmp_path, "resume", "two", "--ranks", "3", "--headless", "--epochs", "3")
    assert longer.returncode == 0, longer.stderr
    for name in ("numpy", "torch"):
        one, other = (checkpoint(tmp_path, run, name) for run in ("alone", "two"))
        assert one.position.step == other.position.step
        assert_close(other.state.weights, one.state.weights, 1e-10)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["saved"]


@pytest.mark.rare
def test_a_killed_rank_is_named_and_the_run_is_saved_whole(tmp_path: Path) -> None:
    words = ["train", *SETTINGS, "--epochs", "5000", "--name", "demo", "--ranks", "2"]
    with started(tmp_path, *words) as process:
        wait_until(lambda: has_epoch(tmp_path, "demo"), 60.0)
        ranks = children(process.pid)
        assert len(ranks) == 2
        os.kill(ranks[1], signal.SIGKILL)
        _, stderr = process.communicate(timeout=60)
        assert process.returncode == 1
    assert "rank 1 was killed by SIGKILL" in stderr
    assert "Traceback" not in stderr
    assert not any(Path(f"/proc/{pid}").exists() for pid in ranks)
    for name in ("numpy", "torch"):
        assert checkpoint(tmp_path, "demo", name).position.step > 0


@pytest.mark.rare
def test_orders_reach_all_ranks_and_a_signal_saves_and_ends_them(tmp_path: Path) -> None:
    words = ["train", *SETTINGS, "--epochs", "5000", "--name", "demo", "--ranks", "2"]
    with started(tmp_path, *words) as process:
        wait_until(lambda: has_epoch(tmp_path, "demo"), 60.0)
        ranks = children(process.pid)
        for order in (["set", "--learning-rate", "0.01"], ["pause"], ["step"], ["save"]):
            answer = mlpwatch(tmp_path, "order", "demo", *order)
            assert answer.returncode == 0, answer.stderr
        process.send_signal(signal.SIGTERM)
        stdout, stderr = process.communicate(timeout=60)
        assert process.returncode == 143
    assert "Traceback" not in stderr
    assert "mlpwatch resume demo continues it" in stdout
    assert not any(Path(f"/proc/{pid}").exists() for pid in ranks)
    at = [checkpoint(tmp_path, "demo", name).position for name in ("numpy", "torch")]
    assert at[0].step == at[1].step > 0
    assert {one.learning_rate for one in at} == {0.01}


@pytest.mark.rare
def test_bad_input_is_one_line_and_status_2(tmp_path: Path) -> None:
    words = ["train", *SETTINGS, "--epochs", "1", "--name", "demo"]
    (tmp_path / "saved" / "demo").mkdir(parents=True)
    taken = mlpwatch(tmp_path, *words, "--ranks", "2")
    assert taken.returncode == 2
    assert [line for line in taken.stderr.splitlines() if line.startswith("mlpwatch: ")] == [
        "mlpwatch: run 'demo': exists already in saved; choose another --name, or "
        "mlpwatch resume demo"
    ]
    assert "Traceback" not in taken.stderr
