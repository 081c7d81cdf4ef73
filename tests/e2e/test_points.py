"""Points of two features in a real terminal: the plane while it trains, and of the saved run."""

import json
import re
from pathlib import Path

import pytest

from mlpwatch.tui.__main__ import main
from tests.support.network_files import NetworkFile
from tests.support.terminal import Terminal, assert_restored, environment, mlpwatch_command

pytestmark = pytest.mark.xdist_group("terminal")

PLANE = re.compile(r"[.:]{3}[ox#.:]*[.:]{3}")


def shown(command: list[str], folder: Path) -> Terminal:
    return Terminal(command, folder, columns=140, rows=40, env=environment())


def both_planes(text: str) -> bool:
    return text.count("wrong of 400") == 2 and len(PLANE.findall(text)) > 10


def test_the_plane_is_there_while_it_trains_and_of_the_saved_run(tmp_path: Path) -> None:
    command = [*mlpwatch_command(), "--data", "moons", "--name", "demo", "--epochs", "2000"]
    with shown([*command, "--ascii"], tmp_path) as terminal:
        terminal.wait_for(both_planes)
        terminal.send("q")
        assert terminal.wait_for_end() == 0
        assert_restored(terminal)
    command = [*mlpwatch_command(), "attach", "demo", "--ascii"]
    with shown(command, tmp_path) as terminal:
        terminal.wait_for(both_planes)


@pytest.mark.parametrize(("wrong", "status"), [((), 0), (((" / m\n", "\n"),), 1)])
def test_check_takes_points(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    wrong: tuple[tuple[str, str], ...],
    status: int,
) -> None:
    file = tmp_path / "net.py"
    file.write_text(NetworkFile((16,), "tanh").wrong(*wrong).source())
    found = main(["check", str(file), "--data", "moons", "--json", "--timeout", "60"])
    result = json.loads(capsys.readouterr().out)
    assert (found, result["passed"]) == (status, status == 0)
