"""Writes a watched loop's folder in a thread of its own: the loop never waits for the disk."""

import math
import sys
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from threading import Event as Flag
from threading import Lock, Thread
from time import time
from typing import Any

from mlpwatch.core.files.durable import OpenFolder
from mlpwatch.core.files.line_file import LineFile
from mlpwatch.core.monitor.records import MOST_NAME, LoopLine, scalars_text
from mlpwatch.core.runs.layout import LOOP_LOG_NAME
from mlpwatch.core.text import excerpt, one_line

WRITE_SECONDS = 0.5
"""Time between two writes."""

REST_SECONDS = 0.05
"""Least time between two writes, however short the epochs are."""

MOST_ROWS = 16_384
"""Most logged rows that wait for the disk; then every second one of each kind is dropped. At 2,700
steps/s the disk may be away for 6 s before anything is lost, for a minute before 9 in 10 are."""

MOST_ROWS_WRITTEN = 64
"""Most rows with the same names per write, evenly chosen: 128 a second, 10 kB/s of 3 names. A chart
has 440 dots."""

CLOSE_SECONDS = 2.0
"""Longest wait for the disk at the end."""

FREE_ROWS = 20_000
"""Rows of a run that are all written: a short loop is seen in full. 2 MB."""

Row = tuple[int, float, dict[str, Any]]
"""Step, Unix time, and numbers by name; a number may be an array on a device, read when written."""


class LogWriter:
    """Takes rows and lines from any thread at once; one thread writes them.

    No error of the disk leaves it: what could not be written is tried again at the next write.

    Args:
        path: of the folder.
        folder: the open folder: its path may change.
    """

    def __init__(self, path: Path, folder: OpenFolder) -> None:
        self._file = LineFile(path / LOOP_LOG_NAME)
        self._file.folder = folder
        self._name = path.name
        self._waiting: deque[Row | LoopLine] = deque()
        self._job: Callable[[], None] | None = None
        self._unwritten: list[str] = []
        self._thinning = Lock()
        self._fault = ""
        self._complained: set[str] = set()
        self._refused: set[str] = set()
        self._due, self._closing = Flag(), Flag()
        self._thread = Thread(target=self._work, name="watch-writer", daemon=True)
        self._free = FREE_ROWS
        self.lost = 0
        """Rows that were dropped because the disk did not take them."""

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def add(self, step: int, values: dict[str, Any]) -> None:
        """Add a row: 1 µs, and 1 µs more for each value that is no float."""
        waiting = self._waiting
        if len(waiting) >= MOST_ROWS:
            self._thin()
        self.hold(values)
        waiting.append((step, time(), values))

    def hold(self, values: dict[str, Any]) -> None:
        """Make numbers of values, in place, or copies of those that a device still computes."""
        for name, value in values.items():
            if type(value) is not float:
                values[name] = self._held(name, value)

    def put(self, line: LoopLine) -> None:
        """Add a line, whose values are held; it is written soon."""
        self._waiting.append(line)
        self._due.set()

    def call(self, job: Callable[[], None]) -> None:
        """Call a function in the thread, unless another comes first; it may raise OSError."""
        self._job = job
        self._due.set()

    def complain(self, text: str) -> None:
        """Say a line on stderr, once."""
        if text not in self._complained:
            self._complained.add(text)
            say_on_stderr(f"{self._name}: {text}")

    def close(self) -> bool:
        """Write what waits, for at most `CLOSE_SECONDS`; return whether all of it is on disk."""
        self._closing.set()
        self._due.set()
        self._thread.join(CLOSE_SECONDS)
        is_whole = not (self._thread.is_alive() or self._unwritten or self._job)
        if not is_whole:
            self.complain(f"its end is not on disk: {self._fault or 'the disk does not answer'}")
        return is_whole

    def _held(self, name: str, value: Any) -> Any:  # noqa: ANN401 - of any library
        """Return a number that later changes of `value` do not change; NaN for what is none."""
        try:
            if hasattr(value, "detach"):
                # PyTorch. A copy on the device is queued there: the loop does not wait for it.
                one = value.detach()
                return one.item() if one.device.type == "cpu" else one.clone()
            # JAX's arrays never change: they are read once they are computed.
            return value if hasattr(value, "block_until_ready") else float(value)
        except Exception as error:
            self._refuse(name, error)
            return math.nan

    def _thin(self) -> None:
        """Drop every second waiting row with the same names."""
        if not self._thinning.acquire(blocking=False):
            return
        try:
            waiting = self._waiting
            before = [waiting.popleft() for _ in range(len(waiting))]
            kept = _every_second(before)
            self.lost += len(before) - len(kept)
            waiting.extendleft(reversed(kept))
        finally:
            self._thinning.release()

    def _work(self) -> None:
        while True:
            self._due.wait(WRITE_SECONDS)
            is_last = self._closing.is_set()
            self._due.clear()
            self._write()
            if is_last or self._closing.wait(WRITE_SECONDS if self._fault else REST_SECONDS):
                self._write()
                return

    def _write(self) -> None:
        try:
            self._unwritten = self._unwritten or self._take()
            if self._unwritten:
                self._file.append_text("\n".join(self._unwritten), sync=False)
            self._unwritten = []
            if job := self._job:
                job()
                # Unless a newer one has come.
                self._job = None if self._job is job else self._job
        except OSError as error:
            self._fault = error.strerror or str(error)
            self.complain(f"{self._fault}; training continues, what can't be written is thinned")
            return
        if self._fault:
            note = f"{self._fault}: {self.lost:,} rows were lost"
            self._fault = ""
            self.put(LoopLine("unwritten", 0, time(), text=note))

    def _take(self) -> list[str]:
        """Return what waits as lines of the log, in order."""
        with self._thinning:
            taken = [self._waiting.popleft() for _ in range(len(self._waiting))]
        texts: list[str] = []
        rows: list[Row] = []
        for one in taken:
            if isinstance(one, LoopLine):
                line = replace(one, values=self._numbers(one.values))
                texts += [*self._row_texts(rows), line.encoded()]
                rows = []
            else:
                rows.append(one)
        return [*texts, *self._row_texts(rows)]

    def _row_texts(self, rows: list[Row]) -> Iterable[str]:
        kept = rows if len(rows) <= self._free else chosen_rows(rows)
        self._free -= min(self._free, len(kept))
        for step, at, values in kept:
            yield scalars_text(step, at, self._numbers(values))

    def _numbers(self, values: Mapping[str, Any]) -> dict[str, float]:
        return {name[:MOST_NAME]: self._number(name, one) for name, one in values.items()}

    def _number(self, name: str, value: Any) -> float:  # noqa: ANN401 - of any library
        if type(value) is float:
            return value
        try:
            return float(value)
        except Exception as error:
            self._refuse(name, error)
            return math.nan

    def _refuse(self, name: str, error: Exception) -> None:
        if name not in self._refused:
            self._refused.add(name)
            self.complain(f"log {excerpt(name)}: expected a number: {excerpt(error)}")


def chosen_rows(rows: list[Row]) -> list[Row]:
    """Return at most `MOST_ROWS_WRITTEN` rows with the same names, the last of them always.

    A row with NaN or infinity stays, since it is what one looks for, up to the same number.
    """
    if len(rows) <= MOST_ROWS_WRITTEN:
        return rows
    places: dict[tuple[str, ...], list[int]] = {}
    for place, (_, _, values) in enumerate(rows):
        places.setdefault(tuple(values), []).append(place)
    kept: set[int] = set()
    for same in places.values():
        stride = math.ceil(len(same) / MOST_ROWS_WRITTEN)
        kept.update(same[::-stride])
        odd = [place for place in same if not _is_finite(rows[place])]
        kept.update(odd[:MOST_ROWS_WRITTEN])
    return [rows[place] for place in sorted(kept)]


def _is_finite(row: Row) -> bool:
    return all(type(one) is not float or math.isfinite(one) for one in row[2].values())


def _every_second(rows: list[Row | LoopLine]) -> list[Row | LoopLine]:
    seen: dict[tuple[str, ...], int] = {}
    kept: list[Row | LoopLine] = []
    for row in rows:
        names = () if isinstance(row, LoopLine) else tuple(row[2])
        count = seen[names] = seen.get(names, 0) + 1
        if not names or count % 2:
            kept.append(row)
    return kept


def say_on_stderr(text: str) -> None:
    """Print one line on stderr; a closed one does not end the training."""
    with suppress(OSError, ValueError, AttributeError):
        print(one_line(f"mlpwatch: {text}"), file=sys.stderr, flush=True)  # noqa: T201
