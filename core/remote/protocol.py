"""Commands to a run from another process: one JSON object per line, strict and limited in size.

Requests: {"order": "pause", "engines": ["numpy"]}, {"order": "limit", "steps_per_second": 50},
{"order": "lockstep", "on": true}, {"order": "set", "learning_rate": 0.05, "engines": ["numpy"]}, or
only an order. Answers: {"ok": true, "status": {...}}, or
{"ok": false, "error": "..."}.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from mlpwatch.core.config import ENGINE_NAMES, EngineName
from mlpwatch.core.files.strict_json import (
    JsonError,
    parse_object,
    take_choice,
    take_number,
    take_object,
    take_text,
    take_whole,
    to_json,
)
from mlpwatch.core.limits import MAX_LEARNING_RATE, MIN_LEARNING_RATE

CommandName = Literal[
    "status", "pause", "resume", "step", "save", "limit", "lockstep", "set", "stop"
]
COMMAND_NAMES: tuple[CommandName, ...] = get_args(CommandName)

MAX_LINE_BYTES = 4_096
"""Longest request or answer, with its line feed; the longest valid one has 600 bytes."""

RANGES: Mapping[str, tuple[float, float]] = {
    "steps_per_second": (1e-3, 1e6),
    "process": (1, 2**31 - 1),
    "threads": (1, 65_536),
    "learning_rate": (MIN_LEARNING_RATE, MAX_LEARNING_RATE),
    "learning_rates": (MIN_LEARNING_RATE, MAX_LEARNING_RATE),
}
"""Least and greatest value of every number in a request or an answer: the trainers wait and compute
with these numbers, and the screen of a follower shows them."""

_TAKES: Mapping[str, tuple[str, ...]] = {
    "pause": ("engines",),
    "resume": ("engines",),
    "limit": ("steps_per_second",),
    "lockstep": ("on",),
    "set": ("learning_rate", "engines"),
}
"""The fields that a request may have besides its order."""


@dataclass(frozen=True, slots=True)
class Command:
    """A command to a run."""

    name: CommandName
    engines: tuple[EngineName, ...] = ()
    """For `pause`, `resume` and `set`; empty for all."""
    steps_per_second: float | None = None
    """For `limit`; None lifts it."""
    on: bool = False
    """For `lockstep`."""
    learning_rate: float | None = None
    """For `set`: η₀ from the next batch on."""


@dataclass(frozen=True, slots=True)
class LoopStatus:
    """How a loop stands that `mlpwatch.watch()` follows."""

    step: int
    """Steps begun so far."""
    epoch: int
    """Epochs done so far."""
    is_paused: bool = False
    """Whether it was asked to pause: it waits before its next step."""
    save_requested: bool = False
    """Whether it was asked to save, and has not said that it did."""
    learning_rate: float | None = None
    """As ordered last; None before the first such order."""


@dataclass(frozen=True, slots=True)
class Status:
    """The answer of a run."""

    process: int
    """Process id of the trainer."""
    paused: tuple[EngineName, ...] = ()
    """Engines that have been paused."""
    threads: Mapping[EngineName, int] = field(default_factory=dict)
    """Number of threads of each engine."""
    steps_per_second: float | None = None
    """The speed limit, if any."""
    lockstep: bool = False
    """Whether all engines are kept at the same step."""
    learning_rates: Mapping[EngineName, float] = field(default_factory=dict)
    """η₀ of each engine; empty from an older mlpwatch."""
    loop: LoopStatus | None = None
    """Of a loop that `mlpwatch.watch()` follows, which has no engines; None for other runs."""


def encode_command(order: Command) -> bytes:
    """Return a command as a line."""
    values: dict[str, Any] = {"order": order.name}
    if order.engines:
        values["engines"] = list(order.engines)
    if order.name == "limit":
        values["steps_per_second"] = order.steps_per_second
    if order.name == "lockstep":
        values["on"] = order.on
    if order.name == "set":
        values["learning_rate"] = order.learning_rate
    return f"{to_json(values)}\n".encode()


def parse_command(line: bytes) -> Command:
    """Return the command of a line.

    Raises:
        ValueError: the line is not a command; the message says what was expected.
    """
    fields = parse_object(line)
    name = take_choice(fields, "order", COMMAND_NAMES)
    known = {"order", *_TAKES.get(name, ())}
    if unknown := sorted(set(fields) - known):
        raise JsonError(f"field {unknown[0]!r:.40}: order {name!r} has none such")
    if name == "limit":
        return Command(name, steps_per_second=_limit(fields))
    if name == "lockstep":
        return Command(name, on=_switch(fields, "on"))
    engines = _engines(fields.get("engines", []))
    if name == "set":
        return Command(name, engines, learning_rate=_rate(fields, "learning_rate"))
    return Command(name, engines)


def check_engines(order: Command, trained: tuple[EngineName, ...]) -> None:
    """Check that a command names only engines that the run trains.

    Raises:
        JsonError: it names another engine.
    """
    for name in order.engines:
        if name not in trained:
            raise JsonError(f"engine {name!r}: this run trains {' and '.join(trained)}")


def encode_answer(status: Status | str) -> bytes:
    """Return an answer as a line: a status, or an error in words."""
    if isinstance(status, str):
        return f"{to_json({'ok': False, 'error': status[:400]})}\n".encode()
    values = {
        "process": status.process,
        "paused": list(status.paused),
        "threads": dict(status.threads),
        "steps_per_second": status.steps_per_second,
        "lockstep": status.lockstep,
        "learning_rates": dict(status.learning_rates),
    }
    if status.loop is not None:
        values["loop"] = {
            "step": status.loop.step,
            "epoch": status.loop.epoch,
            "paused": status.loop.is_paused,
            "save_requested": status.loop.save_requested,
            "learning_rate": status.loop.learning_rate,
        }
    return f"{to_json({'ok': True, 'status': values})}\n".encode()


def parse_answer(line: bytes) -> Status | str:
    """Return the status in a line, or the error.

    Raises:
        ValueError: the line has neither.
    """
    fields = parse_object(line)
    if fields.get("ok") is False:
        return take_text(fields, "error")
    status = take_object(fields, "status")
    threads = take_object(status, "threads")
    # An older mlpwatch does not send the learning rates, nor lockstep.
    rates = take_object({"learning_rates": {}, **status}, "learning_rates")
    return Status(
        process=int(_in_range("process", take_whole(status, "process"))),
        paused=_engines(status.get("paused")),
        threads={
            name: int(_in_range("threads", take_whole(threads, name)))
            for name in ENGINE_NAMES
            if name in threads
        },
        steps_per_second=_limit(status),
        lockstep="lockstep" in status and _switch(status, "lockstep"),
        learning_rates={
            name: _in_range("learning_rates", take_number(rates, name))
            for name in ENGINE_NAMES
            if name in rates
        },
        loop=_loop(take_object(status, "loop")) if "loop" in status else None,
    )


def _loop(fields: Mapping[str, Any]) -> LoopStatus:
    has_rate = fields.get("learning_rate") is not None
    return LoopStatus(
        step=take_whole(fields, "step"),
        epoch=take_whole(fields, "epoch"),
        is_paused=_switch(fields, "paused"),
        save_requested=_switch(fields, "save_requested"),
        learning_rate=_rate(fields, "learning_rate") if has_rate else None,
    )


def _engines(value: object) -> tuple[EngineName, ...]:
    if not isinstance(value, list) or len(value) > len(ENGINE_NAMES):
        raise JsonError(f"engines {value!r:.40}: expected a list of {' and '.join(ENGINE_NAMES)}")
    return tuple(take_choice({"engine": one}, "engine", ENGINE_NAMES) for one in value)


def _limit(fields: Mapping[str, Any]) -> float | None:
    if "steps_per_second" in fields and fields["steps_per_second"] is None:
        return None
    return _in_range("steps_per_second", take_number(fields, "steps_per_second"))


def _in_range(key: str, value: float) -> float:
    least, most = RANGES[key]
    if least <= value <= most:
        return value
    raise JsonError(f"{key} {value:g}: expected a number from {least:g} to {_shown(most)}")


def _rate(fields: Mapping[str, Any], key: str) -> float:
    return _in_range(key, take_number(fields, key))


def _shown(most: float) -> str:
    return f"{most:g}" if most > 1e15 else f"{most:,.0f}"  # noqa: PLR2004 - no row of zeros


def _switch(fields: Mapping[str, Any], key: str) -> bool:
    value = fields.get(key)
    if isinstance(value, bool):
        return value
    raise JsonError(f"{key} {value!r:.40}: expected true or false")
