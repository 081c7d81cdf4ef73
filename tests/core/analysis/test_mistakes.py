"""Every list of mistakes is what a plain loop over the images selects and sorts."""

from typing import get_args

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from mlpwatch.core.analysis.inference import evaluate
from mlpwatch.core.analysis.mistakes import (
    MISTAKE_LISTS,
    SORT_ORDERS,
    MistakeList,
    SortOrder,
    SplitEvaluations,
    mistake_rows,
)
from mlpwatch.core.config import ENGINE_NAMES, EngineName
from mlpwatch.core.epochs import Evaluation
from mlpwatch.core.network.losses import CrossEntropy

CLASSES = 4
SAMPLES = 40


def evaluation(seed: int, labels: NDArray[np.int64]) -> Evaluation:
    logits = np.random.default_rng(seed).normal(0, 1, (len(labels), CLASSES))
    return evaluate(logits.astype(np.float32), labels, CrossEntropy())


def readings(seed: int) -> SplitEvaluations:
    labels: NDArray[np.int64] = np.random.default_rng(seed).integers(0, CLASSES, SAMPLES)
    now, before = (
        {name: evaluation(4 * seed + 2 * late + n, labels) for n, name in enumerate(ENGINE_NAMES)}
        for late in (1, 0)
    )
    return SplitEvaluations(labels, now, before)


def told(given: SplitEvaluations, which: MistakeList, row: int) -> list[Evaluation]:
    """The evaluations that put a row on a list, by the definition in words."""
    true = given.labels[row]

    def read(one: Evaluation) -> int:
        return int(one.predictions[row])

    numpy, torch = given.now["numpy"], given.now["torch"]
    match which:
        case "numpy" | "torch":
            return [given.now[which]] if read(given.now[which]) != true else []
        case "both":
            return [numpy, torch] if read(numpy) != true and read(torch) != true else []
        case "disagree":
            return [numpy, torch] if read(numpy) != read(torch) else []
        case "newly-wrong":
            return [
                given.now[name]
                for name in ENGINE_NAMES
                if read(given.now[name]) != true and read(given.before[name]) == true
            ]
        case "newly-right":
            return [
                given.before[name]
                for name in ENGINE_NAMES
                if read(given.now[name]) == true and read(given.before[name]) != true
            ]


def sort_key(
    given: SplitEvaluations, which: MistakeList, order: SortOrder, row: int
) -> tuple[float, ...]:
    true, parts = int(given.labels[row]), told(given, which, row)
    wrong = [one for one in parts if one.predictions[row] != true]
    match order:
        case "image":
            return (row,)
        case "confidence":
            shares = [float(one.probabilities[row, one.predictions[row]]) for one in wrong]
            return (-max(shares), row)
        case "loss":
            return (-max(float(one.losses[row]) for one in parts), row)
        case "label":
            return (true, int(wrong[0].predictions[row]), row)


one_class = st.none() | st.integers(0, CLASSES - 1)


@given(
    st.integers(0, 50), st.sampled_from(MISTAKE_LISTS), one_class, one_class,
    st.sampled_from(SORT_ORDERS),
)  # fmt: skip
@settings(max_examples=300, deadline=None)
def test_a_list_is_what_a_plain_loop_selects_and_sorts(
    seed: int, which: MistakeList, true: int | None, predicted: int | None, order: SortOrder
) -> None:
    given_readings = readings(seed)
    expected = []
    for row in range(SAMPLES):
        seen = {int(one.predictions[row]) for one in told(given_readings, which, row)}
        if true in (None, given_readings.labels[row]) and seen and predicted in (None, *seen):
            expected.append(row)
    expected.sort(key=lambda row: sort_key(given_readings, which, order, row))
    assert mistake_rows(given_readings, which, true, predicted, order).tolist() == expected


@pytest.mark.parametrize("missing", get_args(EngineName))
def test_a_list_that_needs_a_missing_engine_is_empty(missing: EngineName) -> None:
    whole = readings(1)
    (there,) = set(ENGINE_NAMES) - {missing}
    alone = SplitEvaluations(whole.labels, {there: whole.now[there]}, {there: whole.before[there]})
    for which in ("both", "disagree", missing):
        assert len(mistake_rows(alone, which)) == 0
        assert len(mistake_rows(whole, which)) > 0
    read, before = whole.now[there].predictions, whole.before[there].predictions
    newly = (read != whole.labels) & (before == whole.labels)
    assert mistake_rows(alone, "newly-wrong").tolist() == np.flatnonzero(newly).tolist()
    assert mistake_rows(alone, there).tolist() == np.flatnonzero(read != whole.labels).tolist()


def test_without_an_epoch_before_nothing_is_new() -> None:
    whole = readings(2)
    first = SplitEvaluations(whole.labels, whole.now)
    for order in SORT_ORDERS:
        assert len(mistake_rows(first, "newly-wrong", order=order)) == 0
        assert len(mistake_rows(first, "newly-right", order=order)) == 0


def test_infinite_losses_come_first() -> None:
    labels = np.array([0, 0, 0, 0])
    logits = np.array([[0, 1], [-3e38, 3e38], [0, 5], [0, np.nan]], np.float32)
    wrong = evaluate(logits, labels, CrossEntropy())
    assert np.isinf(wrong.losses[1])
    assert np.isnan(wrong.losses[3])
    rows = mistake_rows(SplitEvaluations(labels, {"numpy": wrong}), "numpy", order="loss")
    assert rows.tolist() == [3, 1, 2, 0], "what is no number first of all"
