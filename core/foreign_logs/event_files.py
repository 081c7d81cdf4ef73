"""TensorBoard's event files, whose records the `tensorboard` or `tensorboardX` package parses.

The records are cut out of the file here. The package's own loader believes any length that a
record states, does not notice a file that is replaced, and takes 25 µs per record for a checksum
in Python; this takes 6 µs.
"""

import math
import struct
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from mlpwatch.core.errors import InputError
from mlpwatch.core.foreign_logs.fields import Names
from mlpwatch.core.foreign_logs.growing import PIECE_BYTES, GrowingFile
from mlpwatch.core.scalars.store import ScalarPoint

_LENGTH, _CHECK = 8, 4
"""Bytes of a record's length and of each of its two checksums: length, its checksum, data, the
data's checksum (tensorflow/core/lib/io/record_writer.h)."""

_MOST_RECORD = 64 * 2**20
"""Longest record that is read; those with images or a graph have megabytes."""

_FIELDS = ("float_val", "double_val", "int_val", "int64_val", "half_val")
"""Where a tensor of one element may have its value."""

_TYPES = {1: "<f4", 2: "<f8", 3: "<i4", 4: "u1", 5: "<i2", 6: "i1", 9: "<i8", 19: "<f2"}
"""NumPy's types by the numbers of tensorflow/core/framework/types.proto."""

_HALF = 19

NO_EVENTS = "not an event file; log to a new file"
"""What is wrong with a file of which nothing can be read."""

MISSING = "needs the package tensorboard: pip install 'mlpwatch[tensorboard]'"


class _Package(NamedTuple):
    """What is used of the package."""

    parse: Callable[[bytes], Any]
    """From a record's data to an event."""


@cache
def event_package() -> _Package:
    """Return the package that parses events; the first call takes 0.4 s.

    Raises:
        InputError: neither package is installed.
    """
    try:
        from tensorboard.compat.proto.event_pb2 import Event  # noqa: PLC0415
    except ImportError:
        try:
            from tensorboardX.proto.event_pb2 import Event  # noqa: PLC0415
        except ImportError:
            raise InputError(MISSING) from None
    return _Package(Event.FromString)


class EventFileReader:
    """Follows one event file; everything but scalars is left out.

    Args:
        path: of the file.
        prefix: of all names; may be empty.

    Raises:
        InputError: the package is not installed.
    """

    def __init__(self, path: Path, prefix: str = "") -> None:
        self.file = GrowingFile(path)
        self.ended, self.planned = False, math.nan
        self._names = Names(prefix)
        self._parse = event_package().parse

    def read(self) -> list[ScalarPoint]:
        """Return the scalars since the last call, at most those of 1 MiB; none at the end."""
        data = self.file.peek()
        if data is None:
            data = self.file.peek() or b""
        if len(data) >= _LENGTH and (needed := _record_bytes(data, 0)) > len(data) == PIECE_BYTES:
            data = self.file.peek(min(needed, _MOST_RECORD)) or b""
        points: list[ScalarPoint] = []
        end = 0
        while end + _LENGTH <= len(data):
            size = _record_bytes(data, end)
            if not self._is_sound(data, end, size) or end + size > len(data):
                break
            start = end + _LENGTH + _CHECK
            try:
                event = self._parse(data[start : end + size - _CHECK])
            except Exception:  # protobuf's DecodeError; its place differs between versions
                self._say_damaged(end)
                break
            points += self._points(event)
            end += size
            self.file.fault = ""
        self.file.take(end)
        return points

    def _points(self, event: Any) -> Iterator[ScalarPoint]:  # noqa: ANN401 - the package has no types
        for value in event.summary.value:
            kind = value.WhichOneof("value")
            if kind == "simple_value":
                number = value.simple_value
            elif kind == "tensor":
                number = _scalar(value.tensor)
                if number is None:
                    continue
            else:
                continue
            yield ScalarPoint(
                self._names.clean(value.tag), float(event.step), number, event.wall_time
            )

    def _is_sound(self, data: bytes, at: int, size: int) -> bool:
        """Return whether a record's length can be believed; its checksum is seldom needed."""
        is_odd = size <= _LENGTH + 2 * _CHECK or size > _MOST_RECORD or at + size > len(data)
        if not is_odd:
            return True
        if at + _LENGTH + _CHECK > len(data):
            return False  # the rest of the head is not written yet
        (check,) = struct.unpack_from("<I", data, at + _LENGTH)
        if check == masked_crc32c(data[at : at + _LENGTH]) and size <= _MOST_RECORD:
            return True
        self._say_damaged(at)
        return False

    def _say_damaged(self, at: int) -> None:
        place = self.file.offset + at
        self.file.fault = f"damaged at byte {place:,}, read up to there" if place else NO_EVENTS


def may_be_events(first: bytes) -> bool:
    """Return whether a file that begins so can be an event file; half of a record can.

    Zeros and other formats can't: a record's length has a checksum, and that of 0 is not 0.
    """
    if len(first) < _LENGTH:
        return True
    if len(first) < _LENGTH + _CHECK:
        return _record_bytes(first, 0) <= _MOST_RECORD
    (check,) = struct.unpack_from("<I", first, _LENGTH)
    return bool(check == masked_crc32c(first[:_LENGTH]))


def _record_bytes(data: bytes, at: int) -> int:
    (length,) = struct.unpack_from("<Q", data, at)
    return int(length) + _LENGTH + 2 * _CHECK


def _scalar(tensor: Any) -> float | None:  # noqa: ANN401 - the package has no types
    """Return the value of a tensor of one element; None for any other."""
    if any(one.size != 1 for one in tensor.tensor_shape.dim):
        return None
    for name in _FIELDS:
        values = getattr(tensor, name)
        if len(values) == 1:
            if tensor.dtype == _HALF:
                return float(np.array(values, np.uint16).view(np.float16)[0])
            return float(values[0])
    kind = _TYPES.get(tensor.dtype)
    content = tensor.tensor_content
    if kind is None or len(content) != np.dtype(kind).itemsize:
        return None
    return float(np.frombuffer(content, kind)[0])


def masked_crc32c(data: bytes) -> int:
    """Return the checksum of event files: CRC-32C, rotated by 15 bits, plus a constant."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    crc ^= 0xFFFFFFFF
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF
