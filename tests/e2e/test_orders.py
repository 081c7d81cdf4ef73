"""`mlpwatch order`: a script changes a run that trains in another process."""

import json
import shutil
import signal
import subprocess
from pathlib import Path

import pytest

from mlpwatch.core.config import ENGINE_NAMES, RunConfig
from mlpwatch.core.remote.protocol import Command, encode_command
from mlpwatch.core.runs.layout import RATES_NAME, SOCKET_NAME
from mlpwatch.core.runs.run import Run
from mlpwatch.core.training.launch import new_session, resumed_session
from mlpwatch.core.training.rates import read_rates
from tests.e2e.test_commands_from_outside import (
    ask,
    demo,
    entries,
    saved_step,
    steps_done,
    training,
)
from tests.support.orders import slow_down
from tests.support.samples.engines import assert_same_bits
from tests.support.terminal import environment, mlpwatch_command
from tests.support.waiting import DEADLINE_SECONDS, wait_until

pytestmark = pytest.mark.xdist_group("commands")

CONFIG = RunConfig(
    data="digits",
    hidden=(16,),
    epochs=60,
    schedule="linear",
    optimizer="adam",
    learning_rate=1e-3,
    threads=2,
)
SETTINGS = (
    "train", "--data", "digits", "--name", "demo", "--epochs", "60", "--hidden", "16",
    "--schedule", "linear", "--optimizer", "adam", "--learning-rate", "0.001", "--threads", "2",
)  # fmt: skip


def give(folder: Path, *words: str) -> "subprocess.CompletedProcess[str]":
    command = [*mlpwatch_command(), "order", *words]
    return subprocess.run(
        command, cwd=folder, env=environment(), capture_output=True, text=True,
        check=False, timeout=DEADLINE_SECONDS,
    )  # fmt: skip


def tell(folder: Path, *orders: Command) -> None:
    for order in orders:
        assert ask(folder, encode_command(order))["ok"]


def done(folder: Path, *words: str) -> str:
    answer = give(folder, "demo", *words)
    assert answer.returncode == 0, answer.stderr
    return answer.stdout


def test_a_script_changes_the_rate_and_a_killed_run_makes_the_change_again(tmp_path: Path) -> None:
    """Bit for bit the run that never ended, which knows the changes from the start."""
    with training(tmp_path, command=SETTINGS) as process:
        wait_until((demo(tmp_path) / SOCKET_NAME).exists)
        tell(tmp_path, Command("limit", steps_per_second=100.0))
        wait_until(lambda: steps_done(tmp_path) > 20)
        tell(tmp_path, Command("pause"), Command("save"))
        wait_until(lambda: min(saved_step(tmp_path, name) for name in ENGINE_NAMES) > 0)
        saved = {name: saved_step(tmp_path, name) for name in ENGINE_NAMES}
        tell(tmp_path, Command("resume"))
        before = steps_done(tmp_path)
        wait_until(lambda: steps_done(tmp_path) > before + 20)
        answer = json.loads(
            done(tmp_path, "set", "--learning-rate", "0.004", "--engine", "numpy", "--json")
        )
        assert answer["ok"]
        assert answer["status"]["learning_rates"] == {"numpy": 0.004, "torch": 0.001}
        done(tmp_path, "set", "--learning-rate", "0.002")
        wait_until(lambda: len(entries(tmp_path, "rate")) == 3)
        wait_until(lambda: len(read_rates(demo(tmp_path))["numpy"]) == 2)
        process.send_signal(signal.SIGKILL)
        process.wait(DEADLINE_SECONDS)
    changes = read_rates(demo(tmp_path))
    assert [one.learning_rate for one in changes["numpy"]] == [0.004, 0.002]
    assert [one.learning_rate for one in changes["torch"]] == [0.002]
    assert {name: saved_step(tmp_path, name) for name in ENGINE_NAMES} == saved
    assert all(changes[name][0].step > saved[name] for name in ENGINE_NAMES), "made again"

    with training(tmp_path, command=("resume", "demo", "--headless")) as process:
        assert process.wait(DEADLINE_SECONDS) == 0
    logged = [
        (one["engine"], one["step"], one["learning_rate"]) for one in entries(tmp_path, "rate")
    ]
    made = [(one.engine, one.step, one.learning_rate) for name in changes for one in changes[name]]
    assert sorted(logged) == sorted(made), "each once"

    whole = new_session(CONFIG, tmp_path, "whole", lambda _text: None)
    assert whole.config == Run.open(tmp_path / "saved", "demo").config
    whole.run.release()
    shutil.copy(demo(tmp_path) / RATES_NAME, whole.run.path)
    again = resumed_session(whole.run, whole.config, lambda _text: None)
    again.start()
    assert again.join(DEADLINE_SECONDS)
    again.run.release()
    for name in ENGINE_NAMES:
        ended, wanted = (
            Run.open(saved, run).read_latest(name)
            for saved, run in ((tmp_path / "saved", "demo"), (tmp_path, "whole"))
        )
        assert ended is not None
        assert wanted is not None
        if name == "numpy":
            assert_same_bits(ended.checkpoint.state.weights, wanted.checkpoint.state.weights)
            assert_same_bits(ended.checkpoint.state.slots, wanted.checkpoint.state.slots)
        assert ended.checkpoint.position.learning_rate == 0.002


def test_the_other_orders_do_what_they_say(tmp_path: Path) -> None:
    with training(tmp_path) as process:
        wait_until(lambda: steps_done(tmp_path) > 20)
        slow_down(demo(tmp_path))
        said = done(tmp_path, "pause", "--engine", "numpy")
        assert "numpy paused, learning rate 0.3, " in said
        status = json.loads(done(tmp_path, "status", "--json"))["status"]
        assert status["paused"] == ["numpy"]
        assert status["process"] == process.pid
        done(tmp_path, "step")
        wait_until(lambda: len(entries(tmp_path, "paused")) == 1)
        assert "numpy training" in done(tmp_path, "resume")
        done(tmp_path, "stop")
        assert process.wait(DEADLINE_SECONDS) == 0
    refused = give(tmp_path, "demo", "pause")
    assert refused.returncode == 2
    assert refused.stderr == (
        "mlpwatch: pause demo: nobody trains this run; mlpwatch resume demo continues it\n"
    )
    assert refused.stdout == ""


@pytest.mark.parametrize(
    ("words", "fault"),
    [
        (("set",), "order set: expected --learning-rate F, like --learning-rate 0.05"),
        (("set", "--learning-rate", "nan"), "learning rate nan: expected a number from 1e-30"),
        (("set", "--learning-rate", "-0.1"), "learning rate -0.1: expected a number from 1e-30"),
        (("set", "--learning-rate", "big"), "'big': expected a number, like 0.1"),
        (("pause", "--learning-rate", "0.1"), "order pause takes none; use set"),
        (("save", "--engine", "numpy"), "order save goes to both; leave it out"),
        (("jump",), "invalid choice: 'jump'"),
        (("status",), "run 'demo': not found under saved"),
    ],
)
def test_a_wrong_order_is_one_line(
    words: tuple[str, ...],
    fault: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    from mlpwatch.tui.__main__ import main

    monkeypatch.chdir(tmp_path)
    assert main(["order", "demo", *words]) == 2
    said = capsys.readouterr()
    assert fault in said.err
    assert said.err.count("\n") == 1
    assert said.out == ""
