"""Finds out which logs a path leads to."""

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from mlpwatch.core.errors import InputError
from mlpwatch.core.files.durable import open_regular
from mlpwatch.core.foreign_logs.csv_table import cell_number, table_header
from mlpwatch.core.foreign_logs.event_files import may_be_events
from mlpwatch.core.foreign_logs.fields import numbers_in
from mlpwatch.core.foreign_logs.json_lines import parsed_record
from mlpwatch.core.foreign_logs.trainer_state import STATE_NAME
from mlpwatch.core.text import excerpt, printable

Format = Literal["TensorBoard", "CSV", "Trainer state", "JSON lines"]

FORMATS: tuple[Format, ...] = get_args(Format)
"""In a folder that has several, only the first of these is read: they hold the same numbers."""

READS = (
    "TensorBoard event files, Lightning's and Keras' CSV, Hugging Face's trainer_state.json, "
    "JSON lines with numbers"
)

_MOST_ENTRIES, _MOST_DEPTH = 20_000, 8
"""Of a folder that is searched."""

_MOST_LOGS = 500

_FIRST_BYTES = 2**16

_SUFFIXES: dict[Format, tuple[str, ...]] = {
    "CSV": (".csv", ".tsv"),
    "JSON lines": (".jsonl", ".ndjson", ".json"),
}

_SEARCHED = (".csv", ".tsv", ".jsonl", ".ndjson", ".log", ".txt")
"""Suffixes of the files in a folder that are looked into."""

_OWN_NAMES = {"metrics.csv", STATE_NAME}
"""Names that say nothing of the run: its folder does."""


@dataclass(frozen=True, slots=True)
class FoundLog:
    """A file, or the output folder of a Trainer, that can be followed."""

    path: Path
    format: Format
    prefix: str = ""
    """Of its names: where it lies below the path that was asked for."""


def find_logs(path: Path) -> list[FoundLog]:
    """Return the logs of one format at a path, a file or a folder, in order of their names.

    Links inside a folder are not followed.

    Raises:
        InputError: there is nothing that can be read; the message says what was found.
    """
    if path.is_file():
        kind = format_of(path)
        if kind is None:
            raise InputError(f"{printable(path)}: {_content(path)}; mlpwatch reads {READS}")
        logs = [FoundLog(path, kind)]
        _refuse_damaged(logs)
        return logs
    if not path.is_dir():
        found = "no such file or folder" if not path.exists() else "neither a file nor a folder"
        raise InputError(f"{printable(path)}: {found}; mlpwatch reads {READS}")
    if logs := _logs_below(path):
        _refuse_damaged(logs)
        return logs
    kinds = sorted({file.suffix or file.name for file in _files(path)})
    found = f"only {', '.join(map(printable, kinds[:5]))} files" if kinds else "no file"
    raise InputError(f"{printable(path)}: {found} in it; mlpwatch reads {READS}")


def format_of(path: Path) -> Format | None:
    """Return the format of a file by its name, otherwise by its first line; None if unknown."""
    if ".tfevents." in path.name:
        return "TensorBoard"
    if path.name == STATE_NAME:
        return "Trainer state"
    first = _first_bytes(path)
    line, _, rest = first.partition(b"\n")
    record = parsed_record(line)
    if record is not None and numbers_in(record):
        return "JSON lines"
    if line.strip() == b"{" and b'"log_history"' in first:
        return "Trainer state"
    if not first.strip():
        return next((kind for kind, ends in _SUFFIXES.items() if path.suffix in ends), None)
    if record is not None and rest:
        # The first line may hold settings only.
        records = map(parsed_record, rest.split(b"\n"))
        return "JSON lines" if any(one and numbers_in(one) for one in records) else None
    return "CSV" if _is_table(line, rest, path) else None


def _is_table(line: bytes, rest: bytes, path: Path) -> bool:
    """Return whether a header is followed by numbers; if by nothing yet, the suffix decides."""
    header = table_header(line)
    if header is None or not rest.strip():
        return header is not None and path.suffix in _SUFFIXES["CSV"]
    delimiter, names = header
    cells = rest.partition(b"\n")[0].decode("utf-8", "replace").split(delimiter)
    has_number = any(cell_number(cell, delimiter) is not None for cell in cells)
    return len(cells) >= len(names) and has_number


def _are_damaged(event_files: Iterable[Path]) -> bool:
    return not any(may_be_events(_first_bytes(path)) for path in event_files)


def _refuse_damaged(logs: Sequence[FoundLog]) -> None:
    """Refuse event files if none of them can be one; beside a whole one the screen names them.

    Raises:
        InputError: the message says what was found.
    """
    if logs[0].format == "TensorBoard" and _are_damaged(one.path for one in logs):
        path = logs[0].path
        found = f"{_content(path)}, not an event file as its name says"
        raise InputError(f"{printable(path)}: {found}; mlpwatch reads {READS}")


def _logs_below(path: Path) -> list[FoundLog]:
    by_format: dict[Format, list[Path]] = {kind: [] for kind in FORMATS}
    for file in _files(path):
        known = ".tfevents." in file.name or file.name == STATE_NAME
        if known or file.suffix in _SEARCHED:
            kind = format_of(file)
            if kind is not None and len(by_format[kind]) < _MOST_LOGS:
                by_format[kind].append(file)
    kinds = [kind for kind in FORMATS if by_format[kind]]
    if not kinds:
        return []
    if len(kinds) > 1 and kinds[0] == "TensorBoard" and _are_damaged(by_format["TensorBoard"]):
        del kinds[0]
    chosen = kinds[0]
    files = by_format[chosen]
    if chosen == "Trainer state":
        files = sorted({_output_folder(file) for file in files})
    logs = []
    for file in files:
        place = file.relative_to(path)
        parts = place.parts if file.is_dir() else place.parts[:-1]
        if (
            chosen != "TensorBoard"
            and not file.is_dir()
            and len(files) > 1
            and (file.name not in _OWN_NAMES)
        ):
            parts = (*parts, file.stem)
        logs.append(FoundLog(file, chosen, printable("/".join(parts))))
    return logs


def _output_folder(state: Path) -> Path:
    folder = state.parent
    return folder.parent if folder.name.startswith("checkpoint-") else folder


def _files(path: Path) -> Iterator[Path]:
    """Yield the regular files below a folder, sorted by path, at most 20,000 entries deep."""
    left = _MOST_ENTRIES
    pending: list[tuple[Path, int]] = [(path, 0)]
    while pending and left > 0:
        folder, depth = pending.pop()
        try:
            with os.scandir(folder) as entries:
                listed = [entry for entry, _ in zip(entries, range(left), strict=False)]
        except OSError:
            continue
        left -= len(listed)
        listed.sort(key=lambda entry: entry.name)
        folders = []
        for entry in listed:
            if entry.is_file(follow_symlinks=False):
                yield folder / entry.name
            elif entry.is_dir(follow_symlinks=False) and depth < _MOST_DEPTH:
                folders.append((folder / entry.name, depth + 1))
        pending += reversed(folders)


def _first_bytes(path: Path) -> bytes:
    try:
        with os.fdopen(open_regular(path), "rb") as file:
            return file.read(_FIRST_BYTES)
    except OSError:
        return b""


def _content(path: Path) -> str:
    """Return what a file of an unknown format begins with."""
    first = _first_bytes(path)
    if not first:
        return "an empty file" if os.access(path, os.R_OK) else "a file that can't be read"
    if not first.strip(b"\0"):
        return "a file of zeros"
    try:
        line = first.decode("utf-8").partition("\n")[0]
    except UnicodeDecodeError:
        return "a binary file"
    if "\0" in line:
        return "a binary file"
    return f"a file that begins with {excerpt(line, 40)!r}"
