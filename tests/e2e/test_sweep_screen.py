"""The sweep's screen of the real command in a real terminal: trained behind it, and attached."""

import json
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from mlpwatch.core.sweeps.reading import GroupReader
from tests.support.terminal import Terminal, assert_restored, environment, mlpwatch_command
from tests.support.waiting import wait_until

pytestmark = pytest.mark.xdist_group("terminal")

GRID = ("--data", "digits", "--recipe", "seed", "--learning-rate", "0.1,0.5", "--name", "g")


def screen(folder: Path, *words: str) -> Terminal:
    cache = str(folder / "cache")
    env = environment(MLPWATCH_CACHE=cache, TERM="xterm-ghostty", SHELL="/bin/sh")
    return Terminal([*mlpwatch_command(), *words], folder, columns=140, rows=40, env=env)


def expected(path: Path, rate: str) -> tuple[str, str, str]:
    """What NumPy and SciPy make of the runs' own files: both means, and the difference."""
    found = [json.loads((path / f"learning-rate={rate},seed={n}/result.json").read_text())
             for n in (0, 1)]  # fmt: skip
    shares = {
        name: [100 * run["engines"][name]["test_accuracy"] for run in found]
        for name in ("numpy", "torch")
    }
    numpy, torch = shares["numpy"], shares["torch"]
    interval = stats.ttest_rel(torch, numpy).confidence_interval(0.95)
    mean = np.mean(torch) - np.mean(numpy)
    texts = [f"{np.mean(one):.2f} ± {np.std(one, ddof=1):.2f}" for one in (numpy, torch)]
    return texts[0], texts[1], f"{mean:+.2f} ± {(interval.high - interval.low) / 2:.2f}"


def rows_of(text: str, rate: str) -> list[str]:
    return [line[2:] for line in text.split("\n") if line[2:].startswith(f"{rate} ")]


def test_a_sweep_is_watched_a_trial_opened_and_attached_afterwards(tmp_path: Path) -> None:
    path = tmp_path / "saved/g"
    end = ("--notify", "--on-end", 'echo "$MLPWATCH_ENDED"; exit 3')
    with screen(tmp_path, "sweep", *GRID, "--seeds", "2", "--epochs", "6", *end) as terminal:
        terminal.wait_for("measuring how fast the trials train")
        text = terminal.wait_for(lambda text: "4 of 4 finished" in text and "left" not in text)
        for rate in ("0.1", "0.5"):
            (row,) = rows_of(text, rate)
            assert all(number in row for number in expected(path, rate)), row
        terminal.wait_for(lambda _text: b"g has ended: 4 of 4 finished" in terminal.received())
        wait_until((path / "on-end.log").is_file)
        terminal.send("/lr>0.2\r")
        terminal.wait_for(lambda text: "1 of 2 settings" in text and not rows_of(text, "0.1"))
        terminal.send("\r\x1b[B\r")
        opened = terminal.wait_for("learning-rate=0.5,seed=0: q goes back to the sweep")
        assert "digits · 64-50-10 · sigmoid" in opened
        assert opened.count("epoch 6/6") == 2
        terminal.send("q")
        terminal.wait_for(lambda text: "1 of 2 settings" in text and "▸  seed 0" in text)
        terminal.send("q")
        assert terminal.wait_for_end() == 0
        assert_restored(terminal)
        last = terminal.after_the_app()
        assert last[-1].startswith("on-end: exit status 3: finished")
        assert last[-2].startswith("4 of 4 finished; saved in saved/g")
        assert any("PyTorch is" in line for line in last)
    with screen(tmp_path, "attach", "g") as terminal:
        text = terminal.wait_for("4 of 4 finished")
        (row,) = rows_of(text, "0.5")
        assert all(number in row for number in expected(path, "0.5"))
        terminal.send("q")
        assert terminal.wait_for_end() == 0
        assert_restored(terminal)


@pytest.mark.rare
def test_an_attached_screen_ends_a_sweep_and_all_trials_are_saved(tmp_path: Path) -> None:
    long = ("--seeds", "1", "--epochs", "9000", "--jobs", "1")
    with screen(tmp_path, "sweep", *GRID, *long) as terminal:
        terminal.wait_for(lambda text: "1 training" in text and "about" in text)
        with screen(tmp_path, "attach", "g") as other:
            other.wait_for(lambda text: "1 training" in text and "q leave it" in text)
            other.send("XX")
            other.wait_for("saving the trials; the same sweep continues them")
            terminal.wait_for("0 of 2 finished, 1 stopped")
            other.wait_for("0 of 2 finished, 1 stopped")
            other.send("q")
            assert other.wait_for_end() == 0
        states = [row.state for row in GroupReader(tmp_path / "saved/g").read().rows]
        assert states == ["stopped", "waiting"]
        terminal.send("q")
        assert terminal.wait_for_end() == 0
        assert "mlpwatch sweep --name g continues it" in terminal.after_the_app()[-1]
    # It continues, and leaving its screen saves what trains.
    with screen(tmp_path, "sweep", "--name", "g", "--jobs", "1") as terminal:
        terminal.wait_for("1 training")
        terminal.send("q")
        assert terminal.wait_for_end() == 0
        assert_restored(terminal)
    assert "training" not in [row.state for row in GroupReader(tmp_path / "saved/g").read().rows]
