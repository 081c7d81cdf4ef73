"""Writes the machine's figures into a run's folder, in a thread of the process that trains."""

from collections.abc import Callable
from contextlib import suppress
from itertools import cycle
from pathlib import Path
from threading import Event as Flag
from threading import Thread
from time import monotonic, time

from mlpwatch.core.errors import RunError
from mlpwatch.core.files.durable import OpenFolder
from mlpwatch.core.files.line_file import LineFile
from mlpwatch.core.machine.figures import MachineFigures
from mlpwatch.core.machine.samples import Sample, parse_sample
from mlpwatch.core.runs.layout import MACHINE_NAME

SAMPLE_SECONDS = 1.0
"""Time between the first samples; a short run is seen in detail. It doubles at `MOST_SAMPLES`."""

WRITE_SECONDS = 5.0
"""Least time between two writes, except at the end."""

MOST_SAMPLES = 512
"""Then every second one is dropped: 110 kB without GPUs. A chart has at most 440 dot columns."""

CLOSE_SECONDS = 1.0
"""Longest wait for the disk at the end; figures are worth no more."""


class MachineRecorder:
    """Samples until it is closed. No effect without psutil; no error leaves the thread.

    Args:
        path: of the run's folder.
        folder: returns the open folder, another one after the run's was deleted; None if it is no
            longer this process' own.
        sample_seconds: time between two samples at first.
    """

    def __init__(
        self,
        path: Path,
        folder: Callable[[], OpenFolder | None],
        sample_seconds: float = SAMPLE_SECONDS,
    ) -> None:
        self._file, self._folder = LineFile(path / MACHINE_NAME), folder
        self._wait = sample_seconds
        self._pending: list[str] = []
        self._count, self._before = 0, 0.0
        self._stop = Flag()
        self._thread = Thread(target=self._work, name="machine", daemon=True)

    def start(self) -> None:
        """Begin to sample."""
        self._thread.start()

    def close(self, seconds: float = CLOSE_SECONDS) -> None:
        """Write what waits, for at most `seconds`."""
        self._stop.set()
        if self._thread.ident is not None:
            self._thread.join(min(seconds, CLOSE_SECONDS))

    def _work(self) -> None:
        began = monotonic()
        # A run that is over by then pays for no import: psutil takes 19 to 67 ms of processor.
        if self._stop.wait(self._wait):
            return
        # Whatever psutil, a driver or the disk raises: the training does not depend on it.
        with suppress(Exception):
            figures = MachineFigures()
            try:
                self._record(figures, began)
            finally:
                figures.close()

    def _record(self, figures: MachineFigures, began: float) -> None:
        written = began
        while not self._stop.wait(self._wait):
            now = monotonic()
            if not self._count and not self._pending:
                self._find_earlier()
            seconds = round(self._before + now - began, 3)
            self._pending.append(Sample(seconds, round(time(), 3), figures.read()).encoded())
            if now - written >= WRITE_SECONDS:
                written = now
                self._write()
        self._write()

    def _find_earlier(self) -> None:
        """Continue after the samples of a resumed run's earlier training."""
        self._file.folder = self._folder()
        with suppress(RunError):
            for raw in self._file.raw_lines():
                self._count += 1
                if sample := parse_sample(raw):
                    self._before = max(self._before, sample.seconds)

    def _write(self) -> None:
        """Append what waits; after an error of the disk it is tried again with the next."""
        self._file.folder = self._folder()
        if not self._pending or self._file.folder is None:
            return
        if len(self._pending) > MOST_SAMPLES:
            del self._pending[::2]
        with suppress(OSError, RunError):
            self._file.append_text("\n".join(self._pending), sync=False)
            self._count += len(self._pending)
            self._pending = []
            if self._count >= MOST_SAMPLES:
                turns = cycle((False, True))
                self._file.trim_lines(lambda _line: next(turns))
                self._count = (self._count + 1) // 2
                self._wait *= 2
