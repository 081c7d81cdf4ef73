"""What a `--data` value names: bundled digits, cached MNIST, an `.npz` file, an IDX folder.

Imports no NumPy: these checks run before the first frame.
"""

import os
from pathlib import Path
from typing import NamedTuple

from platformdirs import user_cache_path

from mlpwatch.core.errors import DataError

DIGITS = "digits"
MNIST = "mnist"
AUTO = "auto"

FETCH_COMMAND = "mlpwatch data fetch mnist"

IDX_PARTS = ("train", "t10k")
"""Prefixes of the published files: the training part, and the test part of ten thousand."""


class IdxPair(NamedTuple):
    """The two files of one part."""

    images: Path
    labels: Path


def cache_folder() -> Path:
    """Return the folder of cached data sets: `MLPWATCH_CACHE`, or the user's cache folder."""
    override = os.environ.get("MLPWATCH_CACHE")
    return Path(override) if override else user_cache_path("mlpwatch", appauthor=False)


def mnist_cache_path() -> Path:
    """Return where the parsed MNIST lies, or would lie."""
    return cache_folder() / "mnist.npz"


def resolve_source(data: str) -> str:
    """Return what `auto` stands for: `mnist` where it is cached, else `digits`.

    Reads no file, so a damaged cache counts as one; any other value is returned unchanged.
    """
    if data != AUTO:
        return data
    return MNIST if mnist_cache_path().is_file() else DIGITS


def check_source(data: str) -> None:
    """Check that the data is there, without reading it.

    Raises:
        DataError: no such file or folder, or MNIST is not cached; the message says what to do.
    """
    if data in (AUTO, DIGITS):
        return
    if data == MNIST:
        if not mnist_cache_path().is_file():
            raise DataError(f"data 'mnist': not downloaded yet; run `{FETCH_COMMAND}` first")
        return
    path = source_path(data)
    if path.is_dir():
        find_idx_pairs(path)


def source_path(data: str) -> Path:
    """Return `data` as the path of an existing file or folder.

    Raises:
        DataError: there is none, or the text can't be a path.
    """
    try:
        path = Path(data)
        path.stat()
    # ValueError: a null byte. OSError: missing, too long, a loop of links, a closed folder.
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "not a path"
        raise DataError(
            f"data {data!r}: {reason.lower()}; expected auto, digits, mnist,"
            " an .npz file or a folder of IDX files"
        ) from error
    return path


def find_idx_pairs(folder: Path) -> tuple[IdxPair, IdxPair | None]:
    """Return the files of the training part and, where there is one, of the test part.

    Raises:
        DataError: no training part, or one file of a pair is missing.
    """
    train, test = (_find_pair(folder, part) for part in IDX_PARTS)
    if train is None:
        raise DataError(
            f"folder {str(folder)!r}: no train-images-idx3-ubyte (or .gz) in it;"
            " expected the IDX files under their published names; put them there or name another"
        )
    return train, test


def _find_pair(folder: Path, part: str) -> IdxPair | None:
    images = _find_file(folder, f"{part}-images", "idx3-ubyte")
    labels = _find_file(folder, f"{part}-labels", "idx1-ubyte")
    if images and labels:
        return IdxPair(images, labels)
    if images or labels:
        missing = f"{part}-labels-idx1-ubyte" if images else f"{part}-images-idx3-ubyte"
        raise DataError(
            f"folder {str(folder)!r}: {missing} (or .gz) is missing beside its partner;"
            " expected images and labels; add the file"
        )
    return None


def _find_file(folder: Path, stem: str, kind: str) -> Path | None:
    """Return the first that exists: dash before dot, unpacked before `.gz`."""
    for name in (f"{stem}-{kind}", f"{stem}.{kind}", f"{stem}-{kind}.gz", f"{stem}.{kind}.gz"):
        # lexists: a dangling link is named as such when it is opened, not passed over.
        if os.path.lexists(folder / name):
            return folder / name
    return None
