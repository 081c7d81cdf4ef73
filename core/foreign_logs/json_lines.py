"""Any file with one JSON object per line that has numbers in it."""

import json
import math
from pathlib import Path
from typing import Any

from mlpwatch.core.foreign_logs.fields import (
    Names,
    Steps,
    is_place,
    numbers_in,
    time_of,
    writer_of,
)
from mlpwatch.core.foreign_logs.growing import GrowingLines
from mlpwatch.core.scalars.store import ScalarPoint

_METRIC_NAMES = ("metric", "name", "tag", "key")
"""Fields with the name of the number in `value`, where each line has only one."""


class JsonLinesReader:
    """Follows a file of JSON objects; a line that is something else is left out.

    Nested names are joined by `/`; a text in `split`, `phase`, `run` and the like begins the names.
    Null counts as a gap of a number that the file has had before.

    Args:
        path: of the file, which need not exist yet.
        prefix: of all names; may be empty.
    """

    def __init__(self, path: Path, prefix: str = "") -> None:
        self.file = GrowingLines(path)
        self.ended, self.planned = False, math.nan
        self._names = Names(prefix)
        self._steps = Steps()
        self._known: set[str] = set()

    def read(self) -> list[ScalarPoint]:
        """Return the numbers since the last call, at most those of 1 MiB; none at the end."""
        lines = self.file.lines()
        if lines is None:
            self._steps, self._known = Steps(), set()
            lines = self.file.lines() or []
        if not lines and (last := self.file.last_line()) and parsed_record(last) is not None:
            # An object that closes is complete, even if the writer puts line feeds between.
            self.file.take(len(last))
            lines = [last]
        points: list[ScalarPoint] = []
        for line in lines:
            record = parsed_record(line)
            if record:
                points += self._points(record)
        return points

    def _points(self, record: dict[str, Any]) -> list[ScalarPoint]:
        numbers = numbers_in(record)
        metric = next((record[n] for n in _METRIC_NAMES if isinstance(record.get(n), str)), None)
        nulls = [name for name, value in record.items() if value is None and name in self._known]
        if not numbers and not nulls:
            return []
        x = self._steps.of(numbers)
        time_name, seconds = time_of(numbers)
        writer = writer_of(record)
        start = f"{writer}/" if writer else ""
        points = []
        for name, value in (*numbers.items(), *((name, math.nan) for name in nulls)):
            if is_place(name) or name == time_name or name in ("rank", "worker"):
                continue
            if len(self._known) < 1_000:  # noqa: PLR2004 - as many as a store keeps
                self._known.add(name)
            shown = metric if metric is not None and name == "value" else name
            points.append(ScalarPoint(self._names.clean(start + shown), x, value, seconds))
        return points


def parsed_record(line: bytes) -> dict[str, Any] | None:
    """Return the JSON object in a line; None if it is anything else. NaN and Infinity are read."""
    text = line.strip()
    if not text.startswith(b"{"):
        return None
    try:
        value = _DECODER.decode(text.decode("utf-8"))
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


_DECODER = json.JSONDecoder()
"""Python writes `NaN` by default, so it is read, unlike in our own files."""
