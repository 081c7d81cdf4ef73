"""The mistakes among the test images, which are read only on demand."""

import re
from threading import Event as Flag

from mlpwatch.core.analysis.mistakes import SplitEvaluations, mistake_rows
from mlpwatch.core.config import EngineName
from mlpwatch.core.epochs import Evaluation
from mlpwatch.tui.images.contact_sheet import ContactSheet
from mlpwatch.tui.images.renderers import digit_rows, small_canvases
from mlpwatch.tui.mistakes.digit_view import DigitView
from mlpwatch.tui.mistakes.selection import MistakeSelection
from tests.support.samples.mistake_samples import EPOCHS, drawn, without_margins
from tests.support.samples.scenes import (
    FakeSession,
    digits,
    ended,
    evaluation,
    finished,
    training,
)
from tests.support.stage import on_stage


async def test_the_test_images_are_read_on_demand_and_the_screen_says_so() -> None:
    may_read, asked = Flag(), []

    class SlowSession(FakeSession):
        def evaluate_test(self) -> dict[EngineName, Evaluation]:
            asked.append(self)
            may_read.wait(10)
            return super().evaluate_test()

    async with on_stage(training(), session=SlowSession()) as stage:
        await stage.press("m", "enter", "T")
        assert "reading the test images" in stage.text()
        await stage.press("right", "T")
        assert " 2 of 90 " in stage.text(), "keys work meanwhile"
        may_read.set()
        await stage.app.workers.wait_for_complete()
        assert len(asked) == 1, "not once more"
        await stage.look()
        labels = digits().test_labels
        now = {name: evaluation(name, 5, test=True) for name in EPOCHS}
        rows = mistake_rows(SplitEvaluations(labels, now), "numpy")
        assert "reading the test images" not in stage.text()
        assert f"1 of {len(rows)} · test image {rows[0]}" in stage.text()
        assert "   test images · true label any" in stage.text()
        image = digits().test_images[rows[0]].reshape(8, 8)
        view = stage.app.screen.query_one(DigitView)
        assert drawn(stage) == without_margins(digit_rows(image, *view.size))
        await stage.press("shift+tab")
        assert "no epoch before to compare with: T goes back" in stage.text()
        await stage.press("tab", "escape")
        small = stage.app.screen.query_one(ContactSheet).text().split("\n")
        images = digits().test_images[rows[:14]].reshape(-1, 8, 8)
        for n, picture in enumerate(small_canvases(images, 8, 4, "braille")):
            drawn_rows = [row[1 + 10 * n :][:8].ljust(8) for row in small[1:5]]
            assert drawn_rows == [picture.row(y) for y in range(4)], "not the validation image"
        await stage.press("escape", "m")
        assert "test images" not in stage.text()
        assert " 1 of 90 · validation image" in stage.text()


async def test_after_the_end_the_test_images_are_those_of_the_result() -> None:
    async with on_stage(finished()[:-1]) as stage:
        await stage.press("m", "enter", "T")
        await stage.app.workers.wait_for_complete()
        await stage.look()
        assert re.search(r"PyTorch wrong \d", stage.text()), "while PyTorch trains too"
        await stage.press("T")
        await stage.feed(ended("torch"))
        await stage.press("T")
        await stage.app.workers.wait_for_complete()
        await stage.look()
        right = evaluation("numpy", 12, test=True).predictions == digits().test_labels
        assert f"▸ NumPy wrong {(~right).sum()} " in stage.text()
        assert "NumPy epoch 12" in stage.text()


async def test_no_room_for_the_test_images_is_said_and_nothing_lost() -> None:
    class FullSession(FakeSession):
        def evaluate_test(self) -> dict[EngineName, Evaluation]:
            raise MemoryError("no room")

    async with on_stage(training(), session=FullSession()) as stage:
        await stage.press("m", "enter", "T")
        await stage.app.workers.wait_for_complete()
        await stage.look()
        assert "the test images could not be read: no room" in stage.text()
        assert "1 of 90 · validation image" in stage.text()


def test_an_image_that_only_the_other_split_has_is_not_kept() -> None:
    data, test = digits(), evaluation("numpy", 1, test=True)
    assert len(data.test_labels) > len(data.validation_labels)
    selection = MistakeSelection("numpy")
    selection.start_with(SplitEvaluations(data.test_labels, {"numpy": test}))
    selection.go_to(-1)
    assert selection.row is not None
    assert selection.row >= len(data.validation_labels)
    validation: dict[EngineName, Evaluation] = {"numpy": evaluation("numpy", 1)}
    assert selection.take(SplitEvaluations(data.validation_labels, validation))
    assert selection.row == selection.rows[0]
