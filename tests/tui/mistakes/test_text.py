"""What the mistakes browser says of lists and epochs that it does not know, and its hints."""

from typing import get_args
from unittest import mock

import numpy as np
import pytest

from mlpwatch.core.analysis.mistakes import MISTAKE_LISTS, MistakeList, SplitEvaluations
from mlpwatch.core.events import CheckpointEvaluated
from mlpwatch.tui.kit.hints import Hints, View
from mlpwatch.tui.kit.theme import Role
from mlpwatch.tui.mistakes.selection import MistakeSelection
from mlpwatch.tui.mistakes.text import (
    LIST_TITLES,
    caption,
    epochs_text,
    lists_text,
    why_empty,
)
from mlpwatch.tui.state.run_state import RunState
from tests.support.samples.mistake_samples import rows_of
from tests.support.samples.scenes import digits, epoch_read, evaluation


def test_of_a_saved_run_no_change_is_known() -> None:
    selection = MistakeSelection("newly-wrong")
    now = {"numpy": evaluation("numpy", 5)}
    selection.take(SplitEvaluations(digits().validation_labels, now))  # type: ignore[arg-type]
    told = "".join(text for text, _ in lists_text(MISTAKE_LISTS, selection, 200))
    assert "▸ newly wrong –    newly right –" in told
    assert f"NumPy wrong {len(rows_of('numpy'))}    PyTorch wrong –    both wrong –" in told
    assert "of a saved run only the newest" in why_empty("validation", selection, ended=True)
    assert "yet" in why_empty("validation", selection, ended=False)


def test_what_was_read_wrong_stands_out() -> None:
    labels, now = digits().validation_labels, {"numpy": evaluation("numpy", 5)}
    wrong, right = (
        int(np.flatnonzero((now["numpy"].predictions != labels) == w)[0]) for w in (1, 0)
    )
    for row, ink in ((wrong, Role.NUMPY), (right, Role.DIM)):
        assert caption(SplitEvaluations(labels, now), row, "0123456789")[1][1] == ink  # type: ignore[arg-type]


def test_a_checkpoint_within_an_epoch_is_told_by_its_step() -> None:
    state = RunState(epochs=10, epoch_steps=20, names=("numpy", "torch"))
    assert epochs_text(state) == []
    state.apply(CheckpointEvaluated("numpy", 5, 107, evaluation("numpy", 5)))
    assert [text.split()[:3] for text, _ in epochs_text(state)] == [["NumPy", "step", "107"]]
    state.apply(CheckpointEvaluated("numpy", 6, 120, evaluation("numpy", 6)))
    assert [text.split()[:3] for text, _ in epochs_text(state)] == [["NumPy", "epoch", "6"]]
    # A cell opens what its checkpoint read, unless the log tells of a later epoch.
    engine, log = state.engines["numpy"], evaluation("numpy", 7).confusion
    state.apply(epoch_read("numpy", 7, confusion=log))
    state.apply(CheckpointEvaluated("numpy", 6, 137, evaluation("numpy", 6)))
    assert engine.confusion is log
    state.apply(CheckpointEvaluated("numpy", 7, 147, evaluation("numpy", 8)))
    assert engine.confusion is evaluation("numpy", 8).confusion


@pytest.mark.parametrize("which", MISTAKE_LISTS)
def test_all_lists_are_told_in_80_columns_also_with_thousands_in_each(which: MistakeList) -> None:
    selection = MistakeSelection(which)
    both = {name: evaluation(name, 5) for name in ("numpy", "torch")}
    selection.take(SplitEvaluations(digits().validation_labels, both, both))  # type: ignore[arg-type]
    for count in (88, 8888):
        with mock.patch.object(MistakeSelection, "count", return_value=count):
            pieces = lists_text(MISTAKE_LISTS, selection, 80)
        told = "".join(text for text, _ in pieces).rstrip()
        assert len(told) <= 80
        assert told.count(f" {count:,}") == len(MISTAKE_LISTS)
        assert told.count(f"{count:,} ") == len(MISTAKE_LISTS) - 1
        assert (f"{count:,}  " in told) == (count < 1000)
        assert f"▸ {LIST_TITLES[which]} {count:,}" in told


def test_no_hint_is_cut_in_80_columns() -> None:
    kinds = (False, True)
    hints = [Hints().of(view, are_points=kind) for view in get_args(View) for kind in kinds]
    assert all(0 < len(hint) <= 79 for hint in hints)
