"""Files that are whole after any crash: written beside, synced, then renamed."""

import errno
import fcntl
import os
import re
import secrets
import stat
import sys
from collections.abc import Collection, Iterable
from contextlib import suppress
from pathlib import Path

_SUFFIX = ".tmp"

_GET_PATH, _PATH_BYTES = 50, 1024
"""`F_GETPATH` and `MAXPATHLEN` of macOS; Python 3.11 has no name for the first."""


class OpenFolder:
    """A folder by its descriptor: it stays the same one, whatever becomes of its path.

    Closed when nothing refers to it any more, so never under a write that is under way.

    Args:
        path: of the folder now.

    Raises:
        OSError: no such folder.
    """

    def __init__(self, path: Path) -> None:
        self.handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)

    def __del__(self) -> None:
        """Close the descriptor."""
        if hasattr(self, "handle"):
            os.close(self.handle)

    def is_at(self, path: Path) -> bool:
        """Return whether a path leads to this folder."""
        try:
            return os.path.samestat(path.stat(), os.fstat(self.handle))
        except OSError:
            return False

    def whereabouts(self) -> Path | None:
        """Return the folder's path now; None where it was deleted or the system does not say."""
        with suppress(OSError):
            if sys.platform == "darwin":
                raw = fcntl.fcntl(self.handle, _GET_PATH, bytes(_PATH_BYTES))
                path = Path(os.fsdecode(raw.rstrip(b"\0")))
            else:
                path = Path(f"/proc/self/fd/{self.handle}").readlink()
            return path if self.is_at(path) else None
        return None


def replace_durably(
    path: Path,
    data: bytes | Iterable[bytes],
    previous: Path | None = None,
    *,
    folder: OpenFolder | None = None,
) -> None:
    """Write `data` to `path` so that a kill or a power cut never leaves half a file there.

    Args:
        path: the file to create or to replace.
        data: its whole new content, in one piece or in several.
        previous: the name, in the same folder, that the file now at `path` keeps; None to let it
            go.
        folder: of `path`; then only the file's name counts. None to find it by its path.

    Raises:
        OSError: for example a full disk; `path` is then as it was, and whole.
    """
    at = folder.handle if folder else None
    target, kept = _name(path, folder), _name(previous, folder) if previous else None
    temporary = _write_beside(path, (data,) if isinstance(data, bytes) else data, folder)
    # Three files, two names. At every instant one of the names holds a whole file:
    #   before 1: path = old, previous = older
    #   1 -> 2:   path is absent, previous = old (whole; the new one still has its own name)
    #   after 2:  path = new, previous = old
    # A hard link instead of 1 would never leave `path` absent, but FAT, exFAT and some network
    # file systems have none, and the reader looks at both names anyway.
    was_moved = False
    try:
        if kept is not None:
            with suppress(FileNotFoundError):
                os.replace(target, kept, src_dir_fd=at, dst_dir_fd=at)  # 1
                was_moved = True
        os.replace(temporary, target, src_dir_fd=at, dst_dir_fd=at)  # 2
    except BaseException:
        with suppress(OSError):
            os.unlink(temporary, dir_fd=at)
        if was_moved and kept is not None:
            with suppress(OSError):
                os.replace(kept, target, src_dir_fd=at, dst_dir_fd=at)
        raise
    sync_folder(path.parent, folder)


def sync_folder(path: Path, folder: OpenFolder | None = None) -> None:
    """Make renames inside a folder survive a power cut.

    Raises:
        OSError: the disk failed.
    """
    opened = folder or OpenFolder(path)
    try:
        os.fsync(opened.handle)
    except OSError as error:
        # Some network and FUSE file systems can't sync a folder; the files are still whole.
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):
            raise


def open_regular(path: Path, flags: int = os.O_RDONLY, *, folder: OpenFolder | None = None) -> int:
    """Open a regular file and return its descriptor; never wait for what is none.

    Raises:
        OSError: it can't be opened, or is a FIFO, a device, a folder.
    """
    # Without O_NONBLOCK, opening a FIFO waits for a writer for ever.
    extra = os.O_NONBLOCK | os.O_CLOEXEC
    at = folder.handle if folder else None
    handle = os.open(_name(path, folder), flags | extra, 0o600, dir_fd=at)
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise OSError(errno.EINVAL, "not a regular file")
    return handle


def unlink(path: Path, *, folder: OpenFolder | None = None) -> None:
    """Delete a file; in `folder`, where it is given, only its name counts.

    Raises:
        OSError: it can't be deleted, or does not exist.
    """
    os.unlink(_name(path, folder), dir_fd=folder.handle if folder else None)


def remove_leftovers(folder: OpenFolder, names: Collection[str]) -> None:
    """Delete the unfinished files that a killed writer left; call it as the only writer.

    Args:
        folder: in which to look.
        names: of the files that were to be replaced; other files are left alone.
    """
    unfinished = re.compile(rf"\.({'|'.join(map(re.escape, names))})\.\w{{8}}{re.escape(_SUFFIX)}")
    for name in os.listdir(folder.handle):  # noqa: PTH208
        if unfinished.fullmatch(name):
            with suppress(OSError):
                unlink(Path(name), folder=folder)


def _name(path: Path, folder: OpenFolder | None) -> str:
    return path.name if folder else str(path)


def _write_beside(path: Path, pieces: Iterable[bytes], folder: OpenFolder | None) -> str:
    at = folder.handle if folder else None
    name = _name(path.with_name(f".{path.name}.{secrets.token_hex(4)}{_SUFFIX}"), folder)
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
    handle = os.open(name, flags, 0o600, dir_fd=at)
    try:
        with os.fdopen(handle, "wb") as file:
            file.writelines(pieces)
            file.flush()
            os.fsync(file.fileno())
    except BaseException:
        with suppress(OSError):
            os.unlink(name, dir_fd=at)
        raise
    return name
