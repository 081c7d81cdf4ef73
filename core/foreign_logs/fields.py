"""What the fields of a logged record mean: its step, its time, its writer, its numbers."""

import math
from collections.abc import Iterator, Mapping

from mlpwatch.core.scalars.store import MOST_STEP
from mlpwatch.core.text import excerpt

STEP_NAMES = (
    "step", "global_step", "trainer/global_step", "_step", "train_step", "steps", "iteration",
    "iter", "update", "batch", "batch_idx",
)  # fmt: skip
"""Names of a record's step, the most certain first."""

EPOCH_NAME = "epoch"

_TIME_NAMES = ("timestamp", "_timestamp", "time", "wall_time", "ts")

_FIRST_TIME, _LAST_TIME = 1e9, 1e11
"""Unix times from 2001 on; a smaller number is a duration, a larger one in milliseconds."""

WRITER_NAMES = ("run", "engine", "split", "phase", "mode", "stage", "subset")
"""Fields that say of which part of the program a record is; their text begins its names."""

_RANK_NAMES = ("rank", "worker")

MOST_NUMBERS = 1_000
"""Most numbers that are read of one record."""

_MOST_DEPTH = 8
_MOST_CLEAN = 10_000
_MOST_EPOCHS = 100_000


class Names:
    """Makes foreign names safe to print, each once.

    Args:
        prefix: of all names, without the slash; may be empty.
    """

    def __init__(self, prefix: str = "") -> None:
        self._prefix = f"{prefix}/" if prefix else ""
        self._clean: dict[str, str] = {}

    def clean(self, name: str) -> str:
        """Return a name of at most 160 printable characters, with the prefix."""
        found = self._clean.get(name)
        if found is None:
            if len(self._clean) >= _MOST_CLEAN:
                self._clean.clear()
            found = self._clean[name] = excerpt(self._prefix + name)
        return found


class Steps:
    """Gives each record its place on the x axis, in the order of the file.

    It is the record's step. Where a program counts its batches from 0 in each epoch, the epochs
    are put after each other. A record without a step has the last one's; if no record has one, its
    epoch counts, and without an epoch its number in the file.
    """

    def __init__(self) -> None:
        self._records = 0
        self._has_steps = False
        self._step = -math.inf
        self._epoch = -math.inf
        self._offset = self._x = 0.0
        self._offsets: dict[float, float] = {}

    def of(self, numbers: Mapping[str, float]) -> float:
        """Return the place of the next record."""
        self._records += 1
        step = next((numbers[name] for name in STEP_NAMES if name in numbers), math.nan)
        epoch = numbers.get(EPOCH_NAME, math.nan)
        if abs(step) <= MOST_STEP:
            self._has_steps = True
            self._count_epoch(step, epoch)
            self._step, self._x = step, step + self._offset
        elif not self._has_steps:
            self._x = epoch if math.isfinite(epoch) else float(self._records - 1)
        return self._x

    def _count_epoch(self, step: float, epoch: float) -> None:
        if not epoch.is_integer():
            return
        if epoch > self._epoch and step <= self._step:
            self._offset = self._x if step > 0 else self._x + 1
        elif epoch < self._epoch:
            self._offset = self._offsets.get(epoch, 0.0)
        if epoch != self._epoch and len(self._offsets) < _MOST_EPOCHS:
            self._offsets[epoch] = self._offset
        self._epoch = epoch


def is_place(name: str) -> bool:
    """Return whether a number says where a record is, and so is not a metric."""
    return name == EPOCH_NAME or name in STEP_NAMES


def time_of(numbers: Mapping[str, float]) -> tuple[str, float]:
    """Return the name of the field with the Unix time, and the time; ("", NaN) without one."""
    for name in _TIME_NAMES:
        value = numbers.get(name, math.nan)
        if _FIRST_TIME <= value < _LAST_TIME:
            return name, value
        if _FIRST_TIME <= value / 1e3 < _LAST_TIME:
            return name, value / 1e3
    return "", math.nan


def writer_of(record: Mapping[str, object]) -> str:
    """Return the part of the program that wrote a record, for example `train`; may be empty."""
    words = [word for name in WRITER_NAMES if isinstance(word := record.get(name), str)]
    ranks = [f"{name} {value}" for name in _RANK_NAMES if type(value := record.get(name)) is int]
    return "/".join([*words[:2], *ranks])


def numbers_in(record: Mapping[str, object]) -> dict[str, float]:
    """Return the numbers of a nested record by name, parts joined by `/`; lists are left out."""
    found: dict[str, float] = {}
    for name, value in _flat(record, "", _MOST_DEPTH):
        if len(found) >= MOST_NUMBERS:
            break
        found[name] = value
    return found


def _flat(record: Mapping[str, object], prefix: str, depth: int) -> Iterator[tuple[str, float]]:
    for key, value in record.items():
        kind = type(value)
        if kind is float:
            yield prefix + key, value  # type: ignore[misc]
        elif kind is int:
            yield prefix + key, as_float(value)  # type: ignore[arg-type]
        elif kind is dict and depth:
            yield from _flat(value, f"{prefix}{key}/", depth - 1)  # type: ignore[arg-type]


def as_float(value: int) -> float:
    """Return a whole number of any length as a float, infinite beyond the largest."""
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf
