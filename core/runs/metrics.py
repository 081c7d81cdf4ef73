"""The metrics log: one line per engine and epoch, with its confusion matrix."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from itertools import groupby
from math import isnan, nan
from typing import Any

from mlpwatch.core.config import ENGINE_NAMES, EngineName
from mlpwatch.core.data.source import MAX_CLASSES
from mlpwatch.core.epochs import EpochRecord, LayerRecord, Matrix
from mlpwatch.core.files.line_file import LineFile
from mlpwatch.core.files.strict_json import (
    JsonError,
    parse_object,
    take_choice,
    take_number,
    take_object,
    take_share,
    take_whole,
    to_json,
)
from mlpwatch.core.limits import MAX_EPOCHS
from mlpwatch.core.runs.layout import MAX_SECONDS, MAX_STEPS

NUMBERS = tuple(
    field.name for field in fields(EpochRecord) if field.name not in ("confusion", "layers")
)
"""The columns of an epoch, in their order."""

LAYER_NUMBERS = ("gradient_norm", "update_ratio", "flat_share")
"""The columns of a layer: fields of `LayerRecord`."""

MOST_LAYERS = 1_000
"""Of a line; a file may claim any number."""


@dataclass(frozen=True, slots=True)
class MetricsReading:
    """The content of a metrics file."""

    lines: tuple[EpochRecord, ...]
    """In the order of the file, without their matrices; of an epoch that is there twice, only the
    later line."""
    skipped: int
    """Number of damaged lines."""
    torn: bool
    """Whether the last line was cut off by a crash, and was skipped."""


class MetricsLog(LineFile):
    """One metrics file. Thread-safe; only one process at a time may write."""

    def append(self, *records: EpochRecord) -> None:
        """Add lines and wait until they are on disk; an incomplete last line is cut off first.

        Raises:
            OSError: for example a full disk; nothing was added.
        """
        self.append_text("\n".join(map(_line, records)))

    def read(self) -> MetricsReading:
        """Read the whole file; a missing file counts as empty.

        Raises:
            RunError: the file can't be read.
        """
        found: dict[tuple[EngineName, int], EpochRecord] = {}
        skipped, torn = 0, False
        for raw in self.raw_lines():
            if not raw.endswith(b"\n"):
                torn = True
            elif record := parse_epoch(raw, with_confusion=False):
                found[record.engine, record.epoch] = record
            else:
                skipped += 1
        return MetricsReading(tuple(found.values()), skipped, torn)

    def trim(self, engine: EngineName, epoch: int) -> None:
        """Drop this engine's lines of epochs after `epoch`, and an incomplete last line.

        After a crash the log may be ahead of the checkpoint from which training resumes.

        Raises:
            OSError: the file can't be replaced; it is unchanged.
            RunError: the file can't be read.
        """
        name = f'"{engine}"'.encode()  # searched first, so half of the lines need no parsing

        def is_later(raw: bytes) -> bool:
            record = parse_epoch(raw, with_confusion=False) if name in raw else None
            return record is not None and record.engine == engine and record.epoch > epoch

        self.trim_lines(is_later)

    def newest(self, engines: Collection[EngineName]) -> dict[EngineName, EpochRecord]:
        """Return each engine's last line; reads backwards and only as much as needed.

        Raises:
            RunError: the file can't be read.
        """
        found: dict[EngineName, EpochRecord] = {}
        missing = {f'"{name}"'.encode() for name in engines}
        for raw in self.lines_from_end():
            # Checked before parsing: the other engine may have ended 100,000 lines earlier.
            if any(name in raw for name in missing):
                record = parse_epoch(raw, with_confusion=False)
                if record is not None and record.engine in engines:
                    found.setdefault(record.engine, record)
                    missing.discard(f'"{record.engine}"'.encode())
            if not missing:
                break
        return found


def parse_epoch(raw: bytes, *, with_confusion: bool = True) -> EpochRecord | None:
    """Return the epoch of one line; None if it is damaged or impossible.

    Args:
        raw: the line, with or without its line feed.
        with_confusion: whether to parse the matrix, which takes as long as all the rest.
    """
    try:
        values = parse_object(raw)
        return EpochRecord(
            engine=take_choice(values, "engine", ENGINE_NAMES),
            epoch=take_whole(values, "epoch", most=MAX_EPOCHS),
            step=take_whole(values, "step", most=MAX_STEPS),
            seconds=take_number(values, "seconds", least=0, most=MAX_SECONDS),
            train_loss=take_number(values, "train_loss"),
            val_loss=take_number(values, "val_loss"),
            val_accuracy=take_share(values, "val_accuracy"),
            samples_per_second=take_number(values, "samples_per_second", least=0),
            train_accuracy=take_share({"train_accuracy": nan, **values}, "train_accuracy"),
            confusion=_matrix_in(values) if with_confusion else None,
            layers=_take_layers(take_object(values, "layers")) if "layers" in values else (),
        )
    except ValueError:
        return None


def parse_old_confusion(raw: bytes) -> tuple[EngineName, int, Matrix] | None:
    """Return engine, epoch and matrix of a line of `confusion.jsonl`; None if it is damaged."""
    try:
        values = parse_object(raw)
        engine = take_choice(values, "engine", ENGINE_NAMES)
        return engine, take_whole(values, "epoch", most=MAX_EPOCHS), parse_matrix(values)
    except ValueError:
        return None


def matrix_text(counts: Matrix) -> dict[str, Any]:
    """Return a matrix as JSON values: row by row, with -n for n consecutive zeros.

    Ten classes take about 300 bytes.
    """
    return {"classes": len(counts), "counts": list(_packed(counts.ravel().tolist()))}


def _line(record: EpochRecord) -> str:
    values: dict[str, Any] = {name: getattr(record, name) for name in NUMBERS}
    if isnan(record.train_accuracy):
        del values["train_accuracy"]
    if record.confusion is not None:
        values["confusion"] = matrix_text(record.confusion)
    if record.layers:
        values["layers"] = layers_text(record.layers)
    return to_json(values)


def layers_text(layers: Sequence[LayerRecord]) -> dict[str, list[float] | list[int]]:
    """Return layers as JSON values: a list per number, input side first, and the uniform layers.

    Two layers take about 100 bytes.
    """
    written = layers[:MOST_LAYERS]
    values: dict[str, list[float] | list[int]] = {
        name: [getattr(layer, name) for layer in written] for name in LAYER_NUMBERS
    }
    if uniform := [k for k, layer in enumerate(written) if layer.is_uniform]:
        values["uniform"] = uniform
    return values


def _take_layers(values: Mapping[str, Any]) -> tuple[LayerRecord, ...]:
    """Return the layers of `layers_text`.

    Raises:
        JsonError: a number is missing or impossible.
    """
    columns = [_take_list(values, name) for name in LAYER_NUMBERS]
    if len({len(column) for column in columns}) > 1:
        raise JsonError(f"layers of {[len(column) for column in columns]} numbers: expected equal")
    uniform = {k for k in _take_list({"uniform": [], **values}, "uniform") if type(k) is int}
    rows = (dict(zip(LAYER_NUMBERS, row, strict=True)) for row in zip(*columns, strict=True))
    return tuple(
        LayerRecord(
            gradient_norm=take_number(row, "gradient_norm", least=0),
            update_ratio=take_number(row, "update_ratio", least=0),
            flat_share=take_share(row, "flat_share"),
            is_uniform=k in uniform,
        )
        for k, row in enumerate(rows)
    )


def _take_list(values: Mapping[str, Any], key: str) -> list[Any]:
    value = values.get(key)
    if not isinstance(value, list) or len(value) > MOST_LAYERS:
        raise JsonError(f"{key} {value!r:.40}: expected a list of at most {MOST_LAYERS:,}")
    return value


def _packed(counts: Iterable[int]) -> Iterator[int]:
    for is_zero, stretch in groupby(counts, key=lambda count: count == 0):
        same = list(stretch)
        yield from [-len(same)] if is_zero else same


def _matrix_in(values: Mapping[str, Any]) -> "Matrix | None":
    if values.get("confusion") is None:
        return None
    return parse_matrix(take_object(values, "confusion"))


def parse_matrix(values: Mapping[str, Any]) -> Matrix:
    """Return a matrix that was packed by `matrix_text`.

    Raises:
        JsonError: the counts are not a square matrix of whole numbers.
    """
    classes = take_whole(values, "classes", most=MAX_CLASSES)
    packed = values.get("counts")
    if classes < 1 or not isinstance(packed, list):
        raise JsonError(f"classes {classes}: expected 1 to {MAX_CLASSES}, and a list of counts")
    # Imported late: the list of runs reads no matrices, and importing NumPy takes longer than it.
    import numpy as np  # noqa: PLC0415

    counts = np.zeros(classes * classes, np.int64)
    place = 0
    for count in packed:
        # In Python a boolean is an int.
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
