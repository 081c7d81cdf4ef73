"""The runs screen of the real command in a real terminal, and what it leaves on disk."""

import re
from pathlib import Path

import pytest

from mlpwatch.core.config import ENGINE_NAMES
from mlpwatch.core.recipes import from_recipe
from mlpwatch.core.runs.listing import list_runs
from tests.support.samples.run_scenes import make_run
from tests.support.terminal import Terminal, assert_restored, environment, mlpwatch_command
from tests.support.waiting import wait_until

pytestmark = pytest.mark.xdist_group("terminal")


def make_past(saved: Path) -> None:
    """Leave three runs that nobody trains, two of recipe seed."""
    twin = from_recipe("twin", data="digits", epochs=6)
    seed = from_recipe("seed", data="digits", epochs=9)
    make_run(saved, "first", twin, 20, {"numpy": 6, "torch": 5})
    make_run(saved, "second", seed, 21, {"numpy": 9, "torch": 9})
    make_run(saved, "third", seed, 22, {"numpy": 2, "torch": 1})


def watching(folder: Path) -> Terminal:
    options = ["--data", "digits", "--name", "here", "--epochs", "100000"]
    env = environment(MLPWATCH_CACHE=str(folder / "cache"))
    return Terminal([*mlpwatch_command(), *options], folder, columns=100, rows=24, env=env)


def names(saved: Path) -> set[str]:
    return {run.name for run in list_runs(saved)}


def delete_the_chosen(terminal: Terminal, saved: Path) -> None:
    """Ask for it twice: `n` keeps the run, `y` deletes it."""
    terminal.send("d")
    terminal.wait_for(lambda text: "Delete second again?" in text and "keeps it" in text)
    terminal.send("n")
    terminal.wait_for("2 of 4 runs")
    assert "second again" in names(saved)
    terminal.send("d")
    terminal.wait_for("Delete second again?")
    terminal.send("y")
    wait_until(lambda: names(saved) == {"here", "first", "third"})
    terminal.wait_for(lambda text: "1 of 3 runs" in text and "deleted second again" in text)


def test_runs_are_filtered_opened_compared_renamed_and_deleted(tmp_path: Path) -> None:
    saved = tmp_path / "saved"
    make_past(saved)
    with watching(tmp_path) as terminal:
        terminal.wait_for(lambda text: len(re.findall(r"val +\d", text)) == len(ENGINE_NAMES))
        terminal.send("r")
        terminal.wait_for(lambda text: "4 runs" in text and "running here" in text)

        terminal.send("/seed\r")
        terminal.wait_for(lambda text: "2 of 4 runs" in text and "first" not in text)
        terminal.send("\r")
        terminal.wait_for(lambda text: "third  digits · 64-50-10" in text and "2/9" in text)
        terminal.send("\x1b")
        terminal.wait_for("2 of 4 runs")

        terminal.send("m\x1b[Bm")
        terminal.wait_for("2 marked")
        terminal.send("o")
        terminal.wait_for(lambda text: " 1 third" in text and " 2 second" in text)
        terminal.send("\x1b")
        terminal.wait_for("2 marked")

        terminal.send("n")
        terminal.wait_for("keeps the old name")
        terminal.send("second again\r")
        wait_until(lambda: names(saved) == {"here", "first", "second again", "third"})
        terminal.wait_for("second again")
        assert (saved / "second again/metrics.jsonl").is_file()

        delete_the_chosen(terminal, saved)
        terminal.send("q")  # drops the filter
        terminal.wait_for("saved · 3 runs")
        terminal.send("q")
        terminal.wait_for("▸ loss")
        terminal.send("q")
        assert terminal.wait_for_end() == 0
        assert_restored(terminal)
    assert (saved / "here/numpy.safetensors").is_file()
    assert names(saved) == {"here", "first", "third"}
