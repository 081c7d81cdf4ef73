"""Stopped by ctrl+z or SIGSTOP, it gives the terminal back, goes on, and is drawn anew."""

import json
import os
import re
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.faults.faulty_runs import DEMO
from tests.support.faults.run_losses import nothing_lost
from tests.support.orders import slow_down
from tests.support.terminal import Terminal, assert_restored, environment, mlpwatch_command
from tests.support.waiting import wait_until

pytestmark = pytest.mark.xdist_group("jobs")


def trains(text: str) -> bool:
    return re.search(r" +[1-9]\d*/5000 +training", text) is not None


def both_train(text: str) -> bool:
    return len(re.findall(r" +[1-9]\d*/5000 +training", text)) == 2


def epochs(text: str) -> list[int]:
    return [int(found) for found in re.findall(r" +(\d+)/5000 +training", text)]


def state_of(pid: int) -> str:
    """Return the kernel's letter for the state of a process: T is stopped."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


def threads_of(pid: int) -> list[str]:
    """Return the sorted names of the threads that Python and Textual made."""
    return sorted(
        task.joinpath("comm").read_text().strip() for task in Path(f"/proc/{pid}/task").iterdir()
    )


@contextmanager
def in_a_shell(folder: Path, **variables: str) -> Iterator[tuple[Terminal, int]]:
    """Start the dashboard from a shell with job control; give its process id, too."""
    env = environment(PS1="ready> ", HISTFILE="", **variables)
    shell = ["bash", "--norc", "--noprofile", "-i"]
    with Terminal(shell, folder, env=env, answers=True) as terminal:
        terminal.wait_for("ready>")
        terminal.send(" ".join([*mlpwatch_command(), *DEMO, "--only", "numpy"]) + "\n")
        terminal.wait_for(trains)
        slow_down(folder / "saved/demo")
        yield terminal, json.loads((folder / "saved/demo/owner.json").read_text())["pid"]


def wait_for_the_prompt(terminal: Terminal, stopped: int) -> None:
    """Wait until the shell has told so many times that its job was stopped, and asks again."""
    terminal.wait_for(
        lambda text: text.count("Stopped") == stopped and "ready>" in text.rpartition("Stopped")[2]
    )


def assert_the_shell_has_the_terminal(terminal: Terminal, word: str) -> None:
    """Check that what is typed is echoed and run."""
    terminal.send(f"echo {word}-$((40+2))\n")
    terminal.wait_for(f"{word}-42")
    assert f"ready> echo {word}-$((40+2))" in terminal.text(), "what is typed is shown, no more"


def go_on(terminal: Terminal) -> None:
    """Say `fg`, and check that the dashboard is back, whole, and trains."""
    terminal.send("fg\n")
    seen = terminal.wait_for(
        lambda text: (
            text.startswith(" mlpwatch  digits")
            and trains(text)
            and "? help  q quit" in text
            and "ready>" not in text
        )
    )
    before = epochs(seen)
    terminal.wait_for(lambda text: epochs(text) > before)


def test_ctrl_z_gives_the_terminal_to_the_shell_and_fg_takes_it_again(tmp_path: Path) -> None:
    # Over SSH the terminal is asked after each frame: no answer may be typed to the shell.
    with in_a_shell(tmp_path, SSH_CONNECTION="192.0.2.1 50000 192.0.2.2 22") as (terminal, pid):
        threads = threads_of(pid)
        with nothing_lost(tmp_path / "saved"):
            for times, word in enumerate(("first", "second"), start=1):
                terminal.send("\x1a")
                wait_until(lambda: state_of(pid) == "T")
                wait_for_the_prompt(terminal, stopped=times)
                assert_the_shell_has_the_terminal(terminal, word)
                go_on(terminal)
            wait_until(lambda: len(threads_of(pid)) <= len(threads))
            terminal.send("q")
            terminal.wait_for("run saved in saved/demo")
        assert_the_shell_has_the_terminal(terminal, "after")


def test_sigstop_under_a_shell_is_survived_too(tmp_path: Path) -> None:
    with in_a_shell(tmp_path) as (terminal, pid):
        with nothing_lost(tmp_path / "saved"):
            os.kill(pid, signal.SIGSTOP)
            wait_for_the_prompt(terminal, stopped=1)
            go_on(terminal)
            terminal.send("q")
            terminal.wait_for("run saved in saved/demo")
        assert_the_shell_has_the_terminal(terminal, "after")


def test_sigstop_and_sigcont_from_elsewhere_go_on_and_restore_at_the_end(tmp_path: Path) -> None:
    with Terminal([*mlpwatch_command(), *DEMO], tmp_path, env=environment()) as terminal:
        terminal.wait_for(both_train)
        slow_down(tmp_path / "saved/demo")
        pid = terminal.process.pid
        threads = threads_of(pid)
        for _ in range(3):
            os.kill(pid, signal.SIGSTOP)
            wait_until(lambda: state_of(pid) == "T")
            terminal.wipe()
            os.kill(pid, signal.SIGCONT)
            terminal.wait_for(lambda text: both_train(text) and "? help  q quit" in text)
        wait_until(lambda: len(threads_of(pid)) <= len(threads))
        terminal.send("\x1a")
        terminal.wait_for("there is no shell to go back to")
        terminal.send("q")
        assert terminal.wait_for_end() == 0
        assert_restored(terminal)


def test_sigcont_after_the_end_does_not_take_the_terminal_again(tmp_path: Path) -> None:
    """As `timeout` sends it right after SIGTERM."""
    command = [*mlpwatch_command(), *DEMO, "--only", "numpy"]
    with Terminal(command, tmp_path, env=environment()) as terminal:
        terminal.wait_for(trains)
        os.kill(terminal.process.pid, signal.SIGTERM)
        os.kill(terminal.process.pid, signal.SIGCONT)
        assert terminal.wait_for_end() == 143
        assert_restored(terminal)
