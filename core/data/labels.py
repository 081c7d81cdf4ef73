"""Class numbers from the labels in files, and one character for each class."""

import string
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlpwatch.core.arrays import Labels
from mlpwatch.core.data.source import CHARACTERS, MAX_CLASSES
from mlpwatch.core.errors import DataError
from mlpwatch.core.text import excerpt

MIN_CLASSES = 2

_ALPHABET = len(string.ascii_uppercase)

_BALANCED = string.digits + string.ascii_uppercase + "abdefghnqrt"
"""EMNIST's balanced and by-merge classes: letters that look alike in both cases are one class
(Cohen et al., EMNIST, 2017, figure 2)."""

_QMNIST_COLUMNS = 8
"""QMNIST's label files are int32 (n, 8): the class, then writer, series and so on."""


def class_numbers(where: str, labels: NDArray[Any]) -> Labels:
    """Return the class numbers (n,) of a file, from 0 to 61.

    Args:
        where: name of the labels in messages.
        labels: whole numbers or booleans of any dtype, (n,), (n, 1) or (1, n); one-hot rows
            (n, classes); text, each a whole number or one letter or digit; or QMNIST's (n, 8).

    Raises:
        DataError: the labels are something else.
    """
    if labels.dtype.kind in "US":
        labels = _numbers_of_text(where, labels)
    if labels.dtype.kind == "f" and not np.array_equal(labels, np.floor(labels)):
        raise DataError(
            f"{where}: dtype {labels.dtype} with fractions or NaN; expected integer class numbers;"
            " convert them"
        )
    numbers = _one_per_image(where, labels)
    low, high = int(numbers.min()), int(numbers.max())
    if low < 0 or high >= MAX_CLASSES:
        raise DataError(
            f"{where}: labels from {low} to {high}; expected class numbers from 0 to"
            f" {MAX_CLASSES - 1}, at most {MAX_CLASSES} classes; renumber them or leave some out"
        )
    return numbers.astype(np.int64)


def class_names(classes: int) -> str:
    """Return one character per class: 0-9, A-Z, a-z.

    Raises:
        ValueError: more classes than characters.
    """
    if not 0 <= classes <= MAX_CLASSES:
        raise ValueError(f"{classes} classes: expected at most {MAX_CLASSES}")
    return CHARACTERS[:classes]


def names_of(values: Sequence[int]) -> str:
    """Return one character per class.

    Args:
        values: the labels of the classes, rising. 26 consecutive labels from 0 or 1, as in
            EMNIST's letters, are the alphabet; 47 from 0 are EMNIST's balanced classes.
    """
    if len(values) == _ALPHABET and values[-1] == values[0] + _ALPHABET - 1 and values[0] <= 1:
        return string.ascii_uppercase
    if tuple(values) == tuple(range(len(_BALANCED))):
        return _BALANCED
    return "".join(CHARACTERS[value] for value in values)


def _one_per_image(where: str, labels: NDArray[Any]) -> NDArray[Any]:
    if labels.ndim == 1 or (labels.ndim == 2 and 1 in labels.shape):  # noqa: PLR2004
        return labels.reshape(-1)
    if labels.ndim == 2:  # noqa: PLR2004
        if labels.shape[1] <= MAX_CLASSES and _is_one_hot(labels):
            classes: NDArray[Any] = labels.nonzero()[1]
            return classes
        if labels.shape[1] == _QMNIST_COLUMNS and labels.dtype.kind == "i":
            first: NDArray[Any] = labels[:, 0]
            return first
    raise DataError(
        f"{where}: shape {labels.shape}; expected one class number per image, (n,) or (n, 1),"
        " or one-hot rows, each with a single 1; write the class numbers"
    )


def _is_one_hot(labels: NDArray[Any]) -> bool:
    ones = np.count_nonzero(labels, axis=1)
    return bool((ones == 1).all() and (labels.max(axis=1) == 1).all())


def _numbers_of_text(where: str, labels: NDArray[Any]) -> NDArray[Any]:
    try:
        texts, index = np.unique(labels.astype(np.str_), return_inverse=True)
        names = [str(text).strip() for text in texts]
    # Not ASCII, or not characters.
    except ValueError as error:
        raise DataError(f"{where}: text that is damaged; expected class numbers") from error
    try:
        numbers = [int(name) for name in names]
    except ValueError:
        upper = [name.upper() for name in names]
        # With A beside a, case distinguishes the classes.
        characters = names if len(set(upper)) < len(upper) else upper
        if len(set(characters)) < len(characters) or not set(characters) <= set(CHARACTERS):
            raise DataError(
                f"{where}: dtype {labels.dtype}, labels like {excerpt(', '.join(names[:3]), 60)};"
                " expected class numbers, or one letter or digit for each class; number them"
            ) from None
        numbers = [CHARACTERS.index(name) for name in characters]
    return np.array(numbers, object)[index].reshape(labels.shape)
