"""The dashboard's matrices: counts, shares, differences and scores, of any epoch so far."""

import re
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.metrics import precision_recall_fscore_support

from mlpwatch.core.analysis.scores import score_classes
from mlpwatch.core.config import ENGINE_NAMES, EngineName
from mlpwatch.core.events import Event
from mlpwatch.tui.dashboard.confusion import ConfusionMatrix
from mlpwatch.tui.dashboard.score_table import scores_canvas
from mlpwatch.tui.dashboard.screen import Dashboard
from mlpwatch.tui.kit.look import Look
from tests.support.samples.scenes import (
    CONFIG,
    FakeSession,
    digits,
    epoch_done,
    epoch_read,
    evaluation,
    finished,
    started,
    trained,
    training,
)
from tests.support.stage import Stage, on_stage, until


def rows(stage: Stage, engine: EngineName) -> list[list[str]]:
    """The words of a matrix's rows, title and header first."""
    view = stage.app.screen.query_one(f"#{engine}-confusion", ConfusionMatrix)
    return [row.split() for row in view.text().split("\n")]


def numbers(stage: Stage, engine: EngineName) -> list[list[float]]:
    """The cells of a matrix, zeros for dots."""
    cells = [row[1:11] for row in rows(stage, engine)[2:12]]
    return [[0 if cell == "·" else float(cell) for cell in row] for row in cells]


def counts(engine: EngineName, epoch: int) -> NDArray[np.int64]:
    return evaluation(engine, epoch).confusion


async def test_row_percent_are_the_shares_of_each_true_class() -> None:
    async with on_stage(training()) as stage:
        await stage.press("c")
        shown = np.array(numbers(stage, "numpy"))
    own = counts("numpy", 5)
    np.testing.assert_allclose(shown, 100 * own / own.sum(axis=1, keepdims=True), atol=0.051)


async def test_the_difference_is_of_the_newest_epoch_that_both_have_done() -> None:
    async with on_stage(training()) as stage:
        await stage.press("c", "c")
        difference = counts("numpy", 3) - counts("torch", 3)
        np.testing.assert_array_equal(numbers(stage, "numpy"), difference)
        assert "NumPy − PyTorch · epoch 3" in stage.row("confusion")
        told = rows(stage, "torch")[2]
        cell = int(told[0]), int(told[3])
        assert abs(difference[cell]) == np.abs(difference).max()
        assert [int(word) for word in told[4:]] == [
            counts("numpy", 3)[cell], counts("torch", 3)[cell], difference[cell],
        ]  # fmt: skip
        await stage.press("tab", "tab", "down")
        view = stage.app.screen.query_one("#numpy-confusion", ConfusionMatrix)
        assert view.cursor is not None
        true, predicted = view.cursor
        differs = f"predicted as {predicted}: {difference[true, predicted]:+,} "
        assert differs in stage.row("confusion")
        same = int(np.flatnonzero(difference[true] == 0)[0])
        await stage.press(*["right" if same > predicted else "left"] * abs(same - predicted))
        assert f"predicted as {same}: 0 " in stage.row("confusion")
        await stage.feed(epoch_done("torch", 4))
        difference = counts("numpy", 4) - counts("torch", 4)
        np.testing.assert_array_equal(numbers(stage, "numpy"), difference)
        told = rows(stage, "torch")[2]
        assert int(told[-1]) == difference[int(told[0]), int(told[3])]
        assert abs(int(told[-1])) == np.abs(difference).max()


@pytest.mark.parametrize(
    ("size", "keys", "head", "columns"),
    [((80, 24), "tab tab c c c", 1, 1), ((220, 60), "", 1, 1), ((140, 40), "tab tab z", 13, 2)],
    ids=["page", "beside", "below"],
)
async def test_scores_are_scikit_learns_on_the_same_predictions(
    size: tuple[int, int], keys: str, head: int, columns: int
) -> None:
    one = evaluation("numpy", 5)
    expected = precision_recall_fscore_support(digits().validation_labels, one.predictions)[:3]
    wrong = one.confusion - np.diag(np.diag(one.confusion))
    async with on_stage(training(), size) as stage:
        await stage.press(*keys.split())
        view = stage.app.screen.query_one("#numpy-confusion", ConfusionMatrix)
        lines = view.text().split("\n")[head:]
        await stage.press("space", "less_than_sign")
        earlier = [100 * score[3] for score in precision_recall_fscore_support(
            digits().validation_labels, evaluation("numpy", 4).predictions)[:3]]  # fmt: skip
        words = "3" + "".join(f"{x:{n}.1f}" for x, n in zip(earlier, (6, 7, 6), strict=True))
        assert words not in "\n".join(lines)
        await until(lambda: words in view.text(), stage.pilot)
    assert re.search(r"prec +recall +F1 +worst pairs$", lines[0])
    for number in range(10):
        found = re.search(r"(\d)((?: +\d+\.\d){3}) +\d→\d +\d+ +\d", lines[1 + number])
        assert found is not None, lines[1 + number]
        assert int(found[1]) == number
        for told, value in zip(found[2].split(), expected, strict=True):
            assert float(told) == pytest.approx(100 * value[number], abs=0.051)
    found_pairs = [re.findall(r"(\d)→(\d) +(\d+) +(\S+) %", line) for line in lines[1:]]
    assert len(found_pairs[0]) == columns
    pairs = [row[n] for n in range(columns) for row in found_pairs if len(row) > n]
    told = [int(count) for _, _, count, _ in pairs]
    assert told == sorted(wrong.ravel(), reverse=True)[: len(pairs)]
    for true, predicted, count, share in pairs:
        assert wrong[int(true), int(predicted)] == int(count)
        row = one.confusion[int(true)].sum()
        assert float(share) == pytest.approx(100 * int(count) / row, abs=0.051)
    low = scores_canvas(
        score_classes(one.confusion), digits().class_names, 40, 4, Look(ascii_only=True)
    )
    told_of = [int(low.row(y).split()[0]) for y in range(1, 4)]
    assert told_of == sorted(np.argsort(expected[2], kind="stable")[:3]), "the worst, in order"


async def test_an_ended_run_is_looked_back_at_epoch_by_epoch_down_to_the_first() -> None:
    async with on_stage(finished()) as stage:
        for epoch in range(11, 0, -1):
            await stage.press("less_than_sign")
            np.testing.assert_array_equal(numbers(stage, "numpy"), counts("numpy", epoch))
            np.testing.assert_array_equal(numbers(stage, "torch"), counts("torch", epoch))
            title = stage.row("confusion")
            for name in ("numpy", "torch"):
                accuracy = f"{100 * evaluation(name, epoch).accuracy:.2f} %"
                assert f"epoch {epoch}: {accuracy}" in title
            assert f"epoch {epoch}:" in stage.row("loss · ")
        await stage.press("less_than_sign")
        assert "epoch 1:" in stage.row("confusion"), "no further"
        await stage.press(*["greater_than_sign"] * 11)
        np.testing.assert_array_equal(numbers(stage, "numpy"), counts("numpy", 12))
        assert "epoch" not in stage.row("confusion")


async def test_an_epoch_that_one_model_has_not_done_is_said() -> None:
    async with on_stage(training()) as stage:
        await stage.press("space", "less_than_sign")
        np.testing.assert_array_equal(numbers(stage, "numpy"), counts("numpy", 4))
        view = stage.app.screen.query_one("#torch-confusion", ConfusionMatrix)
        assert "PyTorch is at epoch 3" in view.text()


async def test_an_epoch_stays_while_training_goes_on_until_escape() -> None:
    async with on_stage(training()) as stage:
        await stage.press("less_than_sign")
        assert "epoch 4:" in stage.row("confusion")
        newest = epoch_read("numpy", 6, confusion=counts("numpy", 6))
        await stage.feed(newest)
        assert "epoch 4:" in stage.row("confusion")
        np.testing.assert_array_equal(numbers(stage, "numpy"), counts("numpy", 4))
        await stage.press("escape")
        assert "epoch" not in stage.row("confusion")
        assert "epoch 4:" not in stage.text()
        np.testing.assert_array_equal(numbers(stage, "numpy"), counts("numpy", 6))


async def test_before_the_first_epoch_there_is_none_to_go_back_to() -> None:
    async with on_stage([started("numpy"), started("torch")]) as stage:
        await stage.press("less_than_sign")
        assert "once one is done" in stage.text()


async def test_escape_goes_back_to_the_newest() -> None:
    async with on_stage(finished()) as stage:
        await stage.press("less_than_sign", "less_than_sign", "escape")
        np.testing.assert_array_equal(numbers(stage, "numpy"), counts("numpy", 12))
        assert "epoch 10" not in stage.text()


async def test_a_cell_of_an_epoch_that_is_not_kept_is_read_out_and_opens_nothing() -> None:
    async with on_stage(finished()) as stage:
        await stage.press("tab", "tab", "less_than_sign")
        assert "arrows choose a cell, enter shows its digits" not in stage.text()
        await stage.press("down", *["less_than_sign"] * 8)
        cursor = stage.app.screen.query_one("#numpy-confusion", ConfusionMatrix).cursor
        assert cursor is not None
        count, total = counts("numpy", 3)[cursor], counts("numpy", 3)[cursor[0]].sum()
        line = stage.row("after epoch")
        assert f"NumPy {count} of {total} ({100 * count / total:.1f} %)" in line
        assert line.endswith("after epoch 3")
        await stage.press("enter")
        assert "the digits of epoch 3 are not kept" in stage.text()


async def test_a_resumed_runs_earlier_epochs_come_from_its_log() -> None:
    past: list[Event] = [
        epoch_read(name, n, confusion=counts(name, n)) for name in ENGINE_NAMES for n in (1, 2, 3)
    ]
    async with on_stage(session=FakeSession(past=past)) as stage:
        for name in ENGINE_NAMES:
            await stage.feed(started(name, first_step=60), *trained(name, 80, first=61))
        await stage.press("space", "less_than_sign", "less_than_sign")
        np.testing.assert_array_equal(numbers(stage, "numpy"), counts("numpy", 2))
        assert "epoch 2:" in stage.row("confusion")


async def test_one_model_alone_has_no_difference() -> None:
    session = FakeSession(config=replace(CONFIG, only="torch"))
    async with on_stage([started("torch"), *trained("torch", 40)], session=session) as stage:
        for title in ("confusion row %", "confusion scores %", "confusion"):
            await stage.press("c")
            assert stage.row("confusion").strip().startswith(title)
            assert "−" not in stage.row("confusion")


@pytest.mark.parametrize(("size", "seconds"), [((140, 40), 1.0), ((220, 60), 3.0)])
async def test_matrices_with_scores_change_less_often(
    size: tuple[int, int], seconds: float
) -> None:
    async with on_stage(training(), size) as stage:
        await stage.look()
        assert isinstance(stage.app.screen, Dashboard)
        assert stage.app.screen._matrices.seconds == seconds
