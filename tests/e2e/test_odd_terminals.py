"""Terminals without a size, with a foreign one in the environment, or with libraries writing."""

import os
import re
from pathlib import Path

import pytest

from tests.support.terminal import Terminal, assert_restored, environment, mlpwatch_command

pytestmark = [pytest.mark.xdist_group("terminal"), pytest.mark.slow]

OPTIONS = ["--data", "digits", "--only", "numpy", "--epochs", "9000", "--name", "demo"]
TRAINS = re.compile(r" +[1-9]\d*/9000 +training")


def dashboard(folder: Path, columns: int, rows: int, **variables: str) -> Terminal:
    command = [*mlpwatch_command(), *OPTIONS]
    return Terminal(command, folder, columns=columns, rows=rows, env=environment(**variables))


@pytest.mark.parametrize(
    ("columns", "rows"),
    [
        (0, 0),
        pytest.param(80, 0, marks=pytest.mark.rare),
        pytest.param(0, 24, marks=pytest.mark.rare),
    ],
)
def test_a_size_that_is_not_known_is_80_by_24(columns: int, rows: int, tmp_path: Path) -> None:
    with dashboard(tmp_path, 80, 24) as terminal:
        # The emulator shows 80x24; what the program is told is another thing.
        super(Terminal, terminal).resize(columns, rows)
        terminal.wait_for(TRAINS.search)
        assert "q quit" in terminal.text().split("\n")[23]
        sent = len(terminal.received())
        terminal.send(" ")
        terminal.wait_for("paused")
        terminal.wait_for_silence(3.0)
        assert len(terminal.received()) - sent < 20_000, "a paused screen is drawn once"
        terminal.process.terminate()
        assert terminal.wait_for_end() == 143
        assert_restored(terminal)


def test_the_terminals_own_size_wins_over_columns_and_lines(tmp_path: Path) -> None:
    with dashboard(tmp_path, 100, 30, COLUMNS="60", LINES="10") as terminal:
        terminal.wait_for(TRAINS.search)
        assert "q quit" in terminal.text().split("\n")[29]
        terminal.resize(90, 26)
        terminal.wait_for(lambda text: "q quit" in text.split("\n")[25])
        terminal.send("q")
        assert terminal.wait_for_end() == 0


@pytest.mark.rare
def test_a_huge_terminal_is_left_in_time(tmp_path: Path) -> None:
    with dashboard(tmp_path, 80, 24) as terminal:
        terminal.wait_for(TRAINS.search)
        # Only the program is told: an emulator of this size takes minutes.
        super(Terminal, terminal).resize(5_000, 5_000)
        terminal.wait_for_silence(0.5)
        terminal.process.terminate()
        assert terminal.wait_for_end(10.0) == 143
    assert (tmp_path / "saved/demo/numpy.safetensors").exists()


@pytest.mark.parametrize("name", ["unknown", "Dumb"])
def test_a_terminal_that_cant_be_used_trains_without_a_screen(name: str, tmp_path: Path) -> None:
    with Terminal(
        [*mlpwatch_command(), *OPTIONS[:-4], "--epochs", "2"], tmp_path, env=environment(TERM=name)
    ) as terminal:
        assert terminal.wait_for_end() == 0
        text = terminal.received().decode()
    assert f"mlpwatch: TERM is {name}, so this trains without a screen" in text
    assert "\x1b" not in text


def test_what_libraries_write_is_kept_off_the_screen_and_said(tmp_path: Path) -> None:
    writing = (
        "import os, sys, threading; from mlpwatch.tui.__main__ import main;"
        "warn = lambda: open('now').close() or os.write(2, b'OMP: Warning #42\\n');"
        "threading.Thread(target=warn, daemon=True).start();"
        "status = main(sys.argv[1:]); os._exit(status)"
    )
    command = [mlpwatch_command()[0].replace("bin/mlpwatch", "bin/python"), "-c", writing]
    os.mkfifo(tmp_path / "now")
    with Terminal([*command, *OPTIONS], tmp_path, columns=100, rows=30) as terminal:
        terminal.wait_for(TRAINS.search)
        (tmp_path / "now").write_bytes(b"")
        terminal.wait_for("a library wrote: OMP: Warning #42")
        terminal.send("q")
        assert terminal.wait_for_end() == 0
        after = terminal.after_the_app()
        assert after[:2] == ["mlpwatch: libraries wrote:", "OMP: Warning #42"]
        assert terminal.received().count(b"\nOMP") == 1, "once, behind the screen"
