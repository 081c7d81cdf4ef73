"""The event log: what a screen needs to know of a run between its epochs, line by line.

The batch losses, summed up; the gap of the two networks after each epoch; pauses, saves, ends. With
the metrics log it holds all that charts show, so that a run can be watched from another terminal
and a resumed one goes on without a seam. Nobody resumes from it: it is never synced, and what is
damaged is left out.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from math import isfinite
from typing import Any, get_args

from mlpwatch.core.config import ENGINE_NAMES, MAX_EPOCHS, EngineName
from mlpwatch.core.events import (
    CheckpointSaved,
    EndReason,
    GapMeasured,
    Paused,
    Resumed,
    RunStarted,
    SaveFailed,
    StepGroup,
)
from mlpwatch.core.files.line_file import LineFile
from mlpwatch.core.files.strict_json import (
    JsonError,
    parse_object,
    take_choice,
    take_number,
    take_text,
    take_whole,
    to_json,
)

EVENTS_NAME = "events.jsonl"

MOST_TEXT = 400
"""Characters of a reason that are kept; a path and an error message fit."""

_REASONS: tuple[EndReason, ...] = get_args(EndReason)


@dataclass(frozen=True, slots=True)
class Plan:
    """How long a run is meant to be; a resumed one may be longer than its `config.json` says."""

    epochs: int
    epoch_steps: int
    """Steps per epoch."""


@dataclass(frozen=True, slots=True)
class EngineEnded:
    """How an engine ended, in numbers alone: a `RunEnded` without the test images' reading."""

    engine: EngineName
    reason: EndReason
    detail: str
    step: int
    seconds: float
    test_loss: float
    """NaN where the test images were not read."""
    test_accuracy: float
    """0 to 1; NaN likewise."""


Entry = (
    Plan
    | RunStarted
    | StepGroup
    | GapMeasured
    | Paused
    | Resumed
    | CheckpointSaved
    | SaveFailed
    | EngineEnded
)
"""What the log holds."""

_KINDS: Mapping[type, str] = {
    Plan: "plan",
    RunStarted: "started",
    GapMeasured: "gap",
    Paused: "paused",
    Resumed: "resumed",
    CheckpointSaved: "saved",
    SaveFailed: "save failed",
    EngineEnded: "ended",
}


class EventLog(LineFile):
    """One file of events. Safe from several threads; one process at a time writes."""

    def append(self, entries: Iterable[Entry]) -> None:
        """Add entries in order, without waiting for the disk.

        Raises:
            OSError: for example a full disk; nothing was added.
        """
        if lines := [_line(one) for one in entries]:
            self.append_text("\n".join(lines), sync=False)

    def read(self) -> list[Entry]:
        """Return the entries in the order of the file; damaged lines are left out.

        Raises:
            RunError: the file can't be read.
        """
        whole = (raw for raw in self.raw_lines() if raw.endswith(b"\n"))
        return [entry for raw in whole if (entry := parse_entry(raw)) is not None]

    def trim(self, done: Mapping[EngineName, tuple[int, int]]) -> None:
        """Keep only what a resumed run does not tell anew: sums of steps, and gaps.

        Lines that can't be read stay, as in the other logs: somebody may still mend them.

        Args:
            done: each engine's steps and epochs, as far as its checkpoint has come.

        Raises:
            OSError: the file can't be replaced; it is as it was.
            RunError: the file can't be read.
        """
        first_missing = min((epoch for _, epoch in done.values()), default=0) + 1

        def is_dropped(raw: bytes) -> bool:
            match parse_entry(raw):
                case StepGroup(engine=engine, step=step):
                    return engine in done and step > done[engine][0]
                case GapMeasured(epoch=epoch):
                    return epoch >= first_missing
                case None:
                    return False
            return True

        self.trim_lines(is_dropped)


def _line(entry: Entry) -> str:
    if not isinstance(entry, StepGroup):
        return to_json({"kind": _KINDS[type(entry)], **asdict(entry)})
    # Some hundred a second, in 2 µs each instead of 22: the trainers wait for the interpreter.
    numbers = (entry.seconds, entry.loss, entry.low, entry.high)
    seconds, loss, low, high = (f"{x:.9g}" if isfinite(x) else "null" for x in numbers)
    return (
        f'{{"kind":"steps","engine":"{entry.engine}","step":{entry.step},"count":{entry.count},'
        f'"seconds":{seconds},"loss":{loss},"low":{low},"high":{high}}}'
    )


def parse_entry(raw: bytes) -> Entry | None:
    """Return the entry of one line; None where it is damaged or of another kind."""
    try:
        fields = parse_object(raw)
        kind = take_text(fields, "kind")
        return _parse_plan(fields) if kind == "plan" else _PARSERS[kind](fields, _engine(fields))
    except (ValueError, KeyError):
        return None


def _engine(fields: Mapping[str, Any]) -> EngineName:
    return take_choice(fields, "engine", ENGINE_NAMES)


def _text(fields: Mapping[str, Any], key: str) -> str:
    return take_text(fields, key)[:MOST_TEXT]


def _parse_plan(fields: Mapping[str, Any]) -> Plan:
    plan = Plan(take_whole(fields, "epochs"), take_whole(fields, "epoch_steps"))
    if not (0 < plan.epochs <= MAX_EPOCHS and plan.epoch_steps > 0):
        raise JsonError(f"{plan}: expected at least one epoch and one step")
    return plan


def _parse_started(fields: Mapping[str, Any], engine: EngineName) -> RunStarted:
    return RunStarted(
        engine,
        parameters=take_whole(fields, "parameters"),
        threads=take_whole(fields, "threads"),
        first_step=take_whole(fields, "first_step"),
        seconds=_seconds(fields),
    )


def _parse_steps(fields: Mapping[str, Any], engine: EngineName) -> StepGroup:
    numbers = (take_number(fields, key) for key in ("loss", "low", "high"))
    step, count = take_whole(fields, "step"), take_whole(fields, "count")
    if not 0 < count <= step:
        raise JsonError(f"count {count}: expected 1 to {step}")
    return StepGroup(engine, step, count, _seconds(fields), *numbers)


def _parse_gap(fields: Mapping[str, Any], engine: EngineName) -> GapMeasured:
    layers = fields.get("layer_differences")
    if not isinstance(layers, list):
        raise JsonError("layer_differences: expected a list")
    return GapMeasured(
        engine,
        epoch=take_whole(fields, "epoch"),
        step=take_whole(fields, "step"),
        weight_difference=take_number(fields, "weight_difference"),
        layer_differences=tuple(take_number({"layer": one}, "layer") for one in layers),
        loss_difference=take_number(fields, "loss_difference"),
    )


def _parse_failure(fields: Mapping[str, Any], engine: EngineName) -> SaveFailed:
    step = take_whole(fields, "step")
    return SaveFailed(engine, step, _text(fields, "path"), _text(fields, "detail"))


def _parse_end(fields: Mapping[str, Any], engine: EngineName) -> EngineEnded:
    return EngineEnded(
        engine,
        reason=take_choice(fields, "reason", _REASONS),
        detail=_text(fields, "detail"),
        step=take_whole(fields, "step"),
        seconds=_seconds(fields),
        test_loss=take_number(fields, "test_loss"),
        test_accuracy=take_number(fields, "test_accuracy"),
    )


def _seconds(fields: Mapping[str, Any]) -> float:
    seconds = take_number(fields, "seconds")
    if not seconds >= 0:
        raise JsonError(f"seconds {seconds}: expected 0 or more")
    return seconds


_PARSERS: Mapping[str, Callable[[Mapping[str, Any], EngineName], Entry]] = {
    "started": _parse_started,
    "steps": _parse_steps,
    "gap": _parse_gap,
    "paused": lambda fields, engine: Paused(engine, take_whole(fields, "step")),
    "resumed": lambda fields, engine: Resumed(engine, take_whole(fields, "step")),
    "saved": lambda fields, engine: CheckpointSaved(
        engine, take_whole(fields, "step"), _text(fields, "path")
    ),
    "save failed": _parse_failure,
    "ended": _parse_end,
}
