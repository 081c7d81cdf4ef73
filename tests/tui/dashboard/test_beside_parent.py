"""A branch's matrices show the difference to its parent after the same epoch."""

from dataclasses import replace

import pytest

from mlpwatch.core.epochs import EpochRecord
from mlpwatch.tui.dashboard.confusion_cells import CellTexts, MatrixFacts
from mlpwatch.tui.kit.theme import Role
from mlpwatch.tui.state.parent_future import ParentFuture
from tests.support.samples.scenes import epoch_done, evaluation, training
from tests.support.stage import Stage, on_stage

TIMES_C = 3
"""Presses from counts to the difference to the parent."""


def parents(epochs: range) -> ParentFuture:
    """A parent that did worse: at each epoch as this run one epoch before."""
    found: list[EpochRecord] = []
    for name in ("numpy", "torch"):
        for epoch in epochs:
            record = epoch_done(name, epoch).record
            worse = evaluation(name, epoch - 1).confusion
            found.append(replace(record, confusion=worse))
    return ParentFuture(found)


async def show(stage: Stage) -> None:
    await stage.press(*["c"] * TIMES_C)


@pytest.mark.parametrize("ascii_only", [False, True])
async def test_the_newest_epoch_of_both_is_compared_and_its_points_are_said(
    ascii_only: bool,
) -> None:
    async with on_stage(training(), (140, 40), ascii_only=ascii_only) as stage:
        stage.state.parent_future = parents(range(2, 5))
        await show(stage)
        row = stage.row("confusion")
        minus = "-" if ascii_only else "−"
        assert f"{minus} parent · epoch 4: +" in row.replace("*", "·") or "epoch 4: +" in row
        assert "epoch 3: +" in row, "PyTorch has done three"
        assert "points" in row
        await stage.press("less_than_sign", "less_than_sign")
        assert row != stage.row("confusion")


async def test_an_epoch_that_the_parent_lacks_says_so_and_other_runs_have_no_such_page() -> None:
    async with on_stage(training(), (140, 40)) as stage:
        await show(stage)
        assert "scores %" in stage.row("confusion"), "counts, row %, difference, scores"
        await stage.press("c")
        stage.state.parent_future = parents(range(3, 4))
        await stage.press("less_than_sign", *["c"] * TIMES_C)
        assert "(no parent's here) · epoch 4" in stage.row("confusion")


def test_better_is_green_on_the_diagonal_and_beside_it() -> None:
    own, other = evaluation("numpy", 5).confusion, evaluation("torch", 5).confusion
    cells = CellTexts(own, MatrixFacts("parent", other=other), "·", 9)
    seen = set()
    for true in range(10):
        for predicted in range(10):
            text, role = cells.look(true, predicted, 4)
            difference = int(own[true, predicted] - other[true, predicted])
            if difference:
                is_better = (difference > 0) == (true == predicted)
                assert text == f"{difference:+d}"
                assert role == (Role.GOOD if is_better else Role.BAD)
                seen.add(is_better)
            else:
                assert (text, role) == ("·", Role.DIM)
    assert seen == {True, False}
