"""Over a real SSH connection: drawn, obeyed, left in order."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.ssh_server import KEYGEN, SSH, SSHD, SshServerError, remote_mlpwatch, ssh_server
from tests.e2e.terminal import Terminal, assert_restored

pytestmark = [
    pytest.mark.xdist_group("signals"),
    pytest.mark.skipif(not (SSHD and SSH and KEYGEN), reason="no OpenSSH server and client here"),
]


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
    with Terminal([*ssh, remote], tmp_path, columns=100, rows=30) as terminal:
        terminal.wait_for(lambda text: len(re.findall(r" +[1-9]\d*/5000 +training", text)) == 2)
        terminal.resize(140, 40)
        terminal.wait_for(lambda text: text.count("confusion") == 2)
        assert re.search(r"  2 fps · +[\d.]+ kB/s · ui +\d+ %", terminal.wait_for("kB/s"))
        terminal.send(" ")
        terminal.wait_for(lambda text: len(re.findall(r"/5000 +paused", text)) == 2)
        terminal.send("m")
        terminal.wait_for(" · true ")
        terminal.send("\r")
        parts = ("PyTorch reads ", "1 of ", r"NumPy +reads \d +\d+\.\d %  (right|wrong)")
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
    assert where == "run saved in saved/demo"
