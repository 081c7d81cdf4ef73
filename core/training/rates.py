"""The learning rate of each engine: its schedule, and the changes made while it trains.

The changes are in `rates.jsonl` in the run's folder, one per line: a resumed run makes each again
at its step. A checkpoint has the rate in force too, so a damaged file costs at most the changes
after it.
"""

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from math import isfinite
from pathlib import Path

from mlpwatch.core.config import ENGINE_NAMES, EngineName, RunConfig
from mlpwatch.core.epochs import EpochRecord
from mlpwatch.core.events import RateChanged
from mlpwatch.core.files.durable import OpenFolder
from mlpwatch.core.files.line_file import LineFile
from mlpwatch.core.files.strict_json import parse_object, take_choice, to_json
from mlpwatch.core.network.optimizers import learning_rate_at
from mlpwatch.core.runs.checkpoints import Position
from mlpwatch.core.runs.event_log import parse_rate
from mlpwatch.core.runs.layout import RATES_NAME
from mlpwatch.core.runs.run import Run

MOST_LINES = 100_000
"""Most lines that are read; a second of key presses makes 30."""

Rates = Mapping[EngineName, Sequence[RateChanged]]
"""Each engine's changes in the order of their steps; of two at one step the later one holds."""


def append_rates(
    path: Path, changes: Iterable[RateChanged], *, folder: OpenFolder | None = None
) -> None:
    """Add changes to a run's file and wait until they are on disk.

    Args:
        path: of the run's folder.
        changes: in the order in which they were made.
        folder: the open folder, if the run is locked.

    Raises:
        OSError: for example a full disk; nothing was added.
    """
    file = LineFile(path / RATES_NAME)
    file.folder = folder
    if lines := [to_json(asdict(change)) for change in changes]:
        file.append_text("\n".join(lines))


def read_rates(
    path: Path, *, folder: OpenFolder | None = None
) -> dict[EngineName, list[RateChanged]]:
    """Return the changes of a run; damaged lines are skipped.

    A run that was resumed from before a change, and then changed in another way, has lost that
    change: a line drops the earlier lines of its engine with later steps.

    Args:
        path: of the run's folder.
        folder: the open folder, if the run is locked.

    Raises:
        RunError: the file can't be read.
    """
    file = LineFile(path / RATES_NAME)
    file.folder = folder
    found: dict[EngineName, list[RateChanged]] = {name: [] for name in ENGINE_NAMES}
    for number, raw in enumerate(file.raw_lines()):
        change = _parse(raw) if raw.endswith(b"\n") else None
        if number >= MOST_LINES:
            break
        if change is not None:
            kept = found[change.engine]
            while kept and kept[-1].step > change.step:
                kept.pop()
            kept.append(change)
    return found


def rate_in_force(changes: Sequence[RateChanged], at: Position) -> float | None:
    """Return the rate η₀ after a checkpoint; None if it was not changed before.

    A change at the checkpoint's own step may have been made after it was written. Otherwise the
    checkpoint is right: it is on disk when the newest lines of the file are not.

    Args:
        changes: of the checkpoint's engine.
        at: position of the checkpoint.
    """
    before = [change for change in changes if change.step <= at.step]
    if before and (at.learning_rate is None or before[-1].step == at.step):
        return before[-1].learning_rate
    return at.learning_rate


def _parse(raw: bytes) -> RateChanged | None:
    try:
        values = parse_object(raw)
        return parse_rate(values, take_choice(values, "engine", ENGINE_NAMES))
    except ValueError:
        return None


@dataclass(frozen=True, slots=True)
class Past:
    """What the earlier training of a resumed run decides of the next."""

    changes: Rates = field(default_factory=dict)
    """Changes of the learning rate, which are made again at their steps."""
    best: Mapping[EngineName, EpochRecord] = field(default_factory=dict)
    """Of each engine, the first epoch with the lowest validation loss."""


def read_past_training(run: Run) -> Past:
    """Read what the earlier training of a run decides of the next.

    Raises:
        RunError: a file can't be read.
    """
    best: dict[EngineName, EpochRecord] = {}
    for record in run.read_metrics():
        before = best.get(record.engine)
        if isfinite(record.val_loss) and (before is None or record.val_loss < before.val_loss):
            best[record.engine] = record
    return Past(read_rates(run.path, folder=run.folder), best)


class RunRates:
    """The learning rate by step.

    A change replaces η₀, so it scales all of the schedule that is still to come. A resumed run
    makes the changes of the run before again, each at its step.

    Args:
        config: of the run.
        changes: of the earlier training, in the order of their steps.
        start: where training continues.
    """

    def __init__(self, config: RunConfig, changes: Sequence[RateChanged], start: Position) -> None:
        rate = rate_in_force(changes, start)
        self.is_changed = rate is not None
        """Whether η₀ is another than in the config."""
        self._config = config if rate is None else replace(config, learning_rate=rate)
        self._planned = deque(change for change in changes if change.step > start.step)

    @property
    def base(self) -> float:
        """η₀ in force."""
        return self._config.learning_rate

    def at(self, step: int, total_steps: int) -> float:
        """Return η of the update after `step` updates, of `total_steps` in the whole run."""
        return learning_rate_at(step, total_steps, self._config)

    def due(self, step: int) -> float | None:
        """Return the new η₀ if the earlier training changed it at this step; at most once."""
        rate = None
        while self._planned and self._planned[0].step <= step:
            rate = self._planned.popleft().learning_rate
        return rate

    def change(self, rate: float) -> None:
        """Change η₀ from the next update on."""
        self.is_changed = True
        self._config = replace(self._config, learning_rate=rate)

    def forget_planned(self) -> None:
        """Drop the changes to come: a new change makes another run of this one."""
        self._planned.clear()
