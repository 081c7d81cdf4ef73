"""Over a long round trip, a terminal's last answers reach the program, not the shell behind it."""

import re
from pathlib import Path
from threading import Timer

import pytest

from tests.support.pty.emulator import Emulator
from tests.support.terminal import Terminal, environment, mlpwatch_command

pytestmark = [pytest.mark.xdist_group("terminal"), pytest.mark.slow]

OPTIONS = ["--data", "digits", "--only", "numpy", "--epochs", "9000", "--name", "demo"]


class FarTerminal(Terminal):
    """Its answers take a while."""

    SECONDS = 1.2

    def answer_late(self) -> list[Timer]:
        """Answer from now on; return the answers as they come about."""
        answers: list[Timer] = []

        def answer(text: str) -> None:
            answers.append(Timer(self.SECONDS, self.send, [text]))
            answers[-1].start()

        self.screen = Emulator(self.screen.columns, self.screen.lines, answer)
        return answers


@pytest.mark.parametrize(
    "is_early",
    [pytest.param(True, id="at once"), pytest.param(False, id="later", marks=pytest.mark.rare)],
)
def test_no_answer_comes_after_the_end(is_early: bool, tmp_path: Path) -> None:
    env = environment(SSH_CONNECTION="192.0.2.1 5000 192.0.2.2 22")
    with FarTerminal([*mlpwatch_command(), *OPTIONS], tmp_path, env=env) as terminal:
        answers = terminal.answer_late()
        if is_early:
            terminal.wait_for("mlpwatch")
        else:
            terminal.wait_for(lambda text: re.search(r" +[1-9]\d*/9000 +training", text))
            terminal.wait_for_silence(0.3)
        terminal.send("q")
        status = terminal.wait_for_end()
        late = [answer for answer in answers if answer.is_alive()]
        for answer in answers:
            answer.cancel()
        assert status == 0
        assert answers
        assert late == []
