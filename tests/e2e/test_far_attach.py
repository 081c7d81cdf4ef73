"""`mlpwatch attach HOST:RUN` through a real sshd: drawn here, ordered there, a dropped link."""

import json
import os
import re
import shlex
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from mlpwatch.core.events import StepGroup
from mlpwatch.core.runs.event_log import parse_entry
from mlpwatch.core.runs.layout import EVENTS_NAME, METRICS_NAME, SOCKET_NAME
from tests.support.orders import slow_down
from tests.support.pty.ssh_server import KEYGEN, SSH, SSHD, SshServerError, ssh_server
from tests.support.terminal import Terminal, assert_restored, environment, mlpwatch_command
from tests.support.waiting import DEADLINE_SECONDS, wait_until

pytestmark = [
    pytest.mark.slow,
    pytest.mark.xdist_group("signals"),
    pytest.mark.skipif(not (SSHD and SSH and KEYGEN), reason="no OpenSSH server and client here"),
]


ASKS = "StrictHostKeyChecking=ask"
"""A host that is not known: ssh asks on the terminal."""


@pytest.fixture
def far(tmp_path: Path) -> Iterator[dict[str, str]]:
    """The environment that reaches the server, where a run trains in the folder `far`."""
    folder = tmp_path / "far"
    folder.mkdir()
    (tmp_path / "near").mkdir()
    options = ["--data", "digits", "--name", "demo", "--epochs", "50000", "--only", "numpy"]
    training = subprocess.Popen(
        [*mlpwatch_command(), "train", *options], cwd=folder, env=environment(),
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        with ssh_server(tmp_path) as command:
            wait_until((folder / "saved/demo" / SOCKET_NAME).exists)
            slow_down(folder / "saved/demo")
            changed = {"BatchMode=yes": "BatchMode=no", "StrictHostKeyChecking=no": ASKS}
            ssh = [changed.get(word, word) for word in command[:-1] if word != "-tt"]
            path = shlex.quote(environment()["PYTHONPATH"])
            remote = f"cd {folder} && PYTHONPATH={path} exec {shlex.join(mlpwatch_command())}"
            yield environment(
                MLPWATCH_SSH=shlex.join(ssh), MLPWATCH_REMOTE=remote, HOST=command[-1],
                TMPDIR=str(tmp_path / "near"),
            )  # fmt: skip
            assert training.poll() is None, "the run has nothing to do with who looks at it"
    except SshServerError as error:
        pytest.skip(str(error))
    finally:
        training.kill()
        training.wait(DEADLINE_SECONDS)


def ssh_of(process: int) -> int:
    """Return the process of ssh that a process has started."""
    (child,) = Path(f"/proc/{process}/task/{process}/children").read_text().split() or ("0",)
    return int(child)


def relays_in(folder: Path) -> list[Path]:
    """Return the relays that run in a folder."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if (process / "cwd").readlink() == folder:
                found += [process] * (b"\0relay\0" in (process / "cmdline").read_bytes())
    return found


def phase(wanted: str, text: str) -> bool:
    return bool(re.search(rf"epoch +\d+/50000  {wanted}", text))


def steps_without_a_gap(folder: Path) -> int:
    """Return how many steps the log of a run has; each begins where the one before ended."""
    entries = [parse_entry(raw) for raw in (folder / EVENTS_NAME).read_bytes().splitlines()]
    step = 0
    for group in entries:
        if isinstance(group, StepGroup):
            assert group.step - group.count == step, "a gap, or a step twice"
            step = group.step
    return step


def last_epoch(folder: Path) -> int:
    return int(json.loads((folder / METRICS_NAME).read_bytes().splitlines()[-1])["epoch"])


def test_a_run_of_another_machine_is_drawn_here_and_a_dropped_link_leaves_no_gap(
    far: dict[str, str], tmp_path: Path
) -> None:
    original = tmp_path / "far/saved/demo"
    command = [*mlpwatch_command(), "attach", f"{far['HOST']}:"]
    with Terminal(command, tmp_path, columns=140, rows=40, env=far) as terminal:
        terminal.wait_for("Are you sure you want to continue connecting")
        terminal.send("yes\r")
        terminal.wait_for(lambda text: phase("training", text))
        assert f"{far['HOST']}:demo" in terminal.text()
        terminal.send("m")
        terminal.wait_for("1 of ")
        terminal.send("\x1b")
        terminal.wait_for("▸ loss")
        (mirror,) = (tmp_path / "near").glob("mlpwatch-attach-*/demo")
        before = steps_without_a_gap(mirror)
        assert len(relays_in(tmp_path / "far")) == 1
        os.kill(ssh_of(terminal.process.pid), 9)
        terminal.wait_for("trying again in 1 s")
        terminal.wait_for(f"linked to {far['HOST']} again")
        wait_until(lambda: steps_without_a_gap(mirror) > before)
        terminal.send(" ")
        terminal.wait_for(lambda text: phase("paused", text))
        wait_until(lambda: b'"paused"' in (mirror / EVENTS_NAME).read_bytes())
        wait_until(lambda: steps_without_a_gap(mirror) == steps_without_a_gap(original))
        wait_until(lambda: last_epoch(mirror) == last_epoch(original))
        terminal.send("b")
        terminal.wait_for("from a shell: mlpwatch branch demo --at EPOCH")
        terminal.send("q")
        assert terminal.wait_for_end() == 0
        assert_restored(terminal)
        name = f"{far['HOST']}:demo"
        assert terminal.after_the_app() == [
            f"{name} trains on without this screen; mlpwatch attach {name} shows it again"
        ]
    assert list((tmp_path / "near").iterdir()) == []
    wait_until(lambda: not relays_in(tmp_path / "far"))


def test_what_can_not_be_reached_is_one_line_before_anything_is_drawn(
    far: dict[str, str], tmp_path: Path
) -> None:
    for run, words in (
        ("nowhere.invalid:demo", "nowhere.invalid: ssh: "),
        (f"{far['HOST']}:gone", "run 'gone': not found under saved"),
    ):
        with Terminal([*mlpwatch_command(), "attach", run], tmp_path, env=far) as terminal:
            if run.endswith(":gone"):
                terminal.wait_for("continue connecting")
                terminal.send("yes\r")
            assert terminal.wait_for_end() == 2
            *_, line = terminal.received().decode().splitlines()
        assert line.startswith("mlpwatch: ")
        assert words in line
