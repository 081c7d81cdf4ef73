"""Receives commands for a run from other processes of the same user, through its socket."""

import os
import selectors
import socket
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Event as Flag
from threading import Thread
from time import monotonic
from typing import Protocol

from mlpwatch.core.config import EngineName, RunConfig
from mlpwatch.core.files.durable import OpenFolder
from mlpwatch.core.remote.protocol import (
    MAX_LINE_BYTES,
    Status,
    check_engines,
    encode_answer,
    parse_command,
)
from mlpwatch.core.remote.sockets import is_owner, listen, remove_socket

MOST_PEERS = 64
"""Most connections; each attached screen has one. Beyond that, the peer that has been silent
longest is disconnected: attached screens ask every second."""

ROUND_SECONDS, ROUND_BYTES = 0.01, 512
"""Least time between two rounds, and most bytes read from a peer in each: about 30 commands. A
flooding peer then costs the trainers a tenth of a core, not a whole one."""

LOOK_SECONDS = 0.25
"""Time between two checks whether to close, while nothing arrives."""


class Commanded(Protocol):
    """The part of a run that obeys commands."""

    @property
    def config(self) -> RunConfig: ...  # noqa: D102 - as in RunSource, like all others
    @property
    def steps_per_second(self) -> float | None: ...  # noqa: D102
    @property
    def lockstep(self) -> bool: ...  # noqa: D102
    def threads(self, engine: EngineName) -> int: ...  # noqa: D102
    def paused(self, engine: EngineName) -> bool: ...  # noqa: D102
    def pause(self, *engines: EngineName) -> None: ...  # noqa: D102
    def resume(self, *engines: EngineName) -> None: ...  # noqa: D102
    def step(self) -> None: ...  # noqa: D102
    def save(self) -> None: ...  # noqa: D102
    def set_steps_per_second(self, limit: float | None) -> None: ...  # noqa: D102
    def set_lockstep(self, lockstep: bool) -> None: ...  # noqa: D102
    def learning_rate(self, engine: EngineName) -> float: ...  # noqa: D102
    def set_learning_rate(self, rate: float, *engines: EngineName) -> None: ...  # noqa: D102
    def stop(self) -> None: ...  # noqa: D102


@dataclass(slots=True)
class _Peer:
    received: bytes
    """The received part of an incomplete line."""
    heard_at: float
    """On the monotonic clock."""


class LineServer:
    """Serves all peers in one thread: an answer for each line.

    Args:
        answer: of one line, called in that thread; an error in words disconnects the peer.
        path: of the run's folder.
        folder: the open folder, if the run is locked.
    """

    def __init__(
        self, answer: Callable[[bytes], Status | str], path: Path, folder: OpenFolder | None = None
    ) -> None:
        self._answer, self._path, self._folder = answer, path, folder
        self._closing = Flag()
        self._selector = selectors.DefaultSelector()
        self._peers: dict[socket.socket, _Peer] = {}
        self._listening: socket.socket | None = None
        self._thread = Thread(target=self._work, name="commands", daemon=True)

    def start(self) -> None:
        """Listen. If the folder can't have a socket, the run receives no commands."""
        try:
            self._listening = listen(self._path, self._folder)
        except OSError:
            return
        self._listening.setblocking(False)
        self._selector.register(self._listening, selectors.EVENT_READ)
        self._thread.start()

    def forget(self) -> None:
        """Close this process's copies of the sockets, after a fork: the thread is not in it."""
        for one in (self._listening, *self._peers):
            if one is not None:
                one.close()
        self._selector.close()
        self._listening = None

    def close(self) -> None:
        """Stop listening and remove the socket."""
        if self._listening is None or self._closing.is_set():
            return
        self._closing.set()
        self._thread.join(4 * LOOK_SECONDS)
        remove_socket(self._path, self._folder)

    def _work(self) -> None:
        while not self._closing.is_set():
            ready = self._selector.select(LOOK_SECONDS)
            for key, _ in ready:
                if key.fileobj is self._listening:
                    self._accept()
                elif isinstance(key.fileobj, socket.socket):
                    self._serve(key.fileobj)
            if ready:
                self._closing.wait(ROUND_SECONDS)
        for peer in list(self._peers):
            self._drop(peer)
        if self._listening:
            self._listening.close()
        self._selector.close()

    def _accept(self) -> None:
        """Accept all waiting connections, so that a burst of them does not fill the queue."""
        while self._listening is not None:
            try:
                peer, _ = self._listening.accept()
            except OSError:
                # None is waiting, the peer has already gone, or no descriptor is free.
                return
            if not is_owner(peer):
                peer.close()
                continue
            if len(self._peers) >= MOST_PEERS:
                self._drop(min(self._peers, key=lambda one: self._peers[one].heard_at))
            peer.setblocking(False)
            self._peers[peer] = _Peer(b"", monotonic())
            self._selector.register(peer, selectors.EVENT_READ)

    def _serve(self, peer: socket.socket) -> None:
        """Answer a peer's commands; after an invalid one, send an error and disconnect it."""
        try:
            data = peer.recv(ROUND_BYTES)
        except OSError:
            data = b""
        if not data:
            self._drop(peer)
            return
        state = self._peers.get(peer)
        if state is None:
            # Already disconnected in this round, to make room for a new peer.
            return
        state.heard_at = monotonic()
        *lines, rest = (state.received + data).split(b"\n")
        for line in lines:
            answer = self._answer(line)
            if not self._send(peer, answer) or isinstance(answer, str):
                self._drop(peer)
                return
        state.received = rest
        if len(rest) >= MAX_LINE_BYTES:
            self._send(peer, f"a line of {MAX_LINE_BYTES:,} bytes or more: expected one order")
            self._drop(peer)

    def _send(self, peer: socket.socket, answer: Status | str) -> bool:
        """Send an answer; False if the peer does not accept it at once."""
        line = encode_answer(answer)
        try:
            return peer.send(line) == len(line)
        except OSError:
            return False

    def _drop(self, peer: socket.socket) -> None:
        self._peers.pop(peer, None)
        with suppress(KeyError, ValueError):
            self._selector.unregister(peer)
        peer.close()


class CommandServer(LineServer):
    """Obeys the commands of all peers. Only valid ones reach the trainers.

    Args:
        run: receives the commands.
        path: of the run's folder.
        folder: the open folder, if the run is locked.
    """

    def __init__(self, run: Commanded, path: Path, folder: OpenFolder | None = None) -> None:
        super().__init__(self._obey, path, folder)
        self._run = run

    def _obey(self, line: bytes) -> Status | str:
        try:
            order = parse_command(line)
            check_engines(order, self._run.config.engine_names)
        except ValueError as error:
            return str(error)
        run = self._run
        act: dict[str, Callable[[], None]] = {
            "pause": lambda: run.pause(*order.engines),
            "resume": lambda: run.resume(*order.engines),
            "step": run.step,
            "save": run.save,
            "limit": lambda: run.set_steps_per_second(order.steps_per_second),
            "lockstep": lambda: run.set_lockstep(order.on),
            "set": lambda: run.set_learning_rate(order.learning_rate or 0.0, *order.engines),
            "stop": run.stop,
            "status": lambda: None,
        }
        act[order.name]()
        return self._status()

    def _status(self) -> Status:
        run, names = self._run, self._run.config.engine_names
        return Status(
            process=os.getpid(),
            paused=tuple(name for name in names if run.paused(name)),
            threads={name: run.threads(name) for name in names},
            steps_per_second=run.steps_per_second,
            lockstep=run.lockstep,
            learning_rates={name: run.learning_rate(name) for name in names},
        )
