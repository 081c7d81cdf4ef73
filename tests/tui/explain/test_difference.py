"""The first page once a step has left rounding: the tensors on the way back, and the cause."""

from dataclasses import replace

import pytest

from mlpwatch.core.events import DifferenceFound
from tests.support.samples.scenes import CONFIG, FakeSession, compared, difference, gap, training
from tests.support.stage import Stage, on_stage

SEED = replace(CONFIG, activation="sigmoid", loss="mse", torch_loss_mean="element")


async def explained(stage: Stage, *found: DifferenceFound) -> str:
    await stage.feed(compared(1, 0.01), *found)
    await stage.press("e")
    return stage.text()


@pytest.mark.parametrize("size", [(80, 24), (140, 40), (220, 60)])
async def test_it_opens_at_the_first_tensor_with_both_numbers(size: tuple[int, int]) -> None:
    async with on_stage(training(), size, session=FakeSession(SEED)) as stage:
        text = await explained(stage, difference())
        heading = "PyTorch differs since step 1: loss-mean-over-classes, factor 1/10; first: loss"
        assert heading in text
        rows = [line.split() for line in text.split("\n")]
        assert ["loss", "2.5", "L,", "as", "above", "0.25", "differs"] in rows
        assert [
            "outputs",
            "[3,7]",
            "0.125",
            "Z1",
            "=",
            "X1",
            "W1",
            "+",
            "b1",
            "0.125",
            "rounding",
        ] in rows
        assert ["∂L/∂W1", "[2,31]", "-0.0625", "X1ᵀ", "δ1", "-0.00625", "differs"] in rows
        assert "∂L/∂b1" not in text, "its layer's weights say the same"
        assert "PyTorch's is NumPy's divided by 10, the number of classes" in text
        assert "--torch-loss-mean batch gives both the same loss." in text
        assert "after a step" not in text


async def test_of_a_deep_network_it_shows_where_the_difference_begins() -> None:
    found = difference(layers=20)
    pairs = [replace(pair, passed=True) for pair in found.tensors[:12]]
    found = replace(
        found, tensor="weight gradient 14", tensors=(*pairs, *found.tensors[12:]), code="unknown"
    )
    config = replace(CONFIG, hidden=(8,) * 19)
    async with on_stage(training(), (80, 24), session=FakeSession(config)) as stage:
        text = await explained(stage, found)
        assert "∂L/∂W16" in text
        assert "∂L/∂W14" in text
        assert "∂L/∂W19" not in text
        assert "∂L/∂W0 " not in text


async def test_a_wrong_update_is_shown_with_the_optimizer() -> None:
    found = difference()
    pairs = tuple(replace(p, passed=not p.name.startswith("update")) for p in found.tensors)
    found = replace(found, tensors=pairs, tensor="update of weight 1", code="learning-rate-twice")
    async with on_stage(training(), (80, 24)) as stage:
        text = await explained(stage, found)
        assert "W1 [0,0] after" in text
        assert "after a step of sgd" in text
        assert "--torch-loss-mean" not in text


async def test_in_ascii_it_is_plain() -> None:
    async with on_stage(training(), (80, 24), ascii_only=True) as stage:
        assert (await explained(stage, difference())).isascii()


async def test_equal_steps_that_grew_apart_are_put_down_to_rounding() -> None:
    async with on_stage(training()) as stage:
        await stage.feed(compared(1), compared(20), replace(gap(4), weight_difference=6e-3))
        await stage.press("e")
        assert (
            "Both take the same steps: one step differs by 6.0e-8 at most (rounding); ReLU's "
            "kinks made 6e-3 of it. --dtype float64 puts it off." in stage.text()
        )
