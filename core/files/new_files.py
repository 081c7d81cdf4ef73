"""New files in a user's folder: whole or not there, and never in another file's place."""

import errno
import os
import secrets
import shutil
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from mlpwatch.core.files.durable import sync_folder

_NO_LINKS = (errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK)
"""What a file system without hard links answers: FAT, exFAT, some network ones."""


def create(path: Path, data: bytes | Mapping[str, bytes]) -> None:
    """Write a new file, or make a new folder of files; see `create_file`, `create_folder`.

    Raises:
        FileExistsError: there is something of this name; it is unchanged.
        OSError: for example a full disk; nothing is left.
    """
    if isinstance(data, bytes):
        create_file(path, data)
    else:
        create_folder(path, data)


def create_file(path: Path, data: bytes) -> None:
    """Write a new file; a kill or a full disk leaves nothing at `path`.

    Args:
        path: of the file; also a dangling link there counts as a file.
        data: its whole content.

    Raises:
        FileExistsError: there is a file of this name; it is unchanged.
        OSError: for example a full disk; nothing is left.
    """
    temporary = path.with_name(f".{secrets.token_hex(8)}.tmp")
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
    # As any program writes a file: readable for those whom the umask lets read.
    handle = os.open(temporary, flags, 0o666)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        _give_name(temporary, path)
    finally:
        with suppress(OSError):
            temporary.unlink()
    sync_folder(path.parent)


def _give_name(temporary: Path, path: Path) -> None:
    """Move a file to a name that no other file has; a rename would replace the other."""
    try:
        path.hardlink_to(temporary)
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666))
        temporary.replace(path)


def create_folder(path: Path, files: Mapping[str, bytes]) -> None:
    """Make a new folder with files in it; a kill or a full disk leaves nothing at `path`.

    Args:
        path: of the folder.
        files: their content by path inside it, `numpy/events`.

    Raises:
        FileExistsError: there is something of this name; it is unchanged.
        OSError: for example a full disk; nothing is left.
    """
    building = path.with_name(f".{secrets.token_hex(8)}.tmp")
    building.mkdir()
    try:
        for name, data in files.items():
            inside = building / name
            inside.parent.mkdir(parents=True, exist_ok=True)
            create_file(inside, data)
        # A rename replaces an empty folder, and follows no link.
        if os.path.lexists(path):
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(path))
        building.rename(path)
    finally:
        shutil.rmtree(building, ignore_errors=True)
    sync_folder(path.parent)
