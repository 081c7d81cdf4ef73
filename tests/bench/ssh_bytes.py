"""Bytes per second through SSH: the dashboard drawn there, also with `ssh -C`, and drawn here.

    python -m tests.bench.ssh_bytes [SECONDS] [DATA] [EPOCHS]

A forwarder between client and server counts what the server sends: with OpenSSH's packets,
padding and checksums, as the link carries it. What is drawn is counted in the client's terminal.
Drawn there, the program also trains; for the relay the same run is trained without a screen.
"""

import argparse
import re
import shlex
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Thread
from time import monotonic
from typing import NamedTuple

from mlpwatch.core.runs.layout import SOCKET_NAME
from tests.support.pty.ssh_server import remote_mlpwatch, ssh_server
from tests.support.terminal import Terminal, environment, mlpwatch_command
from tests.support.waiting import DEADLINE_SECONDS, wait_until

SETTLE_SECONDS = 5.0
"""After both models' first epoch, before counting begins."""


class Forwarder:
    """Passes connections on to a port of loopback, and counts what comes back."""

    def __init__(self, port: int) -> None:
        self.returned = 0
        self._target = ("127.0.0.1", port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        """Listen no more."""
        self._listener.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                server = socket.create_connection(self._target)
                Thread(target=self._pass, args=(client, server, False), daemon=True).start()
                Thread(target=self._pass, args=(server, client, True), daemon=True).start()

    def _pass(self, source: socket.socket, sink: socket.socket, counted: bool) -> None:
        with suppress(OSError):
            while data := source.recv(65_536):
                self.returned += len(data) if counted else 0
                sink.sendall(data)
            sink.shutdown(socket.SHUT_WR)


class Rates(NamedTuple):
    """Bytes per second."""

    link: float
    """What the link carries to the client."""
    drawn: float
    """What arrives in the client's terminal."""


@contextmanager
def forwarded(ssh: list[str]) -> Iterator[tuple[list[str], Forwarder]]:
    """Lead a client command through a forwarder."""
    place = ssh.index("-p") + 1
    forwarder = Forwarder(int(ssh[place]))
    try:
        yield [*ssh[:place], str(forwarder.port), *ssh[place + 1 :]], forwarder
    finally:
        forwarder.close()


def measure(seconds: float, data: str, epochs: str, *extra: str) -> Rates:
    """Watch a run over SSH at 140x40 and count; `extra` are options of ssh.

    Give so many epochs that the run lasts longer than the measurement: one that has ended sends
    nothing.
    """
    with (
        TemporaryDirectory() as name,
        ssh_server(Path(name)) as direct,
        forwarded(direct) as (ssh, forwarder),
    ):
        remote = remote_mlpwatch(Path(name), "--data", data, "--epochs", epochs)
        command = [ssh[0], *extra, *ssh[1:], remote]
        with Terminal(command, Path(name), columns=140, rows=40, answers=True) as terminal:
            rates = _counted(terminal, forwarder, seconds)
            terminal.send("q")
            terminal.wait_for_end()
    return rates


def measure_relay(seconds: float, data: str, epochs: str, *extra: str) -> Rates:
    """Watch a run that trains there from here, at 140x40, and count; arguments as in `measure`."""
    with (
        TemporaryDirectory() as name,
        ssh_server(Path(name)) as direct,
        forwarded(direct) as (ssh, forwarder),
        _trained(Path(name), "--data", data, "--epochs", epochs, "--name", "demo"),
    ):
        plain = [word for word in ssh[1:-1] if word != "-tt"]
        env = environment(
            MLPWATCH_SSH=shlex.join([ssh[0], *extra, *plain]),
            MLPWATCH_REMOTE=remote_mlpwatch(Path(name)),
        )
        command = [*mlpwatch_command(), "attach", f"{ssh[-1]}:demo"]
        with Terminal(command, Path(name), columns=140, rows=40, env=env) as terminal:
            rates = _counted(terminal, forwarder, seconds)
            terminal.send("q")
            terminal.wait_for_end()
    return rates


@contextmanager
def _trained(folder: Path, *options: str) -> Iterator[None]:
    """Train a run in a folder without a screen."""
    process = subprocess.Popen(
        [*mlpwatch_command(), "train", *options], cwd=folder, env=environment(),
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        wait_until((folder / "saved/demo" / SOCKET_NAME).exists)
        yield
    finally:
        process.kill()
        process.wait(DEADLINE_SECONDS)


def _counted(terminal: Terminal, forwarder: Forwarder, seconds: float) -> Rates:
    terminal.wait_for(lambda text: len(_TRAINING.findall(text)) == 2)
    begin = monotonic() + SETTLE_SECONDS
    wait_until(lambda: monotonic() > begin)
    link, drawn = forwarder.returned, len(terminal.received())
    wait_until(lambda: monotonic() > begin + seconds, seconds + SETTLE_SECONDS)
    elapsed = monotonic() - begin
    return Rates(
        (forwarder.returned - link) / elapsed, (len(terminal.received()) - drawn) / elapsed
    )


_TRAINING = re.compile(r" +[1-9]\d*/\d+ +training")


def main() -> None:
    """Print both measurements."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("seconds", type=float, nargs="?", default=30.0, help="of each measurement")
    parser.add_argument("data", nargs="?", default="digits", help="what --data takes")
    parser.add_argument("epochs", nargs="?", default="5000", help="more than fit into the time")
    given = parser.parse_args()
    found = []
    for title, way, extra in (
        ("drawn there, ssh   ", measure, ()),
        ("drawn there, ssh -C", measure, ("-C",)),
        ("drawn here, relay  ", measure_relay, ()),
    ):
        rates = way(given.seconds, given.data, given.epochs, *extra)
        found.append(rates.link)
        print(  # noqa: T201
            f"{title}  {rates.link / 1000:5.2f} kB/s on the link, "
            f"{rates.drawn / 1000:5.2f} kB/s drawn"
        )
    print(  # noqa: T201
        f"relay ÷ drawn there: {found[2] / found[0]:.2f}, with ssh -C {found[2] / found[1]:.2f}"
    )


if __name__ == "__main__":
    main()
