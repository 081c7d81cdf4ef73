"""The near side of a relay: starts it through ssh, reads its frames, and starts it again."""

import os
import select
import subprocess
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from itertools import count
from math import inf
from threading import Condition, Thread
from threading import Event as Flag
from time import monotonic

from mlpwatch import __version__
from mlpwatch.core.errors import InputError, RunError
from mlpwatch.core.relay.address import SSH_VARIABLE, Address
from mlpwatch.core.relay.frames import (
    BEAT_SECONDS,
    PROTOCOL,
    READ_BYTES,
    FrameError,
    FrameReader,
    FrameWriter,
    RelayFrame,
)
from mlpwatch.core.relay.mirror import Mirror
from mlpwatch.core.remote.protocol import Status, parse_answer
from mlpwatch.core.text import excerpt, printable

CONNECT_SECONDS = 120.0
"""Longest wait for the first frame: a person may have to type a password."""

AGAIN_SECONDS = (1, 2, 4, 8, 16, 30)
"""Waits before each new attempt; the last one repeats."""

ANSWER_SECONDS = 1.8
"""Longest wait for an answer to an order: who asks here waits for 2 s."""

DEAD_SECONDS = 3 * BEAT_SECONDS
"""A link without a frame for so long is dead."""

WANTED_SECONDS = 20.0
"""For so long a screen wants new checkpoints, each time it says so."""

TICK_SECONDS = 0.5

ASK_AGAIN_SECONDS = 60.0
"""A large file that has not come after so long is asked for again."""

MOST_LAST_WORDS = 20

NOT_FOUND, NOT_EXECUTABLE, SSH_FAILED = 127, 126, 255
"""Exit statuses of a shell and of ssh."""


class _Pipe:
    """One ssh process, and the frames of both directions."""

    def __init__(self, address: Address, *, asks: bool) -> None:
        command = address.command(asks=asks)
        try:
            self.process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                # While the screen is drawn, ssh must not ask on the terminal.
                start_new_session=not asks,
            )  # fmt: skip
        except OSError as error:
            raise InputError(
                f"{command[0]}: {error.strerror}; install OpenSSH's client, or name another with "
                f"{SSH_VARIABLE}"
            ) from None
        self._last_words: deque[str] = deque(maxlen=MOST_LAST_WORDS)
        self._hearing = Thread(target=self._hear, name="ssh-errors", daemon=True)
        self._hearing.start()
        self.writer = FrameWriter(self._write)
        self._reader = FrameReader(greeted=True)

    def frames(self, seconds: float) -> list[RelayFrame] | None:
        """Return the frames that come within so many seconds, perhaps none; None at the end.

        Raises:
            FrameError: what comes are no frames.
        """
        stream = self.process.stdout
        if stream is None or not select.select([stream], [], [], seconds)[0]:
            # A helper of ssh may hold the pipe open after its end.
            return [] if self.process.poll() is None else None
        data = os.read(stream.fileno(), READ_BYTES)
        return self._reader.feed(data) if data else None

    @property
    def has_begun(self) -> bool:
        """Whether a relay has answered."""
        return self._reader.has_begun

    def close(self) -> None:
        """End the process: the relay ends with its input."""
        for stream in (self.process.stdin, self.process.stdout):
            with suppress(OSError):
                if stream is not None:
                    stream.close()
        self.process.terminate()
        try:
            self.process.wait(TICK_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self._hearing.join(TICK_SECONDS)
        if self.process.stderr is not None and not self._hearing.is_alive():
            self.process.stderr.close()

    def why(self, address: Address) -> str:
        """Return why it has ended, in one line."""
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(2 * TICK_SECONDS)
        self._hearing.join(TICK_SECONDS)
        status, host = self.process.poll(), printable(address.host)
        said = next((x for x in reversed(self._last_words) if x.strip()), "")
        if any("command 'relay'" in one for one in self._last_words):
            return f"{host}: its mlpwatch is older and has no relay; update it there"
        if status in (NOT_FOUND, NOT_EXECUTABLE):
            return (
                f"{host}: {address.remote}: not found there; give its path with --remote-command "
                "or MLPWATCH_REMOTE"
            )
        if status == SSH_FAILED:
            said = excerpt(said.removeprefix("ssh: ")) or "the connection was closed"
            return f"{host}: ssh: {said}"
        return f"{host}: its mlpwatch ended{f': {excerpt(said)}' if said else ''}"

    def _hear(self) -> None:
        with suppress(OSError, ValueError):
            for line in self.process.stderr or ():
                self._last_words.append(line.decode(errors="replace"))

    def _write(self, data: bytes) -> None:
        stream = self.process.stdin
        if stream is None:
            return
        try:
            stream.write(data)
            stream.flush()
        except ValueError as error:  # closed
            raise BrokenPipeError from error


class Link:
    """Keeps the mirror of a far run up to date, and passes orders on.

    Args:
        address: of the run.
    """

    def __init__(self, address: Address) -> None:
        self.address = address
        self.say: Callable[[str, bool], None] = lambda _text, _is_bad: None
        """Called with a line for the user, and whether it is bad; in the link's thread."""
        self.host = printable(address.host)
        self.version = ""
        """Of the mlpwatch there."""
        self._typed, self._name = printable(address.run), ""
        self.is_watched = False
        self._mirror: Mirror | None = None
        self._pipe: _Pipe | None = None
        self._why_down = ""
        self._numbers = count(1)
        self._answers: dict[int, bytes] = {}
        self._answered = Condition()
        self._wanted_until: dict[str, float] = {}
        self._asked_at: dict[str, float] = {}
        self._closing = Flag()
        self._thread = Thread(target=self._work, name="relay-link", daemon=True)

    @property
    def name_there(self) -> str:
        """The run as it was typed, or the name of the newest one."""
        return self._typed or self._name

    @property
    def title(self) -> str:
        """As `mlpwatch attach` takes it."""
        return f"{self.host}:{self.name_there}"

    @property
    def mirror(self) -> Mirror:
        """The folder here; after `connect`."""
        if self._mirror is None:
            raise RuntimeError("expected connect() first")
        return self._mirror

    def connect(self) -> None:
        """Start the relay; ssh may ask on the terminal. Returns once the far run is known.

        Raises:
            InputError: there is no ssh, no mlpwatch, no such run, or another version; one line.
        """
        self._pipe = self._begin(asks=True)

    def start(self) -> None:
        """Begin to follow."""
        self.mirror.start()
        self._thread.start()

    def close(self) -> None:
        """Leave, and delete the mirror; the far run trains on."""
        self._closing.set()
        pipe = self._pipe
        if pipe is not None:
            pipe.process.terminate()
        if self._thread.ident is not None:
            self._thread.join(2 * TICK_SECONDS)
        if pipe is not None:
            pipe.close()
        if self._mirror is not None:
            self._mirror.remove()

    def want(self, *names: str) -> None:
        """Keep large files up to date for a while; returns at once."""
        until = monotonic() + WANTED_SECONDS
        self._wanted_until |= dict.fromkeys(names, until)

    def bring(self, name: str, seconds: float) -> bool:
        """Ask for a large file and wait for it; return whether its newest version is here."""
        if self._why_down:
            return False
        if self.mirror.is_new(name) or not self.mirror.marks.get(name):
            self._ask_for(name)
        return self.mirror.wait_for(name, seconds)

    def forward(self, line: bytes) -> Status | str:
        """Pass an order on; return the answer, or why there is none."""
        pipe = self._pipe
        if self._why_down or pipe is None:
            return f"the link to {self.host} is down"
        number = next(self._numbers)
        try:
            pipe.writer.send("order", line, number=number)
        except OSError:
            return f"the link to {self.host} is down"
        with self._answered:
            self._answered.wait_for(lambda: number in self._answers, ANSWER_SECONDS)
            found = self._answers.pop(number, None)
        if found is None:
            return f"no answer from {self.host} within {ANSWER_SECONDS:g} s"
        try:
            return parse_answer(found)
        except ValueError as error:
            return f"{self.host} answered what is no answer: {excerpt(error)}"

    def _begin(self, *, asks: bool) -> _Pipe:
        """Start a relay and return it once it has said which run it follows.

        Raises:
            InputError: it does not start, or refuses.
        """
        pipe = _Pipe(self.address, asks=asks)
        try:
            self._await_run(pipe)
            pipe.writer.send("have", marks=self.mirror.marks)
        except (OSError, FrameError) as error:
            pipe.close()
            raise RunError(f"{self.host}: {excerpt(error)}") from None
        except BaseException:
            pipe.close()
            raise
        return pipe

    def _await_run(self, pipe: _Pipe) -> None:
        until = monotonic() + CONNECT_SECONDS
        while monotonic() < until and not self._closing.is_set():
            frames = pipe.frames(TICK_SECONDS)
            if frames is None:
                raise RunError(pipe.why(self.address))
            if any(self._greet(frame) for frame in frames):
                return
        raise RunError(f"{self.host}: no answer within {CONNECT_SECONDS:g} s")

    def _greet(self, frame: RelayFrame) -> bool:
        """Take one of the first frames; return whether the run is known now.

        Raises:
            RunError: the relay refuses, or has another protocol.
        """
        match frame.kind:
            case "hello":
                self.version = excerpt(frame.text("version"), 40)
                if frame.number("protocol") != PROTOCOL:
                    raise RunError(
                        f"{self.host}: has mlpwatch {self.version}, here is {__version__}, and "
                        "their relays differ; update the older one"
                    )
            case "refused":
                raise RunError(f"{self.host}: {excerpt(frame.text('reason'), 400)}")
            case "run":
                self._name = printable(frame.text("name"))
                self.is_watched = frame.fields.get("watched") is True
                self.address = self.address.at(frame.text("path"))
                if self._mirror is None:
                    self._mirror = Mirror(
                        frame.text("name"), self.forward, is_watched=self.is_watched
                    )
                return True
        return False

    def _work(self) -> None:
        attempt = 0
        while not self._closing.is_set():
            try:
                if self._pipe is None:
                    self._pipe = self._begin(asks=False)
                    self._why_down, attempt = "", 0
                    self.say(f"linked to {self.host} again", False)
                self._follow(self._pipe)
                why = "" if self._closing.is_set() else self._pipe.why(self.address)
            except (OSError, FrameError, InputError) as error:
                why = excerpt(error, 400)
            self._drop()
            if self._closing.is_set():
                return
            wait = AGAIN_SECONDS[min(attempt, len(AGAIN_SECONDS) - 1)]
            attempt += 1
            why = why.removeprefix(f"{self.host}: ")
            self._why_down = why or "closed"
            reason = f" ({why})" if why else ""
            self.say(f"link to {self.host} lost; trying again in {wait} s{reason}", True)
            self._closing.wait(wait)

    def _drop(self) -> None:
        pipe, self._pipe = self._pipe, None
        if pipe is not None:
            pipe.close()
        self.mirror.forget_parts()

    def _follow(self, pipe: _Pipe) -> None:
        """Take frames until the link ends.

        Raises:
            OSError: the link is lost, or the disk here is full.
            FrameError: what comes are no frames.
            RunError: the folder there is another run now.
        """
        heard_at = beat_at = monotonic()
        self._asked_at.clear()
        while not self._closing.is_set():
            frames = pipe.frames(TICK_SECONDS)
            if frames is None:
                return
            now = monotonic()
            heard_at = now if frames else heard_at
            if now - heard_at > DEAD_SECONDS:
                raise TimeoutError("no word for half a minute")
            for frame in frames:
                if frame.kind == "answer":
                    with self._answered:
                        self._answers[frame.number("number")] = frame.payload
                        self._answered.notify_all()
                else:
                    self.mirror.apply(frame)
            if now - beat_at > BEAT_SECONDS:
                beat_at = now
                pipe.writer.send("alive")
            for name, until in list(self._wanted_until.items()):
                if now < until and self.mirror.is_new(name):
                    self._ask_for(name)

    def _ask_for(self, name: str) -> None:
        """Ask for a large file, once for each version: it may be on its way."""
        version = str(self.mirror.versions.get(name, ""))
        key, pipe, now = f"{name} {version}", self._pipe, monotonic()
        if now - self._asked_at.get(key, -inf) > ASK_AGAIN_SECONDS and pipe is not None:
            self._asked_at[key] = now
            with suppress(OSError):
                pipe.writer.send("fetch", name=name)
