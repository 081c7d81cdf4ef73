"""The first frame waits for nothing that it does not show."""

import json
import sys
from pathlib import Path

import pytest

from mlpwatch.tui.showing import FRAMES_PER_SECOND
from tests.support.terminal import Terminal, environment

pytestmark = pytest.mark.xdist_group("terminal")

SAY_WHEN_LOADING_BEGINS = """
import gc, json, os, sys
from mlpwatch.tui.state.watch import Watch
def note(*_):
    with open("first-frame.json", "w") as file:
        noted = {"modules": sorted(sys.modules), "collecting": gc.isenabled()}
        json.dump(noted | {"frames": sys.modules["textual.constants"].MAX_FPS}, file)
    os._exit(0)
Watch.open = note
from mlpwatch.tui.__main__ import main
main(["--data", "digits"])
"""
"""mlpwatch up to the moment at which it starts the thread that imports torch and reads the data."""

HEAVY = {"numpy", "torch", "sklearn", "pandas", "scipy", "plotext", "safetensors", "threadpoolctl"}

NOT_SHOWN_YET = {
    # 10 ms: the types of events, and the state that is made from them.
    "mlpwatch.core.events", "mlpwatch.tui.state.run_state", "mlpwatch.tui.state.engine_view",
    "mlpwatch.core.training.session", "mlpwatch.core.training.launch",
    # Read at terminals that do not tell their colours; needed for names that are given or made.
    "curses", "secrets", "mlpwatch.core.runs.layout",
    # Of other commands, or behind a key.
    "mlpwatch.core.epochs", "mlpwatch.core.report.formats", "mlpwatch.core.cli.branch",
    "mlpwatch.core.cli.sweep", "mlpwatch.core.cli.check", "mlpwatch.tui.kit.dialogs",
}  # fmt: skip

LATER_FEATURES = ("mistakes", "runs", "draw", "explain", "weights", "help.screen")
"""Parts of `mlpwatch.tui` that keys ask for; the dashboard comes at once."""


def test_nothing_is_loaded_that_the_first_frame_does_not_show(tmp_path: Path) -> None:
    command = [sys.executable, "-c", SAY_WHEN_LOADING_BEGINS]
    env = environment(COLORTERM="truecolor", MLPWATCH_CACHE=str(tmp_path))
    with Terminal(command, tmp_path, columns=140, rows=40, env=env) as terminal:
        terminal.wait_for_end()
        seen = terminal.text()
    noted = json.loads((tmp_path / "first-frame.json").read_text())
    modules = set(noted["modules"])
    assert "mlpwatch" in seen, "loading has begun before the first frame"
    assert not HEAVY & {name.partition(".")[0] for name in modules}
    assert NOT_SHOWN_YET & modules == set()
    early = [
        name
        for name in modules
        if name.startswith(tuple(f"mlpwatch.tui.{f}" for f in LATER_FEATURES))
    ]
    assert early == []
    # Off while Textual is imported, on again for the rest of the run.
    assert noted["collecting"]
    # Textual reads it as it is imported: were it imported sooner, its 60 would hold.
    assert noted["frames"] == int(FRAMES_PER_SECOND)
