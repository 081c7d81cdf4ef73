"""Ranks that torchrun starts: restarts, a rank that stands still, two hosts with a slow link."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from mlpwatch.core.events import RunStarted
from mlpwatch.core.runs.run import Run
from tests.e2e.test_ranks import SETTINGS, checkpoint, children, has_epoch, started, trained_alone
from tests.support.samples.engines import assert_close
from tests.support.terminal import environment
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.slow, pytest.mark.rare, pytest.mark.xdist_group("ranks")]

EPOCHS = 60

TORCHRUN = [sys.executable, "-m", "torch.distributed.run"]


@contextmanager
def launched(folder: Path, *words: str, **changes: str) -> "Iterator[subprocess.Popen[str]]":
    """Start torchrun; at the end neither it nor a rank is left."""
    with subprocess.Popen(
        list(words), cwd=folder, env=environment(**changes), text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True,
    ) as process:  # fmt: skip
        try:
            yield process
        finally:
            if process.poll() is None:
                process.terminate()
                process.communicate(timeout=60)


def words_of(name: str, epochs: int = EPOCHS) -> list[str]:
    return ["-m", "mlpwatch", "train", *SETTINGS, "--epochs", str(epochs), "--name", name]


@pytest.mark.parametrize("named", [True, False])
def test_after_a_kill_torchruns_restart_goes_on_from_the_last_checkpoint(
    tmp_path: Path, *, named: bool
) -> None:
    trained_alone(tmp_path, epochs=EPOCHS)
    words = words_of("demo") if named else words_of("demo")[:-2]
    meeting = ["--rdzv-backend", "c10d", "--rdzv-endpoint", "127.0.0.1:0"]
    local = ["--local-addr", "127.0.0.1", "--nproc-per-node", "2", "--max-restarts", "2"]

    def runs() -> list[str]:
        return [p.name for p in (tmp_path / "saved").iterdir() if p.name != "alone"]

    with launched(
        tmp_path, *TORCHRUN, *meeting, *local, *words, GLOO_SOCKET_IFNAME="lo"
    ) as process:
        wait_until(lambda: any(has_epoch(tmp_path, name, 5) for name in runs()))
        os.kill(children(process.pid)[1], signal.SIGKILL)
        output, _ = process.communicate(timeout=120)
        assert process.returncode == 0, output
    (name,) = runs()
    for engine in ("numpy", "torch"):
        mine, other = (checkpoint(tmp_path, run, engine) for run in (name, "alone"))
        assert mine.position.step == other.position.step
        assert_close(mine.state.weights, other.state.weights, 1e-9)
    started_at = [
        event.first_step
        for event in Run.open(tmp_path / "saved", name).events.read()
        if isinstance(event, RunStarted)
    ]
    assert max(started_at) >= 5  # it did not begin again


def test_a_rank_that_stands_still_is_named_and_the_run_waits_for_it(tmp_path: Path) -> None:
    words = ["train", *SETTINGS, "--epochs", "400", "--name", "demo", "--ranks", "2"]
    with started(tmp_path, *words) as process:
        wait_until(lambda: has_epoch(tmp_path, "demo"))
        stopped = children(process.pid)[1]
        os.kill(stopped, signal.SIGSTOP)
        said: list[str] = []
        assert process.stderr is not None
        for line in process.stderr:
            said.append(line)
            if "has not answered" in line:
                break
        os.kill(stopped, signal.SIGCONT)
        _, rest = process.communicate(timeout=120)
        assert process.returncode == 0
    assert said[-1] == "rank 1 has not answered for 10 s; the others wait for it\n"
    assert "rank 1 answers again, after 1" in rest


def two_hosts(stack: ExitStack, *, is_slow: bool) -> Callable[[int], list[str]]:
    """Make two network namespaces, linked; return the command prefix of each."""
    if os.geteuid() or not (shutil.which("ip") and shutil.which("tc")):
        pytest.skip("network namespaces need root, ip and tc")
    names = [f"mlpw{os.getpid()}{side}" for side in "ab"]
    made: list[list[str]] = [["ip", "netns", "add", name] for name in names]
    links = [f"veth{os.getpid()}{side}"[-15:] for side in "ab"]
    made.append(["ip", "link", "add", links[0], "type", "veth", "peer", "name", links[1]])
    for k, (name, link) in enumerate(zip(names, links, strict=True)):
        made += [
            ["ip", "link", "set", link, "netns", name],
            ["ip", "-n", name, "link", "set", link, "name", "host0"],
            ["ip", "-n", name, "addr", "add", f"10.213.7.{k + 1}/24", "dev", "host0"],
            ["ip", "-n", name, "link", "set", "host0", "up"],
            ["ip", "-n", name, "link", "set", "lo", "up"],
        ]
        if is_slow:
            slow = ["delay", "5ms", "2ms", "loss", "1%"]
            made.append(["tc", "-n", name, "qdisc", "add", "dev", "host0", "root", "netem", *slow])
    for name in names:
        remove = ["ip", "netns", "del", name]
        stack.callback(subprocess.run, remove, check=False, capture_output=True)
    for command in made:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            pytest.skip(f"{' '.join(command)}: {done.stderr.strip()}")
    return lambda k: ["ip", "netns", "exec", names[k]]


@pytest.mark.parametrize("is_slow", [False, True])
def test_two_hosts_learn_what_one_process_does_also_over_a_slow_lossy_link(
    tmp_path: Path, *, is_slow: bool
) -> None:
    trained_alone(tmp_path, epochs=2)
    with ExitStack() as stack:
        on_host = two_hosts(stack, is_slow=is_slow)
        folders = [tmp_path / "first", tmp_path / "second"]
        processes = []
        for k, folder in enumerate(folders):
            folder.mkdir()
            meeting = [
                "--nnodes", "2", "--node-rank", str(k), "--nproc-per-node", "1",
                "--master-addr", "10.213.7.1", "--master-port", "29511",
            ]  # fmt: skip
            words = [*on_host(k), *TORCHRUN, *meeting, *words_of("two", epochs=2)]
            processes.append(
                stack.enter_context(launched(folder, *words, GLOO_SOCKET_IFNAME="host0"))
            )
        outputs = [process.communicate(timeout=200)[0] for process in processes]
    assert [process.returncode for process in processes] == [0, 0], "\n".join(outputs)
    for engine in ("numpy", "torch"):
        mine = checkpoint(folders[0], "two", engine)
        other = checkpoint(tmp_path, "alone", engine)
        assert mine.position.step == other.position.step
        assert_close(mine.state.weights, other.state.weights, 1e-10)
    assert list(folders[1].iterdir()) == []
