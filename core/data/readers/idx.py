"""Read IDX files, the format in which MNIST was published.

Format: two zero bytes, a type byte, the rank, one big-endian uint32 per axis, then the
numbers, big-endian in C order (http://yann.lecun.com/exdb/mnist/, "the IDX file format").
"""

import struct
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlpwatch.core.data.readers.array_files import ByteStream, content_bytes, read_content
from mlpwatch.core.data.readers.paths import IDX_TYPES
from mlpwatch.core.errors import DataError

IDX_DTYPES: Mapping[int, np.dtype[Any]] = MappingProxyType(
    dict(zip(IDX_TYPES, map(np.dtype, (">u1", ">i1", ">i2", ">i4", ">f4", ">f8")), strict=True))
)

_MAX_RANK = 4
_START_BYTES = 4


def read_idx(stream: ByteStream, where: str, limit: int) -> NDArray[Any]:
    """Read one IDX file.

    Args:
        stream: at its start, unpacked.
        where: its name in messages.
        limit: most bytes that the stream can hold.

    Returns:
        The array, with the shape and (big-endian) dtype of the header.

    Raises:
        DataError: not IDX, or shorter or longer than its header says.
        struct.error: cut off in its header.
    """
    start = stream.read(_START_BYTES)
    dtype, rank = IDX_DTYPES[start[2]], start[3]
    if not 1 <= rank <= _MAX_RANK:
        raise DataError(
            f"{where}: rank {rank}; expected 1 for labels, 3 for images; fetch it again"
        )
    shape = struct.unpack(f">{rank}I", stream.read(4 * rank))
    size = content_bytes(where, shape, dtype, limit - _START_BYTES - 4 * rank)
    flat: NDArray[Any] = np.frombuffer(read_content(stream, where, size), dtype)
    return flat.reshape(shape)
