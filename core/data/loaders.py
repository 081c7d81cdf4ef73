"""Load the source that a `--data` value names, checked but not yet scaled or split."""

from pathlib import Path

import numpy as np

from mlpwatch.core.data.idx import read_idx
from mlpwatch.core.data.mnist import KERAS_NAMES, load_cached_mnist
from mlpwatch.core.data.npz import read_npz
from mlpwatch.core.data.raw_data import RawData, RawPart, check_part, combine_parts
from mlpwatch.core.data.sources import (
    AUTO,
    DIGITS,
    MNIST,
    IdxPair,
    find_idx_pairs,
    resolve_source,
    source_path,
)
from mlpwatch.core.errors import DataError
from mlpwatch.core.text import excerpt


def load_source(data: str) -> RawData:
    """Load `auto`, `digits`, `mnist`, or the `.npz` file or IDX folder at a path.

    Raises:
        DataError: the data is missing, damaged or not fit to train on, in one line.
    """
    source = resolve_source(data)
    if source == MNIST:
        try:
            return load_cached_mnist()
        except DataError:
            # With `auto` nobody asked for MNIST: a damaged cache must not stop the run.
            if data != AUTO:
                raise
            source = DIGITS
    if source == DIGITS:
        return _load_digits()
    path = source_path(source)
    return _load_idx_folder(path) if path.is_dir() else _load_npz(path)


def _load_digits() -> RawData:
    # scikit-learn's data sets take one to four seconds to import: never before the first frame.
    from sklearn.datasets import load_digits  # noqa: PLC0415

    pixels, labels = load_digits(return_X_y=True)
    # Whole numbers from 0 to 16 in float64; as integers they scale by their own maximum.
    part = check_part((DIGITS, DIGITS), pixels.astype(np.int16), labels)
    return combine_parts(DIGITS, DIGITS, part, None)


def _load_npz(path: Path) -> RawData:
    arrays = read_npz(path, (KERAS_NAMES, ("x", "y")))

    def part(x: str, y: str) -> RawPart:
        return check_part((f"{str(path)!r} {x}", f"{str(path)!r} {y}"), arrays[x], arrays[y])

    name, where = excerpt(path.stem), repr(str(path))
    if "x" in arrays:
        return combine_parts(name, where, part("x", "y"), None)
    return combine_parts(name, where, part("x_train", "y_train"), part("x_test", "y_test"))


def _load_idx_folder(folder: Path) -> RawData:
    def part(pair: IdxPair) -> RawPart:
        where = (repr(str(pair.images)), repr(str(pair.labels)))
        return check_part(where, read_idx(pair.images), read_idx(pair.labels))

    train, test = find_idx_pairs(folder)
    name, where = excerpt(folder.resolve().name), repr(str(folder))
    return combine_parts(name, where, part(train), None if test is None else part(test))
