"""A real run in a real terminal shows its layers live, and again from its folder."""

import json
import re
from pathlib import Path

import pytest

from tests.support.terminal import Terminal, assert_restored, environment, mlpwatch_command

pytestmark = pytest.mark.xdist_group("terminal")

DEEP = ["--hidden", "16,16,16,16,16,16,16,16", "--activation", "sigmoid"]


def opened(folder: Path, *options: str) -> Terminal:
    env = environment(MLPWATCH_CACHE=str(folder / "cache"))
    return Terminal([*mlpwatch_command(), *options], folder, columns=100, rows=30, env=env)


def strip_layers(metrics: Path) -> None:
    """Make the log one that an older mlpwatch has written."""
    lines = [json.loads(line) for line in metrics.read_text().splitlines()]
    old = [{name: value for name, value in line.items() if name != "layers"} for line in lines]
    metrics.write_text("".join(json.dumps(line) + "\n" for line in old))


def test_layers_are_shown_live_and_from_the_folder(tmp_path: Path) -> None:
    settings = ["--data", "digits", "--name", "deep", "--epochs", "3", *DEEP]
    with opened(tmp_path, *settings) as terminal:
        # A short run begins with a limit that stretches it to half a minute.
        terminal.wait_for("training")
        terminal.send("]")
        terminal.wait_for(lambda text: len(re.findall(r"3/3 +finished", text)) == 2)
        terminal.send("u")
        terminal.wait_for(lambda text: " 0  64→16" in text and "NumPy  epoch 3" in text)
        terminal.wait_for("of layer 8's since epoch 1")
        terminal.send("\x1b[B")
        terminal.wait_for("layers 4–8 of 9")
        terminal.send("<")
        terminal.wait_for("NumPy  epoch 2")
        terminal.send("\x1b[F")  # end: now
        terminal.wait_for("NumPy  epoch 3")
        terminal.send("q")
        terminal.wait_for("▸ loss")
        terminal.send("q")
        assert terminal.wait_for_end() == 0
        assert_restored(terminal)
    metrics = tmp_path / "saved/deep/metrics.jsonl"
    lines = [json.loads(line) for line in metrics.read_text().splitlines()]
    assert len(lines) == 6
    # On a busy machine an epoch may leave no time to measure; the first one always does.
    measured = [line["layers"] for line in lines if line.get("layers")]
    assert {line["engine"] for line in lines if line.get("layers")} == {"numpy", "torch"}
    assert all(len(layers["gradient_norm"]) == 9 for layers in measured)
    for words in ("of layer 8's since epoch 1", "an older mlpwatch trained it"):
        with opened(tmp_path, "attach", "deep") as terminal:
            terminal.wait_for(lambda text: len(re.findall(r"3/3 +finished", text)) == 2)
            terminal.send("u")
            terminal.wait_for(words)
            terminal.send("qq")
            assert terminal.wait_for_end() == 0
        strip_layers(metrics)
