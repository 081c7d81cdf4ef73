"""Which rows of the data train, validate and test. The same seed splits the same way for ever."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mlpwatch.core.arrays import Labels, Rows
from mlpwatch.core.data.raw_data import RawData
from mlpwatch.core.errors import DataError

HELD_OUT_SHARE = 6
"""One image in six is held out for validation and, without a test part, one in six for the test."""

MAX_VALIDATION = 5_000

_TEST_SPLIT_SEED = 0  # fixed: the test images must not change with the run's seed


@dataclass(frozen=True, slots=True)
class SplitSizes:
    """How many images of a data set to use; None for the usual number."""

    validation: int | None = None
    train: int | None = None


ALL_IMAGES = SplitSizes()


def split_rows(raw: RawData, seed: int, sizes: SplitSizes) -> tuple[Rows, Rows, Rows]:
    """Return the rows for training, validation and test, each in rising order.

    The last are rows of the test part or, without a test part, of the training part.
    """
    rows = np.arange(len(raw.train.labels), dtype=np.intp)
    # At least one image in each part: training, validation, and the test if it is split off.
    fewest = 2 if raw.test else 3
    if len(rows) < fewest:
        raise DataError(
            f"data {raw.name!r}: {len(rows)} training images; expected at least {fewest},"
            " for training, validation and test; add images"
        )
    if raw.test:
        test = np.arange(len(raw.test.labels), dtype=np.intp)
    else:
        count = max(1, len(rows) // HELD_OUT_SHARE)
        rows, test = hold_out(raw.train.labels, rows, count, _TEST_SPLIT_SEED)
    # scikit-learn takes a seed of 32 bits, ours has 63 bits: stream 0 draws the 32 bits.
    split_seed = int(np.random.default_rng([seed, 0]).integers(2**32))
    count = sizes.validation or max(1, min(MAX_VALIDATION, len(rows) // HELD_OUT_SHARE))
    if count >= len(rows):
        raise DataError(
            f"validation {count:,}: data {raw.name!r} has {len(rows):,} images for training and "
            f"validation; give at most {len(rows) - 1:,}"
        )
    train, validation = hold_out(raw.train.labels, rows, count, split_seed)
    wanted = sizes.train or len(train)
    if wanted > len(train):
        raise DataError(
            f"train size {wanted:,}: data {raw.name!r} has {len(train):,} training images beside "
            f"{len(validation):,} for validation; give at most {len(train):,}"
        )
    if wanted < len(train):
        _, train = hold_out(raw.train.labels, train, wanted, split_seed)
    return train, validation, test


def hold_out(labels: Labels, rows: Rows, count: int, seed: int) -> tuple[Rows, Rows]:
    """Split off `count` rows, each class in proportion if there are enough images.

    Draws the same rows as scikit-learn's `train_test_split`; a test compares them. By hand, because
    its import takes 1.1 s at each start, and because a resumed run needs the same rows whatever
    scikit-learn is installed then.

    Args:
        labels: (samples,) of all rows of the part.
        rows: to be split, in rising order.
        count: 1 to len(rows) - 1.
        seed: 0 to 2**32 - 1.

    Returns:
        The rows kept and those split off, each in rising order.
    """
    # scikit-learn draws with NumPy's old generator, whose numbers never change.
    random = np.random.RandomState(seed)
    classes, class_of = np.unique(labels[rows], return_inverse=True)
    sizes = np.bincount(class_of)
    room = min(count, len(rows) - count) >= len(classes)
    if not room or sizes.min() == 1:
        order = random.permutation(len(rows))
        return np.sort(rows[order[count:]]), np.sort(rows[order[:count]])
    kept_of = _shares(sizes, len(rows) - count, random)
    held_of = _shares(sizes - kept_of, count, random)
    kept: list[Rows] = []
    held: list[Rows] = []
    for k, size in enumerate(sizes):
        of_class = rows[class_of == k][random.permutation(size)]
        kept.append(of_class[: kept_of[k]])
        held.append(of_class[kept_of[k] : kept_of[k] + held_of[k]])
    return np.sort(np.concatenate(kept)), np.sort(np.concatenate(held))


def _shares(sizes: NDArray[np.intp], count: int, random: np.random.RandomState) -> NDArray[np.intp]:
    """Share out `count` draws over classes of these sizes (classes,), in proportion.

    What rounding down leaves goes to the largest remainders, at random among equal ones
    (`_approximate_mode` in sklearn/utils/extmath.py).
    """
    exact = sizes / sizes.sum() * count
    shares = np.floor(exact)
    missing = count - int(shares.sum())
    remainders = exact - shares
    for remainder in np.unique(remainders)[::-1]:
        if not missing:
            break
        (equal,) = np.nonzero(remainders == remainder)
        chosen = random.choice(equal, size=min(len(equal), missing), replace=False)
        shares[chosen] += 1
        missing -= len(chosen)
    shared: NDArray[np.intp] = shares.astype(np.intp)
    return shared
