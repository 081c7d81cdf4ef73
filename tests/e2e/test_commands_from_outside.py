"""A run without a screen and what others do to it: commands, signals, limits, SIGKILL."""

import json
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic
from typing import Any

import pytest

from mlpwatch.core.config import ENGINE_NAMES, EngineName
from mlpwatch.core.remote.protocol import Command, encode_command
from mlpwatch.core.remote.sockets import connect
from mlpwatch.core.runs.layout import EVENTS_NAME, SOCKET_NAME
from mlpwatch.core.runs.run import Run
from mlpwatch.core.training.control import SAVE_REST_SECONDS
from tests.support.faults.faulty_runs import faulty_environment
from tests.support.orders import slow_down
from tests.support.terminal import environment, mlpwatch_command
from tests.support.waiting import DEADLINE_SECONDS, wait_until

pytestmark = pytest.mark.xdist_group("commands")

LONG = ("train", "--data", "digits", "--name", "demo", "--epochs", "50000")


@contextmanager
def training(
    folder: Path,
    *options: str,
    command: tuple[str, ...] = LONG,
    env: dict[str, str] | None = None,
    launcher: tuple[str, ...] = (),
) -> Iterator["subprocess.Popen[bytes]"]:
    """Train without a screen, until killed at the latest; its last words go to `err.txt`."""
    with (folder / "err.txt").open("wb") as err:
        process = subprocess.Popen(
            [*launcher, *mlpwatch_command(), *command, *options], cwd=folder,
            env=env or environment(),
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=err,
        )  # fmt: skip
        try:
            yield process
        finally:
            process.kill()
            process.wait(DEADLINE_SECONDS)


def demo(folder: Path) -> Path:
    return folder / "saved/demo"


def ask(folder: Path, request: bytes) -> dict[str, Any]:
    """Send one line as any program of the owner can; return the answer."""
    with connect(demo(folder), DEADLINE_SECONDS) as peer:
        peer.sendall(request)
        answer: dict[str, Any] = json.loads(peer.makefile("rb").readline())
    return answer


def entries(folder: Path, kind: str) -> list[dict[str, Any]]:
    """Return the event log's whole lines of a kind."""
    try:
        lines = (demo(folder) / EVENTS_NAME).read_bytes().splitlines(keepends=True)
    except FileNotFoundError:
        return []
    read = [json.loads(line) for line in lines if line.endswith(b"\n")]
    return [entry for entry in read if entry.get("kind") == kind]


def steps_done(folder: Path) -> int:
    """Return how far the engine has come that is behind, as far as the log says."""
    latest = dict.fromkeys(ENGINE_NAMES, 0)
    for entry in entries(folder, "steps"):
        latest[entry["engine"]] = entry["step"]
    return min(latest.values())


def saved_step(folder: Path, name: EngineName) -> int:
    latest = Run.open(folder / "saved", "demo").read_latest(name)
    return latest.checkpoint.position.step if latest else -1


@pytest.mark.rare
def test_a_run_that_is_killed_at_once_can_be_resumed(tmp_path: Path) -> None:
    with training(tmp_path) as process:
        files = [demo(tmp_path) / f"{name}.safetensors" for name in ENGINE_NAMES]
        wait_until(lambda: all(path.exists() for path in files))
        process.send_signal(signal.SIGKILL)
    assert [saved_step(tmp_path, name) for name in ENGINE_NAMES] == [0, 0]
    with training(tmp_path, command=("resume", "demo", "--headless")) as process:
        wait_until(lambda: steps_done(tmp_path) > 50)
        process.send_signal(signal.SIGTERM)
        assert process.wait(DEADLINE_SECONDS) == 128 + signal.SIGTERM
    assert min(saved_step(tmp_path, name) for name in ENGINE_NAMES) > 50


def wait_for_steps(folder: Path, more: int) -> None:
    """Wait until the run has done so many more steps."""
    enough = steps_done(folder) + more
    wait_until(lambda: steps_done(folder) > enough)


@pytest.mark.rare
def test_a_limit_out_of_range_is_refused_and_both_train_on(tmp_path: Path) -> None:
    with training(tmp_path) as process:
        wait_until((demo(tmp_path) / SOCKET_NAME).exists)
        slow_down(demo(tmp_path))
        for limit in ("1e-10", "5e-324", "0", "-1", "1e300", "1" + "0" * 400):
            answer = ask(tmp_path, f'{{"order":"limit","steps_per_second":{limit}}}\n'.encode())
            assert answer["ok"] is False, limit
            assert "steps_per_second" in answer["error"]
            wait_for_steps(tmp_path, 20)
        assert process.poll() is None
        assert ask(tmp_path, encode_command(Command("stop")))["ok"]
        assert process.wait(DEADLINE_SECONDS) == 0


def test_a_trainer_that_fails_between_two_batches_loses_nothing(tmp_path: Path) -> None:
    env = faulty_environment("overflow_at=500")
    with training(tmp_path, "--only", "numpy", env=env) as process:
        assert process.wait(DEADLINE_SECONDS) == 1
    said = (tmp_path / "err.txt").read_text()
    assert "numpy  failed: OverflowError: timestamp too large" in said
    assert saved_step(tmp_path, "numpy") == 500


def test_sigusr1_saves_and_training_continues(tmp_path: Path) -> None:
    with training(tmp_path) as process:
        wait_until(lambda: steps_done(tmp_path) > 50)
        process.send_signal(signal.SIGUSR1)
        wait_until(lambda: all(saved_step(tmp_path, name) > 50 for name in ENGINE_NAMES))
        before = steps_done(tmp_path)
        wait_until(lambda: steps_done(tmp_path) > before + 100)
        process.send_signal(signal.SIGTERM)
        assert process.wait(DEADLINE_SECONDS) == 128 + signal.SIGTERM


@pytest.mark.rare
def test_before_its_processor_time_is_up_a_run_saves_and_ends(tmp_path: Path) -> None:
    limited = ("sh", "-c", 'ulimit -t 8; exec "$@"', "sh")
    with training(tmp_path, "--only", "numpy", "--threads", "1", launcher=limited) as process:
        assert process.wait(2 * DEADLINE_SECONDS) == 128 + signal.SIGXCPU
    assert saved_step(tmp_path, "numpy") > 200


def test_a_pause_of_both_is_at_the_same_step(tmp_path: Path) -> None:
    with training(tmp_path) as process:
        wait_until(lambda: steps_done(tmp_path) > 50)
        slow_down(demo(tmp_path))
        for _ in range(3):
            before = len(entries(tmp_path, "paused"))
            assert ask(tmp_path, encode_command(Command("pause")))["status"]["paused"]
            wait_until(lambda n=before: paused_since(tmp_path, n) == set(ENGINE_NAMES))  # type: ignore[misc]
            # The one behind may have waited already when the leader's last step came.
            wait_until(lambda: len(set(last_steps(tmp_path))) == 1)
            ask(tmp_path, encode_command(Command("resume")))
        assert process.poll() is None


def paused_since(folder: Path, count: int) -> set[str]:
    """Return the engines that have paused after so many pauses in the event log."""
    return {entry["engine"] for entry in entries(folder, "paused")[count:]}


def last_steps(folder: Path) -> list[int]:
    """Return the newest step of each engine in the event log."""
    newest = dict.fromkeys(ENGINE_NAMES, 0)
    for entry in entries(folder, "steps"):
        newest[entry["engine"]] = entry["step"]
    return [*newest.values()]


def test_lockstep_keeps_both_at_the_same_step(tmp_path: Path) -> None:
    with training(tmp_path, "--lockstep"):
        wait_until((demo(tmp_path) / SOCKET_NAME).exists)
        assert ask(tmp_path, encode_command(Command("status")))["status"]["lockstep"] is True
        wait_until(lambda: steps_done(tmp_path) > 500)
        # One paused alone holds the other: with the logs flushed they show the same step.
        ask(tmp_path, encode_command(Command("pause", ("numpy",))))
        wait_until(lambda: len(set(last_steps(tmp_path))) == 1)
        ask(tmp_path, encode_command(Command("resume", ("numpy",))))
        ask(tmp_path, encode_command(Command("lockstep", on=False)))
        assert ask(tmp_path, encode_command(Command("status")))["status"]["lockstep"] is False


@pytest.mark.rare
def test_a_flood_of_saves_writes_few_checkpoints(tmp_path: Path) -> None:
    with training(tmp_path, "--only", "numpy") as process:
        wait_until((demo(tmp_path) / SOCKET_NAME).exists)
        began = monotonic()
        with connect(demo(tmp_path), DEADLINE_SECONDS) as peer:
            line, answers = encode_command(Command("save")), peer.makefile("rb")
            while monotonic() < began + 6 * SAVE_REST_SECONDS:
                peer.sendall(line * 20)
                for _ in range(20):
                    assert b'"ok":true' in answers.readline()
        took = monotonic() - began
        process.send_signal(signal.SIGTERM)
        process.wait(DEADLINE_SECONDS)
    written = len([one for one in entries(tmp_path, "saved") if one["step"]])
    assert 2 <= written <= took / SAVE_REST_SECONDS + 2
