"""The lock on a run folder, and the process that holds it: one at a time trains a run."""

import errno
import fcntl
import os
import socket
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from time import sleep

from mlpwatch.core.errors import RunError
from mlpwatch.core.files.durable import OpenFolder, open_regular, replace_durably, unlink
from mlpwatch.core.files.strict_json import JsonError, read_object, take_text, take_whole, to_json
from mlpwatch.core.runs.layout import MANIFEST_NAME, OWNER_NAME
from mlpwatch.core.text import printable

_TRIES = 5
_RETRY_SECONDS = 0.01

_MAX_HOST = 255
"""Characters of a host name, as POSIX has it."""


@dataclass(frozen=True, slots=True)
class Owner:
    """One process on one machine."""

    pid: int
    host: str
    began: str = ""
    """When it started, as `_began` has it: another process may have its number now. Empty where
    the system or an older mlpwatch did not say."""

    def __str__(self) -> str:
        """Return words for a message."""
        where = "" if self.host == socket.gethostname() else f" on {self.host}"
        return f"process {self.pid}{where}"

    @property
    def is_elsewhere(self) -> bool:
        """Whether it is of another machine, where this one can't see if it lives."""
        return self.host != socket.gethostname()

    @property
    def may_live(self) -> bool:
        """Whether it runs, or may run for all that this machine can see."""
        if self.is_elsewhere:
            return True
        if self.began and (now := _began(self.pid)):
            return self.began == now and self.pid != os.getpid()
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return False
        except (OSError, OverflowError):  # of another user, or no pid at all
            return True
        return self.pid != os.getpid()

    @property
    def lives(self) -> bool:
        """Whether it certainly runs: the process of its number here started when it did."""
        return not self.is_elsewhere and bool(self.began) and self.began == _began(self.pid)


def this_process() -> Owner:
    """Return the owner that this process is."""
    return Owner(os.getpid(), socket.gethostname(), _began(os.getpid()))


def read_owner(path: Path, folder: OpenFolder | None = None) -> Owner | None:
    """Return who trains a run or, where its process was killed, trained it last.

    None after an orderly end, and where the file can't be read: it is for messages only.

    Args:
        path: of the run's folder.
        folder: the same, where it is held.
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
    """Name this process as the one that trains a run. A full disk does not keep it from training.

    Args:
        path: of the run's folder.
        folder: the same, where it is held.
    """
    with suppress(OSError):
        data = to_json(asdict(this_process())).encode()
        replace_durably(path / OWNER_NAME, data, folder=folder)


def remove_owner(path: Path, folder: OpenFolder | None = None) -> None:
    """Remove this process's name; that of another process, which has taken over, stays.

    Args:
        path: of the run's folder.
        folder: the same, where it is held.
    """
    if read_owner(path, folder) == this_process():
        with suppress(OSError):
            unlink(path / OWNER_NAME, folder=folder)


def _began(pid: int) -> str:
    """Return boot and start time of a process, as Linux has them; empty on other systems.

    Source: proc(5), the 22nd field of `/proc/PID/stat`, in clock ticks since the boot.
    """
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        # The second field is the program's name in parentheses, which may hold any character.
        return f"{boot} {Path(f'/proc/{pid}/stat').read_text().rpartition(')')[2].split()[19]}"
    except (OSError, IndexError, ValueError):
        return ""


class RunLock:
    """Held from `acquire` to `release` or the end of the process, a kill included.

    It is an advisory `flock` on `config.json`, the one file of a run that is never replaced,
    so that no lock file is left behind.

    Args:
        folder: the run folder.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._handle: int | None = None
        self.folder: OpenFolder | None = None
        """The folder, while the lock is held: its path may lead to another one meanwhile."""

    def acquire(self) -> OpenFolder:
        """Take the lock, if it is not held already, and return the folder.

        Raises:
            RunError: another process trains this run, which the message names where it is known;
                or the folder can't be written, or was renamed or deleted just now.
        """
        if self.folder is not None:
            return self.folder
        manifest = self._folder / MANIFEST_NAME
        try:
            folder = OpenFolder(self._folder)
            # For writing: NFS turns flock into a byte-range lock, which asks for that.
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
        """Whether the folder that is held was deleted, or `config.json` in it."""
        if self.folder is None:
            return False
        try:
            os.stat(MANIFEST_NAME, dir_fd=self.folder.handle)
        except FileNotFoundError:
            return True
        except OSError as error:
            return error.errno == errno.ESTALE
        return False

    def _why_not(self, locked: bool | None) -> str:
        """Return why this process may not train the run; empty where it may."""
        owner = read_owner(self._folder)
        if locked is None and owner and owner.may_live:
            # A file system without locks tells nothing, so that the owner's word is all there is.
            return f", {owner}; if that is gone, delete {OWNER_NAME} in this folder"
        if locked is False:
            return f"{f', {owner}' if owner else ''}; stop that one first"
        return ""

    def release(self) -> None:
        """Give the lock back; does nothing where it is not held."""
        if self._handle is not None:
            os.close(self._handle)
            self._handle = self.folder = None


def is_locked(folder: Path) -> bool:
    """Say whether some process, this one included, trains this run."""
    try:
        handle = open_regular(folder / MANIFEST_NAME)
    except OSError:
        return False
    try:
        return _try_lock(handle, fcntl.LOCK_SH) is False
    finally:
        os.close(handle)


def _is_still_at(path: Path, handle: int) -> bool:
    """Say whether an open file still has its name: who renames or deletes a run holds its lock."""
    try:
        return os.path.samestat(path.stat(), os.fstat(handle))
    except OSError:
        return False


def _lock_patiently(handle: int) -> bool | None:
    # `is_locked` in another process holds a shared lock for some microseconds.
    for _ in range(_TRIES - 1):
        if _try_lock(handle, fcntl.LOCK_EX) is not False:
            break
        sleep(_RETRY_SECONDS)
    return _try_lock(handle, fcntl.LOCK_EX)


def _try_lock(handle: int, kind: int) -> bool | None:
    """Return whether the lock is ours now; None on a file system without locks."""
    try:
        fcntl.flock(handle, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        # Better to train than to refuse.
        return None
    return True
