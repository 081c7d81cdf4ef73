"""Files that are whole after any crash: written beside, synced, then renamed."""

import errno
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from time import time

_SUFFIX = ".tmp"
_BUILDING_PREFIX = ".new-"

STALE_SECONDS = 3600.0
"""No run takes that long to be made: building its folder takes milliseconds."""


def replace_durably(path: Path, data: bytes, previous: Path | None = None) -> None:
    """Write `data` to `path` so that a kill or a power cut never leaves half a file there.

    Args:
        path: the file to create or to replace.
        data: its whole new content.
        previous: the name that the file now at `path` keeps; None to let it go.

    Raises:
        OSError: for example a full disk; `path` is then as it was, and whole.
    """
    temporary = _write_beside(path, data)
    # Three files, two names. At every instant one of the names holds a whole file:
    #   before 1: path = old, previous = older
    #   1 -> 2:   path is absent, previous = old (whole; the new one still has its own name)
    #   after 2:  path = new, previous = old
    # A hard link instead of 1 would never leave `path` absent, but FAT, exFAT and some network
    # file systems have none, and the reader looks at both names anyway.
    was_moved = False
    try:
        if previous is not None and path.exists():
            path.replace(previous)  # 1
            was_moved = True
        temporary.replace(path)  # 2
    except BaseException:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
        if was_moved and previous is not None:
            with suppress(OSError):
                previous.replace(path)
        raise
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make renames inside `folder` survive a power cut.

    Raises:
        OSError: the disk failed.
    """
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    except OSError as error:
        # Some network and FUSE file systems can't sync a folder; the files are still whole.
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):
            raise
    finally:
        os.close(handle)


def remove_leftovers(folder: Path) -> None:
    """Delete the unfinished files that a killed writer left; call it as the only writer."""
    for leftover in folder.glob(f".*{_SUFFIX}"):
        with suppress(OSError):
            leftover.unlink()


@contextmanager
def building_folder(parent: Path) -> Iterator[Path]:
    """Yield a hidden new folder, to be renamed once it is complete; an error removes it.

    Those that a killed process left an hour ago or more are removed, too.

    Raises:
        OSError: for example a full disk.
    """
    for stale in parent.glob(f"{_BUILDING_PREFIX}*"):
        with suppress(OSError):
            if time() - stale.stat().st_mtime > STALE_SECONDS:
                shutil.rmtree(stale)
    building = Path(tempfile.mkdtemp(prefix=_BUILDING_PREFIX, dir=parent))  # of mode 0700
    try:
        yield building
    except BaseException:
        shutil.rmtree(building, ignore_errors=True)
        raise


def _write_beside(path: Path, data: bytes) -> Path:
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=_SUFFIX, dir=path.parent)
    temporary = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    return temporary
