"""Tables of metrics as Lightning's CSVLogger, Keras' CSVLogger and others write them."""

import csv
import math
from collections.abc import Sequence
from contextlib import suppress
from itertools import zip_longest
from pathlib import Path

from mlpwatch.core.foreign_logs.fields import (
    MOST_NUMBERS,
    WRITER_NAMES,
    Names,
    Steps,
    is_place,
    time_of,
    writer_of,
)
from mlpwatch.core.foreign_logs.growing import GrowingLines
from mlpwatch.core.scalars.store import ScalarPoint

_DELIMITERS = ",;\t|"


class CsvReader:
    """Follows a table with a header; an empty cell is no number, `nan` is a gap.

    Between semicolons, tabs or bars a number may have a decimal comma, as spreadsheets write it in
    half of Europe and pandas with `decimal=","`.

    Args:
        path: of the file, which need not exist yet.
        prefix: of all names; may be empty.
    """

    def __init__(self, path: Path, prefix: str = "") -> None:
        self.file = GrowingLines(path)
        self.ended, self.planned = False, math.nan
        self._names = Names(prefix)
        self._header: Sequence[str] = ()
        self._delimiter = ","
        self._steps = Steps()

    def read(self) -> list[ScalarPoint]:
        """Return the numbers since the last call, at most those of 1 MiB; none at the end."""
        lines = self.file.lines()
        if lines is None:
            self._header, self._steps = (), Steps()
            lines = self.file.lines() or []
        if not self._header and lines:
            header = table_header(lines[0])
            if header is None:
                self.file.fault = "its first line is no header"
                return []
            self._delimiter, self._header = header
            lines = lines[1:]
        points: list[ScalarPoint] = []
        texts = (line.decode("utf-8", "replace").rstrip("\r") for line in lines)
        with suppress(csv.Error):  # the rest of this piece has cells above 128 kB
            for cells in csv.reader(texts, delimiter=self._delimiter):
                points += self._points(cells)
        return points

    def _points(self, cells: Sequence[str]) -> list[ScalarPoint]:
        if not cells or len(cells) > len(self._header):
            return []
        row = dict(zip_longest(self._header, cells, fillvalue=""))
        numbers: dict[str, float] = {}
        for name, cell in row.items():
            value = cell_number(cell, self._delimiter)
            if value is not None:
                numbers[name] = value
        # A header again: the table was appended to by another run of the program.
        if not numbers:
            return []
        x = self._steps.of(numbers)
        time_name, seconds = time_of(numbers)
        writer = writer_of({name: row.get(name) for name in WRITER_NAMES if row.get(name)})
        start = f"{writer}/" if writer else ""
        return [
            ScalarPoint(self._names.clean(start + name), x, value, seconds)
            for name, value in numbers.items()
            if not is_place(name) and name != time_name
        ]


def table_header(line: bytes) -> tuple[str, tuple[str, ...]] | None:
    """Return the delimiter and the names in the first line of a table; None if it is no header.

    A header has at least two names, none of which is empty or a number.
    """
    try:
        text = line.decode("utf-8-sig").strip("\r\n")
    except UnicodeDecodeError:
        return None
    if not text.isprintable() and "\t" not in text:
        return None
    delimiter = max(_DELIMITERS, key=text.count)
    try:
        names = [name.strip() for name in next(csv.reader([text], delimiter=delimiter), [])]
    except csv.Error:
        return None
    if not 2 <= len(names) <= MOST_NUMBERS or not all(names):  # noqa: PLR2004 - x and a number
        return None
    is_data = any(cell_number(name, delimiter) is not None for name in names)
    return None if is_data else (delimiter, tuple(names))


def cell_number(cell: str, delimiter: str) -> float | None:
    """Return the number in a cell, NaN and infinity included; None if it holds something else.

    A comma is a decimal comma unless commas separate the cells. Thousands are not separated:
    `1.234,5` is no number, as in pandas.
    """
    try:
        return float(cell)
    except ValueError:
        pass
    if delimiter == "," or cell.count(",") != 1 or "." in cell:
        return None
    try:
        return float(cell.replace(",", "."))
    except ValueError:
        return None
