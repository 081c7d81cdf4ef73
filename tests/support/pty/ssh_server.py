"""A real SSH server on loopback for this user alone, started and ended by who asks for it."""

import getpass
import os
import shlex
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.checkout import CHECKOUT
from tests.support.terminal import mlpwatch_command
from tests.support.waiting import DEADLINE_SECONDS, wait_until

SSHD = shutil.which("sshd", path="/usr/sbin:/usr/local/sbin:/sbin")
SSH = shutil.which("ssh")
KEYGEN = shutil.which("ssh-keygen")


class SshServerError(Exception):
    """The server does not start here; the message is what it said."""


def free_port() -> int:
    """Return a port of loopback that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def make_key(path: Path) -> None:
    """Make a key pair without a passphrase."""
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
            raise SshServerError(f"sshd does not start here: {said().strip()}")
        yield
    finally:
        server.terminate()
        server.wait(DEADLINE_SECONDS)


@contextmanager
def ssh_server(folder: Path) -> Iterator[list[str]]:
    """Run a server with keys of its own in a folder; give the client command that reaches it.

    Raises:
        SshServerError: it does not start.
    """
    port = free_port()
    make_key(folder / "host_key")
    make_key(folder / "user_key")
    config = folder / "sshd_config"
    config.write_text(
        f"Port {port}\nListenAddress 127.0.0.1\nHostKey {folder}/host_key\n"
        f"AuthorizedKeysFile {folder}/user_key.pub\nPidFile {folder}/sshd.pid\n"
        "StrictModes no\nUsePAM no\nPasswordAuthentication no\nPermitRootLogin yes\n"
    )
    options = {
        "IdentityFile": folder / "user_key", "IdentitiesOnly": "yes", "BatchMode": "yes",
        "UserKnownHostsFile": folder / "known_hosts", "StrictHostKeyChecking": "no",
        "LogLevel": "ERROR",
    }  # fmt: skip
    given = [part for name, value in options.items() for part in ("-o", f"{name}={value}")]
    with privilege_separation_folder(), started(config, folder / "sshd.log"):
        yield [
            SSH or "", "-F", "/dev/null", "-tt", "-p", str(port), *given,
            f"{getpass.getuser()}@127.0.0.1",
        ]  # fmt: skip


def remote_mlpwatch(folder: Path, *options: str) -> str:
    """Return the shell command that runs this checkout's mlpwatch in a folder."""
    return (
        f"cd {shlex.quote(str(folder))} && export LC_ALL=C.UTF-8 "
        f"PYTHONPATH={shlex.quote(str(CHECKOUT))} && exec {shlex.join(mlpwatch_command())} "
        + shlex.join(options)
    )
