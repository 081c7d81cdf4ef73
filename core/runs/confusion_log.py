"""The confusion log: each epoch's confusion matrix of each engine, appended line by line."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlpwatch.core.config import ENGINE_NAMES, EngineName
from mlpwatch.core.data.raw_data import MAX_CLASSES
from mlpwatch.core.files.line_file import LineFile
from mlpwatch.core.files.strict_json import (
    JsonError,
    parse_object,
    take_choice,
    take_whole,
    to_json,
)

CONFUSION_NAME = "confusion.jsonl"

Matrix = NDArray[np.int64]
"""(classes, classes) counts: true class down, predicted class across; read-only."""


@dataclass(frozen=True, slots=True)
class ConfusionLine:
    """One engine's validation images at the end of one epoch."""

    engine: EngineName
    epoch: int
    """Epochs done so far, counted from 1."""
    step: int
    """Updates done so far."""
    counts: Matrix


class ConfusionLog(LineFile):
    """One file of matrices. Safe from several threads; one process at a time writes.

    A line is an object of engine, epoch, step, classes and counts. The counts go through the
    matrix row by row; -n stands for n zeros. Ten classes take about 300 bytes.
    """

    def append(self, *lines: ConfusionLine) -> None:
        """Add matrices and wait until they are on disk; a torn last line is cut off first.

        Raises:
            OSError: for example a full disk; nothing was added.
        """
        self.append_text("\n".join(map(_text_of, lines)))

    def read(self, classes: int) -> dict[EngineName, dict[int, Matrix]]:
        """Return the matrices by engine and epoch; damaged lines are left out.

        Where an epoch stands there twice, the later line counts.

        Args:
            classes: of the run's data; matrices of another size are left out too.

        Raises:
            RunError: the file can't be read.
        """
        found: dict[EngineName, dict[int, Matrix]] = {name: {} for name in ENGINE_NAMES}
        for raw in self.raw_lines():
            line = parse_confusion_line(raw) if raw.endswith(b"\n") else None
            if line is not None and len(line.counts) == classes:
                found[line.engine][line.epoch] = line.counts
        return found

    def trim(self, engine: EngineName, epoch: int) -> None:
        """Drop this engine's matrices of later epochs than `epoch`, and a torn last line.

        Raises:
            OSError: the file can't be replaced; it is as it was.
            RunError: the file can't be read.
        """

        def is_later(raw: bytes) -> bool:
            line = parse_confusion_line(raw)
            return line is not None and line.engine == engine and line.epoch > epoch

        self.trim_lines(is_later)


def accuracy_of(counts: Matrix) -> float:
    """Return the share of the images that lie on the diagonal, 0 to 1; 0 for no images."""
    return float(counts.trace() / max(1, counts.sum()))


def _text_of(line: ConfusionLine) -> str:
    return to_json(
        {
            "engine": line.engine,
            "epoch": line.epoch,
            "step": line.step,
            "classes": len(line.counts),
            "counts": _packed(line.counts.ravel().tolist()),
        }
    )


def _packed(counts: Iterable[int]) -> list[int]:
    """Return the counts with every stretch of n zeros as -n."""
    packed: list[int] = []
    for is_zero, stretch in groupby(counts, key=lambda count: count == 0):
        same = list(stretch)
        packed += [-len(same)] if is_zero else same
    return packed


def parse_confusion_line(raw: bytes) -> ConfusionLine | None:
    """Return the matrix of one line; None where it is damaged."""
    try:
        fields = parse_object(raw)
        return ConfusionLine(
            engine=take_choice(fields, "engine", ENGINE_NAMES),
            epoch=take_whole(fields, "epoch"),
            step=take_whole(fields, "step"),
            counts=_take_matrix(fields),
        )
    except ValueError:
        return None


def _take_matrix(fields: Mapping[str, Any]) -> Matrix:
    """Return the matrix of a line.

    Raises:
        JsonError: the counts are no square matrix of whole numbers.
    """
    classes = take_whole(fields, "classes")
    packed = fields.get("counts")
    if not 0 < classes <= MAX_CLASSES or not isinstance(packed, list):
        raise JsonError(f"classes {classes}: expected 1 to {MAX_CLASSES}, and a list of counts")
    counts = np.zeros(classes * classes, np.int64)
    place = 0
    for count in packed:
        # A boolean is an int to Python.
        if type(count) is not int or not -len(counts) <= count < 2**31:
            raise JsonError(f"count {count!r:.40}: expected a whole number")
        if place >= len(counts):
            raise JsonError(f"more than {len(counts)} counts")
        if count >= 0:
            counts[place] = count
        place += max(1, -count)
    if place != len(counts):
        raise JsonError(f"{place} counts: expected {len(counts)}")
    counts.flags.writeable = False
    return counts.reshape(classes, classes)
