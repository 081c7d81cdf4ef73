"""While the terminal takes nothing, training goes on; afterwards the screen is right at once."""

import re
from pathlib import Path
from time import monotonic

import pytest

from mlpwatch.core.config import ENGINE_NAMES, EngineName
from mlpwatch.core.runs.run import Run
from tests.support.terminal import Terminal, environment, mlpwatch_command, written_at
from tests.support.waiting import wait_until

pytestmark = pytest.mark.xdist_group("terminal")

MOST_BYTES = 60_000
"""After a stall: the 20 kB that Linux keeps of a pseudo-terminal's output, and two whole frames."""


def training(folder: Path) -> Terminal:
    """Watch a run at a limited speed, and wait for both models' first epoch.

    A trainer that waited for the screen would stand, limit or not; what other tests take of the
    machine makes two measurements at full speed differ as much.
    """
    options = ["--data", "digits", "--name", "demo", "--epochs", "9000", "--batch-size", "8"]
    terminal = Terminal(
        [*mlpwatch_command(), *options], folder, columns=140, rows=40, env=environment()
    )
    try:
        terminal.wait_for(lambda text: len(re.findall(r" +[1-9]\d*/9000 +training", text)) == 2)
        terminal.send("[[[")
        terminal.wait_for("limit 200 steps/s")
    except BaseException:
        terminal.__exit__(None, None, None)
        raise
    return terminal


def saved_steps(terminal: Terminal, folder: Path) -> dict[EngineName, int]:
    """Save, and return each engine's step: the way to look inside when nothing can be seen."""
    files = [folder / "saved/demo" / f"{name}.safetensors" for name in ENGINE_NAMES]

    def times() -> list[int]:
        return [written_at(file) for file in files]

    before = times()
    terminal.send("s")
    wait_until(lambda: all(new > old for new, old in zip(times(), before, strict=True)))
    run = Run.open(folder / "saved", "demo")
    steps: dict[EngineName, int] = {}
    for name in ENGINE_NAMES:
        latest = run.read_latest(name)
        assert latest is not None
        steps[name] = latest.checkpoint.position.step
    return steps


def speeds(terminal: Terminal, folder: Path, seconds: float = 1.0) -> dict[EngineName, float]:
    """Return each engine's steps per second over some seconds."""
    first, start = saved_steps(terminal, folder), monotonic()
    wait_until(lambda: monotonic() > start + seconds)
    last, end = saved_steps(terminal, folder), monotonic()
    return {name: (last[name] - first[name]) / (end - start) for name in ENGINE_NAMES}


def change_everything(terminal: Terminal, folder: Path) -> None:
    """Have the whole screen drawn 8 times, 96 kB: several times what the kernel keeps."""
    for _ in range(8):
        terminal.send("z")
        # Keys are taken in order: when this one has worked, so has the one before.
        saved_steps(terminal, folder)


def without_cost(text: str) -> str:
    """Leave out the screen's own cost, which the changes of size change."""
    return re.sub(r"\d+ fps.*", "", text)


def test_training_goes_on_and_the_screen_is_right_afterwards_without_a_backlog(
    tmp_path: Path,
) -> None:
    with training(tmp_path) as terminal:
        before = speeds(terminal, tmp_path)
        terminal.stall()
        change_everything(terminal, tmp_path)
        during = speeds(terminal, tmp_path)
        for name in ENGINE_NAMES:
            assert during[name] > 0.5 * before[name], (before, during)

        terminal.send(" ")
        taken = len(terminal.received())
        terminal.drain_again()
        terminal.wait_for(lambda text: len(re.findall(r"/9000 +paused", text)) == 2)
        settled = without_cost(terminal.wait_for_silence())
        assert len(terminal.received()) - taken < MOST_BYTES

        # What was sent in parts is what a terminal shows that gets everything anew.
        terminal.resize(139, 40)
        terminal.wait_for(lambda text: without_cost(text) != settled)
        terminal.resize(140, 40)
        terminal.wait_for(lambda text: without_cost(text) == settled)
