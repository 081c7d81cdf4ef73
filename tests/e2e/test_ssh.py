"""Over a real SSH connection: drawn, obeyed, left in order; nothing old after a stall."""

import json
import os
import re
import signal
from collections.abc import Iterator
from pathlib import Path
from time import monotonic

import pytest

from mlpwatch.tui.kit.pace import NUMBERS_SECONDS
from tests.support.pty.emulator import Emulator
from tests.support.pty.ssh_server import (
    KEYGEN,
    SSH,
    SSHD,
    SshServerError,
    remote_mlpwatch,
    ssh_server,
)
from tests.support.terminal import Terminal, assert_restored
from tests.support.waiting import wait_until

pytestmark = [
    pytest.mark.xdist_group("signals"),
    pytest.mark.skipif(not (SSHD and SSH and KEYGEN), reason="no OpenSSH server and client here"),
]

END_OF_FRAME = b"\x1b[1;1H"
"""Textual parks the cursor behind each frame."""

FPS = 30

STALLED_SECONDS = 10 * NUMBERS_SECONDS
"""So long that old frames, if they were sent, would be 150, with ten numbers of epochs."""

MOST_OLD_FRAMES = 2
"""After a stall: the one that was under way, and one that a tick began."""

MOST_SECONDS_BEHIND = 2 * NUMBERS_SECONDS
"""A number may be one refresh old; as much again for a machine that does other things too."""


@pytest.fixture
def ssh(tmp_path: Path) -> Iterator[list[str]]:
    """The client command that reaches a server; skip where none starts."""
    try:
        with ssh_server(tmp_path) as command:
            yield command
    except SshServerError as error:
        pytest.skip(str(error))


def test_the_dashboard_over_ssh(ssh: list[str], tmp_path: Path) -> None:
    options = ["--data", "digits", "--name", "demo", "--epochs", "5000"]
    remote = remote_mlpwatch(tmp_path, *options)
    with Terminal([*ssh, remote], tmp_path, columns=100, rows=30, answers=True) as terminal:
        terminal.wait_for(lambda text: len(re.findall(r" +[1-9]\d*/5000 +training", text)) == 2)
        terminal.resize(140, 40)
        terminal.wait_for(lambda text: text.count("confusion") == 2)
        assert re.search(r"  2 fps · +[\d.]+ kB/s · ui +\d+ %", terminal.wait_for("kB/s"))
        terminal.send(" ")
        terminal.wait_for(lambda text: len(re.findall(r"/5000 +paused", text)) == 2)
        terminal.send("m")
        terminal.wait_for(" · true ")
        terminal.send("\r")
        parts = ("PyTorch predicts ", "1 of ", r"NumPy +predicts \d +\d+\.\d %  (right|wrong)")
        terminal.wait_for(lambda text: all(re.search(part, text) for part in parts))
        terminal.send("\x1b")
        terminal.wait_for(" · true ")
        terminal.send("\x1b")
        terminal.wait_for("▸ loss")
        terminal.send("q")
        assert terminal.wait_for_end() == 0
        assert_restored(terminal)
        accuracies, where = terminal.after_the_app()[-2:]
    assert "stopped after" in accuracies
    assert where == "run saved in saved/demo; mlpwatch resume demo continues it"


def epochs_done(folder: Path) -> int:
    """Return how many epochs the only model has trained."""
    lines = (folder / "saved/demo/metrics.jsonl").read_text().split("\n")[:-1]
    return int(json.loads(lines[-1])["epoch"])


def epochs_shown(text: str) -> int:
    """Return its epoch on the screen."""
    found = re.search(r" +(\d+)/\d+ +training", text)
    return int(found[1]) if found else 0


def epochs_by_frame(before: bytes, after: bytes) -> list[int]:
    """Return which epoch the screen shows after each frame of what came last."""
    screen = Emulator(140, 40)
    screen.show(before)
    epochs = []
    for frame in after.split(END_OF_FRAME)[:-1]:
        screen.show(frame)
        epochs.append(epochs_shown(screen.text()))
    return epochs


@pytest.mark.rare
def test_after_a_stalled_link_at_most_two_old_frames_come(ssh: list[str], tmp_path: Path) -> None:
    options = [
        "--data", "digits", "--name", "demo", "--epochs", "90000", "--only", "numpy",
        "--batch-size", "4", "--fps", str(FPS),
    ]  # fmt: skip
    remote = remote_mlpwatch(tmp_path, *options)
    with Terminal([*ssh, remote], tmp_path, columns=140, rows=40, answers=True) as terminal:
        terminal.wait_for(lambda text: epochs_shown(text) > 0)
        os.kill(terminal.process.pid, signal.SIGSTOP)
        before, began = epochs_done(tmp_path), monotonic()
        wait_until(lambda: monotonic() > began + STALLED_SECONDS)
        taken, newest = len(terminal.received()), epochs_done(tmp_path)
        behind = MOST_SECONDS_BEHIND * (newest - before) / (monotonic() - began)
        os.kill(terminal.process.pid, signal.SIGCONT)
        terminal.wait_for(lambda text: epochs_shown(text) >= newest)
        received = terminal.received()
        terminal.send("q")
        assert terminal.wait_for_end() == 0
        assert_restored(terminal)
    shown = epochs_by_frame(received[:taken], received[taken:])
    old = [epoch for epoch in shown if epoch < newest - behind]
    assert len(old) <= MOST_OLD_FRAMES, (shown, newest, behind)
