"""A session by keyboard only: overfit, go back, branch with dropout, watch both."""

import re
import signal
import subprocess
from pathlib import Path

import pytest

from mlpwatch.core.remote.protocol import Command
from mlpwatch.core.runs.run import Run
from tests.support.orders import order
from tests.support.terminal import Terminal, mlpwatch_command

pytestmark = pytest.mark.xdist_group("terminal")

SMALL = (
    "--data", "digits", "--recipe", "overfitting", "--hidden", "32", "--epochs", "400",
    "--threads", "1", "--only", "numpy", "--name", "over",
)  # fmt: skip


def epoch_in(text: str, pattern: str) -> int:
    """Return the number that a pattern finds on the screen; -1 if it finds none."""
    found = re.search(pattern, text)
    return int(found[1]) if found else -1


def go_back_to(terminal: Terminal, epoch: int) -> None:
    """Press < until that epoch is shown."""
    shown = r"epoch (\d+) of 400 · end: now"
    here = 10**6
    while here > epoch:
        terminal.send(b"<")
        before = here
        terminal.wait_for(lambda text, before=before: -1 < epoch_in(text, shown) < before)  # type: ignore[misc]
        here = epoch_in(terminal.text(), shown)
    assert here == epoch


@pytest.mark.rare
def test_a_branch_and_its_parent_outlive_their_terminal(tmp_path: Path) -> None:
    command = [*mlpwatch_command(), *SMALL, "--epochs", "100000", "--on-hangup", "continue"]
    with Terminal(command, tmp_path) as terminal:
        terminal.wait_for(lambda text: epoch_in(text, r"epoch +(\d+)") >= 8)
        terminal.send(b" ")
        terminal.wait_for("paused")
        terminal.send(b"<b")
        terminal.wait_for("enter starts")
        terminal.send(b"\x1b[Bdropped\x1b[Bt\t\t0.5\r")
        terminal.wait_for(lambda text: "enter starts" not in text and "training" in text)
        terminal.send(b"r")
        terminal.wait_for("running here")
        terminal.hang_up()
        for name in ("over", "dropped"):
            command = [*mlpwatch_command(), "order", name, "status"]
            asked = subprocess.run(
                command, cwd=tmp_path, capture_output=True, text=True, check=True
            )
            assert asked.stdout.startswith("numpy training")
            order(tmp_path / "saved" / name, Command("stop"))
        assert terminal.wait_for_end() == 0
    for name in ("over", "dropped"):
        latest = Run.open(tmp_path / "saved", name).read_latest("numpy")
        assert latest is not None
        assert 0 < latest.checkpoint.position.epoch < 100_000


@pytest.mark.parametrize(
    ("columns", "rows", "leave"),
    [(80, 24, "q"), pytest.param(140, 40, "hang-up", marks=pytest.mark.rare)],
)
def test_overfit_go_back_branch_with_dropout_and_watch_both(
    tmp_path: Path, columns: int, rows: int, leave: str
) -> None:
    command = [*mlpwatch_command(), *SMALL]
    with Terminal(command, tmp_path, columns=columns, rows=rows) as terminal:
        terminal.wait_for(lambda text: epoch_in(text, r"epoch +(\d+)") >= 8)
        terminal.send(b" ")
        terminal.wait_for("paused")
        go_back_to(terminal, 5)
        terminal.send(b"b")
        terminal.wait_for("enter starts")
        terminal.wait_for("from epoch 5, 395 more epochs: nothing changed")
        # A name; the run here trains on; two groups further comes dropout.
        terminal.send(b"\x1b[Bdropped\x1b[Bt\t\t0.5")
        terminal.wait_for("dropout 0.5 (was 0.0)")
        terminal.send(b"\r")
        terminal.wait_for(
            lambda text: "enter starts" not in text and epoch_in(text, r"epoch +(\d+)") >= 6
        )
        terminal.send(b"r")
        terminal.wait_for("└ dropped")
        terminal.wait_for("running here")
        terminal.send(b"m\x1b[Bmo")
        terminal.wait_for("1 over")
        terminal.wait_for("2 dropped")
        if leave == "q":
            terminal.send(b"qqq")
        else:
            terminal.process.send_signal(signal.SIGHUP)
        assert terminal.wait_for_end() == (0 if leave == "q" else 129)
    saved = tmp_path / "saved"
    branch, parent = Run.open(saved, "dropped"), Run.open(saved, "over")
    assert branch.config.dropout == 0.5
    assert branch.manifest.parent is not None
    assert branch.manifest.parent.epoch == 5
    for run in (branch, parent):
        latest = run.read_latest("numpy")
        assert latest is not None, "both are saved at the end"
        assert latest.checkpoint.position.step > 5
