"""The lock on a run folder, and the process that holds it: only one process trains a run."""

import errno
import fcntl
import os
import socket
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from threading import Lock
from time import sleep

from mlpwatch.core.errors import RunError
from mlpwatch.core.files.durable import OpenFolder, open_regular, replace_durably, unlink
from mlpwatch.core.files.strict_json import JsonError, read_object, take_text, take_whole, to_json
from mlpwatch.core.runs.layout import MANIFEST_NAME, OWNER_NAME
from mlpwatch.core.text import printable

_TRIES = 5
_RETRY_SECONDS = 0.01

_MAX_HOST = 255
"""Most characters of a host name in POSIX."""


@dataclass(frozen=True, slots=True)
class Owner:
    """One process on one machine."""

    pid: int
    host: str
    began: str = ""
    """Its start time, see `_began`: another process may have its number now. Empty if the system or
    an older mlpwatch did not record it."""

    def __str__(self) -> str:
        """Return a text for messages."""
        where = "" if self.host == socket.gethostname() else f" on {self.host}"
        return f"process {self.pid}{where}"

    @property
    def is_elsewhere(self) -> bool:
        """Whether it runs on another machine, so that its state is unknown here."""
        return self.host != socket.gethostname()

    @property
    def may_live(self) -> bool:
        """Whether it runs, or this machine can't rule that out."""
        if self.is_elsewhere:
            return True
        if self.began and (now := _began(self.pid)):
            return self.began == now and self.pid != os.getpid()
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return False
        except (OSError, OverflowError):  # another user's process, or not a pid
            return True
        return self.pid != os.getpid()

    @property
    def lives(self) -> bool:
        """Whether it certainly runs: the process with its number has the same start time."""
        return not self.is_elsewhere and bool(self.began) and self.began == _began(self.pid)


def this_process() -> Owner:
    """Return this process as an owner."""
    return Owner(os.getpid(), socket.gethostname(), _began(os.getpid()))


def read_owner(path: Path, folder: OpenFolder | None = None) -> Owner | None:
    """Return the process that trains a run or, if it was killed, that trained it last.

    None after a regular end, and if the file can't be read: it is only for messages.

    Args:
        path: of the run's folder.
        folder: the open folder, if the run is locked.
    """
    try:
        values = read_object(path / OWNER_NAME, folder=folder)
        pid, host = take_whole(values, "pid"), take_text(values, "host")
        began = take_text({"began": "", **values}, "began")
    except (OSError, ValueError, JsonError):
        return None
    sound = pid > 0 and host.isprintable() and len(host) <= _MAX_HOST and len(began) <= _MAX_HOST
    return Owner(pid, host, began) if sound else None


def write_owner(path: Path, folder: OpenFolder | None = None) -> None:
    """Record this process as the one that trains a run. Errors, as of a full disk, are ignored.

    Args:
        path: of the run's folder.
        folder: the open folder, if the run is locked.
    """
    with suppress(OSError):
        data = to_json(asdict(this_process())).encode()
        replace_durably(path / OWNER_NAME, data, folder=folder)


def remove_owner(path: Path, folder: OpenFolder | None = None) -> None:
    """Remove the record of this process; the record of another process stays.

    Args:
        path: of the run's folder.
        folder: the open folder, if the run is locked.
    """
    if read_owner(path, folder) == this_process():
        with suppress(OSError):
            unlink(path / OWNER_NAME, folder=folder)


def _began(pid: int) -> str:
    """Return boot id and start time of a process on Linux; empty on other systems.

    Source: proc(5), the 22nd field of `/proc/PID/stat`, in clock ticks since the boot.
    """
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        # The second field is the program's name in parentheses, which may contain any character.
        return f"{boot} {Path(f'/proc/{pid}/stat').read_text().rpartition(')')[2].split()[19]}"
    except (OSError, IndexError, ValueError):
        return ""


class RunLock:
    """The lock of a run, held from `acquire` to `release` or the end of the process, even a kill.

    It is an advisory `flock` on `config.json`, the only file of a run that is never replaced, so
    that no lock file is left behind.

    Args:
        folder: the run folder.
        name: of the file, where it is another.
    """

    def __init__(self, folder: Path, name: str = MANIFEST_NAME) -> None:
        self._folder, self._name = folder, name
        self._handle: int | None = None
        self._changing = Lock()
        self.folder: OpenFolder | None = None
        """The folder while the lock is held: its path may meanwhile lead to another folder."""

    def acquire(self) -> OpenFolder:
        """Take the lock, if it is not held already, and return the folder.

        Raises:
            RunError: another process trains this run (the message names it if it is known), or the
                folder can't be written, or was renamed or deleted just now.
        """
        if self.folder is not None:
            return self.folder
        manifest = self._folder / self._name
        try:
            folder = OpenFolder(self._folder)
            # Opened for writing: NFS turns flock into a byte-range lock, which requires it.
            handle = open_regular(manifest, os.O_RDWR, folder=folder)
        except OSError as error:
            raise RunError(
                f"{printable(self._folder)}: {error.strerror}; make the run folder writable"
            ) from None
        if reason := self._why_not(_lock_patiently(handle)):
            os.close(handle)
            raise RunError(f"{printable(self._folder)}: in use by another mlpwatch{reason}")
        if not folder.is_at(self._folder) or not _is_still_at(manifest, handle):
            os.close(handle)
            raise RunError(
                f"{printable(self._folder)}: renamed or deleted just now; see mlpwatch runs"
            )
        self._handle, self.folder = handle, folder
        return folder

    @property
    def is_gone(self) -> bool:
        """Whether the locked folder or its `config.json` was deleted or replaced.

        Another `config.json` has another lock, by which another process may train: a copy that an
        editor or a backup put there is locked in its turn, and what is no copy is another run.
        """
        with self._changing:
            if self.folder is None or self._handle is None:
                return False
            try:
                found = os.stat(self._name, dir_fd=self.folder.handle)
            except FileNotFoundError:
                return True
            except OSError as error:
                return error.errno == errno.ESTALE
            return not os.path.samestat(found, os.fstat(self._handle)) and not self._hold_copy()

    def _hold_copy(self) -> bool:
        """Lock the file that has replaced `config.json`; False where it is none of ours."""
        try:
            copy = open_regular(self._folder / self._name, os.O_RDWR, folder=self.folder)
        except OSError:
            return False
        held = self._handle
        if held is None or not _are_equal(held, copy) or _lock_patiently(copy) is False:
            os.close(copy)
            return False
        self._handle = copy
        os.close(held)
        return True

    def _why_not(self, locked: bool | None) -> str:
        """Return why this process may not train the run; empty if it may."""
        owner = read_owner(self._folder)
        if locked is None and owner and owner.may_live:
            # On a file system without locks, `owner.json` is the only information.
            return f", {owner}; if that is gone, delete {OWNER_NAME} in this folder"
        if locked is False:
            return f"{f', {owner}' if owner else ''}; stop that one first"
        return ""

    def release(self) -> None:
        """Release the lock. No effect if it is not held."""
        if self._handle is not None:
            os.close(self._handle)
            self._handle = self.folder = None


def is_locked(folder: Path, name: str = MANIFEST_NAME) -> bool:
    """Return whether a process, perhaps this one, holds the run's lock on the file of this name."""
    try:
        handle = open_regular(folder / name)
    except OSError:
        return False
    try:
        return _try_lock(handle, fcntl.LOCK_SH) is False
    finally:
        os.close(handle)


def _is_still_at(path: Path, handle: int) -> bool:
    """Return whether an open file still has its path: the run may have been renamed or deleted."""
    try:
        return os.path.samestat(path.stat(), os.fstat(handle))
    except OSError:
        return False


def _are_equal(one: int, other: int) -> bool:
    """Say whether two open files hold the same."""
    size = os.fstat(one).st_size
    return os.pread(one, size + 1, 0) == os.pread(other, size + 1, 0)


def _lock_patiently(handle: int) -> bool | None:
    # `is_locked` in another process holds a shared lock for a few microseconds.
    for _ in range(_TRIES - 1):
        if _try_lock(handle, fcntl.LOCK_EX) is not False:
            break
        sleep(_RETRY_SECONDS)
    return _try_lock(handle, fcntl.LOCK_EX)


def _try_lock(handle: int, kind: int) -> bool | None:
    """Return whether we now have the lock; None on a file system without locks."""
    try:
        fcntl.flock(handle, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        # Training without a lock is better than refusing.
        return None
    return True
