"""Inside tmux: drawn whole, and drawn whole again after a detach and at another size."""

import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.terminal import Terminal, environment, mlpwatch_command
from tests.support.waiting import DEADLINE_SECONDS, wait_until

TMUX = shutil.which("tmux")

pytestmark = [
    pytest.mark.xdist_group("signals"),
    pytest.mark.skipif(TMUX is None, reason="tmux is not installed"),
]


class Tmux:
    """A tmux server of its own, on its own socket."""

    def __init__(self, folder: Path) -> None:
        self.command = [TMUX or "tmux", "-S", str(folder / "socket"), "-f", "/dev/null"]
        self._folder = folder

    def run(self, *arguments: str) -> str:
        return subprocess.run(
            [*self.command, *arguments], cwd=self._folder, env=environment(),
            capture_output=True, text=True, timeout=DEADLINE_SECONDS, check=True,
        ).stdout  # fmt: skip

    def screen(self) -> str:
        return self.run("capture-pane", "-p", "-t", "demo")

    def wait_for(self, pattern: str, times: int = 1) -> str:
        wait_until(lambda: len(re.findall(pattern, self.screen())) == times)
        return self.screen()


@pytest.fixture
def tmux(tmp_path: Path) -> Iterator[Tmux]:
    server = Tmux(tmp_path)
    yield server
    subprocess.run([*server.command, "kill-server"], check=False, capture_output=True)


def assert_whole(screen: str, columns: int) -> None:
    """Check that header, both models and footer stand where they belong, once each."""
    rows = screen.rstrip("\n").split("\n")
    assert rows[0].startswith(" mlpwatch  digits · 64-128-10"), screen
    assert len(re.findall(r"^ ?NumPy +[━╸─]", screen, re.MULTILINE)) == 1, screen
    assert screen.count("? help  q quit") == 1
    assert rows[-1].startswith(" space pause"), screen
    assert max(map(len, rows)) <= columns


def test_detach_and_attach_at_another_size(tmux: Tmux, tmp_path: Path) -> None:
    options = ["--data", "digits", "--name", "demo", "--epochs", "5000"]
    status = tmp_path / "status"
    line = shlex.join([*mlpwatch_command(), *options]) + f"; echo $? > {shlex.quote(str(status))}"
    tmux.run("new-session", "-d", "-s", "demo", "-x", "140", "-y", "40", f"{line}; cat")
    tmux.run("set-option", "-g", "status", "off")
    tmux.wait_for(r"epoch +[1-9]\d*/5000  training", 2)
    tmux.wait_for(r"\? help  q quit", 1)
    assert_whole(tmux.screen(), 140)

    attach = [*tmux.command, "attach-session", "-t", "demo"]
    with Terminal(attach, tmp_path, columns=80, rows=24) as client:
        client.wait_for(lambda text: len(re.findall(r" +\d+/5000 +training", text)) == 2)
        client.wait_for("? help  q quit")
        assert_whole(client.text(), 80)
        client.send(" ")
        client.wait_for(lambda text: len(re.findall(r"/5000 +paused", text)) == 2)
        tmux.run("detach-client", "-s", "demo")
        assert client.wait_for_end() == 0
    with Terminal(attach, tmp_path, columns=120, rows=36) as client:
        client.wait_for(lambda text: len(re.findall(r" \d+/5000 +paused", text)) == 2)
        client.wait_for(lambda text: text.count("confusion") == 2)
        client.wait_for("? help  q quit")  # the last row that is drawn
        assert_whole(client.text(), 120)
        client.send("q")
        wait_until(status.exists)
        wait_until(lambda: status.read_text().strip() == "0")
        client.wait_for("run saved in saved/demo")
        assert "? help  q quit" not in client.text(), "the screen before has come back"
        tmux.run("kill-server")
