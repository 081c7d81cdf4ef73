"""The machine's figures of a run as series, for the screen of metrics."""

import math
from pathlib import Path

from mlpwatch.core.files.line_file import LineTail
from mlpwatch.core.machine.figures import MACHINE, NEEDS_PSUTIL, PROCESS, has_psutil
from mlpwatch.core.machine.samples import Sample, parse_sample
from mlpwatch.core.runs.layout import MACHINE_NAME, MANIFEST_NAME, WATCH_NAME, is_watched
from mlpwatch.core.runs.lock import is_locked
from mlpwatch.core.scalars.store import ScalarPoint
from mlpwatch.core.text import printable


def why_no_figures(folder: Path) -> str:
    """Return why a run has no figures of its machine, in one line; empty if it has some."""
    if (folder / MACHINE_NAME).is_file():
        return ""
    if not has_psutil():
        return NEEDS_PSUTIL
    if _is_training(folder):
        return "CPU, memory and GPU figures come after 5 s of training, if psutil is there"
    return "no CPU, memory and GPU figures: psutil was missing, or it trained for under a second"


class MachineSource:
    """Follows the figures in a run's folder. One thread at a time.

    Args:
        folder: of the run.
    """

    format = "CPU: 100 % are all cores"
    fault = ""
    planned = math.nan

    def __init__(self, folder: Path) -> None:
        self._folder, self._tail = folder, LineTail(folder / MACHINE_NAME)
        self._owners = [MACHINE, PROCESS]
        self.title = f"{printable(folder.name)} · machine"
        self.written_at = 0.0
        """Unix time of the last sample; 0 before the first one."""

    @property
    def prefixes(self) -> tuple[str, ...]:
        """Whose the figures are: curves of one chart."""
        return tuple(self._owners)

    @property
    def ended(self) -> bool:
        """Whether no process trains the run."""
        return not _is_training(self._folder)

    def read(self) -> list[ScalarPoint]:
        """Return the new points by the second of training; none if there are no more."""
        raw = self._tail.read()
        if raw is None:
            # Thinned. Read from the start, the first sample begins every series again.
            raw = self._tail.read() or []
        return [
            point for one in raw if (sample := parse_sample(one)) for point in self._points(sample)
        ]

    def _points(self, sample: Sample) -> list[ScalarPoint]:
        self.written_at = sample.time
        for name in sample.values:
            if (owner := name.partition("/")[0]) not in self._owners:
                self._owners.append(owner)
        return [
            ScalarPoint(name, sample.seconds, value, sample.time)
            for name, value in sample.values.items()
        ]


def _is_training(folder: Path) -> bool:
    return is_locked(folder, WATCH_NAME if is_watched(folder) else MANIFEST_NAME)
