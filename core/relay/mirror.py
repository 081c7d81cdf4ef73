"""The near side's copy of a run folder, which everything that follows a local run reads.

So the charts, the mistakes, the weights and the tour work as for a run of this machine: the lock is
held here while the far run trains, and the socket passes orders on.
"""

import os
import shutil
import tempfile
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from threading import Condition
from time import monotonic

from mlpwatch.core.config import ENGINE_NAMES
from mlpwatch.core.errors import InputError, RunError
from mlpwatch.core.files.durable import open_regular
from mlpwatch.core.relay.frames import RelayFrame
from mlpwatch.core.relay.sent_files import LOG_NAMES, WHOLE_NAMES, may_be_asked
from mlpwatch.core.remote.protocol import Status, parse_answer, parse_command
from mlpwatch.core.remote.server import LineServer
from mlpwatch.core.runs.layout import (
    HISTORY_NAME,
    MANIFEST_NAME,
    WATCH_NAME,
    check_run_name,
    past_name,
)
from mlpwatch.core.runs.lock import RunLock

Forward = Callable[[bytes], Status | str]
"""Passes an order on to the far run and returns its answer, or why there is none."""


class Mirror:
    """A private folder that frames fill. `apply` is called in one thread.

    Args:
        name: of the far run.
        is_watched: whether it is a loop that `mlpwatch.watch()` follows.
        forward: see `Forward`.

    Raises:
        OSError: for example a full disk.
    """

    def __init__(self, name: str, forward: Forward, *, is_watched: bool) -> None:
        self._root = Path(tempfile.mkdtemp(prefix="mlpwatch-attach-"))
        self.path = self._root / _safe(name)
        self.path.mkdir(mode=0o700)
        self.marks: dict[str, str] = {}
        """Of the files here, to continue after a lost link."""
        self.versions: Mapping[str, object] = {}
        """Marks of the large files there now."""
        self.status: Status | str = "no answer yet"
        """How the far run stands, or why that is not known."""
        self.is_whole = False
        """Whether all that was there at first is here."""
        self._manifest = WATCH_NAME if is_watched else MANIFEST_NAME
        self._lock = RunLock(self.path, self._manifest)
        self._forward = forward
        self._server = LineServer(self._answer, self.path)
        self._changed = Condition()
        self._absent: set[str] = set()
        self._part: bytearray = bytearray()

    def start(self) -> None:
        """Take orders."""
        self._server.start()

    def remove(self) -> None:
        """Take no more orders, and delete the folder."""
        self._server.close()
        self._lock.release()
        shutil.rmtree(self._root, ignore_errors=True)

    def apply(self, frame: RelayFrame) -> None:
        """Take a frame in.

        Raises:
            OSError: for example a full disk.
        """
        name, mark = frame.text("name"), frame.text("mark")
        match frame.kind:
            case "file" if name in WHOLE_NAMES:
                self._take_whole(name, mark, frame.payload)
            case "file" if name in LOG_NAMES:
                self._take_lines(name, mark, frame.payload, bool(frame.fields.get("fresh")))
            case "part" if may_be_asked(name):
                self._take_part(frame, name, mark)
            case "absent":
                with self._changed:
                    self._absent.add(name)
                    self._changed.notify_all()
            case "kept":
                self._list_kept(frame.fields.get("numbers"))
            case "versions":
                marks = frame.fields.get("marks")
                self.versions = marks if isinstance(marks, dict) else {}
            case "status":
                with suppress(ValueError):
                    self.status = parse_answer(frame.payload)
            case "live":
                self._hold(live=frame.fields.get("live") is True)
                with self._changed:
                    self.is_whole = True
                    self._changed.notify_all()

    def wait_for_manifest(self, seconds: float) -> bool:
        """Wait until the settings of the run are here."""
        with self._changed:
            return self._changed.wait_for(lambda: self._manifest in self.marks, seconds)

    def wait_until_whole(self, seconds: float) -> bool:
        """Wait until all that was there at first is here."""
        with self._changed:
            return self._changed.wait_for(lambda: self.is_whole, seconds)

    def is_new(self, name: str) -> bool:
        """Return whether the far side has another version of a large file."""
        there = self.versions.get(name)
        return bool(there) and there != self.marks.get(name)

    def wait_for(self, name: str, seconds: float) -> bool:
        """Wait until a large file has come that was asked for; False if it did not."""
        until = monotonic() + seconds
        is_past = name.startswith(HISTORY_NAME)
        with self._changed:
            self._absent.discard(name)
            while not (self.marks.get(name) if is_past else not self.is_new(name)):
                left = until - monotonic()
                if left <= 0 or name in self._absent:
                    return False
                self._changed.wait(left)
        return True

    def _take_whole(self, name: str, mark: str, data: bytes) -> None:
        path = self.path / name
        if name == self._manifest and path.exists():
            if path.read_bytes() != data:
                raise RunError("another run has its name now; attach again")
        elif not mark:
            path.unlink(missing_ok=True)
        else:
            self._replace(path, data)
        with self._changed:
            self.marks[name] = mark
            self._changed.notify_all()

    def _take_lines(self, name: str, mark: str, data: bytes, is_fresh: bool) -> None:
        if is_fresh:
            self._replace(self.path / name, data)
        else:
            handle = open_regular(self.path / name, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
            with os.fdopen(handle, "ab") as file:
                file.write(data)
        self.marks[name] = mark

    def _take_part(self, frame: RelayFrame, name: str, mark: str) -> None:
        self._part += frame.payload
        if not frame.fields.get("last"):
            return
        data, self._part = self._part, bytearray()
        self._replace(self.path / name, data)
        with self._changed:
            self.marks[name] = mark
            self._changed.notify_all()

    def forget_parts(self) -> None:
        """Forget half a file: its link was lost."""
        self._part = bytearray()

    def _list_kept(self, numbers: object) -> None:
        """Make an empty file for each kept epoch: their names are the list, see `History`."""
        if not isinstance(numbers, dict):
            return
        folder = self.path / HISTORY_NAME
        folder.mkdir(mode=0o700, exist_ok=True)
        kept = {
            past_name(engine, number)
            for engine in ENGINE_NAMES
            for number in numbers.get(engine) or ()
            if type(number) is int and number >= 0
        }
        here = set(os.listdir(folder))  # noqa: PTH208
        for name in here - kept:
            (folder / name).unlink(missing_ok=True)
            self.marks.pop(f"{HISTORY_NAME}/{name}", None)
        for name in kept - here:
            (folder / name).touch(0o600)

    def _hold(self, *, live: bool) -> None:
        """Hold the lock of the folder here while the far run trains."""
        if not live:
            self._lock.release()
            self.status = "nobody trains this run"
        elif self._lock.folder is None:
            self._lock.acquire()

    def _replace(self, path: Path, data: bytes | bytearray) -> None:
        """Replace a file as a whole: readers then see another one. Nothing here is synced."""
        path.parent.mkdir(mode=0o700, exist_ok=True)
        beside = path.with_name(f".{path.name}.part")
        beside.write_bytes(data)
        beside.replace(path)

    def _answer(self, line: bytes) -> Status | str:
        try:
            order = parse_command(line)
        except ValueError as error:
            return str(error)
        # The far side says when the status changes: asking each second would double the bytes.
        return self.status if order.name == "status" else self._forward(line + b"\n")


def _safe(name: str) -> str:
    """Return a name for the folder here."""
    try:
        check_run_name(name)
    except InputError:
        return "run"
    return name
