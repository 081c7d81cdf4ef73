"""Frames over a pair of pipes: a JSON header and bytes, all of one direction compressed together.

One stream of deflate for all frames: the lines of a log repeat their names, and a line of 140 bytes
takes 45. What a shell prints before the first frame (a greeting in `.bashrc`) is skipped.
"""

import struct
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from threading import Lock
from typing import Any

from mlpwatch.core.files.strict_json import parse_object, to_json

PROTOCOL = 1
"""Increase it when an older relay would misread a frame."""

MAGIC = b"\nmlpwatch relay stream\n"
"""Precedes the first frame of the far side."""

BEAT_SECONDS = 10.0
"""Time between two frames without news, by which both sides know that the link lives."""

READ_BYTES = 65_536
"""Most bytes read from a pipe at a time."""

MOST_GREETING = 65_536
"""Bytes that a shell may print before the first frame."""

MOST_HEADER, MOST_PAYLOAD = 2**20, 2**23
"""Longest header, and most bytes of a frame; more is not one of ours."""

_LENGTHS = struct.Struct(">II")


class FrameError(ValueError):
    """Bytes that are not a frame."""


@dataclass(frozen=True, slots=True)
class RelayFrame:
    """A header by its kind, and bytes."""

    kind: str
    fields: Mapping[str, Any]
    payload: bytes = b""

    def text(self, key: str) -> str:
        """Return a text of the header; empty if there is none."""
        value = self.fields.get(key)
        return value if isinstance(value, str) else ""

    def number(self, key: str) -> int:
        """Return a whole number of the header; 0 if there is none."""
        value = self.fields.get(key)
        return value if isinstance(value, int) else 0


class FrameWriter:
    """Writes frames. Thread-safe.

    Args:
        write: writes all bytes that it is given.
    """

    def __init__(self, write: Callable[[bytes], None]) -> None:
        self._write, self._lock = write, Lock()
        self.written = 0
        """Bytes so far, as they are on the pipe."""
        self._packer = zlib.compressobj(zlib.Z_BEST_COMPRESSION, wbits=-zlib.MAX_WBITS)

    def send(
        self, kind: str, payload: bytes = b"", *, is_last: bool = True, **fields: object
    ) -> None:
        """Send a frame.

        Args:
            kind: of the frame.
            payload: its bytes.
            is_last: whether it goes at once; others wait for the next one that does. Each packet
                of ssh costs about 40 bytes.
            fields: of the header.

        Raises:
            OSError: the other side is gone.
        """
        header = to_json({"kind": kind, **fields}).encode()
        whole = _LENGTHS.pack(len(header), len(payload)) + header + payload
        with self._lock:
            packed = self._packer.compress(whole)
            if is_last:
                packed += self._packer.flush(zlib.Z_SYNC_FLUSH)
            if packed:
                self.written += len(packed)
                self._write(packed)


class FrameReader:
    """Takes bytes as they come and returns the frames that they complete.

    Args:
        greeted: whether the stream begins with `MAGIC`, perhaps after other text.
    """

    def __init__(self, *, greeted: bool) -> None:
        self._waits, self._greeting = greeted, b""
        self._unpacker = zlib.decompressobj(wbits=-zlib.MAX_WBITS)
        self._received = bytearray()

    @property
    def has_begun(self) -> bool:
        """Whether the first frame may come: the greeting is over."""
        return not self._waits

    def feed(self, data: bytes) -> list[RelayFrame]:
        """Return the frames that are complete now.

        Raises:
            FrameError: these are no frames.
        """
        if self._waits:
            self._greeting += data
            _, found, data = self._greeting.partition(MAGIC)
            if not found:
                if len(self._greeting) > MOST_GREETING:
                    raise FrameError("other text in place of a relay's frames")
                return []
            self._waits, self._greeting = False, b""
        try:
            self._received += self._unpacker.decompress(data)
        except zlib.error as error:
            raise FrameError(f"damaged frames: {error}") from None
        return list(self._frames())

    def _frames(self) -> Iterator[RelayFrame]:
        while len(self._received) >= _LENGTHS.size:
            header, payload = _LENGTHS.unpack_from(self._received)
            if header > MOST_HEADER or payload > MOST_PAYLOAD:
                raise FrameError(f"a frame of {header:,} and {payload:,} bytes")
            begin = _LENGTHS.size + header
            if len(self._received) < begin + payload:
                return
            fields = _header(bytes(self._received[_LENGTHS.size : begin]))
            found = bytes(self._received[begin : begin + payload])
            del self._received[: begin + payload]
            yield RelayFrame(str(fields.get("kind")), fields, found)


def _header(text: bytes) -> dict[str, Any]:
    try:
        return parse_object(text)
    except ValueError as error:
        raise FrameError(f"a damaged header: {error}") from None
