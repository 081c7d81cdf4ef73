"""The event log: the events of a run between its epochs, one per line.

It has the batch losses in groups, the gap of the two networks after each epoch, comparisons of
single steps, pauses, saves and ends. With the metrics log it has everything that the charts show: a
run can be watched from another terminal, and the curves of a resumed run have no gap. Training does
not resume from it, so it is never synced, and damaged lines are skipped.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, fields
from math import isfinite, isnan
from typing import Any

from mlpwatch.core.config import ENGINE_NAMES, EngineName
from mlpwatch.core.events import (
    END_REASONS,
    CheckpointSaved,
    DifferenceFound,
    GapMeasured,
    Paused,
    RanksMeasured,
    RateChanged,
    Resumed,
    RunEnded,
    RunStarted,
    SaveFailed,
    StepCompared,
    StepGroup,
    TensorPair,
)
from mlpwatch.core.files.line_file import LineFile
from mlpwatch.core.files.strict_json import (
    JsonError,
    parse_object,
    take_choice,
    take_number,
    take_share,
    take_text,
    take_whole,
    to_json,
)
from mlpwatch.core.limits import MAX_EPOCHS, MAX_LEARNING_RATE, MIN_LEARNING_RATE
from mlpwatch.core.runs.layout import MAX_SECONDS, MAX_STEPS
from mlpwatch.core.runs.manifest import MAX_LAYERS, MOST_RANKS

MAX_EPOCH_STEPS = 10**8
"""A hundred million images with a batch size of 1."""

MOST_LAYERS = MAX_LAYERS + 1

MOST_TENSORS, MOST_AXES = 4 * MOST_LAYERS + 2, 2
"""Of a difference: outputs, loss, two gradients and two updates of each layer."""

MAX_SPEED = 1e15
"""Images per second of a rank; a number above is damage."""

MOST_TEXT = 800
"""Most characters of a reason; a path and an error message fit, and what `check` says of a
mistake."""


@dataclass(frozen=True, slots=True)
class Plan:
    """The planned length of a run; after a resume it may be longer than in `config.json`."""

    epochs: int
    epoch_steps: int
    """Steps per epoch."""


Entry = (
    Plan
    | RunStarted
    | StepGroup
    | GapMeasured
    | StepCompared
    | DifferenceFound
    | RanksMeasured
    | RateChanged
    | Paused
    | Resumed
    | CheckpointSaved
    | SaveFailed
    | RunEnded
)
"""A line of the log."""

_KINDS: Mapping[type, str] = {
    Plan: "plan",
    RunStarted: "started",
    GapMeasured: "gap",
    StepCompared: "step compared",
    DifferenceFound: "difference",
    RanksMeasured: "ranks",
    RateChanged: "rate",
    Paused: "paused",
    Resumed: "resumed",
    CheckpointSaved: "saved",
    SaveFailed: "save failed",
    RunEnded: "ended",
}


class EventLog(LineFile):
    """One file of events. Thread-safe; only one process at a time may write."""

    def append(self, entries: Iterable[Entry]) -> None:
        """Add entries in order, without waiting for the disk.

        Raises:
            OSError: for example a full disk; nothing was added.
        """
        if lines := [entry_text(one) for one in entries]:
            self.append_text("\n".join(lines), sync=False)

    def read(self) -> list[Entry]:
        """Return the entries in the order of the file; damaged lines are skipped.

        Raises:
            RunError: the file can't be read.
        """
        whole = (raw for raw in self.raw_lines() if raw.endswith(b"\n"))
        return [entry for raw in whole if (entry := parse_entry(raw)) is not None]

    def trim(self, done: Mapping[EngineName, tuple[int, int]]) -> None:
        """Keep only the groups of steps and the gaps that a resumed run does not report again.

        Unreadable lines stay, as in the other logs: a user may still repair them.

        Args:
            done: the steps and epochs of each engine's checkpoint.

        Raises:
            OSError: the file can't be replaced; it is unchanged.
            RunError: the file can't be read.
        """
        first_missing = min((epoch for _, epoch in done.values()), default=0) + 1

        def is_dropped(raw: bytes) -> bool:
            match parse_entry(raw):
                case StepGroup() | StepCompared() | DifferenceFound() | RateChanged() as one:
                    return one.engine in done and one.step > done[one.engine][0]
                case GapMeasured(epoch=epoch):
                    return epoch >= first_missing
                case None:
                    return False
            return True

        self.trim_lines(is_dropped)


def entry_text(entry: Entry) -> str:
    """Return an entry as a line, without its line feed."""
    if not isinstance(entry, StepGroup):
        values = {one.name: getattr(entry, one.name) for one in fields(entry) if one.compare}
        if isinstance(entry, DifferenceFound):
            values["tensors"] = [asdict(pair) for pair in entry.tensors]
        return to_json({"kind": _KINDS[type(entry)], **values})
    # About a hundred a second. Each takes 2 µs instead of 22 µs, and the trainers wait for it.
    numbers = (entry.seconds, entry.loss, entry.low, entry.high)
    seconds, loss, low, high = (f"{x:.9g}" if isfinite(x) else "null" for x in numbers)
    return (
        f'{{"kind":"steps","engine":"{entry.engine}","step":{entry.step},"count":{entry.count},'
        f'"seconds":{seconds},"loss":{loss},"low":{low},"high":{high}}}'
    )


def parse_entry(raw: bytes) -> Entry | None:
    """Return the entry of one line; None if it is damaged or of an unknown kind."""
    try:
        values = parse_object(raw)
        kind = take_text(values, "kind")
        return _parse_plan(values) if kind == "plan" else _PARSERS[kind](values, _engine(values))
    except (ValueError, KeyError):
        return None


def _engine(values: Mapping[str, Any]) -> EngineName:
    return take_choice(values, "engine", ENGINE_NAMES)


def _text(values: Mapping[str, Any], key: str) -> str:
    return take_text(values, key)[:MOST_TEXT]


def _parse_plan(values: Mapping[str, Any]) -> Plan:
    epochs = take_whole(values, "epochs", most=MAX_EPOCHS)
    plan = Plan(epochs, take_whole(values, "epoch_steps", most=MAX_EPOCH_STEPS))
    if not (plan.epochs and plan.epoch_steps):
        raise JsonError(f"{plan}: expected at least one epoch and one step")
    return plan


def _parse_started(values: Mapping[str, Any], engine: EngineName) -> RunStarted:
    return RunStarted(
        engine,
        parameters=take_whole(values, "parameters", most=MAX_STEPS),
        threads=take_whole(values, "threads", most=MAX_STEPS),
        first_step=take_whole(values, "first_step", most=MAX_STEPS),
        seconds=_seconds(values),
    )


def _parse_steps(values: Mapping[str, Any], engine: EngineName) -> StepGroup:
    numbers = (take_number(values, key) for key in ("loss", "low", "high"))
    step = take_whole(values, "step", most=MAX_STEPS)
    if not (count := take_whole(values, "count", most=step)):
        raise JsonError(f"count 0: expected 1 to {step}")
    return StepGroup(engine, step, count, _seconds(values), *numbers)


def _parse_gap(values: Mapping[str, Any], engine: EngineName) -> GapMeasured:
    layers = values.get("layer_differences")
    if not isinstance(layers, list) or len(layers) > MOST_LAYERS:
        raise JsonError(f"layer_differences: expected a list of at most {MOST_LAYERS} numbers")
    return GapMeasured(
        engine,
        epoch=take_whole(values, "epoch", most=MAX_EPOCHS),
        step=take_whole(values, "step", most=MAX_STEPS),
        weight_difference=take_number(values, "weight_difference"),
        layer_differences=tuple(take_number({"layer": one}, "layer") for one in layers),
        loss_difference=take_number(values, "loss_difference"),
    )


def _parse_compared(values: Mapping[str, Any], engine: EngineName) -> StepCompared:
    return StepCompared(
        engine,
        take_whole(values, "step", most=MAX_STEPS),
        _seconds(values),
        *(take_number(values, key) for key in ("difference", "rounding", "share")),
    )


def _parse_difference(values: Mapping[str, Any], engine: EngineName) -> DifferenceFound:
    pairs = values.get("tensors")
    if not isinstance(pairs, list) or len(pairs) > MOST_TENSORS:
        raise JsonError(f"tensors: expected a list of at most {MOST_TENSORS}")
    return DifferenceFound(
        engine,
        step=take_whole(values, "step", most=MAX_STEPS),
        seconds=_seconds(values),
        differs=take_choice(values, "differs", ENGINE_NAMES),
        tensor=_text(values, "tensor"),
        code=_text(values, "code"),
        factor=take_number(values, "factor"),
        text=_text(values, "text"),
        tensors=tuple(map(_parse_pair, pairs)),
    )


def _parse_pair(values: object) -> TensorPair:
    if not isinstance(values, dict):
        raise JsonError("tensors: expected objects")
    place, passed = values.get("place"), values.get("passed")
    if not isinstance(place, list) or len(place) > MOST_AXES or not isinstance(passed, bool):
        raise JsonError(f"place {place!r:.40}: expected a list of at most {MOST_AXES} numbers")
    return TensorPair(
        _text(values, "name"),
        place=tuple(take_whole({"place": one}, "place") for one in place),
        numpy=take_number(values, "numpy"),
        torch=take_number(values, "torch"),
        rounding=take_number(values, "rounding"),
        passed=passed,
    )


def _parse_ranks(values: Mapping[str, Any], engine: EngineName) -> RanksMeasured:
    lists = [values.get(key) for key in ("samples_per_second", "waiting")]
    speeds, waits = (one if isinstance(one, list) else [] for one in lists)
    if not 0 < len(speeds) == len(waits) <= MOST_RANKS:
        raise JsonError(f"samples_per_second, waiting: expected two lists of up to {MOST_RANKS}")
    return RanksMeasured(
        engine,
        step=take_whole(values, "step", most=MAX_STEPS),
        transfer=take_share(values, "transfer"),
        samples_per_second=tuple(
            take_number({"speed": one}, "speed", least=0, most=MAX_SPEED) for one in speeds
        ),
        waiting=tuple(take_share({"waiting": one}, "waiting") for one in waits),
    )


def parse_rate(values: Mapping[str, Any], engine: EngineName) -> RateChanged:
    """Return the change of the learning rate in a line of this log or of `rates.jsonl`.

    Raises:
        JsonError: a field is missing or out of range.
    """
    step = take_whole(values, "step", most=MAX_STEPS)
    rates = [_rate(values, key) for key in ("learning_rate", "before")]
    return RateChanged(engine, step, _seconds(values), *rates)


def _rate(values: Mapping[str, Any], key: str) -> float:
    rate = take_number(values, key, least=0, most=MAX_LEARNING_RATE)
    if not rate >= (MIN_LEARNING_RATE if key == "learning_rate" else 0):
        raise JsonError(f"{key} {rate:g}: expected a number from {MIN_LEARNING_RATE:g}")
    return rate


def _parse_failure(values: Mapping[str, Any], engine: EngineName) -> SaveFailed:
    step = take_whole(values, "step", most=MAX_STEPS)
    return SaveFailed(engine, step, _text(values, "path"), _text(values, "detail"))


def _parse_end(values: Mapping[str, Any], engine: EngineName) -> RunEnded:
    return RunEnded(
        engine,
        reason=take_choice(values, "reason", END_REASONS),
        detail=_text(values, "detail"),
        step=take_whole(values, "step", most=MAX_STEPS),
        seconds=_seconds(values),
        test_loss=take_number(values, "test_loss"),
        test_accuracy=take_share(values, "test_accuracy"),
    )


def _seconds(values: Mapping[str, Any]) -> float:
    seconds = take_number(values, "seconds", least=0, most=MAX_SECONDS)
    if isnan(seconds):
        raise JsonError("seconds null: expected a number")
    return seconds


_PARSERS: Mapping[str, Callable[[Mapping[str, Any], EngineName], Entry]] = {
    "started": _parse_started,
    "steps": _parse_steps,
    "gap": _parse_gap,
    "step compared": _parse_compared,
    "difference": _parse_difference,
    "ranks": _parse_ranks,
    "rate": parse_rate,
    "paused": lambda values, engine: Paused(engine, take_whole(values, "step", most=MAX_STEPS)),
    "resumed": lambda values, engine: Resumed(engine, take_whole(values, "step", most=MAX_STEPS)),
    "saved": lambda values, engine: CheckpointSaved(
        engine, take_whole(values, "step", most=MAX_STEPS), _text(values, "path")
    ),
    "save failed": _parse_failure,
    "ended": _parse_end,
}
