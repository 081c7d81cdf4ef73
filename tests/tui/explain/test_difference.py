"""The first page once a step has left rounding: the tensors on the way back, and the cause."""

from dataclasses import replace

import pytest

from mlpwatch.core.checking.live.cause import cause_of_settings
from mlpwatch.core.events import DifferenceFound
from mlpwatch.core.network_file import NetworkFile
from tests.support.samples.scenes import (
    CAUSE,
    CONFIG,
    FakeSession,
    compared,
    difference,
    finished,
    gap,
    training,
)
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


async def test_an_old_run_that_compared_no_step_has_its_cause_from_its_settings() -> None:
    async with on_stage(finished(), (80, 24), session=FakeSession(SEED)) as stage:
        await stage.press("e")
        text = " ".join(stage.text().split())
        assert "PyTorch differs by its settings: loss-mean-over-classes, factor 1/10" in text
        assert CAUSE in text, "the catalogue's words, as of a run that compares its steps"
        assert "--torch-loss-mean batch gives both the same loss." in text
    same = replace(SEED, torch_loss_mean="batch")
    async with on_stage(finished(), (80, 24), session=FakeSession(same)) as stage:
        await stage.press("e")
        assert "differs" not in stage.text()


def test_the_settings_give_the_cause_that_a_compared_step_gives() -> None:
    found = cause_of_settings(SEED, 10)
    assert found is not None
    assert (found.code, found.factor, found.text) == ("loss-mean-over-classes", 0.1, CAUSE)
    own = replace(SEED, network=NetworkFile("net.py", "0" * 64, "Net"))
    for config in (own, replace(SEED, only="torch"), CONFIG, replace(SEED, loss="cross-entropy")):
        assert cause_of_settings(config, 10) is None


OWN_SOURCE = b"""class Net:
    def forward(self, x):
        return x @ self.weights[0]

    def backward(self, y):
        delta = self.a - y
        delta = delta / len(y)
        dw = self.x.T @ delta
        db = delta.sum(axis=0)
        self.dw, self.db = dw, db
        return [dw], [db]

    def update(self, learning_rate):
        self.weights[0] -= learning_rate * self.dw

    def loss_value(self, outputs, y):
        return ((outputs - y) ** 2).mean()
"""

PARTS = {
    "outputs": ("Net.forward", "return x @ self.weights[0]", "MLP.activations"),
    "loss": ("Net.loss_value", "return ((outputs - y) ** 2).mean()", "cross_entropy"),
    "weight gradient 1": ("Net.backward", "dw = self.x.T @ delta", "cross_entropy"),
    "bias gradient 0": ("Net.backward", "dw = self.x.T @ delta", "loss.backward()"),
    "update of weight 1": ("Net.update", "self.weights[0] -=", "_sgd"),
}
"""First tensor that differs: the function of the user's, a line of it, and what PyTorch has."""


@pytest.mark.parametrize("tensor", PARTS)
async def test_the_source_is_that_of_the_part_that_differs(tensor: str) -> None:
    function, line, opposite = PARTS[tensor]
    own = NetworkFile("net.py", "0" * 64, "Net", source=OWN_SOURCE)
    config = replace(CONFIG, network=own)
    async with on_stage(training(), (140, 40), session=FakeSession(config)) as stage:
        text = await explained(stage, replace(difference(), tensor=tensor, differs="numpy"))
        assert f"net.py  {function}" in text
        assert line in text
        assert opposite in text
        assert [name for name, *_ in PARTS.values() if name != function and name in text] == []
        await stage.press("c")
        assert "What this page computes, in net.py and in PyTorch" in stage.text()
        assert line in stage.text()


async def test_where_there_is_little_room_the_lines_come_before_the_curves() -> None:
    own = NetworkFile("net.py", "0" * 64, "Net", source=OWN_SOURCE)
    session = FakeSession(replace(CONFIG, network=own))
    async with on_stage(training(), (80, 24), session=session) as stage:
        await stage.press("e")
        assert "accuracy %" in stage.text()
        await stage.press("escape")
        text = await explained(
            stage, replace(difference(), tensor="bias gradient 0", differs="numpy")
        )
        assert "delta = self.a - y" in text
        assert "return [dw], [db]" in text
        assert "accuracy %" not in text
        assert "torch_mlp.py" not in text, "no room beside a long cause"
        await stage.press("escape")
        stage.state.difference = None
        short = replace(difference(), tensor="weight gradient 0", text="a cause")
        assert "loss.backward()" in await explained(stage, short)


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
