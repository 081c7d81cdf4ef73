"""The common part of reading `.npy` and IDX files.

Any file may be damaged or hostile. Sizes in headers are checked before anything is allocated, and
every failure is one `DataError` that names the file.
"""

import math
import os
import stat
import struct
import sys
import tokenize
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, Protocol

import numpy as np

from mlpwatch.core.errors import DataError
from mlpwatch.core.text import excerpt

CHUNK_BYTES = 1 << 20

MAX_DEFLATE_RATIO = 1032
"""The limit of a deflate stream: 258 bytes per 2 bits (zlib, "Maximum Compression Factor")."""

_SCALED_BYTES_PER_PIXEL = 4  # the float32 copy for training

_MOST_TEXT_BYTES = 4 * 64  # of a label; NumPy makes 21 characters of an int64

# Everything that zipfile, gzip, struct and NumPy's header parser raise, documented or observed.
_HOSTILE_BYTES_ERRORS = (
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    tokenize.TokenError,
    SyntaxError,
    EOFError,
    ValueError,
    TypeError,
    LookupError,
    ArithmeticError,
    RuntimeError,  # and its subclasses: a method not implemented, too deep a recursion
    MemoryError,
)


@contextmanager
def reading(path: Path, kind: str) -> Iterator[None]:
    """Turn the libraries' errors for a bad file into one `DataError` that names the file.

    Args:
        path: the file.
        kind: the expected kind, like ".npz file".
    """
    try:
        yield
    except PermissionError as error:
        raise DataError(
            f"{str(path)!r}: no permission to read it; expected a readable {kind}; change its mode"
        ) from error
    except (OSError, *_HOSTILE_BYTES_ERRORS) as error:
        reason = excerpt(getattr(error, "strerror", None) or error or type(error).__name__)
        raise DataError(
            f"{str(path)!r}: can't be read ({reason}); expected a sound {kind};"
            " fetch or write it again"
        ) from error


@contextmanager
def open_data_file(path: Path) -> Iterator[tuple[IO[bytes], int]]:
    """Open a regular file; yields the stream and its size in bytes.

    Raises:
        DataError: a folder, pipe or device (opening a pipe would wait forever), or empty.
        OSError: missing or unreadable.
    """
    if not stat.S_ISREG(path.stat().st_mode):
        raise DataError(f"{str(path)!r}: not a regular file; expected a data file; name another")
    with path.open("rb") as stream:
        size = os.fstat(stream.fileno()).st_size
        if size == 0:
            raise DataError(f"{str(path)!r}: empty; expected a data file; fetch or write it again")
        yield stream, size


class ByteStream(Protocol):
    """A source of bytes: a file, a zip member or a gzip stream."""

    def read(self, size: int, /) -> bytes:
        """Return at most `size` bytes; none at the end."""


def read_content(stream: ByteStream, where: str, size: int, begun: bytes = b"") -> bytearray:
    """Read the rest of the stream, exactly `size` bytes including those in `begun`.

    The buffer grows by an eighth as bytes arrive: `size` may be false.

    Raises:
        DataError: the stream is shorter or longer.
    """
    content = bytearray(begun)
    # One more read at the full size makes zipfile and gzip verify their checksums.
    while len(content) <= size and (chunk := stream.read(CHUNK_BYTES)):
        content += chunk
    if len(content) != size:
        held = f"{len(content):,}" if len(content) < size else "more"
        raise DataError(
            f"{where}: its header promises {size:,} bytes, it holds {held};"
            " expected a whole file; fetch or write it again"
        )
    return content


def content_bytes(where: str, shape: Sequence[int], dtype: np.dtype[Any], limit: int) -> int:
    """Return the size in bytes that a header states, after checking that it is possible.

    Args:
        where: file and array, for the message.
        shape: from the header.
        dtype: from the header.
        limit: most bytes that the file can hold, unpacked.

    Raises:
        DataError: not numbers, empty, impossible, or larger than this machine's memory.
    """
    if dtype.kind == "O":
        raise DataError(
            f"{where}: Python objects, which are never unpickled; expected numbers; write it again"
            " from an array of numbers, like labels.astype(int)"
        )
    most = _MOST_TEXT_BYTES if dtype.kind in "US" else np.dtype(np.int64).itemsize
    if dtype.kind not in "buifUS" or dtype.itemsize > most:
        raise DataError(
            f"{where}: dtype {excerpt(dtype, 40)}; expected integers or floats of at most 64 bits;"
            " write it again as numbers"
        )
    if min(shape, default=1) < 1:
        raise DataError(f"{where}: shape {excerpt(tuple(shape), 60)}; expected at least one image")
    count = math.prod(shape)
    size = count * dtype.itemsize
    if size > limit:
        raise DataError(
            f"{where}: its header promises {size:,} bytes, the file can hold {limit:,};"
            " expected a whole file; fetch or write it again"
        )
    needed = size + count * _SCALED_BYTES_PER_PIXEL
    if needed > memory_bytes():
        raise DataError(
            f"{where}: needs {needed / 1e9:,.1f} GB of memory, this machine has"
            f" {memory_bytes() / 1e9:,.1f}; use fewer or smaller images"
        )
    return size


def memory_bytes() -> int:
    """Return the machine's physical memory, or a huge number if it is unknown."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, OSError, ValueError):
        return sys.maxsize
