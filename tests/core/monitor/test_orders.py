"""Orders to a watched loop, through its socket and by the command line."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import mlpwatch
from mlpwatch.core.errors import RunError
from mlpwatch.core.monitor.orders import rate_setter
from mlpwatch.core.monitor.progress import watched_loop
from mlpwatch.core.remote.client import give_order
from mlpwatch.core.remote.protocol import Command, LoopStatus
from mlpwatch.tui.__main__ import main
from tests.support.waiting import wait_until
from tests.support.watched import ENDLESS, lines_of, program

Main = Callable[..., tuple[int, str, str]]


@pytest.fixture
def command(capfd: pytest.CaptureFixture[str]) -> Main:
    """Return a function that runs one command: its status, output and complaints."""

    def run(*arguments: str) -> tuple[int, str, str]:
        capfd.readouterr()
        status = main(arguments)
        said = capfd.readouterr()
        return status, said.out, said.err

    return run


def status_of(folder: Path) -> LoopStatus:
    found = give_order(folder, Command("status")).loop
    assert found is not None
    return found


def test_a_session_of_orders_from_the_command_line(tmp_path: Path, command: Main) -> None:
    folder, saved = tmp_path / "saved/loop", ("--saved", str(tmp_path / "saved"))
    with program(ENDLESS, tmp_path) as process:
        wait_until((folder / "control.sock").exists)
        wait_until(lambda: status_of(folder).step > 20)
        assert command("order", "loop", "pause", *saved)[0] == 0
        wait_until(lambda: any(line.kind == "paused" for line in lines_of(folder)))
        at = status_of(folder)
        assert at.is_paused
        assert command("status", "loop", *saved)[1].startswith("loop  paused  epoch 0, step ")
        for _ in range(2):
            command("order", "loop", "step", *saved)
        wait_until(lambda: status_of(folder).step == at.step + 2)
        command("order", "loop", "set", "--learning-rate", "0.05", *saved)
        said = command("order", "loop", "save", "--json", *saved)[1]
        assert json.loads(said)["status"]["loop"]["learning_rate"] == 0.05
        assert command("order", "loop", "resume", *saved)[1].startswith("training at step ")
        wait_until(lambda: any(line.kind == "saved" for line in lines_of(folder)))
        wait_until(lambda: lines_of(folder)[-1].values.get("rate") == 0.05)
        assert command("order", "loop", "stop", *saved)[0] == 0
        assert command("status", "loop", "--wait", *saved)[0] == 0
        assert process.wait(60) == 0
        assert process.stdout is not None
        assert process.stdout.read() == "after the block\n"
    kinds = [line.kind for line in lines_of(folder) if line.kind != "scalars"]
    assert kinds == ["paused", "rate", "resumed", "saved", "ended"]
    assert (lines_of(folder)[-1].end, lines_of(folder)[-1].text) == ("stopped", "by an order")
    status, _, said = command("order", "loop", "pause", *saved)
    assert (status, said) == (
        2, "mlpwatch: pause loop: nobody trains this run; start its program again\n"
    )  # fmt: skip


def test_a_limit_holds_between_steps(tmp_path: Path) -> None:
    with program(ENDLESS, tmp_path) as process:
        folder = tmp_path / "saved/loop"
        wait_until((folder / "control.sock").exists)
        give_order(folder, Command("limit", steps_per_second=2.0))
        first = status_of(folder).step
        wait_until(lambda: status_of(folder).step > first + 1 and lines_of(folder))
        lines = lines_of(folder)
        times = [line.time for line in lines if line.kind == "scalars"][-1:]
        wait_until(lambda: len(lines_of(folder)) >= len(lines) + 2)
        times += [line.time for line in lines_of(folder)[len(lines) :]][:2]
        assert times[2] - times[1] > 0.4
        process.kill()


def test_what_a_loop_has_not_is_refused(tmp_path: Path) -> None:
    with mlpwatch.watch("loop", saved=tmp_path):
        for order, words in (
            (Command("set", learning_rate=0.1), "give mlpwatch.watch"),
            (Command("pause", ("numpy",)), "a watched loop has none"),
            (Command("lockstep", on=True), "only one loop"),
        ):
            with pytest.raises(RunError, match=words):
                give_order(tmp_path / "loop", order)


def test_a_loop_without_steps_is_stopped_by_its_answer(tmp_path: Path) -> None:
    with mlpwatch.watch("loop", saved=tmp_path) as run:
        assert run.step(loss=1.0)
        give_order(tmp_path / "loop", Command("stop"))
        assert not run.step(loss=0.5)
        assert run.stop_requested


def test_stop_ends_the_block_and_what_follows_it_runs(tmp_path: Path) -> None:
    done = []
    with mlpwatch.watch("loop", saved=tmp_path) as run:
        for number in run.steps(range(100)):
            done.append(number)
            if number == 4:
                give_order(tmp_path / "loop", Command("stop"))
        done.append(-1)
    assert done == [0, 1, 2, 3, 4]


def test_a_function_that_fails_to_set_the_rate_ends_nothing(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    def refuse(rate: float) -> None:
        raise ValueError(f"not {rate}")

    with mlpwatch.watch("loop", saved=tmp_path, optimizer=refuse) as run:
        give_order(tmp_path / "loop", Command("set", learning_rate=0.5))
        assert run.step()
    assert "order set --learning-rate 0.5: ValueError: not 0.5" in capfd.readouterr().err


def test_the_rate_of_every_kind_of_optimizer_is_set() -> None:
    class Torch:
        param_groups = ({"lr": 1.0}, {"lr": 2.0})

    class Keras:
        learning_rate = 1.0

    torch, keras = Torch(), Keras()
    for optimizer in (torch, keras):
        set_rate = rate_setter(optimizer)
        assert set_rate is not None
        set_rate(0.25)
    assert [group["lr"] for group in torch.param_groups] == [0.25, 0.25]
    assert keras.learning_rate == 0.25


def test_scripts_list_wait_and_follow(tmp_path: Path, command: Main) -> None:
    saved = ("--saved", str(tmp_path))
    with mlpwatch.watch("loop", saved=tmp_path, epochs=1, classes=3) as run:
        for _ in run.steps(range(3)):
            run.log(loss=0.5)
        run.epoch(labels=[0, 1, 2], probabilities=np.eye(3)[[0, 2, 2]], accuracy=0.75)
        assert command("status", "loop", "--wait", "--timeout", "0", *saved)[0] == 124
    (listed,) = json.loads(command("runs", "--json", *saved)[1])
    assert (listed["run"], listed["kind"], listed["state"]) == ("loop", "watched", "finished")
    assert listed["values"] == {"accuracy": 0.75}
    assert command("runs", *saved)[1] == (
        "watched loop  finished  epoch 1/1, step 3  accuracy 0.75\n"
    )
    status, said, _ = command("tail", "loop", "--json", *saved)
    lines = [json.loads(line) for line in said.splitlines()]
    assert status == 0
    assert [line["kind"] for line in lines] == ["scalars"] * 3 + ["epoch", "ended"]
    assert lines[3]["confusion"] == {"classes": 3, "counts": [1, -4, 1, -2, 1]}
    assert command("tail", "loop", "--lines", "1", *saved)[1].startswith("ended ")
    status, _, said = command("resume", "loop", *saved)
    assert status == 2
    assert "watched by mlpwatch.watch()" in said


def test_a_failed_loop_ends_the_wait_with_1(tmp_path: Path, command: Main) -> None:
    with pytest.raises(ValueError, match="no"), mlpwatch.watch("loop", saved=tmp_path):
        raise ValueError("no")
    status, said, _ = command("status", "loop", "--wait", "--saved", str(tmp_path))
    assert (status, said) == (1, "loop  failed: ValueError: no  epoch 0, step 0\n")


def test_a_paused_loop_saves_by_its_own_function(tmp_path: Path) -> None:
    text = """
import mlpwatch
saves = []
def save():
    saves.append(len(saves))
    if len(saves) == 1:
        raise OSError("disk away")
    return "model.pt"
with mlpwatch.watch("loop", save=save) as run:
    for number in run.steps(range(10**9)):
        run.log(loss=1.0)
"""
    with program(text, tmp_path) as process:
        folder = tmp_path / "saved/loop"
        wait_until((folder / "control.sock").exists)
        give_order(folder, Command("pause"))
        wait_until(lambda: any(line.kind == "paused" for line in lines_of(folder)))
        give_order(folder, Command("save"))
        wait_until(lambda: status_of(folder).save_requested)
        give_order(folder, Command("save"))
        wait_until(lambda: lines_of(folder)[-1].kind == "saved")
        assert lines_of(folder)[-1].text == "model.pt"
        assert not status_of(folder).save_requested
        process.kill()
        assert process.stderr is not None
        assert "order save: OSError: disk away" in process.stderr.read()


def test_the_newest_of_all_runs_may_be_a_loop(tmp_path: Path) -> None:
    assert watched_loop(tmp_path, None) is None
    for name in ("first", "second"):
        with mlpwatch.watch(name, saved=tmp_path):
            pass
    assert watched_loop(tmp_path, None) == tmp_path / "second"
    assert watched_loop(tmp_path, "first") == tmp_path / "first"
