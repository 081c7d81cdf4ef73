"""Hidden folders that are being built or deleted, each with a file that marks it as ours."""

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from time import time

from mlpwatch.core.files.durable import open_regular, sync_folder

_BUILDING, _DELETED = ".new-", ".deleted-"
"""Beginnings of the names. A name alone is not enough: a user's folder may begin like that."""

MARK_NAME = ".mlpwatch-unfinished"
"""A file in each such folder; it is removed before a finished folder gets its name."""

MARK = b"mlpwatch made this folder and has not finished with it; it may be deleted\n"

STALE_SECONDS = 3600.0
"""A folder that is being built for longer is abandoned: building takes milliseconds."""


@contextmanager
def building_folder(parent: Path) -> Iterator[Path]:
    """Yield a new hidden folder of mode 0700; the body renames it, an error removes it.

    Raises:
        OSError: for example a full disk.
    """
    remove_abandoned(parent)
    building = Path(tempfile.mkdtemp(prefix=_BUILDING, dir=parent))
    try:
        _mark(building)
        # By its descriptor: the body renames the folder.
        handle = os.open(building, os.O_RDONLY | os.O_DIRECTORY)
        try:
            yield building
            os.unlink(MARK_NAME, dir_fd=handle)
        finally:
            os.close(handle)
    except BaseException:
        shutil.rmtree(building, ignore_errors=True)
        raise


def make_folder(path: Path, *fill: Callable[[Path], None]) -> None:
    """Make a folder under a hidden name, fill it, then give it its name: it is never half there.

    Args:
        path: of the folder; folders above it are made too.
        fill: write files into the folder that they are given.

    Raises:
        OSError: for example a full disk, or the name is taken; nothing stays.
    """
    parent = path.parent
    made = [folder for folder in (parent, *parent.parents) if not folder.exists()]
    try:
        parent.mkdir(parents=True, exist_ok=True)
        with building_folder(parent) as building:
            for write in fill:
                write(building)
            # Fails if another process has just made a folder with this name.
            building.rename(path)
        sync_folder(parent)
    except OSError:
        for folder in made:
            with suppress(OSError):
                folder.rmdir()
        raise


def delete_folder(path: Path) -> None:
    """Delete a folder under a hidden name, so that it is either complete or not listed.

    Links inside are deleted, not followed. A folder that can't be deleted gets its name back.

    Raises:
        OSError: it can't be deleted, or is a link.
    """
    _mark(path)
    doomed = Path(tempfile.mkdtemp(prefix=_DELETED, dir=path.parent))
    try:
        path.rename(doomed)
    except OSError:
        with suppress(OSError):
            doomed.rmdir()
        raise
    try:
        _empty(doomed)
    except OSError:
        with suppress(OSError):
            doomed.rename(path)
            (path / MARK_NAME).unlink()
        raise
    doomed.rmdir()


def remove_abandoned(parent: Path) -> None:
    """Delete the marked folders of killed processes; unfinished new folders after an hour."""
    for path in parent.iterdir():
        if not path.name.startswith((_BUILDING, _DELETED)):
            continue
        with suppress(OSError):
            is_old = time() - path.lstat().st_mtime > STALE_SECONDS
            if _is_marked(path) and (is_old or path.name.startswith(_DELETED)):
                _empty(path)
                path.rmdir()


def _mark(folder: Path) -> None:
    handle = open_regular(folder / MARK_NAME, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW)
    with os.fdopen(handle, "wb") as file:
        file.write(MARK)


def _is_marked(folder: Path) -> bool:
    if folder.is_symlink():
        return False
    with os.fdopen(open_regular(folder / MARK_NAME, os.O_NOFOLLOW), "rb") as file:
        return file.read(len(MARK) + 1) == MARK


def _empty(folder: Path) -> None:
    """Delete a folder's content, the mark last, so that a rest after a kill is still marked."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        for name in sorted(os.listdir(handle), key=lambda name: name == MARK_NAME):  # noqa: PTH208
            try:
                os.unlink(name, dir_fd=handle)
            except (IsADirectoryError, PermissionError):  # the second on macOS
                shutil.rmtree(name, dir_fd=handle)
    finally:
        os.close(handle)
