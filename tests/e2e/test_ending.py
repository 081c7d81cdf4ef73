"""What follows the end of a run that was watched: `--on-end` and `--notify` in a real terminal."""

import signal
from pathlib import Path

import pytest

from tests.support.terminal import Terminal, environment, mlpwatch_command

pytestmark = pytest.mark.xdist_group("terminal")

DEMO = ("--data", "digits", "--hidden", "8", "--only", "numpy", "--name", "demo")


def test_a_run_on_the_screen_ends_with_a_word_and_its_command(tmp_path: Path) -> None:
    command = [*mlpwatch_command(), *DEMO, "--epochs", "2", "--notify"]
    command += ["--on-end", 'echo "$MLPWATCH_ENDED $MLPWATCH_NUMPY_TEST_ACCURACY"; exit 3']
    env = environment(TERM="xterm-ghostty", SHELL="/bin/sh")
    with Terminal(command, tmp_path, env=env) as terminal:
        terminal.wait_for("training")
        terminal.send("]" * 10)
        output = tmp_path / "saved" / "demo" / "on-end.log"
        terminal.wait_for("exit status 3")
        (word,) = output.read_text().split()[:1]
        assert word == "finished"
        assert b"\x1b]777;notify;mlpwatch;demo finished: NumPy" in terminal.received()
        terminal.send("q")
        assert terminal.wait_for_end() == 0
        assert not [line for line in terminal.after_the_app() if "on-end" in line], "said before"


def test_leaving_a_run_runs_its_command_and_says_what_failed(tmp_path: Path) -> None:
    command = [*mlpwatch_command(), *DEMO, "--epochs", "5000"]
    command += ["--on-end", 'echo "$MLPWATCH_ENDED" >&2; exit 3']
    with Terminal(command, tmp_path, env=environment(SHELL="/bin/sh")) as terminal:
        terminal.wait_for("training")
        terminal.send("q")
        assert terminal.wait_for_end() == 0
        said = " ".join(terminal.after_the_app())
        assert "exit status 3: stopped" in said
        assert b"notify" not in terminal.received()


def test_title_and_progress_are_shown_and_taken_back_at_every_end(tmp_path: Path) -> None:
    command = [*mlpwatch_command(), *DEMO, "--epochs", "5000"]
    env = environment(TERM="xterm-ghostty", TERM_PROGRAM="ghostty")
    with Terminal(command, tmp_path, env=env) as terminal:
        terminal.wait_for("training")
        terminal.wait_for(lambda _text: "demo" in terminal.screen.title)
        assert terminal.screen.title.startswith("demo ")
        terminal.wait_for(lambda _text: b"\x1b]9;4;1;" in terminal.received())
        terminal.process.send_signal(signal.SIGTERM)
        assert terminal.wait_for_end() == 143
        before, _, after = terminal.received().rpartition(b"\x1b[23;0t")
        assert b"\x1b]9;4;0;0\x1b\\" in before
        assert before.count(b"\x1b[22;0t") == 1 + before.count(b"\x1b[23;0t")
        assert b"\x1b]2;" not in after
        assert b"\x1b]9;" not in after


@pytest.mark.rare
def test_an_unknown_terminal_gets_no_sequence_for_its_window(tmp_path: Path) -> None:
    command = [*mlpwatch_command(), *DEMO, "--epochs", "5000"]
    with Terminal(command, tmp_path, env=environment(TERM="linux")) as terminal:
        terminal.wait_for("training")
        terminal.send("q")
        assert terminal.wait_for_end() == 0
        for sequence in (b"\x1b]0;", b"\x1b]2;", b"\x1b]9;", b"\x1b]777;", b"\x1b]52;", b";0t"):
            assert sequence not in terminal.received()
