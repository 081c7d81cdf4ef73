"""Strict JSON: no NaN in the text, and typed fields from untrusted objects."""

import json
import math
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from mlpwatch.core.files.durable import OpenFolder, open_regular

MAX_FILE_BYTES = 4 * 2**20
"""Largest JSON file that is read; a run's JSON files have about 1 kB."""

Choice = TypeVar("Choice", bound=str)


class JsonError(ValueError):
    """JSON text, or a field in it, that is not what was expected."""


def to_json(value: object, indent: int | None = None) -> str:
    """Return `value` as JSON text with sorted keys; NaN and infinities become null.

    Python's default writes `NaN`, which jq, JavaScript and most other readers refuse.
    """
    separators = (",", ":") if indent is None else (",", ": ")
    return json.dumps(
        _without_nan(value), indent=indent, separators=separators, sort_keys=True, allow_nan=False
    )


def parse_object(text: bytes | str) -> dict[str, Any]:
    """Parse one JSON object from UTF-8 text.

    Raises:
        ValueError: not UTF-8, not JSON, nested too deeply, or not an object.
    """
    if isinstance(text, bytes):
        # json.loads would guess UTF-16 or UTF-32 from zero bytes.
        text = text.decode("utf-8")
    try:
        value = _DECODER.decode(text)
    except RecursionError:
        raise JsonError("JSON nested too deeply") from None
    if not isinstance(value, dict):
        raise JsonError(f"a JSON {type(value).__name__}, where an object was expected")
    return value


def read_object(path: Path, *, folder: OpenFolder | None = None) -> dict[str, Any]:
    """Read one JSON object from a file.

    Args:
        path: of the file.
        folder: of `path`; then only the file's name counts.

    Raises:
        OSError: the file can't be opened or read, or is not a regular file.
        ValueError: too large, or not a JSON object.
    """
    with os.fdopen(open_regular(path, folder=folder), "rb") as file:
        if (size := os.fstat(file.fileno()).st_size) > MAX_FILE_BYTES:
            raise JsonError(f"{size:,} bytes, where at most {MAX_FILE_BYTES:,} were expected")
        return parse_object(file.read(MAX_FILE_BYTES))


def take_whole(fields: Mapping[str, Any], key: str, *, most: int = 2**63 - 1) -> int:
    """Return a whole number from 0 to `most`.

    Raises:
        JsonError: the field is missing or something else.
    """
    value = fields.get(key)
    # A boolean is an instance of int, but its type is not int.
    if type(value) is int and 0 <= value <= most:
        return value
    range_ = "of at least 0" if most == 2**63 - 1 else f"from 0 to {most:,}"
    raise JsonError(f"{key} {value!r:.40}: expected a whole number {range_}")


def take_number(
    fields: Mapping[str, Any],
    key: str,
    *,
    least: float = -sys.float_info.max,
    most: float = sys.float_info.max,
) -> float:
    """Return a number from `least` to `most`; null, written for NaN and infinities, gives NaN.

    Raises:
        JsonError: the field is missing or something else.
    """
    value = fields.get(key, "missing")
    if value is None:
        return math.nan
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise JsonError(f"{key} {value!r:.40}: expected a number")
    # Before float(): a whole number in JSON may have thousands of digits.
    if not (least <= value <= most or value != value):  # noqa: PLR0124 - NaN
        raise JsonError(f"{key} {value!r:.40}: expected a number {_range(least, most)}")
    return float(value)


def take_share(fields: Mapping[str, Any], key: str) -> float:
    """Return a number from 0 to 1, or NaN for null.

    Raises:
        JsonError: the field is missing or something else.
    """
    return take_number(fields, key, least=0, most=1)


def take_text(fields: Mapping[str, Any], key: str) -> str:
    """Return a string.

    Raises:
        JsonError: the field is missing or something else.
    """
    value = fields.get(key)
    if not isinstance(value, str):
        raise JsonError(f"{key} {value!r:.40}: expected a string")
    return value


def take_object(fields: Mapping[str, Any], key: str) -> dict[str, Any]:
    """Return an object.

    Raises:
        JsonError: the field is missing or something else.
    """
    value = fields.get(key)
    if not isinstance(value, dict):
        raise JsonError(f"{key} {value!r:.40}: expected an object")
    return value


def take_choice(fields: Mapping[str, Any], key: str, choices: Sequence[Choice]) -> Choice:
    """Return the field's value, one of `choices`.

    Raises:
        JsonError: the field is missing or something else.
    """
    value = fields.get(key)
    for choice in choices:
        if value == choice:
            return choice
    raise JsonError(f"{key} {value!r:.40}: expected one of {', '.join(choices)}")


def _range(least: float, most: float) -> str:
    if (least, most) == (-sys.float_info.max, sys.float_info.max):
        return "of 64 bits"
    return f"of at least {least:g}" if most == sys.float_info.max else f"from {least:g} to {most:g}"


def _without_nan(value: object) -> object:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {key: _without_nan(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_without_nan(item) for item in value]
    return value


def _refuse_constant(name: str) -> float:
    raise JsonError(f"{name} is not JSON")


_DECODER = json.JSONDecoder(parse_constant=_refuse_constant)
"""Made once: `json.loads` makes a decoder per call, which takes longer than parsing a line."""
