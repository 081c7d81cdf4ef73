"""A mistake in pixels, once the terminal has said that it shows them."""

import re
from pathlib import Path

import pytest

from tests.support.terminal import Terminal, environment, mlpwatch_command

pytestmark = pytest.mark.xdist_group("terminal")

SMALL = ("--data", "digits", "--hidden", "8", "--epochs", "1", "--only", "numpy")

QUESTION = re.compile(rb"\x1b_Gi=(\d+),s=1,v=1,a=q")
PICTURE = re.compile(rb"\x1b_G(a=[^,]*)[^\x1b]*\x1b\\")


def test_a_digit_is_shown_in_pixels_and_taken_back(tmp_path: Path) -> None:
    env = environment(TERM="xterm-kitty", COLORTERM="truecolor")
    with Terminal([*mlpwatch_command(), *SMALL], tmp_path, env=env) as terminal:
        terminal.wait_for("training")
        terminal.send("]" * 10)
        terminal.wait_for("finished")
        (question,) = QUESTION.findall(terminal.received())
        assert not PICTURE.search(terminal.received()), "none on the dashboard"
        # Without an answer the digit is drawn in cells.
        terminal.send("m")
        terminal.wait_for("enter large")
        terminal.send("\r")
        terminal.wait_for("true label")
        assert not PICTURE.search(terminal.received())
        terminal.send("qq")
        terminal.wait_for("saved in")
        terminal.send(f"\x1b_Gi={question.decode()};OK\x1b\\")
        terminal.send("m")
        terminal.wait_for("enter large")
        terminal.send("\r")
        terminal.wait_for(lambda _text: b"\x1b_Ga=T,f=100," in terminal.received())
        terminal.send("?")
        # Taken back below the help, and shown again after it.
        terminal.wait_for(lambda _text: PICTURE.findall(terminal.received())[-1] == b"a=d")
        terminal.send("x")
        terminal.wait_for(lambda _text: PICTURE.findall(terminal.received())[-1] == b"a=p")
        terminal.send("v")
        terminal.wait_for(lambda _text: PICTURE.findall(terminal.received())[-1] == b"a=d")
        terminal.send("vvv")
        terminal.wait_for(lambda _text: PICTURE.findall(terminal.received())[-1] != b"a=d")
        terminal.send("\x03")
        terminal.wait_for_end()
        assert PICTURE.findall(terminal.received())[-1] == b"a=d"
        assert b"d=I" in terminal.received()
