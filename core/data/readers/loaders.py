"""Load the data of a `--data` value, checked but not yet scaled or split."""

import gzip
import re
import zipfile
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from mlpwatch.core.data.raw_data import RawData, RawPart, check_part, combine_parts
from mlpwatch.core.data.readers.array_files import MAX_DEFLATE_RATIO, open_data_file, reading
from mlpwatch.core.data.readers.idx import read_idx
from mlpwatch.core.data.readers.naming import ArrayPair, Parts, choose_parts
from mlpwatch.core.data.readers.npy import read_npy, unpacked_limit
from mlpwatch.core.data.readers.paths import (
    EXPECTED,
    GZIP_START,
    HEAD_BYTES,
    find_parts,
    foreign_kind,
    kind_of,
    kind_of_file,
    source_path,
)
from mlpwatch.core.data.registry import AUTO, SOURCES, sources_for
from mlpwatch.core.errors import DataError
from mlpwatch.core.text import excerpt

Read = Callable[[str], NDArray[Any]]
"""Reads the array with this name."""

_MOST_LOOKED_AT = 20

_IMAGES_NDIM = 3

_TRANSPOSED = re.compile(r"\bemnist-[^/]*idx3", re.IGNORECASE)
"""The published IDX files of EMNIST hold images column by column, as MATLAB wrote them."""

_TORCH = (
    "a PyTorch file, a pickle, which is never opened, since it can run any code; where you trust"
    " it, convert it with torch.load and numpy.savez('data.npz', x_train=…, y_train=…)"
)


def load_source(data: str, seed: int) -> RawData:
    """Load a data set of `SOURCES`, or the files at a path.

    Args:
        data: a name in `SOURCES`, `auto`, or a path.
        seed: of the run; decides of data that are made by formula.

    Raises:
        DataError: the data is missing, damaged or unusable for training, in one line.
    """
    *others, last = sources_for(data)
    for source in others:
        try:
            return _load(source, seed)
        except DataError:
            # The user chose `auto`, not this source: a damaged cache must not stop the run.
            continue
    return _load(last, seed)


def _load(source: str, seed: int) -> RawData:
    if source in SOURCES:
        return SOURCES[source].load(seed)
    path = source_path(source, (AUTO, *SOURCES))
    if path.is_dir():
        return _load_files(path, find_parts(path))
    if kind_of_file(path) == "zip":
        return _load_zip(path)
    return _load_files(path.parent, find_parts(path.parent, like=path))


def read_array_file(path: Path) -> NDArray[Any]:
    """Read one IDX or `.npy` file, gzipped or not; its name does not matter.

    Raises:
        DataError: the fault of the file, in one line.
    """
    with reading(path, "IDX or .npy file"), open_data_file(path) as (stream, size):
        return _read_array(stream, repr(str(path)), size)


def _load_files(folder: Path, parts: Parts) -> RawData:
    name = excerpt(folder.resolve().name)
    return _combine(
        name, repr(str(folder)), parts, lambda file: read_array_file(folder / file),
        lambda file: repr(str(folder / file)),
    )  # fmt: skip


def _load_zip(path: Path) -> RawData:
    """Load an `.npz` file, or a zip of IDX or `.npy` files."""
    where = repr(str(path))
    with (
        reading(path, ".npz file"),
        open_data_file(path) as (stream, size),
        zipfile.ZipFile(stream) as archive,
    ):
        members = [name for name in archive.namelist() if "__MACOSX" not in name]

        def read(name: str) -> NDArray[Any]:
            info = archive.getinfo(name)
            label = _member(where, name)
            limit = unpacked_limit(label, info, size)
            with archive.open(info) as member:
                if name.endswith(".npy"):
                    return read_npy(member, label, limit)
                return _read_array(member, label, limit)

        try:
            parts = _positional_parts(members, read) or choose_parts(where, members)
        except DataError:
            _refuse_telling_members(where, archive)
            raise
        return _combine(excerpt(path.stem), where, parts, read, lambda name: _member(where, name))


def _member(where: str, name: str) -> str:
    return f"{where} {excerpt(name.removesuffix('.npy'))}"


def _positional_parts(members: Sequence[str], read: Read) -> Parts | None:
    """Return the parts of arrays that `numpy.savez` numbered; None for named arrays."""
    if members == ["arr_0.npy", "arr_1.npy"]:
        return Parts(ArrayPair(*members), None)
    if members != [f"arr_{n}.npy" for n in range(4)]:
        return None
    first, second, third, fourth = members
    # Images, labels, images, labels; or both images before both labels.
    if read(first).shape[1:] == read(second).shape[1:]:
        second, third = third, second
    return Parts(ArrayPair(first, second), ArrayPair(third, fourth))


def _read_array(stream: IO[bytes], where: str, limit: int) -> NDArray[Any]:
    head = stream.read(HEAD_BYTES)
    kind = kind_of(where, head)
    stream.seek(0)
    if kind == "zip":
        return _only_array(stream, where, limit)
    read = read_idx if kind == "idx" else read_npy
    if not head.startswith(GZIP_START):
        return read(stream, where, limit)
    with gzip.GzipFile(fileobj=stream, mode="rb") as unpacked:
        return read(unpacked, where, limit * MAX_DEFLATE_RATIO)


def _only_array(stream: IO[bytes], where: str, limit: int) -> NDArray[Any]:
    """Read an `.npz` file with one array, like those of Kuzushiji-MNIST."""
    with suppress(zipfile.BadZipFile), zipfile.ZipFile(stream) as archive:
        members = archive.infolist()
        if len(members) == 1 and members[0].filename.endswith(".npy"):
            with archive.open(members[0]) as member:
                return read_npy(member, where, unpacked_limit(where, members[0], limit))
    raise DataError(f"{where}: an archive in another one; expected {EXPECTED}; unpack it")


def _refuse_telling_members(where: str, archive: zipfile.ZipFile) -> None:
    """Raise an error that names what an archive holds, if a member's first bytes show it."""
    for info in archive.infolist()[:_MOST_LOOKED_AT]:
        if info.is_dir() or info.flag_bits & 0x1:
            continue
        with archive.open(info) as member:
            head = member.read(HEAD_BYTES)
        label = _member(where, info.filename)
        if info.filename.endswith("/data.pkl"):
            raise DataError(f"{label}: {_TORCH}")
        if what := foreign_kind(head):
            raise DataError(f"{label}: {what}")
        if head.startswith(b"PK"):
            raise DataError(f"{label}: an archive in another one; expected {EXPECTED}; unpack it")


def _combine(
    name: str, where: str, parts: Parts, read: Read, called: Callable[[str], str]
) -> RawData:
    def part(pair: ArrayPair) -> RawPart:
        names = (called(pair.images), called(pair.labels))
        images = read(pair.images)
        if _TRANSPOSED.search(pair.images) and images.ndim == _IMAGES_NDIM:
            images = np.ascontiguousarray(images.transpose(0, 2, 1))
        return check_part(names, images, read(pair.labels))

    train = part(parts.train)
    return combine_parts(name, where, train, part(parts.test) if parts.test else None)
