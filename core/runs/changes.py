"""Renames and deletes saved runs, only inside their folder."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from mlpwatch.core.errors import RunError
from mlpwatch.core.files.durable import replace_durably, sync_folder
from mlpwatch.core.files.scratch import delete_folder, remove_abandoned
from mlpwatch.core.files.strict_json import to_json
from mlpwatch.core.runs.layout import (
    HISTORY_NAME,
    MANIFEST_NAME,
    RESULT_NAME,
    check_run_name,
    is_history_file,
)
from mlpwatch.core.runs.listing import is_group, read_result
from mlpwatch.core.runs.lock import RunLock
from mlpwatch.core.text import printable


@dataclass(frozen=True, slots=True)
class Contents:
    """The content that a deletion removes."""

    files: int
    size: int
    """Size in bytes."""
    link_target: str = ""
    """Target of a run that is a symbolic link, safe to print. Only the link is deleted."""


def measure_run(saved: Path, name: str) -> Contents:
    """Count what `delete_run` would delete.

    Args:
        saved: the folder of all runs.
        name: of the run's folder on disk.

    Raises:
        RunError: no such run, not a run, or it has a file that mlpwatch does not write.
    """
    path = _entry(saved, name)
    if path.is_symlink():
        return Contents(1, 0, printable(path.readlink()))
    with _named_errors(path, "can't be read"), os.scandir(path) as entries:
        sizes = [size for entry in entries for size in _file_sizes(path, entry)]
    if not (path / MANIFEST_NAME).is_file():
        raise RunError(
            f"{printable(path)}: without {MANIFEST_NAME}, so it may be no run; delete it by hand"
        )
    return Contents(len(sizes), sum(sizes))


def delete_run(saved: Path, name: str) -> None:
    """Delete a run that no process trains; of a symbolic link only the link.

    Even if the deletion is interrupted, a run is listed completely or not at all.

    Args:
        saved: the folder of all runs.
        name: of the run's folder on disk.

    Raises:
        RunError: a process trains it, it is not a run, or it can't be deleted.
    """
    path = _entry(saved, name)
    is_link = bool(measure_run(saved, name).link_target)
    with _held(path, required=not is_link), _named_errors(path, "can't be deleted"):
        if is_link:
            path.unlink()
        else:
            delete_folder(path)
        sync_folder(saved)
    remove_abandoned(saved)


def rename_run(saved: Path, name: str, new_name: str) -> Path:
    """Rename a run that no process trains, and return its new path.

    Args:
        saved: the folder of all runs.
        name: of the run's folder on disk.
        new_name: see `check_run_name`.

    Raises:
        InputError: the new name can't be used.
        RunError: the name is taken, a process trains the run, or it can't be renamed.
    """
    check_run_name(new_name)
    path, new_path = _entry(saved, name), saved / new_name
    if os.path.lexists(new_path):
        raise RunError(f"run name '{new_name}': taken in {printable(saved)}; choose another")
    with _held(path, required=False), _named_errors(path, "can't be renamed"):
        path.rename(new_path)
        sync_folder(saved)
        say_new_path(new_path)
    return new_path


def say_new_path(path: Path) -> None:
    """Write the new path of a run's folder into its `result.json`; a damaged file stays."""
    with suppress(RunError):
        if result := read_result(path / RESULT_NAME):
            result["run"] = str(path)
            replace_durably(path / RESULT_NAME, (to_json(result, indent=2) + "\n").encode())


def _entry(saved: Path, name: str) -> Path:
    """Return the path of a run; only folders directly in `saved` are accepted."""
    if name in ("", ".", "..") or "/" in name or "\0" in name:
        raise RunError(f"run '{printable(name)}': not a folder in {printable(saved)}")
    path = saved / name
    if not path.is_symlink() and not path.is_dir():
        raise RunError(f"run '{printable(name)}': no longer in {printable(saved)}")
    if is_group(path):
        raise RunError(
            f"{printable(path)}: a sweep of several runs; change its folder by hand while nothing "
            "trains in it"
        )
    return path


def _file_sizes(path: Path, entry: os.DirEntry[str]) -> list[int]:
    """Return the size of a file of a run, or of each file in its history folder."""
    if not entry.is_dir(follow_symlinks=False):
        return [entry.stat(follow_symlinks=False).st_size]
    foreign = entry.name
    if entry.name == HISTORY_NAME:
        with os.scandir(entry) as past:
            files = list(past)
        others = [one.name for one in files if not is_history_file(one.name)]
        if not others:
            return [one.stat(follow_symlinks=False).st_size for one in files]
        foreign = f"{HISTORY_NAME}/{others[0]}"
    what = "a folder" if foreign == entry.name else "a file"
    raise RunError(
        f"{printable(path)}: holds {what}, '{printable(foreign)}', that mlpwatch did "
        "not make; move it away or delete the run by hand"
    )


@contextmanager
def _held(path: Path, *, required: bool) -> Iterator[None]:
    """Hold the run's lock in the body, so that no other process trains the run.

    A damaged run may have no file to lock; that is an error only if the lock is `required`.
    """
    lock = RunLock(path)
    if required or (path / MANIFEST_NAME).is_file():
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


@contextmanager
def _named_errors(path: Path, what: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        why = error.strerror or printable(error)
        raise RunError(
            f"{printable(path)}: {what}, {why}; check the permissions of the folder"
        ) from None
