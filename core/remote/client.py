"""Sends commands to a run in another process, and asks for its status."""

import socket
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Thread

from mlpwatch.core.errors import RunError
from mlpwatch.core.remote.protocol import (
    MAX_LINE_BYTES,
    Command,
    Status,
    encode_command,
    parse_answer,
)
from mlpwatch.core.remote.sockets import connect
from mlpwatch.core.runs.layout import MANIFEST_NAME, WATCH_NAME, is_watched
from mlpwatch.core.runs.lock import is_locked
from mlpwatch.core.spectating import LOOKS_ONLY, looks_only
from mlpwatch.core.text import printable

ASK_SECONDS = 1.0
"""Time between two status requests, and between two attempts to connect."""

ANSWER_SECONDS = 2.0
"""Longest wait for an answer: the other process may be busy importing torch."""

PATIENT_SECONDS = 10.0
"""The same for `mlpwatch order`, which has nothing else to do."""


class CommandClient:
    """Keeps a connection in its own thread; `send` returns at once, the thread sends soon after.

    Args:
        folder: the run folder.
        on_failure: called in that thread with the reason if a command failed.
        on_status: called in that thread with each answer.
    """

    def __init__(
        self,
        folder: Path,
        on_failure: Callable[[str], None],
        on_status: Callable[[Status], None] = lambda _status: None,
    ) -> None:
        self._folder, self._on_failure, self._on_status = folder, on_failure, on_status
        self._orders: SimpleQueue[Command | None] = SimpleQueue()
        self._socket: socket.socket | None = None
        self._thread = Thread(target=self._work, name="order-client", daemon=True)
        self.status: Status | None = None
        """The newest answer; None before the first."""

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def send(self, order: Command) -> None:
        """Send a command soon; a spectator's is refused."""
        if looks_only():
            self._on_failure(LOOKS_ONLY)
            return
        self._orders.put(order)

    def close(self) -> None:
        """Send the waiting commands, then close the connection."""
        self._orders.put(None)

    def join(self, seconds: float) -> None:
        """Wait until everything is sent, at most `seconds`."""
        if self._thread.ident is not None:
            self._thread.join(seconds)

    def _work(self) -> None:
        while True:
            try:
                order = self._orders.get(timeout=0.0 if self._never_asked else ASK_SECONDS)
            except Empty:
                order = Command("status")
            if order is None:
                self._hang_up()
                return
            self._deliver(order)

    _never_asked = True

    def _deliver(self, order: Command) -> None:
        self._never_asked = False
        try:
            answer = self._ask(order)
        except (OSError, ValueError) as error:
            self._hang_up()
            answer = f"no answer from the process that trains it: {_reason(error)}"
            self.status = None
        if isinstance(answer, Status):
            self.status = answer
            self._on_status(answer)
            return
        # The server hangs up after an error; the next command takes a new connection.
        self._hang_up()
        if order.name != "status":
            self._on_failure(f"{order.name} did not arrive: {answer}")

    def _ask(self, order: Command) -> Status | str:
        """Send one line and read the answer.

        Raises:
            OSError: no process listens.
            ValueError: the answer is invalid.
        """
        if self._socket is None:
            self._socket = connect(self._folder, ANSWER_SECONDS)
        return _exchange(self._socket, order)

    def _hang_up(self) -> None:
        if self._socket is not None:
            with suppress(OSError):
                self._socket.close()
            self._socket = None


def give_order(folder: Path, order: Command) -> Status:
    """Send one command to the process that trains a run, and return its answer.

    Args:
        folder: of the run, or of a watched loop.
        order: the command.

    Raises:
        RunError: nobody trains the run, it does not answer, or it refuses the command.
    """
    name, watched = printable(folder.name), is_watched(folder)
    if not is_locked(folder, WATCH_NAME if watched else MANIFEST_NAME):
        advice = "start its program again" if watched else f"mlpwatch resume {name} continues it"
        raise RunError(f"{order.name} {name}: nobody trains this run; {advice}")
    try:
        with connect(folder, PATIENT_SECONDS) as peer:
            answer = _exchange(peer, order)
    except (OSError, ValueError) as error:
        raise RunError(
            f"{order.name} {name}: no answer from the process that trains it, {_reason(error)}; "
            "try again"
        ) from None
    if isinstance(answer, str):
        raise RunError(f"{order.name} {name}: {answer}")
    return answer


def _exchange(peer: socket.socket, order: Command) -> Status | str:
    """Send one line and read the answer.

    Raises:
        OSError: the other side hangs up or takes too long.
        ValueError: the answer is invalid.
    """
    peer.sendall(encode_command(order))
    received = b""
    while not received.endswith(b"\n"):
        data = peer.recv(MAX_LINE_BYTES)
        if not data or len(received) > MAX_LINE_BYTES:
            raise ConnectionError("it hung up")
        received += data
    return parse_answer(received)


def _reason(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return "it took too long"
    if isinstance(error, OSError):
        return (error.strerror or str(error)).lower()
    return str(error)
