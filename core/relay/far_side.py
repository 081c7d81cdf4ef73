"""`mlpwatch relay`: sends what is new in a run folder over standard output, and obeys its input.

It reads only, and ends with its input: whatever happens to the link, the training is untouched.
"""

import os
import select
from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from queue import Empty, SimpleQueue
from socket import socket
from threading import Thread
from time import monotonic

from mlpwatch import __version__
from mlpwatch.core.errors import MlpwatchError, RunError
from mlpwatch.core.monitor.progress import any_folder, watched_loop
from mlpwatch.core.relay.frames import (
    BEAT_SECONDS,
    MAGIC,
    PROTOCOL,
    READ_BYTES,
    FrameReader,
    FrameWriter,
    RelayFrame,
)
from mlpwatch.core.relay.sent_files import SentFolder, Transfer, may_be_asked
from mlpwatch.core.remote.client import ANSWER_SECONDS, ASK_SECONDS
from mlpwatch.core.remote.protocol import MAX_LINE_BYTES, Command, encode_answer, encode_command
from mlpwatch.core.remote.sockets import connect
from mlpwatch.core.runs.layout import MANIFEST_NAME, WATCH_NAME, is_watched
from mlpwatch.core.runs.listing import list_runs
from mlpwatch.core.runs.lock import is_locked
from mlpwatch.core.text import printable

LOOK_SECONDS, REST_SECONDS, MUCH = 0.7, 2.0, 300
"""Time between two looks at the folder, whose logs are written as often; and after a look that sent
more than so many bytes: 0.3 kB/s then go over the link, fewer than for a dashboard drawn there."""

SILENT_SECONDS = 60.0
"""After so long without a word the other side is gone, though its connection is still open."""


class _Orders:
    """Passes orders on to the run's socket in a thread, and asks how the run stands.

    Args:
        folder: of the run.
        writer: takes the answers.
    """

    def __init__(self, folder: Path, writer: FrameWriter) -> None:
        self._folder, self._writer = folder, writer
        self._waiting: SimpleQueue[tuple[int, bytes]] = SimpleQueue()
        self._socket: socket | None = None
        self._status = b""
        Thread(target=self._work, name="relayed-orders", daemon=True).start()

    def pass_on(self, number: int, line: bytes) -> None:
        """Pass an order on soon."""
        self._waiting.put((number, line))

    def _work(self) -> None:
        status = encode_command(Command("status"))
        with suppress(OSError):  # the link is gone, and this process ends
            while True:
                try:
                    number, line = self._waiting.get(timeout=ASK_SECONDS)
                except Empty:
                    number, line = 0, status
                answer = self._ask(line)
                if number:
                    self._writer.send("answer", answer, number=number)
                elif answer != self._status:
                    # Only news: asked every second, an answer would be half of all bytes.
                    self._status = answer
                    self._writer.send("status", answer)

    def _ask(self, line: bytes) -> bytes:
        try:
            if self._socket is None:
                self._socket = connect(self._folder, ANSWER_SECONDS)
            self._socket.sendall(line)
            received = b""
            while not received.endswith(b"\n") and len(received) < MAX_LINE_BYTES:
                if not (data := self._socket.recv(MAX_LINE_BYTES)):
                    raise ConnectionError("it hung up")
                received += data
        except OSError as error:
            self._hang_up()
            reason = (error.strerror or str(error)).lower()
            return encode_answer(f"no answer from the process that trains it: {reason}")
        if b'"ok":false' in received:
            self._hang_up()  # the server does so after an error
        return received

    def _hang_up(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None


class Relay:
    """Serves one other side until it is gone.

    Args:
        folder: of the run.
        writer: of the frames.
    """

    def __init__(self, folder: Path, writer: FrameWriter) -> None:
        self._folder, self._writer = folder, writer
        self._lock_name = WATCH_NAME if is_watched(folder) else MANIFEST_NAME
        self._sent: SentFolder | None = None
        self._transfers: deque[Transfer] = deque()
        self._orders = _Orders(folder, writer)
        self._live: bool | None = None
        self._said_at = self._next_look = 0.0

    def take(self, frame: RelayFrame) -> None:
        """Obey a frame."""
        match frame.kind:
            case "have":
                marks = frame.fields.get("marks")
                known = marks.items() if isinstance(marks, dict) else ()
                self._sent = SentFolder(self._folder, {str(k): str(v) for k, v in known})
            case "order":
                self._orders.pass_on(frame.number("number"), frame.payload)
                self._next_look = monotonic() + LOOK_SECONDS  # what it does is in the logs then
            case "fetch" if may_be_asked(name := frame.text("name")):
                try:
                    self._transfers.append(Transfer(self._folder, name))
                except OSError:
                    self._writer.send("absent", name=name)

    def work(self) -> float:
        """Send what is due; return in how many seconds to call again."""
        now = monotonic()
        if self._sent is not None and now >= self._next_look:
            before = self._writer.written
            self._look(self._sent)
            is_much = self._writer.written - before > MUCH
            self._next_look = now + (REST_SECONDS if is_much else LOOK_SECONDS)
        if self._transfers:
            self._send_chunk(self._transfers[0])
            return 0.0
        if now - self._said_at >= BEAT_SECONDS:
            self._send(RelayFrame("alive", {}))
        return LOOK_SECONDS

    def _look(self, sent: SentFolder) -> None:
        # Before the logs are read: they then have what the process wrote at its end.
        live = is_locked(self._folder, self._lock_name)
        waiting: RelayFrame | None = None
        for frame in self._news(sent, live=live):
            if waiting is not None:
                self._send(waiting, is_last=False)
            waiting = frame
        if waiting is not None:
            self._send(waiting)

    def _news(self, sent: SentFolder, *, live: bool) -> Iterator[RelayFrame]:
        for one in sent.pieces():
            fresh = {"fresh": True} if one.is_fresh else {}
            yield RelayFrame("file", {"name": one.name, "mark": one.mark, **fresh}, one.data)
        for kind, fields in sent.facts():
            yield RelayFrame(kind, fields)
        if live != self._live:
            self._live = live
            yield RelayFrame("live", {"live": live})

    def _send_chunk(self, transfer: Transfer) -> None:
        data = transfer.next()
        fields = {"name": transfer.name, "mark": transfer.mark, "last": not data}
        self._send(RelayFrame("part", fields, data))
        if not data:
            transfer.close()
            self._transfers.popleft()

    def _send(self, frame: RelayFrame, *, is_last: bool = True) -> None:
        self._said_at = monotonic()
        self._writer.send(frame.kind, frame.payload, is_last=is_last, **frame.fields)


def relay_run(saved: Path, name: str | None, source: int, sink: int) -> int:
    """Relay a run until the other side is gone; return the exit status.

    Args:
        saved: the folder of all runs.
        name: of the run, or path of its folder; None for the newest.
        source: the descriptor that orders come from.
        sink: the descriptor that frames go to.
    """

    def write(data: bytes) -> None:
        view = memoryview(data)
        while view:
            view = view[os.write(sink, view) :]

    with suppress(OSError):
        write(MAGIC)
        writer = FrameWriter(write)
        writer.send("hello", protocol=PROTOCOL, version=__version__)
        try:
            folder = _folder(saved, name).resolve()
        except (MlpwatchError, OSError) as error:
            writer.send("refused", reason=str(error))
            return 2
        writer.send("run", name=folder.name, path=str(folder), watched=is_watched(folder))
        _pump(Relay(folder, writer), source)
    return 0


def _folder(saved: Path, name: str | None) -> Path:
    """Return the folder of the run that is meant.

    Raises:
        RunError: there is none, or it is not the folder of a run.
    """
    if name is not None:
        path = any_folder(saved, name)
        # Without settings the other side waited 60 s for them with an empty terminal.
        if not (is_watched(path) or (path / MANIFEST_NAME).is_file()):
            raise RunError(
                f"{printable(name)!r}: not a run folder: no {MANIFEST_NAME} in it; see mlpwatch "
                "runs there, and follow another program's log with mlpwatch attach there"
            )
        return path
    if (loop := watched_loop(saved, None)) is not None:
        return loop
    for summary in list_runs(saved):
        if summary.state != "damaged":
            return summary.path
    raise RunError(f"{printable(saved)}: no run in it; name its folder, or give it with --saved")


def _pump(relay: Relay, source: int) -> None:
    reader, wait, heard_at = FrameReader(greeted=False), 0.0, monotonic()
    while monotonic() - heard_at < SILENT_SECONDS:
        if select.select([source], [], [], wait)[0]:
            data = os.read(source, READ_BYTES)
            if not data:
                return
            heard_at = monotonic()
            with suppress(ValueError):
                for frame in reader.feed(data):
                    relay.take(frame)
        wait = relay.work()
