"""safetensors files with a checksum: tensors and one JSON object, exact to the bit or refused."""

import hashlib
import os
from collections.abc import Callable, Mapping
from math import prod
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import safetensors.numpy
from safetensors import SafetensorError

from mlpwatch.core.arrays import Floats, Tensors
from mlpwatch.core.errors import RunError
from mlpwatch.core.files.durable import OpenFolder, open_regular
from mlpwatch.core.files.strict_json import parse_object, take_whole, to_json
from mlpwatch.core.text import printable

Shapes = Mapping[str, tuple[int, ...]]

FORMAT = 1
"""Increase it when an older mlpwatch would misread a new file."""

METADATA_KEY = "mlpwatch"
"""Only one key: safetensors writes several in random order, so the bytes would vary."""

LENGTH_BYTES = 8
"""Every safetensors file begins with the length of its header, as a 64-bit number."""

ITEM_BYTES = 8
"""Size of a float64, the widest number in our files."""

MAX_HEADER_BYTES = 16 * 2**20
"""Enough for 50,000 layers; a file with a longer header is not ours."""


class CheckpointError(RunError):
    """Base: training can't resume from this file.

    Args:
        path: of the file.
        fault: what was found and what was expected.
        advice: what the user can do.
    """

    def __init__(
        self, path: Path, fault: str, advice: str = "restore a copy or start a new run"
    ) -> None:
        self.fault = f"{printable(path)}: {printable(fault)}"
        """The message without the advice."""
        super().__init__(f"{self.fault}; {advice}")


class MissingCheckpointError(CheckpointError):
    """No file with that name."""


class UnreadableCheckpointError(CheckpointError):
    """The system refuses to read it, or it is not a regular file."""


class TruncatedCheckpointError(CheckpointError):
    """Shorter than its own header says; also an empty file."""


class MalformedCheckpointError(CheckpointError):
    """Not a safetensors file, or one whose header contradicts itself."""


class ForeignCheckpointError(CheckpointError):
    """A valid safetensors file of another program or of another run."""


class NewerFormatError(CheckpointError):
    """Written by a later mlpwatch."""


class ChecksumMismatchError(CheckpointError):
    """Some bit has changed since the file was written."""


class ShapeMismatchError(CheckpointError):
    """Tensors of another network: names or shapes differ."""


class DtypeMismatchError(CheckpointError):
    """Tensors of another precision than the run's."""


class NonFiniteWeightsError(CheckpointError):
    """A weight or an optimizer slot holds NaN or infinity."""


def encode(tensors: Tensors, fields: Mapping[str, Any]) -> bytes:
    """Return the content of a file; equal input gives equal bytes.

    Args:
        tensors: float arrays by name; transposed and sliced views are fine.
        fields: plain JSON values; `format` and `checksum` are added.
    """
    # safetensors 0.8 silently writes the memory of a transposed array: [[1,2],[3,4]].T is read back
    # as [[1,2],[3,4]].
    contiguous = {
        name: np.asarray(array, dtype=array.dtype.newbyteorder("<"), order="C")
        for name, array in tensors.items()
    }
    metadata = {**fields, "format": FORMAT}
    metadata["checksum"] = _checksum(contiguous, metadata)
    return safetensors.numpy.save(contiguous, {METADATA_KEY: to_json(metadata)})


def read(
    path: Path,
    check: Callable[[Shapes], None] | None = None,
    *,
    folder: OpenFolder | None = None,
) -> tuple[dict[str, Floats], dict[str, Any]]:
    """Return the tensors, each with its own memory, and the fields passed to `encode`.

    Args:
        path: of the file.
        check: receives the shapes by name before any tensor is read, and raises if they are wrong:
            a sparse file may claim terabytes.
        folder: of `path`; then only the file's name is used.

    Raises:
        CheckpointError: a subclass for each kind of fault.
    """
    raw, text = _read_whole(path, check, folder)
    metadata = _parse_metadata(path, text)
    try:
        loaded = safetensors.numpy.load(raw)
    except (SafetensorError, KeyError, ValueError) as error:
        raise MalformedCheckpointError(path, f"not a safetensors file: {error}") from None
    # Copied only if this release of safetensors returns read-only arrays.
    tensors = {name: np.require(array, requirements="W") for name, array in loaded.items()}
    checksum = metadata.pop("checksum", None)
    if checksum != _checksum(tensors, metadata):
        raise ChecksumMismatchError(path, "damaged, its checksum differs")
    return tensors, metadata


def _checksum(tensors: Mapping[str, Floats], metadata: Mapping[str, Any]) -> str:
    """Return SHA-256 over the metadata and over each tensor's name, dtype, shape and bytes."""
    digest = hashlib.sha256(to_json(metadata).encode())
    for name in sorted(tensors):
        array = tensors[name]
        digest.update(to_json([name, array.dtype.name, array.shape]).encode())
        digest.update(array.tobytes() if array.size == 0 else array.data)
    return digest.hexdigest()


def _read_whole(
    path: Path, check: Callable[[Shapes], None] | None, folder: OpenFolder | None
) -> tuple[bytes, str]:
    """Return the file's bytes and our metadata text; sizes are checked before any allocation."""
    try:
        with os.fdopen(open_regular(path, folder=folder), "rb") as file:
            size = os.fstat(file.fileno()).st_size
            header = _read_header(path, file, size)
            text = _our_metadata(path, header)
            if check is not None:
                check(_shapes(header))
            if size * 2 > _memory_bytes():
                raise UnreadableCheckpointError(
                    path, f"{size:,} bytes, more than this machine's memory", "use a larger one"
                )
            file.seek(0)
            return file.read(size), text
    except FileNotFoundError:
        raise MissingCheckpointError(path, "no such checkpoint", "see mlpwatch runs") from None
    except OSError as error:
        advice = "make it a readable file"
        raise UnreadableCheckpointError(path, str(error.strerror), advice) from None


def _read_header(path: Path, file: BinaryIO, size: int) -> dict[str, Any]:
    """Return the safetensors header: 8 bytes of length, little-endian, then JSON.

    Source: https://github.com/huggingface/safetensors#format
    """
    if size < LENGTH_BYTES:
        raise _truncated(path, size, LENGTH_BYTES)
    length = int.from_bytes(file.read(LENGTH_BYTES), "little")
    if length > MAX_HEADER_BYTES:
        raise MalformedCheckpointError(
            path, f"not a safetensors file: a header of {length:,} bytes"
        )
    if size < LENGTH_BYTES + length:
        raise _truncated(path, size, LENGTH_BYTES + length)
    try:
        header = parse_object(file.read(length))
        tensors = [entry for name, entry in header.items() if name != "__metadata__"]
        ends = [take_whole({"end": entry["data_offsets"][1]}, "end") for entry in tensors]
        room = sum(ITEM_BYTES * prod(_shape(entry)) for entry in tensors)
    except (ValueError, TypeError, KeyError, IndexError) as error:
        raise MalformedCheckpointError(path, f"its header does not parse: {error}") from None
    if size < (needed := LENGTH_BYTES + length + max(ends, default=0)):
        raise _truncated(path, size, needed)
    if size > LENGTH_BYTES + length + room:
        raise MalformedCheckpointError(
            path, f"{size:,} bytes, more than the {room:,} of its tensors and its header"
        )
    return header


def _shapes(header: Mapping[str, Any]) -> dict[str, tuple[int, ...]]:
    return {name: _shape(entry) for name, entry in header.items() if name != "__metadata__"}


def _shape(entry: Mapping[str, Any]) -> tuple[int, ...]:
    return tuple(take_whole({"shape": side}, "shape") for side in entry["shape"])


def _memory_bytes() -> int:
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def _our_metadata(path: Path, header: Mapping[str, Any]) -> str:
    metadata = header.get("__metadata__")
    text = metadata.get(METADATA_KEY) if isinstance(metadata, dict) else None
    if not isinstance(text, str):
        raise ForeignCheckpointError(path, "a safetensors file, but not of mlpwatch")
    return text


def _parse_metadata(path: Path, text: str) -> dict[str, Any]:
    try:
        metadata = parse_object(text)
        version = take_whole(metadata, "format")
    except ValueError as error:
        raise MalformedCheckpointError(path, f"its metadata does not parse: {error}") from None
    if version > FORMAT:
        fault = f"format {version}, this mlpwatch reads up to {FORMAT}"
        raise NewerFormatError(path, fault, "update mlpwatch")
    # One flipped bit turns 1e-05 into 1E-05: the same number, but not the written text.
    if to_json(metadata) != text:
        raise ChecksumMismatchError(path, "damaged, its checksum differs")
    return metadata


def _truncated(path: Path, size: int, needed: int) -> TruncatedCheckpointError:
    return TruncatedCheckpointError(path, f"truncated, {size:,} bytes of {needed:,}")
