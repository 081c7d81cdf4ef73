"""A real run in a real terminal is looked back at, on every screen, while it trains."""

import re
from pathlib import Path

import pytest

from tests.support.network_files import NetworkFile
from tests.support.terminal import Terminal, assert_restored, environment, mlpwatch_command

pytestmark = pytest.mark.xdist_group("user-network")

END = "\x1b[F"


def epochs_done(text: str) -> int:
    """Return NumPy's epochs in the dashboard's status."""
    found = re.search(r"(\d+)/400\b", text)
    return int(found[1]) if found else 0


def test_every_screen_goes_back_while_a_network_of_ones_own_trains(tmp_path: Path) -> None:
    (tmp_path / "net.py").write_text(NetworkFile((16,), "relu", layout="columns").source())
    options = ["--data", "digits", "--epochs", "400", "--network", "net.py", "--name", "back"]
    command = [*mlpwatch_command(), *options]
    env = environment(MLPWATCH_CACHE=str(tmp_path / "cache"))
    with Terminal(command, tmp_path, columns=100, rows=30, env=env) as terminal:
        terminal.send("]]]]")
        terminal.wait_for(lambda text: epochs_done(text) >= 8)
        terminal.send("<")
        terminal.wait_for(lambda text: "of 400 · end: now" in text and "kept" in text)
        terminal.send("\x1b[H")  # home
        terminal.wait_for("epoch 0 of 400 · end: now")
        terminal.send(">>")
        before = terminal.wait_for("epoch 2 of 400 · end: now")
        terminal.send("m")
        terminal.wait_for(lambda text: "epoch 2 of 400" in text and "net.py predicts" in text)
        terminal.send("\r")
        terminal.wait_for(lambda text: "life over" in text and "reading" not in text)
        terminal.send("\x1b")
        terminal.wait_for("net.py predicts")
        terminal.send("mw")
        terminal.wait_for(lambda text: "net.py  epoch 2" in text and "PyTorch  epoch 2" in text)
        terminal.send("<")
        terminal.wait_for(lambda text: "net.py  epoch 1" in text and "PyTorch  epoch 1" in text)
        terminal.send("wu")
        terminal.wait_for(lambda text: "update/W" in text and "epoch 1 of 400" in text)
        terminal.send("ud")
        terminal.wait_for("draw a digit")
        terminal.send(" \x1b[B\x1b[B\x1b[B")
        terminal.wait_for(lambda text: "▸" in text and "epoch 1 of 400" in text)
        terminal.send(">de\x1b[C")
        terminal.wait_for(lambda text: "epoch 3, batch 1" in text and "epoch 2 of 400" in text)
        terminal.send("e")
        terminal.wait_for(lambda text: epochs_done(text) > epochs_done(before))
        terminal.send(END)
        terminal.wait_for(lambda text: "end: now" not in text and "epochs 0" not in text)
        terminal.send("q")
        assert terminal.wait_for_end() == 0
        assert_restored(terminal)
    with Terminal([*mlpwatch_command(), "attach", "back"], tmp_path, env=env) as terminal:
        terminal.wait_for("stopped")
        terminal.send("m\x1b[H<<<")
        terminal.wait_for(lambda text: "of 400" in text and "net.py predicts" in text)
        terminal.send("qq")
        assert terminal.wait_for_end() == 0
