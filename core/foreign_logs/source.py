"""All logs at one path as a single source of numbers, while they are written."""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from time import monotonic
from typing import Protocol

from mlpwatch.core.errors import InputError
from mlpwatch.core.foreign_logs.csv_table import CsvReader
from mlpwatch.core.foreign_logs.event_files import EventFileReader, event_package
from mlpwatch.core.foreign_logs.finding import Format, FoundLog, find_logs
from mlpwatch.core.foreign_logs.json_lines import JsonLinesReader
from mlpwatch.core.foreign_logs.trainer_state import TrainerStateReader
from mlpwatch.core.scalars.store import ScalarPoint
from mlpwatch.core.text import printable

_MOST_NAMES = 10_000
"""Names whose writers are remembered; a store keeps a thousand."""

SEARCH_SECONDS = 2.0
"""Time between two searches for new files."""


class ReadFile(Protocol):
    """What a reader says about its file."""

    path: Path
    written_at: float
    """When it was last written, in Unix time; 0 if it was not looked at yet."""
    fault: str
    """Why nothing more of it is read, in one line; empty while all is well."""


class LogReader(Protocol):
    """Follows one log."""

    ended: bool
    """Whether the log says that the training has ended."""
    planned: float
    """The step at which the training is to end; NaN if unknown."""

    @property
    def file(self) -> ReadFile:
        """The file that is read."""
        ...

    def read(self) -> list[ScalarPoint]:
        """Return some of the new points; none if there are no more."""
        ...


_READERS: Mapping[Format, Callable[[Path, str], LogReader]] = {
    "TensorBoard": EventFileReader,
    "CSV": CsvReader,
    "Trainer state": TrainerStateReader,
    "JSON lines": JsonLinesReader,
}


class LogSource:
    """Follows a file or a folder that another program logs to. One thread at a time.

    Args:
        path: of the file or folder.
        title: to show; by default the name of the file or folder.
        parts: of the program that begin the names of numbers in the log, as folders do.
        without: numbers that are not shown, by the name behind such a part, or what begins it.

    Raises:
        InputError: there is nothing that can be read, or the package that reads it is missing.
    """

    def __init__(
        self,
        path: Path,
        title: str = "",
        parts: Sequence[str] = (),
        without: Sequence[str] = (),
    ) -> None:
        self.path, self._without = path, frozenset(without)
        self._title, self._parts = title, tuple(parts)
        self._readers: dict[Path, LogReader] = {}
        self._prefixes: dict[Path, str] = {}
        self._writers = _Writers()
        found = find_logs(path)
        self.format: Format = found[0].format
        if self.format == "TensorBoard":
            try:
                event_package()
            except InputError as error:
                raise InputError(f"{printable(path)}: to read it mlpwatch {error}") from None
        self._may_share = self.format == "TensorBoard"
        self._add(found)
        self._next_search = monotonic() + SEARCH_SECONDS

    @property
    def title(self) -> str:
        """Name of the file or folder, safe to print."""
        return printable(self._title or self.path.name or self.path.absolute().name or self.path)

    @property
    def prefixes(self) -> tuple[str, ...]:
        """Where each log lies below the path, which begins its names."""
        return (*self._parts, *sorted({one for one in self._prefixes.values() if one}))

    @property
    def files(self) -> int:
        """Number of logs."""
        return len(self._readers)

    @property
    def written_at(self) -> float:
        """When the newest log was last written, in Unix time; 0 if unknown."""
        return max((reader.file.written_at for reader in self._readers.values()), default=0.0)

    @property
    def ended(self) -> bool:
        """Whether all logs say that their training has ended."""
        return bool(self._readers) and all(reader.ended for reader in self._readers.values())

    @property
    def planned(self) -> float:
        """The step at which the training is to end; NaN if unknown."""
        known = [one.planned for one in self._readers.values() if not math.isnan(one.planned)]
        return max(known, default=math.nan)

    @property
    def fault(self) -> str:
        """What is wrong with one of the files, in one line; empty if nothing is."""
        for reader in self._readers.values():
            if reader.file.fault:
                name = printable(reader.file.path.name)
                return reader.file.fault if name == self.title else f"{name}: {reader.file.fault}"
        return ""

    def read(self) -> list[ScalarPoint]:
        """Return some of the new points, in the order of each log; none if there are no more."""
        if monotonic() >= self._next_search:
            self._search()
        for number, reader in enumerate(self._readers.values()):
            if points := reader.read():
                if self._without:
                    return [point for point in points if not self._is_left_out(point.name)]
                return self._writers.separated(number, points) if self._may_share else points
        return []

    def _is_left_out(self, name: str) -> bool:
        first, _, rest = name.partition("/")
        own = rest if first in self._parts else name
        return own.partition("/")[0] in self._without

    def _search(self) -> None:
        if self.path.is_dir():
            try:
                found = find_logs(self.path)
            except InputError:
                found = []  # the folder was emptied or is gone; it may come back
            self._add(one for one in found if one.format == self.format)
        self._next_search = monotonic() + SEARCH_SECONDS

    def _add(self, found: Iterable[FoundLog]) -> None:
        for one in found:
            if one.path not in self._readers:
                self._readers[one.path] = _READERS[one.format](one.path, one.prefix)
                self._prefixes[one.path] = one.prefix


class _Writers:
    """Distinguishes a restart, whose file continues an older one, from two writers at a time.

    Files of one folder have the same names. The newer file takes a name over if its points are
    later than all before; otherwise both write, and the newer one's name gets a number.
    """

    def __init__(self) -> None:
        self._owners: dict[str, int] = {}
        self._latest: dict[str, float] = {}
        self._aliases: dict[tuple[int, str], str] = {}

    def separated(self, number: int, points: list[ScalarPoint]) -> list[ScalarPoint]:
        """Return the points of one file with the names under which they are kept."""
        named = []
        for point in points:
            name = self._name(number, point)
            named.append(point if name == point.name else point._replace(name=name))
        return named

    def _name(self, number: int, point: ScalarPoint) -> str:
        name = point.name
        alias = self._aliases.get((number, name))
        if alias is not None:
            return alias
        owner = self._owners.get(name)
        if owner is None and len(self._owners) >= _MOST_NAMES:
            return name
        latest = self._latest.get(name, -math.inf)
        if owner is None or owner == number or (number > owner and point.seconds > latest):
            self._owners[name] = number
            self._latest[name] = max(latest, point.seconds)
            return name
        self._aliases[number, name] = alias = f"{name} ({number + 1})"
        return alias
