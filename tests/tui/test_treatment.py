"""Control and treatment on the screens: named so, and never held to be twins."""

from dataclasses import replace

import pytest

from mlpwatch.core.treatment import Treatment
from tests.support.samples.scenes import CONFIG as TWINS
from tests.support.samples.scenes import FakeSession, training
from tests.support.stage import on_stage

CONFIG = replace(TWINS, treatment=Treatment("numpy", (("dropout", 0.5),)))


@pytest.mark.parametrize("size", [(80, 24), (140, 40)])
async def test_columns_are_control_and_treatment_on_every_screen(size: tuple[int, int]) -> None:
    async with on_stage(training(), size, session=FakeSession(config=CONFIG)) as stage:
        assert "treatment: dropout 0.5" in stage.text()
        assert "control " in stage.text()
        for key, back in (("m", "escape"), ("u", "escape"), ("w", "escape")):
            await stage.press(key)
            assert "control" in stage.text()
            assert "treatment" in stage.text()
            assert "PyTorch" not in stage.text()
            await stage.press(back)


async def test_the_first_page_says_what_parts_the_columns() -> None:
    async with on_stage(training(), (80, 24), session=FakeSession(config=CONFIG)) as stage:
        await stage.press("e")
        text = " ".join(stage.text().split())
        assert "One network in two columns: control, and treatment: dropout 0.5" in text
        assert "What parts the two columns: dropout 0.5" in text
        assert "What is left is rounding" not in text
        assert "autograd" not in text
