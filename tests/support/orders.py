"""Orders to a run that trains in another process, as any program of its owner can give them."""

from pathlib import Path

from mlpwatch.core.remote.protocol import Command, encode_command
from mlpwatch.core.remote.sockets import connect
from tests.support.waiting import DEADLINE_SECONDS


def order(run: Path, *orders: Command) -> None:
    """Give orders to the run of this folder, and see that each is accepted."""
    with connect(run, DEADLINE_SECONDS) as peer:
        for one in orders:
            peer.sendall(encode_command(one))
            assert b'"ok":true' in peer.recv(4096)


def slow_down(run: Path, steps_per_second: float = 200.0) -> None:
    """Limit a run: at full speed it takes both cores for as long as a test waits for the screen."""
    order(run, Command("limit", steps_per_second=steps_per_second))
