"""The lock on a run folder: one process at a time trains a run."""

import fcntl
import os
from pathlib import Path
from time import sleep

from mlpwatch.core.errors import RunError
from mlpwatch.core.runs.manifest import CARD_NAME
from mlpwatch.core.runs.owner import OWNER_NAME, read_owner
from mlpwatch.core.text import printable

_TRIES = 5
_RETRY_SECONDS = 0.01


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

    def acquire(self) -> None:
        """Take the lock; does nothing where it is held already.

        Raises:
            RunError: another process trains this run, which the message names where it is known;
                or the folder can't be written, or was renamed or deleted just now.
        """
        if self._handle is not None:
            return
        card = self._folder / CARD_NAME
        try:
            # For writing: NFS turns flock into a byte-range lock, which asks for that.
            handle = os.open(card, os.O_RDWR)
        except OSError as error:
            raise RunError(
                f"{printable(self._folder)}: {error.strerror}; make the run folder writable"
            ) from None
        if reason := self._why_not(_lock_patiently(handle)):
            os.close(handle)
            raise RunError(f"{printable(self._folder)}: in use by another mlpwatch{reason}")
        if not _is_still_at(card, handle):
            os.close(handle)
            raise RunError(
                f"{printable(self._folder)}: renamed or deleted just now; see mlpwatch runs"
            )
        self._handle = handle

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
            self._handle = None


def is_locked(folder: Path) -> bool:
    """Say whether some process, this one included, trains this run."""
    try:
        handle = os.open(folder / CARD_NAME, os.O_RDONLY)
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
