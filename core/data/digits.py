"""The digits that come with scikit-learn: 1,797 of 8x8 pixels."""

from importlib.util import find_spec
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from mlpwatch.core.data.source import DataSource

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from mlpwatch.core.data.raw_data import RawData


def _check() -> None:
    """Do nothing: scikit-learn is a dependency, so the digits are always there."""


def _load(_seed: int) -> "RawData":
    from mlpwatch.core.data.raw_data import check_part, combine_parts  # noqa: PLC0415 - NumPy

    pixels, labels = read_digits()
    part = check_part(("digits", "digits"), pixels, labels)
    return combine_parts("digits", "digits", part, None, DIGITS.normalisation)


def read_digits() -> "tuple[NDArray[np.int16], NDArray[np.int64]]":
    """Return the pixels (1797, 64), whole numbers from 0 to 16, and labels (1797,).

    Reads scikit-learn's file, which has both in a row. Its own `load_digits` does the same, but
    importing it takes 1.1 s: it is asked only if the file is elsewhere.
    """
    import numpy as np  # noqa: PLC0415 - not before the first frame

    package = find_spec("sklearn")
    file = Path(package.origin or "").parent / "datasets/data/digits.csv.gz" if package else None
    if file is not None and file.is_file():
        rows = np.loadtxt(file, np.int16, delimiter=",")
        return rows[:, :-1], rows[:, -1].astype(np.int64)
    from sklearn.datasets import load_digits  # noqa: PLC0415

    # In float64; integers are scaled by their own maximum.
    pixels, labels = load_digits(return_X_y=True)
    return pixels.astype(np.int16), labels.astype(np.int64)


# 50 epochs of 13 batches are 650 steps (27,500 on MNIST). That is too few for the notebook's gap:
# 74.6 against 26.4 %. After 15,000 steps, in 6 s, it is 97.0 against 91.3 %.
_SEED_PACE = MappingProxyType({"batch_size": 10, "epochs": 120})

# 200 of these small images are enough to learn from: 96.8 %, and the validation loss hardly rises.
_OVERFITTING_PACE = MappingProxyType({"train_size": 50, "learning_rate": 3e-3})

DIGITS = DataSource(
    name="digits",
    summary="the digits that come with scikit-learn",
    check=_check,
    load=_load,
    normalisation="full-height",
    pace=MappingProxyType(
        {"seed": _SEED_PACE, "seed-fixed": _SEED_PACE, "overfitting": _OVERFITTING_PACE}
    ),
)
