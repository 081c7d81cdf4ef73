"""Takes orders for a session from other processes of the same user, through its run's socket."""

import os
import selectors
import socket
from contextlib import suppress
from threading import Event as Flag
from threading import Thread

from mlpwatch.core.remote.protocol import (
    MAX_LINE_BYTES,
    Command,
    Status,
    check_engines,
    encode_answer,
    parse_command,
)
from mlpwatch.core.remote.sockets import is_owner, listen, remove_socket
from mlpwatch.core.run_source import RunSource

MOST_PEERS = 16
"""Connected at once; each attached screen is one."""

ROUND_SECONDS, ROUND_BYTES = 0.01, 512
"""Least time between two rounds, and what is read of a peer in each: some 30 orders. One that
floods costs the trainers a tenth of a core, not all of it."""

LOOK_SECONDS = 0.25
"""Time between two looks whether to close, while nobody says anything."""


class CommandServer:
    """One thread for all peers. Whatever they send, a trainer sees legal orders alone.

    Args:
        session: obeys.
    """

    def __init__(self, session: RunSource) -> None:
        self._session = session
        self._closing = Flag()
        self._selector = selectors.DefaultSelector()
        self._received: dict[socket.socket, bytes] = {}
        self._listening: socket.socket | None = None
        self._thread = Thread(target=self._work, name="orders", daemon=True)

    def start(self) -> None:
        """Listen; where the folder can have no socket, the run goes on without orders."""
        try:
            self._listening = listen(self._session.run.path)
        except OSError:
            return
        self._listening.setblocking(False)
        self._selector.register(self._listening, selectors.EVENT_READ)
        self._thread.start()

    def close(self) -> None:
        """Stop listening and remove the socket."""
        if self._listening is None or self._closing.is_set():
            return
        self._closing.set()
        self._thread.join(4 * LOOK_SECONDS)
        remove_socket(self._session.run.path)

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
        for peer in list(self._received):
            self._drop(peer)
        if self._listening:
            self._listening.close()
        self._selector.close()

    def _accept(self) -> None:
        if self._listening is None:
            return
        try:
            peer, _ = self._listening.accept()
        except OSError:
            # It has gone already, or there are no descriptors left.
            return
        if len(self._received) >= MOST_PEERS or not is_owner(peer):
            peer.close()
            return
        peer.setblocking(False)
        self._received[peer] = b""
        self._selector.register(peer, selectors.EVENT_READ)

    def _serve(self, peer: socket.socket) -> None:
        """Answer what a peer has sent; whoever sends anything but orders is told and dropped."""
        try:
            data = peer.recv(ROUND_BYTES)
        except OSError:
            data = b""
        if not data:
            self._drop(peer)
            return
        *lines, rest = (self._received[peer] + data).split(b"\n")
        for line in lines:
            answer = self._obey(line)
            if not self._send(peer, answer) or isinstance(answer, str):
                self._drop(peer)
                return
        self._received[peer] = rest
        if len(rest) >= MAX_LINE_BYTES:
            self._send(peer, f"a line of {MAX_LINE_BYTES:,} bytes or more: expected one order")
            self._drop(peer)

    def _obey(self, line: bytes) -> Status | str:
        try:
            order = parse_command(line)
            check_engines(order, self._session.config.engine_names)
        except ValueError as error:
            return str(error)
        session = self._session
        match order:
            case Command(name="pause", engines=engines):
                session.pause(*engines)
            case Command(name="resume", engines=engines):
                session.resume(*engines)
            case Command(name="step"):
                session.step()
            case Command(name="save"):
                session.save()
            case Command(name="limit", steps_per_second=limit):
                session.set_steps_per_second(limit)
            case Command(name="stop"):
                session.stop()
        return self._status()

    def _status(self) -> Status:
        session = self._session
        names = session.config.engine_names
        return Status(
            process=os.getpid(),
            paused=tuple(name for name in names if session.paused(name)),
            threads={name: session.threads(name) for name in names},
            steps_per_second=session.steps_per_second,
        )

    def _send(self, peer: socket.socket, answer: Status | str) -> bool:
        """Send an answer; False where the peer does not take it at once."""
        line = encode_answer(answer)
        try:
            return peer.send(line) == len(line)
        except OSError:
            return False

    def _drop(self, peer: socket.socket) -> None:
        self._received.pop(peer, None)
        with suppress(KeyError, ValueError):
            self._selector.unregister(peer)
        peer.close()
