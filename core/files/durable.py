"""Files that are complete after any crash: written under another name, synced, then renamed."""

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
"""`F_GETPATH` and `MAXPATHLEN` of macOS; Python 3.11 does not define the first."""


class OpenFolder:
    """A folder by its descriptor: it stays the same folder even if its path changes.

    It is closed when nothing refers to it any more, so never during a write.

    Args:
        path: current path of the folder.
        inside: the folder that it lies in; then only its name is used, and a link is refused.

    Raises:
        OSError: no such folder.
    """

    def __init__(self, path: Path, *, inside: "OpenFolder | None" = None) -> None:
        flags = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
        if inside is None:
            self.handle = os.open(path, flags)
        else:
            self.handle = os.open(path.name, flags | os.O_NOFOLLOW, dir_fd=inside.handle)

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
        """Return the folder's current path; None if it was deleted or the system does not know."""
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
    """Write `data` to `path`; a kill or a power cut never leaves half a file there.

    Args:
        path: the file to create or to replace.
        data: its whole new content, in one piece or in several.
        previous: the new name, in the same folder, of the file now at `path`; None to delete it.
        folder: of `path`; then only the file's name is used. None to find it by its path.

    Raises:
        OSError: for example a full disk; `path` is unchanged and complete.
    """
    at = folder.handle if folder else None
    target, kept = _name(path, folder), _name(previous, folder) if previous else None
    temporary = _write_beside(path, (data,) if isinstance(data, bytes) else data, folder)
    # Three files, two names. At any time one of the names holds a complete file:
    #   before 1: path = old, previous = older
    #   1 -> 2:   path is absent, previous = old (complete; the new file has a temporary name)
    #   after 2:  path = new, previous = old
    # With a hard link instead of 1 `path` would never be absent. But FAT, exFAT and some network
    # file systems have no hard links, and the reader tries both names anyway.
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
    """Sync a folder, so that renames inside it survive a power cut.

    Raises:
        OSError: the disk failed.
    """
    opened = folder or OpenFolder(path)
    try:
        os.fsync(opened.handle)
    except OSError as error:
        # Some network and FUSE file systems can't sync a folder; the files are still complete.
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):
            raise


def open_regular(path: Path, flags: int = os.O_RDONLY, *, folder: OpenFolder | None = None) -> int:
    """Open a regular file and return its descriptor; never wait for another kind of file.

    Raises:
        OSError: it can't be opened, or is a FIFO, a device or a folder.
    """
    # Without O_NONBLOCK, opening a FIFO waits for a writer forever.
    extra = os.O_NONBLOCK | os.O_CLOEXEC
    at = folder.handle if folder else None
    handle = os.open(_name(path, folder), flags | extra, 0o600, dir_fd=at)
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise OSError(errno.EINVAL, "not a regular file")
    return handle


def unlink(path: Path, *, folder: OpenFolder | None = None) -> None:
    """Delete a file; if `folder` is given, only the file's name is used.

    Raises:
        OSError: it can't be deleted, or does not exist.
    """
    os.unlink(_name(path, folder), dir_fd=folder.handle if folder else None)


def remove_leftovers(folder: OpenFolder, names: Collection[str]) -> None:
    """Delete the unfinished files of a killed writer; only the single writer may call this.

    Args:
        folder: the folder to clean.
        names: of the files that were to be replaced; other files are not touched.
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
