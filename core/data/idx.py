"""Read the IDX files that MNIST was published in, plain or gzipped.

Format: two zero bytes, a type byte, the rank, one big-endian uint32 per axis, then the
numbers, big-endian in C order (http://yann.lecun.com/exdb/mnist/, "the IDX file format").
"""

import gzip
import struct
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlpwatch.core.data.array_files import (
    MAX_DEFLATE_RATIO,
    ByteStream,
    content_bytes,
    open_regular,
    read_content,
    reading,
)
from mlpwatch.core.errors import DataError

IDX_DTYPES: Mapping[int, np.dtype[Any]] = MappingProxyType(
    {
        0x08: np.dtype(">u1"),
        0x09: np.dtype(">i1"),
        0x0B: np.dtype(">i2"),
        0x0C: np.dtype(">i4"),
        0x0D: np.dtype(">f4"),
        0x0E: np.dtype(">f8"),
    }
)

_MAX_RANK = 4
_START_BYTES = 4


def read_idx(path: Path) -> NDArray[Any]:
    """Read one IDX file; a name that ends in `.gz` is unpacked on the way.

    Returns:
        The array, with the shape and (big-endian) dtype that the header names.

    Raises:
        DataError: whatever is wrong with the file, in one line.
    """
    packed = path.suffix == ".gz"
    kind = "gzipped IDX file" if packed else "IDX file"
    with reading(path, kind), open_regular(path) as (file, file_bytes):
        if not packed:
            return _read_stream(file, path, file_bytes)
        with gzip.GzipFile(fileobj=file, mode="rb") as stream:
            return _read_stream(stream, path, file_bytes * MAX_DEFLATE_RATIO)


def _read_stream(stream: ByteStream, path: Path, limit: int) -> NDArray[Any]:
    where = repr(str(path))
    start = stream.read(_START_BYTES)
    if len(start) < _START_BYTES or start[:2] != b"\0\0" or start[2] not in IDX_DTYPES:
        raise DataError(
            f"{where}: starts with bytes {start.hex(' ')}; expected an IDX file, like"
            " 00 00 08 03; fetch it again or unpack it"
        )
    dtype, rank = IDX_DTYPES[start[2]], start[3]
    if not 1 <= rank <= _MAX_RANK:
        raise DataError(
            f"{where}: rank {rank}; expected 1 for labels, 3 for images; fetch it again"
        )
    shape = struct.unpack(f">{rank}I", stream.read(4 * rank))
    size = content_bytes(where, shape, dtype, limit - _START_BYTES - 4 * rank)
    flat: NDArray[Any] = np.frombuffer(read_content(stream, where, size), dtype)
    return flat.reshape(shape)
