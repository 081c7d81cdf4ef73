"""A kill at any moment of a training, a branching or a change loses nothing and breaks nothing."""

import random
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from threading import Timer

import pytest

from mlpwatch.core.config import RunConfig
from mlpwatch.core.remote.protocol import Command
from mlpwatch.core.runs.layout import SOCKET_NAME
from mlpwatch.core.runs.listing import list_runs
from mlpwatch.core.runs.run import Run
from mlpwatch.core.training.branching import branched_session
from mlpwatch.core.training.launch import new_session, resumed_session
from mlpwatch.core.training.rates import read_rates
from tests.support.checkout import CHECKOUT
from tests.support.orders import order
from tests.support.waiting import wait_until

pytestmark = pytest.mark.slow

KILLS = [3, pytest.param(12, marks=pytest.mark.rare)]
SMALL = ["--data", "digits", "--hidden", "8", "--only", "numpy", "--threads", "1"]


def start(saved: Path, *words: str) -> "subprocess.Popen[bytes]":
    command = [sys.executable, "-m", "mlpwatch", *words, "--saved", str(saved)]
    return subprocess.Popen(
        command, cwd=CHECKOUT / ".src", stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )


def kill_after(process: "subprocess.Popen[bytes]", seconds: float) -> None:
    with suppress(subprocess.TimeoutExpired):
        process.wait(seconds)
    process.kill()
    process.wait(30)


@pytest.mark.parametrize("kills", KILLS)
def test_every_kept_epoch_of_a_killed_run_can_be_branched_from(tmp_path: Path, kills: int) -> None:
    moments = random.Random(20261130)
    for n in range(kills):
        name = f"run{n}"
        process = start(tmp_path, "train", "--name", name, "--epochs", "100000", *SMALL)
        kept = tmp_path / name / "history"
        wait_until(lambda kept=kept: kept.exists() and any(kept.glob("*.safetensors")))  # type: ignore[misc]
        kill_after(process, moments.uniform(0, 0.5))
        run = Run.open(tmp_path, name)
        epochs = run.history.epochs(["numpy"])
        assert epochs[0] == 0
        for epoch in epochs:
            assert run.read_past("numpy", epoch).position.epoch == epoch
        run.acquire()
        left = [path.name for path in kept.iterdir() if path.name.endswith(".tmp")]
        assert left == []
        run.release()
        child = branched_session(
            run, epochs[-1], run.config, saved=tmp_path, name=None, report=lambda _text: None
        )
        child.run.release()


@pytest.mark.parametrize("kills", KILLS)
def test_a_branch_that_is_killed_is_there_as_a_whole_or_not_at_all(
    tmp_path: Path, kills: int
) -> None:
    config = RunConfig(data="digits", hidden=(8,), only="numpy", epochs=3, threads=1)
    session = new_session(config, tmp_path, "old", lambda _text: None)
    session.start()
    assert session.join(60)
    session.run.release()
    moments = random.Random(20261130)
    for n in range(kills):
        words = ["branch", "old", "--at", "1", "--headless", "--name", f"kid{n}"]
        process = start(tmp_path, *words, "--epochs", "100000")
        wait_until(lambda: any(tmp_path.glob(".new-*")) or any(tmp_path.glob("kid*")))
        kill_after(process, moments.uniform(0, 0.02))
        for summary in list_runs(tmp_path):
            assert summary.state != "damaged", summary.reason
            latest = Run.open(tmp_path, summary.name).read_latest("numpy")
            assert latest is not None
            assert latest.checkpoint.position.epoch >= 1


def checkpoint_step(saved: Path, name: str) -> int:
    latest = Run.open(saved, name).read_latest("numpy")
    return latest.checkpoint.position.step if latest else 0


@pytest.mark.parametrize("kills", KILLS)
def test_a_rate_that_a_checkpoint_has_used_outlives_a_kill(tmp_path: Path, kills: int) -> None:
    moments = random.Random(20261201)
    for n in range(kills):
        name = f"run{n}"
        folder = tmp_path / name
        process = start(tmp_path, "train", "--name", name, "--epochs", "100000", *SMALL)
        wait_until((folder / SOCKET_NAME).exists)
        given: list[float] = []
        used = 0
        killer = Timer(moments.uniform(0.1, 0.6), process.kill)
        killer.start()
        # Until the kill cuts the connection, or leaves a socket where nobody listens.
        with suppress(OSError, AssertionError):
            while True:
                given.append(0.001 * (len(given) + 1))
                order(folder, Command("set", learning_rate=given[-1]))
                before = checkpoint_step(tmp_path, name)
                order(folder, Command("save"))
                wait_until(
                    lambda name=name, before=before, process=process: (  # type: ignore[misc]
                        checkpoint_step(tmp_path, name) > before or process.poll() is not None
                    )
                )
                if checkpoint_step(tmp_path, name) > before:
                    used = len(given)
        killer.join()
        process.wait(30)
        kept = [one.learning_rate for one in read_rates(folder)["numpy"]]
        assert kept[:used] == given[:used]
        assert kept == given[: len(kept)], "in order, none twice"
        run = Run.open(tmp_path, name)
        run.acquire()
        session = resumed_session(run, run.config, lambda _text: None)
        session.start()
        session.stop()
        assert session.join(60)
        run.release()
