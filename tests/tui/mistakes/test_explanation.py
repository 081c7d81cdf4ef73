"""Beside a digit stand the nearest training digits, over it the pixels that tell: the true ones."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from threading import Event as Flag

import numpy as np
import pytest
from syrupy.assertion import SnapshotAssertion

from mlpwatch.core.analysis.explanation import Explainer
from mlpwatch.core.analysis.mistakes import SplitEvaluations, mistake_rows
from mlpwatch.core.analysis.neighbours import NeighbourIndex
from mlpwatch.core.analysis.saliency import logit_gradient
from mlpwatch.core.analysis.weight_store import WeightSnapshot, WeightStore
from mlpwatch.core.config import EngineName
from mlpwatch.tui.formatting import three_digits
from mlpwatch.tui.images.image_rows import ImageRowsView
from mlpwatch.tui.images.saliency import STRONG, WEAK, SaliencyView
from mlpwatch.tui.kit.theme import Shade
from mlpwatch.tui.mistakes.digit_panel import DigitPanel
from mlpwatch.tui.mistakes.explanation_reader import ExplanationReader
from tests.support.samples.mistake_samples import rows_of
from tests.support.samples.scenes import (
    CONFIG,
    FakeSession,
    digits,
    epoch_done,
    evaluation,
    training,
    weights,
)
from tests.support.screen_text import screen_picture
from tests.support.stage import Stage, on_stage, until

pytestmark = pytest.mark.slow

EPOCHS: dict[EngineName, int] = {"numpy": 5, "torch": 3}
STEPS: dict[EngineName, int] = {"numpy": 100, "torch": 60}
"""The newest epochs' ends in the scene."""


@pytest.fixture(autouse=True)
def terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever terminal the tests run in."""
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLORTERM", "truecolor")


@asynccontextmanager
async def on_digit(
    *keys: str, size: tuple[int, int] = (140, 40), ascii_only: bool = False
) -> AsyncIterator[Stage]:
    async with on_stage(training(), size, ascii_only=ascii_only) as stage:
        await stage.press("m", "enter", *keys)
        yield stage


def first_row() -> int:
    labels = digits().validation_labels
    now = {name: evaluation(name, epoch) for name, epoch in EPOCHS.items()}
    return int(mistake_rows(SplitEvaluations(labels, now), "numpy")[0])


@pytest.mark.parametrize("engine", ["numpy", "torch"])
async def test_the_neighbours_are_those_of_the_newest_evaluated_weights(engine: EngineName) -> None:
    row, data, keys, which = first_row(), digits(), [], "prediction"
    if engine == "torch":
        # One that PyTorch reads right: there the next probable class competes.
        rows = rows_of("numpy")
        row = next(n for n in rows if n not in rows_of("both"))
        keys, which = [*["right"] * rows.index(row), "a"], "second guess"
    shown = WeightSnapshot(engine, 0, 0, weights(engine, STEPS[engine]))
    index = NeighbourIndex(data, shown, "relu")
    probabilities = evaluation(engine, EPOCHS[engine]).probabilities[row]
    true = int(data.validation_labels[row])
    rival = int(np.where(np.arange(10) == true, -1, probabilities).argmax())
    title = "NumPy" if engine == "numpy" else "PyTorch"
    async with on_digit(*keys) as stage:
        await stage.says(f"in {title} · true label")
        await stage.says(f"in {title} · {which}")
        view = stage.app.screen.query_one(ImageRowsView)
        for shown_row, label in zip(view._rows, (true, rival), strict=True):
            expected = index.nearest(data.validation_images[row], label, 5)
            assert list(shown_row.words) == [three_digits(one.distance) for one in expected]
            assert shown_row.title[0][0] == f"nearest {label}"
            for image, one in zip(shown_row.images, expected, strict=True):
                np.testing.assert_array_equal(image, data.train_images[one.row].reshape(8, 8))
                assert data.train_labels[one.row] == label


async def test_every_pixel_that_speaks_up_lies_on_the_shade_of_its_gradient() -> None:
    row, data = first_row(), digits()
    image, read = data.validation_images[row], int(evaluation("numpy", 5).predictions[row])
    w = weights("numpy", STEPS["numpy"])
    gradient = logit_gradient(w, image[np.newaxis], np.array([read]), "relu")[0].reshape(8, 8)
    async with on_digit("g") as stage:
        await stage.says(f"against (−) {read}")
        view = stage.app.screen.query_one(SaliencyView)
        saliency = view._saliency
        assert saliency is not None
        shares = gradient / saliency.scale
        levels = np.zeros((8, 8), int)
        levels[shares >= WEAK], levels[shares <= -WEAK] = 2, -2
        levels[shares >= STRONG], levels[shares <= -STRONG] = 4, -4
        assert {*np.unique(levels).tolist()} == {-4, -2, 0, 2, 4}
        canvas = view._shown
        factor = (canvas.height - 2) // 8
        left, top = (canvas.width - 16 * factor) // 2, (canvas.height - 2 - 8 * factor) // 2
        for y in range(8):
            for x in range(8):
                _, ink = canvas.cell(left + 2 * factor * x, top + factor * y)
                level = int(levels[y, x])
                assert ink == Shade(None, level) or (level == 0 and not isinstance(ink, tuple))


async def test_moving_on_shows_the_next_digits_neighbours() -> None:
    async with on_digit() as stage:
        await stage.says("· true label")
        words = stage.app.screen.query_one(ImageRowsView)._rows[0].words
        await stage.press("right")
        await until(
            lambda: stage.app.screen.query_one(ImageRowsView)._rows[0].words != words, stage.pilot
        )


async def test_it_says_that_it_searches_only_while_it_does(monkeypatch: pytest.MonkeyPatch) -> None:
    may_answer, answer = Flag(), Explainer.answer

    def slow(explainer: Explainer, question: object) -> object:
        may_answer.wait(30)
        return answer(explainer, question)  # type: ignore[arg-type]

    monkeypatch.setattr(Explainer, "answer", slow)
    async with on_digit() as stage:
        try:
            await stage.says("searching …")
            await stage.press("right")
            assert "2 of 90" in stage.text(), "the digit is there at once"
        finally:
            may_answer.set()
        await stage.says("· true label")
        assert "searching" not in stage.text()
        # For the true class, and for the other model, it looks anew.
        for keys, found in (("gg", "against (−) "), ("a", "in PyTorch · true label")):
            may_answer.clear()
            try:
                await stage.press(*keys)
                await stage.says("searching …")
            finally:
                may_answer.set()
            await stage.says(found)


async def test_a_lack_of_memory_is_told_and_the_next_digit_tries_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fails(_explainer: Explainer, _question: object) -> None:
        raise MemoryError("Unable to allocate 2.99 MiB")

    with monkeypatch.context() as patch:
        patch.setattr(Explainer, "answer", fails)
        async with on_digit() as stage:
            await stage.says("no memory to explain this digit: Unable to allocate 2.99 MiB")
            await stage.says("not enough memory to look for them")
            patch.undo()
            await stage.press("right")
            await stage.says("· true label")
            assert "not enough memory" not in stage.text()


async def test_a_new_epoch_brings_new_reasons_for_the_same_digit(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("mlpwatch.core.analysis.explanation.RENEW_SECONDS", 0.0)
    async with on_digit() as stage:
        await stage.says("· true label")
        words = stage.app.screen.query_one(ImageRowsView)._rows[0].words
        await stage.feed(epoch_done("numpy", 12))
        await until(
            lambda: stage.app.screen.query_one(ImageRowsView)._rows[0].words != words, stage.pilot
        )
        assert "by the weights" not in stage.text()


async def test_reasons_that_lag_behind_the_run_name_the_epoch_of_their_weights() -> None:
    async with on_digit("g") as stage:
        await stage.says("more ink for (+)")
        assert "by the weights" not in stage.text()
        await stage.feed(epoch_done("numpy", 6))
        await stage.says("by the weights of epoch 5")
        assert "NumPy, epoch 5: for (+) or against (−)" in stage.text()
        stage.session.config = replace(CONFIG, hidden=())
        await stage.press("a", "a")
        await stage.says("by its pixels")
        assert "by the weights" not in stage.text(), "pixels have none"
        stage.session.config = CONFIG
        await stage.press("a")
        await stage.says("PyTorch: more ink for (+)")
        assert "by the weights" not in stage.text(), "PyTorch has done no epoch since"


async def test_without_weights_it_says_so() -> None:
    session = FakeSession()
    async with on_stage(training(), session=session) as stage:
        session.weight_store = WeightStore()
        await stage.press("m", "enter")
        await stage.says("no weights yet")


async def test_the_small_screen_asks_for_nothing_that_it_does_not_show() -> None:
    async with on_digit(size=(80, 24)) as stage:
        panel = stage.app.screen.query_one("#digit-row")
        assert "nearest" not in stage.text()
        assert vars(panel)["_reader"].answer is None
        await stage.press("y")
        await stage.says("· true label")
        assert stage.text().count("nearest ") == 2


async def test_only_the_newest_of_many_questions_is_looked_into(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[int] = []
    answer = Explainer.answer

    def noted(explainer: Explainer, question: object) -> object:
        asked.append(1)
        return answer(explainer, question)  # type: ignore[arg-type]

    monkeypatch.setattr(Explainer, "answer", noted)
    async with on_digit() as stage:
        reader: ExplanationReader = vars(stage.app.screen.query_one("#digit-row"))["_reader"]
        await until(lambda: reader.fits, stage.pilot)
        before = len(asked)
        for _ in range(20):
            stage.app.screen.action_move(1)  # type: ignore[attr-defined]
        await until(lambda: reader.fits, stage.pilot)
        assert len(asked) - before <= 2, "the first of them, and the last"
        before = len(asked)
        stage.app.screen.query_one(DigitPanel).prepare()
        await stage.app.workers.wait_for_complete()
        assert len(asked) == before, "nothing is new"


async def test_the_widest_screens_show_all_five_neighbours() -> None:
    async with on_digit(size=(220, 60)) as stage:
        await stage.says("· true label")
        view = stage.app.screen.query_one(ImageRowsView)
        assert all(word in stage.text() for row in view._rows for word in row.words)
        assert [len(row.words) for row in view._rows] == [5, 5]


@pytest.mark.parametrize("size", [(80, 24), (140, 40)], ids=["80x24", "140x40"])
async def test_snapshot(size: tuple[int, int], snapshot: SnapshotAssertion) -> None:
    async with on_digit("right", "g", *(["y"] if size[0] == 80 else []), size=size) as stage:
        await stage.says("· true label")
        assert screen_picture(stage.app) == snapshot


async def test_snapshot_ascii(snapshot: SnapshotAssertion) -> None:
    async with on_digit("g", size=(80, 24), ascii_only=True) as stage:
        await stage.says("more ink for")
        assert stage.text().isascii()
        assert stage.text() == snapshot


async def test_the_seed_recipes_pixels_give_the_same_ink_and_its_sigmoids_are_named() -> None:
    data, config = digits(), FakeSession().config
    scaled = replace(data, images=data.images * 2 - 1)
    session = FakeSession(config=replace(config, pixel_range="-1..1", loss="mse"), dataset=scaled)
    async with on_stage(training(), session=session) as stage:
        await stage.press("m", "enter")
        assert "sigmoids: need not sum to 100 %" in stage.text()
        await stage.says("· true label")
        for row in stage.app.screen.query_one(ImageRowsView)._rows:
            for image in row.images:
                assert image.min() == 0
                assert image.max() == 1
