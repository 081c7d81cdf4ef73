"""Watching from another terminal, as real processes: attach, order, outlive a terminal."""

import os
import re
import signal
import stat
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from mlpwatch.core.remote.protocol import Command
from mlpwatch.core.runs.layout import SOCKET_NAME
from mlpwatch.core.runs.run import Run
from tests.support.faults.run_losses import nothing_lost
from tests.support.orders import order, slow_down
from tests.support.terminal import Terminal, assert_restored, environment, mlpwatch_command
from tests.support.waiting import DEADLINE_SECONDS, wait_until

pytestmark = pytest.mark.xdist_group("attach")

SHORT = ["--data", "digits", "--name", "demo", "--epochs", "1", "--only", "numpy"]
LONG = ["--data", "digits", "--name", "demo", "--epochs", "50000"]


@contextmanager
def training(folder: Path) -> Iterator["subprocess.Popen[bytes]"]:
    """Train without a screen, slowly enough to be watched, until stopped."""
    process = subprocess.Popen(
        [*mlpwatch_command(), "train", *LONG], cwd=folder, env=environment(),
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        wait_until((folder / "saved/demo" / SOCKET_NAME).exists)
        slow_down(folder / "saved/demo")
        yield process
    finally:
        process.kill()
        process.wait(DEADLINE_SECONDS)


def attached(folder: Path, *options: str) -> Terminal:
    """Open the dashboard of the run in a terminal of its own."""
    command = [*mlpwatch_command(), "attach", "demo", *options]
    return Terminal(command, folder, columns=140, rows=40, env=environment())


def both(phase: str, text: str) -> bool:
    return len(re.findall(rf"epoch +\d+/50000  {phase}", text)) == 2


def test_a_run_is_watched_and_ordered_from_another_terminal(tmp_path: Path) -> None:
    with training(tmp_path) as process:
        found = (tmp_path / "saved/demo" / SOCKET_NAME).stat()
        assert stat.S_IMODE(found.st_mode) == 0o600
        assert stat.S_IMODE((tmp_path / "saved/demo").stat().st_mode) == 0o700
        with attached(tmp_path) as terminal:
            terminal.wait_for(lambda text: both("training", text))
            terminal.wait_for("limit 200 steps/s")
            assert "leave it" in terminal.text()
            terminal.wait_for(lambda text: "epoch  0" not in text)
            terminal.send(" ")
            terminal.wait_for(lambda text: both("paused", text))
            terminal.send("s")
            terminal.wait_for("saved in saved/demo: NumPy at step")
            terminal.send(" ")
            terminal.wait_for(lambda text: both("training", text))
            terminal.send("m")
            terminal.wait_for("1 of ")
            terminal.send("\r")
            terminal.wait_for("true label       ")
            terminal.send("\x1b")
            terminal.wait_for("enter large")
            terminal.send("\x1b")
            terminal.wait_for(lambda text: both("training", text))
            terminal.send("q")
            assert terminal.wait_for_end() == 0
            assert_restored(terminal)
            assert terminal.after_the_app() == [
                "demo trains on without this screen; mlpwatch attach demo shows it again"
            ]
        assert process.poll() is None, "leaving leaves the run alone"
        with attached(tmp_path) as terminal:
            terminal.wait_for(lambda text: both("training", text))
            terminal.send("X")
            terminal.wait_for("X again within 5 seconds")
            terminal.send("X")
            terminal.wait_for(lambda text: both("stopped", text))
            assert process.wait(DEADLINE_SECONDS) == 0
            assert terminal.process.poll() is None
    assert not (tmp_path / "saved/demo" / SOCKET_NAME).exists()


def test_a_killed_run_is_shown_as_ended_and_a_live_one_is_not_resumed(tmp_path: Path) -> None:
    with training(tmp_path) as process:
        refused = subprocess.run(
            [*mlpwatch_command(), "resume", "demo", "--headless"], cwd=tmp_path,
            env=environment(), capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert refused.returncode == 2
        with attached(tmp_path) as terminal:
            terminal.wait_for(lambda text: both("training", text))
            process.kill()
            terminal.wait_for(lambda text: both("stopped", text))
            assert "its process is gone; mlpwatch resume demo continues" in terminal.text()
            terminal.send("q")
            assert terminal.wait_for_end() == 0
            assert terminal.after_the_app() == ["demo has ended; mlpwatch resume demo continues it"]


def processor_seconds(process: int) -> float:
    """Return what a process has used of the processor, in its own code and in the kernel's."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def rests_for_a_second(process: int) -> bool:
    """Whether a process uses less than 0.4 s of the processor in the next second."""
    before = processor_seconds(process)
    time.sleep(1.0)
    return processor_seconds(process) - before < 0.4


@pytest.mark.parametrize("how", ["SIGHUP", pytest.param("closed", marks=pytest.mark.rare)])
def test_a_run_outlives_its_terminal_and_is_found_again(tmp_path: Path, how: str) -> None:
    command = [*mlpwatch_command(), *LONG, "--on-hangup", "continue"]
    terminal = Terminal(command, tmp_path, env=environment())
    with terminal:
        terminal.wait_for("training")
        slow_down(tmp_path / "saved/demo")
        if how == "closed":
            terminal.hang_up()
        else:
            os.kill(terminal.process.pid, signal.SIGHUP)
            wait_until(lambda: b"\x1b[?1049l" in terminal.received())
            os.kill(terminal.process.pid, signal.SIGHUP)
        with attached(tmp_path) as other:
            other.wait_for(lambda text: both("training", text))
            assert terminal.process.poll() is None
            other.send(" ")
            other.wait_for(lambda text: both("paused", text))
            # The slower one may still catch up; a process that spins never rests.
            assert any(rests_for_a_second(terminal.process.pid) for _ in range(20)), "it spins"
            other.send("q")
            assert other.wait_for_end() == 0
        with nothing_lost(tmp_path / "saved"):
            order(tmp_path / "saved/demo", Command("stop"))
            assert terminal.process.wait(DEADLINE_SECONDS) == 0
    run = Run.open(tmp_path / "saved", "demo")
    assert run.read_latest("numpy") is not None
    assert run.read_latest("torch") is not None


def test_a_short_run_that_outlives_its_terminal_ends_as_without_a_screen(tmp_path: Path) -> None:
    options = ["--data", "digits", "--name", "demo", "--epochs", "8", "--on-hangup", "continue"]
    with Terminal([*mlpwatch_command(), *options], tmp_path, env=environment()) as terminal:
        terminal.wait_for("loading")
        terminal.hang_up()
        assert terminal.process.wait(DEADLINE_SECONDS) == 0
    result = Run.open(tmp_path / "saved", "demo").read_result()
    assert result is not None
    assert {engine["ended"] for engine in result["engines"].values()} == {"finished"}


def test_without_a_terminal_attaching_is_refused_in_one_line(tmp_path: Path) -> None:
    trained = subprocess.run(
        [*mlpwatch_command(), "train", *SHORT], cwd=tmp_path, env=environment(),
        capture_output=True, check=False,
    )  # fmt: skip
    assert trained.returncode == 0
    for name, words in (("demo", "attach demo: the output is no terminal"), ("gone", "not found")):
        refused = subprocess.run(
            [*mlpwatch_command(), "attach", name], cwd=tmp_path, env=environment(),
            capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL,
        )  # fmt: skip
        assert refused.returncode == 2
        (line,) = refused.stderr.splitlines()
        assert words in line
    with attached(tmp_path) as terminal:
        terminal.wait_for(lambda text: re.search(r"epoch +1/1  finished", text))
        terminal.send("m")
        terminal.wait_for("1 of ")
        terminal.send("\r")
        terminal.wait_for("true label       ")
