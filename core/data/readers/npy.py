"""Read `.npy` files and members of `.npz` files: never unpickled, every stated size checked."""

import io
import warnings
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib import format as npy_format
from numpy.typing import NDArray

from mlpwatch.core.data.readers.array_files import (
    MAX_DEFLATE_RATIO,
    ByteStream,
    content_bytes,
    open_data_file,
    read_content,
    reading,
)
from mlpwatch.core.errors import DataError

MAX_HEADER_BYTES = 1024
"""A plain array's header takes 128 bytes; longer headers describe records, which are refused."""


def read_npz(path: Path, names: Sequence[str]) -> dict[str, NDArray[Any]]:
    """Read the named arrays of an `.npz` file; other arrays are not read.

    Returns:
        The arrays by name, with the dtype, byte order and memory order of the file.

    Raises:
        DataError: the fault of the file, in one line.
    """
    with (
        reading(path, ".npz file"),
        open_data_file(path) as (stream, size),
        zipfile.ZipFile(stream) as archive,
    ):
        return {name: _read_member(path, archive, name, size) for name in names}


def _read_member(path: Path, archive: zipfile.ZipFile, name: str, size: int) -> NDArray[Any]:
    where, info = f"{str(path)!r} {name}", archive.getinfo(f"{name}.npy")
    with archive.open(info) as stream:
        return read_npy(stream, where, unpacked_limit(where, info, size))


def read_npy(stream: ByteStream, where: str, limit: int) -> NDArray[Any]:
    """Read one array.

    Args:
        stream: at the start of an `.npy` file, unpacked.
        where: its name in messages.
        limit: most bytes that the stream can hold.

    Raises:
        DataError: objects, too large, or shorter or longer than its header says.
        ValueError: a damaged header.
    """
    begun = stream.read(MAX_HEADER_BYTES)
    shape, fortran_order, dtype, header_bytes = _parse_header(begun)
    size = content_bytes(where, shape, dtype, limit - header_bytes)
    content = read_content(stream, where, size, begun[header_bytes:])
    flat: NDArray[Any] = np.frombuffer(content, dtype)
    return flat.reshape(shape, order="F" if fortran_order else "C")


def unpacked_limit(where: str, info: zipfile.ZipInfo, file_bytes: int) -> int:
    """Return the most bytes that a zip member can unpack to; its entry may be false.

    Raises:
        DataError: encrypted, or compressed by another method than NumPy's.
    """
    if info.flag_bits & 0x1:
        raise DataError(f"{where}: encrypted; expected a plain .npz file; write it unencrypted")
    packed = min(info.compress_size, file_bytes)
    if info.compress_type == zipfile.ZIP_STORED:
        return min(packed, info.file_size)
    if info.compress_type == zipfile.ZIP_DEFLATED:
        return min(packed * MAX_DEFLATE_RATIO, info.file_size)
    raise DataError(
        f"{where}: compressed by zip method {info.compress_type}; expected stored or deflate;"
        " write it again with numpy.savez_compressed"
    )


def _parse_header(begun: bytes) -> tuple[tuple[int, ...], bool, np.dtype[Any], int]:
    """Return shape, Fortran order, dtype and the header's own length in bytes."""
    # From a copy of limited size: a version 2 header may claim to have 4 GiB.
    buffer = io.BytesIO(begun)
    version = npy_format.read_magic(buffer)
    if version not in ((1, 0), (2, 0)):
        raise ValueError(f"npy format version {version}")
    parse = npy_format.read_array_header_1_0
    if version == (2, 0):
        parse = npy_format.read_array_header_2_0
    with warnings.catch_warnings():
        # Headers from Python 2 or with invalid escapes warn; a warning would garble the screen.
        warnings.simplefilter("ignore")
        shape, fortran_order, dtype = parse(buffer, max_header_size=MAX_HEADER_BYTES)
    return shape, fortran_order, dtype, buffer.tell()
