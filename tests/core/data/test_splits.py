"""The split draws the same rows as scikit-learn, whatever the classes and sizes."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.model_selection import train_test_split

from mlpwatch.core.arrays import Labels, Rows
from mlpwatch.core.data.splits import hold_out


def by_scikit_learn(labels: Labels, rows: Rows, count: int, seed: int) -> tuple[Rows, Rows]:
    sizes = np.unique(labels[rows], return_counts=True)[1]
    room = min(count, len(rows) - count) >= len(sizes)
    kept, held = train_test_split(
        rows,
        test_size=count,
        stratify=labels[rows] if room and sizes.min() > 1 else None,
        random_state=seed,
    )
    return np.sort(kept), np.sort(held)


@given(
    sizes=st.lists(st.integers(1, 40), min_size=1, max_size=12),
    share=st.floats(0.01, 0.99),
    seed=st.integers(0, 2**32 - 1),
)
def test_the_same_rows_as_scikit_learn(sizes: list[int], share: float, seed: int) -> None:
    labels = np.repeat(np.arange(len(sizes)) * 3, sizes)
    labels = np.random.default_rng(seed).permutation(labels).astype(np.int64)
    rows = np.arange(0, len(labels), 1 + seed % 2, dtype=np.intp)
    if len(rows) < 2:
        return
    count = min(max(1, round(share * len(rows))), len(rows) - 1)
    ours, theirs = hold_out(labels, rows, count, seed), by_scikit_learn(labels, rows, count, seed)
    for our, their in zip(ours, theirs, strict=True):
        np.testing.assert_array_equal(our, their)


@pytest.mark.parametrize("seed", [0, 2**32 - 1])
def test_the_same_rows_of_60_000(seed: int) -> None:
    labels = np.random.default_rng(1).integers(0, 10, 60_000)
    rows = np.arange(60_000, dtype=np.intp)
    ours, theirs = hold_out(labels, rows, 5_000, seed), by_scikit_learn(labels, rows, 5_000, seed)
    for our, their in zip(ours, theirs, strict=True):
        np.testing.assert_array_equal(our, their)
