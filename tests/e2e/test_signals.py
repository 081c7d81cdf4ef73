"""However the command is told to end, it saves, and leaves the terminal as it found it."""

import os
import re
import signal
from pathlib import Path

import pytest

from mlpwatch.core.runs.run import Run
from tests.support.faults.run_losses import nothing_lost
from tests.support.terminal import Terminal, assert_restored, environment, mlpwatch_command

pytestmark = pytest.mark.xdist_group("signals")

STATUSES = {signal.SIGINT: 130, signal.SIGTERM: 143, signal.SIGHUP: 129}


def training(folder: Path, *options: str, models: int = 2) -> Terminal:
    """Start a run that would take long, and wait until its models have done an epoch."""
    command = [*mlpwatch_command(), "--data", "digits", "--name", "demo", "--epochs", "5000"]
    terminal = Terminal([*command, *options], folder, env=environment())
    pattern = re.compile(r" +[1-9]\d*/5000 +training")
    try:
        terminal.wait_for(lambda text: len(pattern.findall(text)) == models)
    except BaseException:
        terminal.__exit__(None, None, None)
        raise
    return terminal


def training_alone(folder: Path) -> Terminal:
    """Start such a run of NumPy alone: without importing PyTorch, in half the time."""
    return training(folder, "--only", "numpy", models=1)


def assert_saved(folder: Path) -> None:
    """Check that each engine was saved, whole, after at least an epoch."""
    run = Run.open(folder / "saved", "demo")
    for name in run.config.engine_names:
        latest = run.read_latest(name)
        assert latest is not None
        assert latest.note == ""
        assert latest.checkpoint.position.epoch >= 1


@pytest.mark.parametrize("number", STATUSES, ids=lambda number: number.name)
def test_a_signal_saves_restores_and_ends_with_its_status(
    number: signal.Signals, tmp_path: Path
) -> None:
    both = number == signal.SIGTERM
    with training(tmp_path) if both else training_alone(tmp_path) as terminal:
        with nothing_lost(tmp_path / "saved"):
            os.kill(terminal.process.pid, number)
            assert terminal.wait_for_end() == STATUSES[number]
        assert_restored(terminal)
        accuracies, where = terminal.after_the_app()[-2:]
    assert "stopped after" in accuracies
    assert where == "run saved in saved/demo; mlpwatch resume demo continues it"
    assert_saved(tmp_path)


def test_ctrl_c_saves_restores_and_ends_with_130(tmp_path: Path) -> None:
    with training_alone(tmp_path) as terminal:
        with nothing_lost(tmp_path / "saved"):
            terminal.send("\x03")
            assert terminal.wait_for_end() == 130
        assert_restored(terminal)
        assert (
            "run saved in saved/demo; mlpwatch resume demo continues it" in terminal.after_the_app()
        )
    assert b"Traceback" not in terminal.received()
    assert_saved(tmp_path)


def test_a_closed_window_saves_and_ends_with_129(tmp_path: Path) -> None:
    with training_alone(tmp_path) as terminal, nothing_lost(tmp_path / "saved"):
        terminal.hang_up()
        assert terminal.wait_for_end() == 129
    assert_saved(tmp_path)


def test_a_stalled_link_does_not_keep_a_signal_from_saving(tmp_path: Path) -> None:
    with training(tmp_path) as terminal:
        terminal.stall()
        # Each change of size repaints the whole screen: more than the kernel's buffer takes.
        for columns in range(81, 131):
            terminal.resize(columns, 40)
            terminal.send("o")
        with nothing_lost(tmp_path / "saved"):
            os.kill(terminal.process.pid, signal.SIGTERM)
            assert terminal.wait_for_end() == 143
    assert_saved(tmp_path)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=lambda number: number.name)
def test_a_signal_while_loading_ends_at_once(number: signal.Signals, tmp_path: Path) -> None:
    command = [*mlpwatch_command(), "--data", "digits"]
    with Terminal(command, tmp_path, env=environment()) as terminal:
        terminal.wait_for("loading")
        os.kill(terminal.process.pid, number)
        assert terminal.wait_for_end() == STATUSES[number]
        assert_restored(terminal)
    assert b"Traceback" not in terminal.received()
