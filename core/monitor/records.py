"""The files of a watched loop's folder: what it said of itself, and its log."""

import json
import math
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self, get_args

from mlpwatch.core.errors import RunError
from mlpwatch.core.files.durable import replace_durably
from mlpwatch.core.files.strict_json import (
    JsonError,
    parse_object,
    read_object,
    take_choice,
    take_number,
    take_object,
    take_text,
    take_whole,
    to_json,
)
from mlpwatch.core.limits import MAX_EPOCHS
from mlpwatch.core.runs.layout import MAX_STEPS, WATCH_NAME
from mlpwatch.core.runs.metrics import matrix_text, parse_matrix
from mlpwatch.core.text import excerpt, printable

if TYPE_CHECKING:
    from mlpwatch.core.epochs import Matrix

LOOP_FORMAT = 1
"""Increase it when an older mlpwatch would misread a new folder."""

MOST_VALUES = 1_000
"""Numbers in a line; more are left out."""

MOST_CLASSES = 1_000
"""Of a loop; up to `MAX_CLASSES` there are confusion matrices."""

MOST_NAME = 200
"""Characters of a number's name; a longer one is cut."""

MOST_DETAIL = 800
"""Characters of a reason; a path and an error message fit."""

LineKind = Literal["scalars", "epoch", "paused", "resumed", "rate", "saved", "unwritten", "ended"]
LINE_KINDS: tuple[LineKind, ...] = get_args(LineKind)

LoopEnd = Literal["finished", "stopped", "failed"]
LOOP_ENDS: tuple[LoopEnd, ...] = get_args(LoopEnd)


@dataclass(frozen=True, slots=True)
class LoopManifest:
    """What is known of a watched loop before its first step."""

    created: datetime
    """In UTC."""
    script: str = ""
    """Name of the program, safe to print."""
    epochs: int | None = None
    """Planned; None if it was not said."""
    steps_per_epoch: int | None = None
    classes: int | None = None

    def write(self, folder: Path) -> None:
        """Write `watch.json` into a new folder.

        Raises:
            OSError: for example a full disk; nothing was written.
        """
        values = {
            "format": LOOP_FORMAT,
            "created": self.created.isoformat(),
            "script": self.script,
            "epochs": self.epochs,
            "steps_per_epoch": self.steps_per_epoch,
            "classes": self.classes,
        }
        replace_durably(folder / WATCH_NAME, (to_json(values, indent=2) + "\n").encode())

    @classmethod
    def read(cls, folder: Path) -> Self:
        """Read `watch.json`.

        Raises:
            RunError: missing, damaged, or written by a newer mlpwatch.
        """
        path = folder / WATCH_NAME
        try:
            values = read_object(path)
            if (version := take_whole(values, "format")) > LOOP_FORMAT:
                raise JsonError(f"format {version}, newer than {LOOP_FORMAT}: update mlpwatch")
            created = datetime.fromisoformat(take_text(values, "created"))
            if created.tzinfo is None:
                raise JsonError(f"created {values['created']!r:.40}: expected a time zone")
            return cls(
                created.astimezone(UTC),
                excerpt(take_text({"script": "", **values}, "script")),
                _size(values, "epochs", MAX_EPOCHS),
                _size(values, "steps_per_epoch", MAX_STEPS),
                _size(values, "classes", MOST_CLASSES),
            )
        except OSError as error:
            fault = f"{error.strerror}; make it readable"
        except (ValueError, OverflowError) as error:
            fault = f"{printable(error):.300}; restore it"
        raise RunError(f"{printable(path)}: {fault}")


@dataclass(frozen=True, slots=True)
class LoopLine:
    """One line of the log."""

    kind: LineKind
    step: int
    """Steps begun so far."""
    time: float
    """Unix time, in seconds."""
    values: Mapping[str, float] = field(default_factory=dict)
    """Of `scalars` and `epoch`, and `learning_rate` of `rate`; NaN for what is not finite."""
    epoch: int = 0
    """Of `epoch` and `ended`: epochs done so far."""
    text: str = ""
    """Path of what was `saved`, fault of `unwritten`, reason of `ended`; safe to print."""
    end: LoopEnd | None = None
    """Of `ended`."""
    confusion: "Matrix | None" = field(default=None, compare=False)
    """Of an `epoch` that gave labels."""

    def encoded(self) -> str:
        """Return it as JSON, without a line feed."""
        values: dict[str, Any] = {"kind": self.kind, "step": self.step, "time": self.time}
        if self.values:
            values["values"] = dict(self.values)
        if self.kind in ("epoch", "ended"):
            values["epoch"] = self.epoch
        if self.text:
            values["text"] = self.text[:MOST_DETAIL]
        if self.end is not None:
            values["end"] = self.end
        if self.confusion is not None:
            values["confusion"] = matrix_text(self.confusion)
        return to_json(values)


def scalars_text(step: int, time: float, values: Mapping[str, float]) -> str:
    """Return a line of `scalars` as JSON; 4 µs, where `LoopLine.encoded` takes 20."""
    numbers = ",".join(
        f"{json.dumps(name)}:{value!r}" if math.isfinite(value) else f"{json.dumps(name)}:null"
        for name, value in values.items()
    )
    return f'{{"kind":"scalars","step":{step},"time":{time:.3f},"values":{{{numbers}}}}}'


def parse_loop_line(raw: bytes) -> LoopLine | None:
    """Return the line; None if it is damaged, or of a kind that a newer mlpwatch writes."""
    try:
        fields = parse_object(raw)
        return LoopLine(
            take_choice(fields, "kind", LINE_KINDS),
            take_whole(fields, "step", most=MAX_STEPS),
            take_number(fields, "time", least=0, most=1e11),
            _numbers(take_object({"values": {}, **fields}, "values")),
            take_whole({"epoch": 0, **fields}, "epoch", most=MAX_EPOCHS),
            excerpt(take_text({"text": "", **fields}, "text"), MOST_DETAIL),
            take_choice(fields, "end", LOOP_ENDS) if "end" in fields else None,
            parse_matrix(take_object(fields, "confusion")) if "confusion" in fields else None,
        )
    except ValueError:
        return None


def script_name() -> str:
    """Return the name of this program, as its folder says it."""
    return excerpt(Path(sys.argv[0]).name) if sys.argv and sys.argv[0] else "python"


def _numbers(found: Mapping[str, Any]) -> dict[str, float]:
    names = list(found)[:MOST_VALUES]
    return {excerpt(name, MOST_NAME): take_number(found, name) for name in names}


def _size(values: Mapping[str, Any], key: str, most: int) -> int | None:
    return None if values.get(key) is None else take_whole(values, key, most=most)
