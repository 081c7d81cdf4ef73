"""A real run in a real terminal is looked back at, on every screen, while it trains."""

import re
from collections.abc import Callable
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


def epoch_shown(text: str) -> int:
    """Return the past epoch in the title; -1 for now, and while one is read."""
    found = re.search(r"epoch (\d+) of 400 · end: now", text)
    return int(found[1]) if found else -1


def weights_of(epoch: int) -> Callable[[str], bool]:
    """Return whether the weights are of that epoch; each model keeps epochs of its own."""
    return lambda text: any(f"{name}  epoch {epoch} " in text for name in ("net.py", "PyTorch"))


def test_every_screen_goes_back_while_a_network_of_ones_own_trains(tmp_path: Path) -> None:
    (tmp_path / "net.py").write_text(NetworkFile((16,), "relu", layout="columns").source())
    options = ["--data", "digits", "--epochs", "400", "--network", "net.py", "--name", "back"]
    command = [*mlpwatch_command(), *options]
    env = environment(MLPWATCH_CACHE=str(tmp_path / "cache"))
    with Terminal(command, tmp_path, columns=100, rows=30, env=env) as terminal:
        terminal.wait_for(lambda text: epochs_done(text) >= 8)
        terminal.send("<")
        terminal.wait_for(lambda text: "of 400 · end: now" in text and "kept" in text)
        terminal.send("\x1b[H")  # home
        before = terminal.wait_for("epoch 0 of 400 · end: now")
        # On screens that need weights > skips the epochs that are not kept.
        terminal.send("m>")
        terminal.wait_for(lambda text: epoch_shown(text) > 0 and "net.py predicts" in text)
        first = epoch_shown(terminal.text())
        terminal.send(">")
        terminal.wait_for(lambda text: epoch_shown(text) > first and "net.py predicts" in text)
        second = epoch_shown(terminal.text())
        terminal.send("\r")
        terminal.wait_for(lambda text: "life over" in text and "reading" not in text)
        terminal.send("\x1b")
        terminal.wait_for("net.py predicts")
        terminal.send("mw")
        terminal.wait_for(weights_of(second))
        terminal.send("<")
        terminal.wait_for(weights_of(first))
        terminal.send("wu")
        terminal.wait_for(lambda text: "update/W" in text and epoch_shown(text) == first)
        terminal.send("ud")
        terminal.wait_for("draw a digit")
        terminal.send(" \x1b[B\x1b[B\x1b[B")
        terminal.wait_for(lambda text: "▸" in text and epoch_shown(text) == first)
        terminal.send(">de\x1b[C")
        terminal.wait_for(
            lambda text: f"epoch {second + 1}, batch 1" in text and epoch_shown(text) == second
        )
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
