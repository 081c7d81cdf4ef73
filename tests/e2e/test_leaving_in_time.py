"""Leaving takes two seconds at most, whatever the trainers and the disk are doing."""

import signal
from pathlib import Path

import pytest

from mlpwatch.core.runs.run import Run
from tests.support.faults.faulty_runs import (
    LEAVE_LIMIT_SECONDS,
    faulty_environment,
    headless,
    said,
    seconds_to_leave,
    wait_for_epochs,
    watched,
)
from tests.support.faults.run_losses import nothing_lost
from tests.support.terminal import Terminal, assert_restored, environment, mlpwatch_command
from tests.support.waiting import (
    DEADLINE_SECONDS,
    in_time,
    seconds_to_end,
    three_tries,
    wait_until,
)

pytestmark = pytest.mark.xdist_group("leaving")

HANGUP_LIMIT_SECONDS = 5.0


@pytest.mark.parametrize(
    ("how", "status"),
    [("q", 1), pytest.param(signal.SIGTERM, 143, marks=pytest.mark.rare)],
    ids=["q", "SIGTERM"],
)
@three_tries
def test_a_batch_of_a_minute_does_not_hold_up_leaving(
    tmp_path: Path, how: str | signal.Signals, status: int
) -> None:
    with watched(tmp_path, "slow_batch=60 save_every=10") as terminal:
        terminal.wait_for("NumPy at step")
        found, took = seconds_to_leave(terminal, how)
        assert_restored(terminal)
        how_it_ended, where = terminal.after_the_app()[-2:]
    # A `q` that could not save all is a failure; a signal's status says what ended it.
    assert found == status
    in_time(took, LEAVE_LIMIT_SECONDS)
    assert "torch test accuracy" in how_it_ended
    latest = Run.open(tmp_path / "saved", "demo").read_latest("numpy")
    assert latest is not None
    stands = f"numpy was busy: last good checkpoint at step {latest.checkpoint.position.step}"
    assert stands in how_it_ended
    assert where.startswith("left before numpy could save again; mlpwatch resume demo continues")


@three_tries
@pytest.mark.rare
def test_a_huge_layer_does_not_hold_up_leaving(tmp_path: Path) -> None:
    """42 million weights: seconds per batch, 0.2 GB per checkpoint."""
    huge = ("--data", "digits", "--name", "demo", "--only", "numpy")
    command = [*mlpwatch_command(), *huge, "--hidden", "6400,6400", "--batch-size", "1249"]
    with Terminal(command, tmp_path, env=environment()) as terminal:
        terminal.wait_for("training")
        found, took = seconds_to_leave(terminal, "q")
        assert_restored(terminal)
    assert found in (0, 1)
    in_time(took, LEAVE_LIMIT_SECONDS)


@three_tries
def test_a_disk_that_does_not_answer_does_not_hold_up_leaving(tmp_path: Path) -> None:
    with watched(tmp_path, "slow_sync=30") as terminal:
        found, took = seconds_to_leave(terminal, "q")
        assert_restored(terminal)
        how_it_ended, where = terminal.after_the_app()[-2:]
    assert found == 1
    in_time(took, LEAVE_LIMIT_SECONDS)
    assert "numpy was busy: never saved · torch was busy: never saved" in how_it_ended
    assert where.startswith("left before numpy and torch could save again")


@three_tries
@pytest.mark.rare
def test_test_images_that_take_long_to_read_do_not_hold_up_leaving(tmp_path: Path) -> None:
    with watched(tmp_path, "slow_test=30") as terminal:
        found, took = seconds_to_leave(terminal, "q")
        how_it_ended, where = terminal.after_the_app()[-2:]
    assert found == 0, "saved, and that is what counts"
    in_time(took, LEAVE_LIMIT_SECONDS)
    latest = Run.open(tmp_path / "saved", "demo").read_latest("numpy")
    assert latest is not None
    assert f"numpy stopped after {latest.checkpoint.position.step:,} steps" in how_it_ended
    assert where == "run saved in saved/demo; mlpwatch resume demo continues it"


@three_tries
def test_a_second_ctrl_c_leaves_at_once(tmp_path: Path) -> None:
    with watched(tmp_path, "slow_sync=30 slow_batch=60", "--only", "numpy") as terminal:
        terminal.send("\x03")
        terminal.wait_for("saving, then leaving")
        found, took = seconds_to_leave(terminal, "\x03")
        assert_restored(terminal)
    assert found == 130
    in_time(took, 1.0)


@pytest.mark.rare
@three_tries
def test_a_slow_screen_leaves_as_fast_as_any(tmp_path: Path) -> None:
    with watched(tmp_path, "", "--fps", "0.25", "--only", "numpy") as terminal:
        found, took = seconds_to_leave(terminal, "q")
    assert found == 0
    in_time(took, LEAVE_LIMIT_SECONDS)


@three_tries
@pytest.mark.rare
def test_without_a_screen_too(tmp_path: Path) -> None:
    with headless(tmp_path, "slow_batch=60 save_every=10", "--json") as process:
        wait_for_epochs(tmp_path)
        wait_until((tmp_path / "saved/demo/numpy.safetensors").exists)
        process.send_signal(signal.SIGTERM)
        in_time(seconds_to_end(process), LEAVE_LIMIT_SECONDS)
        assert process.returncode == 143
    assert "Traceback" not in said(tmp_path)
    assert "numpy was busy: last good checkpoint at step" in said(tmp_path)


def test_a_signal_that_is_sent_twice_still_saves(tmp_path: Path) -> None:
    """As by `timeout`, to its child and the child's group, or by a shell beside the kernel."""
    with headless(tmp_path, "", "--only", "numpy") as process:
        wait_for_epochs(tmp_path, engines=1)
        for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGTERM, signal.SIGHUP):
            process.send_signal(number)
        assert process.wait(DEADLINE_SECONDS) in (143, 129)
    assert "run saved in saved/demo" in said(tmp_path, "out.txt")


@three_tries
def test_while_loading_a_run_without_a_screen_leaves_at_once(tmp_path: Path) -> None:
    with headless(tmp_path) as process:
        # torch's libraries are mapped: their import has begun and takes a second more.
        wait_until(lambda: "torch" in Path(f"/proc/{process.pid}/maps").read_text())
        process.send_signal(signal.SIGINT)
        in_time(seconds_to_end(process), LEAVE_LIMIT_SECONDS)
        assert process.returncode == 130
    assert said(tmp_path).endswith("nothing was trained, nothing is lost\n")


@three_tries
def test_a_terminal_that_closes_without_a_signal_ends_the_run(tmp_path: Path) -> None:
    """The process has no controlling terminal, as under some `su` and containers."""
    options = ["--data", "digits", "--name", "demo", "--epochs", "5000", "--only", "numpy"]
    command = [*mlpwatch_command(), *options]
    environment = faulty_environment("save_every=10")
    with Terminal(command, tmp_path, env=environment, controlling=False) as terminal:
        terminal.wait_for("NumPy at step")
        with nothing_lost(tmp_path / "saved"):
            terminal.hang_up()
            in_time(seconds_to_end(terminal.process), HANGUP_LIMIT_SECONDS)
            assert terminal.process.returncode == 129
    latest = Run.open(tmp_path / "saved", "demo").read_latest("numpy")
    assert latest is not None
