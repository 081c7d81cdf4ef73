"""Bytes that are no keys end nothing: `q` in a terminal's answer, a Latin-1 key, half a letter."""

import re
from pathlib import Path

import pytest

from tests.support.terminal import Terminal, assert_restored, mlpwatch_command

pytestmark = [pytest.mark.xdist_group("terminal"), pytest.mark.slow]

NO_KEYS = [
    b"\xe9", b"\x80", b"\xff", b"\xe9\x13", b"\xf0\x9f", b"\x1b[MC\x85*", b"\x1bP1$r0 q q\x1b\\",
    b"\x1b]11;rgb:ffff/qqqq/[[[[\x07", b"\x1b_q\x1b\\", b"\x1b^q\x1b\\", b"\x1bXq\x1b\\",
    b"\x1b[?64;1;22q", b"\x1b[48;0;0;0;0t", b"\x1b[1;1;99999999999u",
]  # fmt: skip
SPLIT = [(b"\x1b", b"[A"), (b"\x1b[", b"A"), (b"\x1bP1$r", b"0 q [[ q", b"\x1b\\")]


def limit(text: str) -> str:
    return "".join(re.findall(r"limit \d+", text))


def test_none_of_them_is_a_key_and_q_quits(tmp_path: Path) -> None:
    options = ["--data", "digits", "--only", "numpy", "--epochs", "9000", "--name", "demo"]
    with Terminal([*mlpwatch_command(), *options], tmp_path, columns=120, rows=30) as terminal:
        terminal.wait_for(lambda text: re.search(r" +[1-9]\d*/9000 +training", text))
        before = limit(terminal.text())
        for sequence in NO_KEYS:
            terminal.send(sequence)
            # Keys are taken in order: when these have worked, nothing before them has.
            terminal.send("?")
            terminal.wait_for("On the dashboard")
            terminal.send("?")
            terminal.wait_for(lambda text: "On the dashboard" not in text)
        for parts in SPLIT:
            for part in parts:
                terminal.send(part)
                terminal.wait_for_silence(0.05)
        terminal.send(" ")
        text = terminal.wait_for(lambda text: re.search(r"/9000 +paused", text))
        assert limit(text) == before, "an arrow's second byte lowers the limit"
        terminal.send("q")
        assert terminal.wait_for_end() == 0
        assert_restored(terminal)
    assert (tmp_path / "saved/demo/numpy.safetensors").exists()
