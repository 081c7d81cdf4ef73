"""Over a real SSH connection: drawn, obeyed, left in order."""

import getpass
import os
import re
import shlex
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.e2e.terminal import (
    CHECKOUT,
    DEADLINE_SECONDS,
    Terminal,
    assert_restored,
    mlpwatch_command,
    wait_until,
)

SSHD = shutil.which("sshd", path="/usr/sbin:/usr/local/sbin:/sbin")
SSH = shutil.which("ssh")
KEYGEN = shutil.which("ssh-keygen")

pytestmark = [
    pytest.mark.xdist_group("signals"),
    pytest.mark.skipif(not (SSHD and SSH and KEYGEN), reason="no OpenSSH server and client here"),
]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def make_key(path: Path) -> None:
    command = [KEYGEN or "", "-q", "-t", "ed25519", "-N", "", "-f", str(path)]
    subprocess.run(command, check=True, timeout=DEADLINE_SECONDS)


@contextmanager
def privilege_separation_folder() -> Iterator[None]:
    """Have the empty folder that root's sshd wants, and that a booted system has."""
    folder = Path("/run/sshd")
    missing = os.geteuid() == 0 and not folder.exists()
    if missing:
        folder.mkdir(mode=0o755)
    try:
        yield
    finally:
        if missing:
            folder.rmdir()


@contextmanager
def started(config: Path, log: Path) -> Iterator[None]:
    """Run the server, which listens once this has begun, and end it."""
    server = subprocess.Popen([SSHD or "", "-D", "-f", str(config), "-E", str(log)])

    def said() -> str:
        return log.read_text() if log.exists() else ""

    try:
        wait_until(lambda: "listening" in said().lower() or server.poll() is not None)
        if server.poll() is not None:
            pytest.skip(f"sshd does not start here: {said().strip()}")
        yield
    finally:
        server.terminate()
        server.wait(DEADLINE_SECONDS)


@pytest.fixture
def ssh(tmp_path: Path) -> Iterator[list[str]]:
    """A server on loopback for this user alone, and the client command that reaches it."""
    port = free_port()
    make_key(tmp_path / "host_key")
    make_key(tmp_path / "user_key")
    log = tmp_path / "sshd.log"
    config = tmp_path / "sshd_config"
    config.write_text(
        f"Port {port}\nListenAddress 127.0.0.1\nHostKey {tmp_path}/host_key\n"
        f"AuthorizedKeysFile {tmp_path}/user_key.pub\nPidFile {tmp_path}/sshd.pid\n"
        "StrictModes no\nUsePAM no\nPasswordAuthentication no\nPermitRootLogin yes\n"
    )
    with privilege_separation_folder(), started(config, log):
        options = {
            "IdentityFile": tmp_path / "user_key", "IdentitiesOnly": "yes", "BatchMode": "yes",
            "UserKnownHostsFile": tmp_path / "known_hosts", "StrictHostKeyChecking": "no",
            "LogLevel": "ERROR",
        }  # fmt: skip
        given = [part for name, value in options.items() for part in ("-o", f"{name}={value}")]
        yield [
            SSH or "", "-F", "/dev/null", "-tt", "-p", str(port), *given,
            f"{getpass.getuser()}@127.0.0.1",
        ]  # fmt: skip


def test_the_dashboard_over_ssh(ssh: list[str], tmp_path: Path) -> None:
    options = ["--data", "digits", "--name", "demo", "--epochs", "5000"]
    remote = (
        f"cd {shlex.quote(str(tmp_path))} && export LC_ALL=C.UTF-8 "
        f"PYTHONPATH={shlex.quote(str(CHECKOUT))} && exec {shlex.join(mlpwatch_command())} "
        + shlex.join(options)
    )
    with Terminal([*ssh, remote], tmp_path, columns=100, rows=30) as terminal:
        terminal.wait_for(lambda text: len(re.findall(r" +[1-9]\d*/5000 +training", text)) == 2)
        terminal.send(" ")
        terminal.wait_for(lambda text: len(re.findall(r"/5000 +paused", text)) == 2)
        terminal.resize(140, 40)
        terminal.wait_for(lambda text: text.count("confusion") == 2)
        terminal.send("q")
        assert terminal.wait_for_end() == 0
        assert_restored(terminal)
        accuracies, where = terminal.after_the_app()[-2:]
    assert "stopped after" in accuracies
    assert where == "run saved in saved/demo"
