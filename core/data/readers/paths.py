"""The content of a `--data` path, recognised by its first bytes. Imports no NumPy.

This runs before the first frame: it opens about five files and reads their first bytes.
"""

import os
import shlex
import stat
import zlib
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Literal

from mlpwatch.core.data.readers.naming import Parts, choose_parts
from mlpwatch.core.errors import DataError
from mlpwatch.core.text import excerpt

Kind = Literal["idx", "npy", "zip"]

HEAD_BYTES = 512

IDX_TYPES = (0x08, 0x09, 0x0B, 0x0C, 0x0D, 0x0E)
"""uint8, int8, int16, int32, float32, float64."""

GZIP_START = b"\x1f\x8b"

_KINDS: tuple[tuple[bytes, Kind], ...] = (
    (b"\x93NUMPY", "npy"),
    (b"PK\x03\x04", "zip"),
    (b"PK\x05\x06", "zip"),
)

_PICKLE = (
    "a pickle, which is never opened, since it can run any code; where you trust it, convert it"
    ' once: python -c "import gzip, pickle, numpy as np; f = {opened};'
    " (x, y), *_, (u, v) = pickle.load(f, encoding='latin1');"
    " np.savez('mnist.npz', x_train=x, y_train=y, x_test=u, y_test=v)\""
)
_PICKLE_STARTS = (
    *(b"\x80" + bytes([version]) for version in range(2, 6)),
    # Protocols 0 and 1, Python 2's: a tuple, list or dictionary, or an array itself.
    *(start + of for start in (b"", b"(", b"((") for of in (b"dp", b"lp", b"cnumpy", b"}q", b"]q")),
)
_FOREIGN: tuple[tuple[bytes, str], ...] = (
    (b"<!doctype", "a web page, not data: the download failed; fetch it again"),
    (b"<html", "a web page, not data: the download failed; fetch it again"),
    (b"version https://git-lfs", "a pointer of Git LFS; fetch the file itself: git lfs pull"),
    (b"\x89hdf\r\n", "an HDF5 file; convert it: numpy.savez('data.npz', x_train=…, y_train=…)"),
    (b"matlab 5.0", "a MATLAB file; convert it with scipy.io.loadmat and numpy.savez"),
    (b"par1", "a Parquet file; convert it with pandas.read_parquet and numpy.savez"),
    (b"\xfd7zxz", "packed with xz; unpack it: xz -d"),
    (b"bzh", "packed with bzip2; unpack it: bunzip2"),
    (b"(\xb5/\xfd", "packed with Zstandard; unpack it: unzstd"),
    (b"7z\xbc\xaf", "a 7z archive; unpack it: 7z x"),
    (b"\x89png", "one picture; expected arrays of many: numpy.savez('data.npz', x=…, y=…)"),
    (b"\xff\xd8\xff", "one picture; expected arrays of many: numpy.savez('data.npz', x=…, y=…)"),
)
"""First bytes, in lower case, of other common formats."""

EXPECTED = "an .npz file, or IDX files as MNIST's: a folder, a zip or one of them"

_MOST_DEPTH = 3
_MOST_FILES = 10_000
_MOST_LOOKED_AT = 20


def source_path(data: str, names: Sequence[str] = ()) -> Path:
    """Return `data` as the path of an existing file or folder; `~` is the user's home.

    Args:
        data: value of `--data`.
        names: the other values that `--data` can have.

    Raises:
        DataError: no such file or folder, or the text can't be a path.
    """
    try:
        path = Path(data).expanduser()
        path.stat()
    # ValueError: a null byte. OSError: missing, too long, a loop of links, an unreadable folder.
    # RuntimeError: `~` of a user without a home.
    except (OSError, ValueError, RuntimeError) as error:
        # Imported here: it takes 1 ms, and the first frame should not wait for it.
        from difflib import get_close_matches  # noqa: PLC0415

        reason = getattr(error, "strerror", None) or "not a path"
        meant = "".join(f"did you mean {name}? " for name in get_close_matches(data, names, 1))
        expected = ", ".join((*names, EXPECTED))
        raise DataError(f"data {data!r}: {reason.lower()}; {meant}expected {expected}") from error
    return path


def check_path(data: str, names: Sequence[str] = ()) -> None:
    """Check by the first bytes that the files at a path can be data.

    Raises:
        DataError: missing, no data, or an unsupported format; the message says what to do.
    """
    path = source_path(data, names)
    if path.is_dir():
        for name in filter(None, _names_of(find_parts(path))):
            kind_of_file(path / name)
    elif kind_of_file(path) in ("idx", "npy"):
        find_parts(path.parent, like=path)


def _names_of(parts: Parts) -> tuple[str, ...]:
    return (*parts.train, *(parts.test or ()))


def find_parts(folder: Path, like: Path | None = None) -> Parts:
    """Return the names, relative to the folder, of the files of a data set.

    Args:
        folder: searched with its sub-folders, three levels deep.
        like: a file in it; only its data set is used. None for any.

    Raises:
        DataError: no training part, half of a pair, or more than one data set.
    """
    names = _files_below(folder)
    if like is None:
        try:
            return choose_parts(f"folder {str(folder)!r}", names)
        except DataError:
            _refuse_telling_files(folder, names)
            raise
    try:
        return choose_parts("", (name for name in names if "/" not in name), like.name)
    except DataError as error:
        raise DataError(
            f"{str(like)!r}: one array, of images or of labels; expected the others beside it,"
            " named alike, as x_train.npy and y_train.npy or as MNIST's files are; or put them into"
            " one file: numpy.savez('data.npz', x=images, y=labels)"
        ) from error


def _refuse_telling_files(folder: Path, names: Sequence[str]) -> None:
    """Raise an error that names what the folder holds, if a file's first bytes show it."""
    for path in (folder / name for name in names[:_MOST_LOOKED_AT]):
        with suppress(OSError):
            if not path.is_file():
                continue
            with path.open("rb") as stream:
                head = stream.read(HEAD_BYTES)
            if what := foreign_kind(head):
                raise DataError(f"{str(path)!r}: {what}")
            if head.startswith(b"PK"):
                raise DataError(
                    f"folder {str(folder)!r}: no arrays in it, but an archive; expected one of"
                    f" them; give its path: --data {shlex.quote(str(path))}"
                )


def _files_below(folder: Path) -> list[str]:
    """Return the files' paths relative to a folder, preferred files first."""
    found: list[str] = []
    for parent, folders, files in os.walk(folder):
        place = Path(parent).relative_to(folder)
        if len(place.parts) >= _MOST_DEPTH:
            folders.clear()
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        found += (place.joinpath(name).as_posix() for name in files if not name.startswith("."))
        if len(found) > _MOST_FILES:
            break
    # Unpacked files before packed ones, MNIST's own dash before the dot of some archives.
    return sorted(found, key=lambda n: (n.count("/"), n.lower().endswith(".gz"), ".idx" in n, n))


def kind_of_file(path: Path) -> Kind:
    """Return the kind of a file; a gzipped file has the kind of its content.

    Raises:
        DataError: an unsupported format, not a regular file, or unreadable; says what to do.
    """
    where = repr(str(path))
    try:
        # Checked before opening: opening a pipe would wait forever.
        if not stat.S_ISREG(path.stat().st_mode):
            raise DataError(f"{where}: not a regular file; expected a data file; name another")
        with path.open("rb") as stream:
            head = stream.read(HEAD_BYTES)
    except OSError as error:
        denied = isinstance(error, PermissionError)
        reason = "no permission to read it" if denied else f"can't be read ({error.strerror})"
        todo = "change its mode" if denied else "fetch or write it again"
        raise DataError(f"{where}: {reason}; expected a readable data file; {todo}") from error
    if not head:
        raise DataError(f"{where}: empty; expected a data file; fetch or write it again")
    return kind_of(where, head)


def kind_of(where: str, head: bytes) -> Kind:
    """Return the kind of a file that begins with these bytes, unpacked if they are gzipped.

    Args:
        where: its name in messages.
        head: its first `HEAD_BYTES` bytes, or the whole file if it is shorter.

    Raises:
        DataError: an unsupported format; the message names it and says how to convert it.
    """
    begun = head
    if head.startswith(GZIP_START):
        head, fault = _unpacked(head)
        if not head:
            raise DataError(
                f"{where}: can't be unpacked ({fault}); expected a whole gzip file;"
                " fetch or write it again"
            )
    for start, kind in _KINDS:
        if head.startswith(start):
            return kind
    if head[:2] == b"\0\0" and len(head) > 3 and head[2] in IDX_TYPES:  # noqa: PLR2004
        return "idx"
    what = f"starts with bytes {head[:4].hex(' ')}; expected {EXPECTED}; fetch it again"
    raise DataError(f"{where}: {foreign_kind(begun) or what}")


def _unpacked(head: bytes) -> tuple[bytes, str]:
    """Return the unpacked beginning of a gzip stream, and the reason if it is empty."""
    try:
        return zlib.decompressobj(31).decompress(head, HEAD_BYTES), "it ends at once"
    except zlib.error as error:
        return b"", excerpt(error)


def foreign_kind(head: bytes) -> str:
    """Return the name of another format and what to do; empty if the format is unknown.

    Args:
        head: the first bytes of a file, unpacked here if they are gzipped.
    """
    opened = "open('mnist.pkl', 'rb')"
    if head.startswith(GZIP_START):
        head, opened = _unpacked(head)[0], "gzip.open('mnist.pkl.gz')"
    start = head.lstrip().lower()
    if start.startswith(_PICKLE_STARTS):
        return _PICKLE.format(opened=opened)
    for sign, what in _FOREIGN:
        if start.startswith(sign):
            return what
    if head[257:262] == b"ustar":
        return "a tar archive; unpack it: tar xf"
    if start.isascii() and b"," in start and start.replace(b"\n", b" ").decode().isprintable():
        return "text, as of a CSV table; convert it with numpy.loadtxt and numpy.savez"
    return ""
