"""The layers screen shows the numbers of both models and says what is wrong with them."""

from dataclasses import replace
from math import inf, nan
from typing import Any

import pytest

from mlpwatch.core.analysis.layer_faults import LayerFault
from mlpwatch.core.config import EngineName
from mlpwatch.core.epochs import LayerRecord
from mlpwatch.core.events import EpochDone, Event, LayersMeasured, RateChanged, RunEnded
from mlpwatch.core.network_file import NetworkFile
from mlpwatch.tui.layers.curves import LayerLimits, layer_series
from mlpwatch.tui.layers.text import SOUND, fault_rows, fault_text, number_text, share_text
from mlpwatch.tui.state.run_state import RunState
from tests.support.samples.scenes import (
    CONFIG,
    EPOCH_STEPS,
    FakeSession,
    epoch_done,
    started,
    training,
)
from tests.support.stage import on_stage

pytestmark = pytest.mark.slow

SIZES = (784, 50, 30, 10)

SENTENCES = [
    (
        LayerFault("flat", 0, 0.71, since=3),
        "layer 0: 71 % of the units are dead since epoch 3; a smaller learning rate or another "
        "initialization helps",
    ),
    (
        LayerFault("vanishing", 0, 1 / 4_013, other=2, since=1),
        "layer 0's gradient is 1/4,000 of layer 2's since epoch 1: it vanishes on the way back; "
        "ReLU, fewer layers or another initialization helps",
    ),
    (
        LayerFault("vanishing", 0, 0.0, other=2),
        "layer 0's gradient is 0, unlike layer 2's: it vanishes on the way back; ReLU, fewer "
        "layers or another initialization helps",
    ),
    (
        LayerFault("exploding", 1, 5_000.0, other=2),
        "layer 1's gradient is 5,000 times layer 2's: it explodes; a smaller learning rate or "
        "smaller initial weights help",
    ),
    (
        LayerFault("exploding", 1, 2.1e5, since=2),
        "layer 1's gradient is 2.1e5 long since epoch 2: it explodes; a smaller learning rate or "
        "smaller initial weights help",
    ),
    (
        LayerFault("uniform", 0, 1.0, also=(1,), since=1),
        "layer 0: all 50 units are equal since epoch 1 (also layer 1): equal weights get equal "
        "gradients and stay equal; random initial weights help",
    ),
    (
        LayerFault("large-update", 2, 0.4),
        "layer 2: a step changes the weights by 0.400 of their size, where 1e-3 is usual; "
        "a smaller learning rate helps",
    ),
    (
        LayerFault("small-update", 2, 3.4e-5, also=(0, 1), since=1),
        "layer 2: a step changes the weights by 3.4e-5 of their size since epoch 1 (also layers 0, "
        "1), where 1e-3 is usual; a larger learning rate helps",
    ),
    (
        LayerFault("not-finite", 0, nan, also=(1, 2)),
        "layer 0: the gradient is not finite (also layers 1, 2); a smaller learning rate helps",
    ),
]


@pytest.mark.parametrize(("fault", "text"), SENTENCES, ids=lambda value: getattr(value, "kind", ""))
def test_each_fault_has_its_sentence(fault: LayerFault, text: str) -> None:
    assert fault_text(fault, SIZES, "dead") == text


def test_both_models_share_a_sentence_where_it_is_the_same() -> None:
    fault = LayerFault("flat", 0, 0.7, since=3)

    def sentences(torch: LayerFault) -> list[str]:
        rows = fault_rows({"numpy": [fault], "torch": [torch]}, SIZES, "dead", 200, 2)
        return [row[0][0] for row in rows]

    (line,) = sentences(replace(fault, value=0.6))
    assert line.startswith(" NumPy and PyTorch, layer 0: 70 %")
    first, second = sentences(replace(fault, value=0.3))
    assert first.startswith(" NumPy, layer 0: 70 %")
    assert second.startswith(" PyTorch, layer 0: 30 %")
    assert len(sentences(replace(fault, since=2))) == 2
    alone = fault_rows({"numpy": [fault]}, SIZES, "dead", 200, 2)
    assert alone[0][0][0].startswith(" layer 0: 70 %")
    many = [replace(fault, layer=k) for k in range(5)]
    assert fault_rows({"numpy": many}, SIZES, "dead", 200, 2)[-1][0][0] == " and 3 more faults"


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.0, "0"), (0.213, "0.213"), (1.2, "1.20"), (2.1e-5, "2.1e-5"), (nan, "NaN"), (inf, "inf")],
)
def test_numbers_are_short(value: float, text: str) -> None:
    assert number_text(value) == text
    assert max(len(number_text(x)) for x in (1.5e-38, 999.9, 1e30, 0.01, 0.00999)) <= 7


def test_shares_are_percent() -> None:
    assert [share_text(x) for x in (0.0, 0.004, 0.71, 1.0, nan)] == [
        "0 %",
        "<1 %",
        "71 %",
        "100 %",
        "",
    ]


def measured(name: EngineName, step: int, *norms: float) -> LayersMeasured:
    return LayersMeasured(name, step, tuple(LayerRecord(n, n / 100) for n in norms))


def state_after(*events: Event, epochs: int = 12) -> RunState:
    state = RunState(epochs, EPOCH_STEPS, ("numpy", "torch"))
    state.apply_all(events)
    return state


def gradients(state: RunState, layer: int = 0) -> list[tuple[float, float]]:
    (series,) = layer_series(
        state, state.engines["numpy"], "gradient_norm", range(layer, layer + 1)
    )
    return list(series.points)


def test_a_curve_has_the_means_of_epochs_and_of_the_newest_steps() -> None:
    done = epoch_done("numpy", 1)
    mean = done.record.layers[0].gradient_norm
    state = state_after(
        started("numpy"), measured("numpy", 5, 1.0, 1.0), done, measured("numpy", 25, 0.2, 0.3)
    )
    assert gradients(state) == [(0.5, mean), (1.25, 0.2)]
    state.apply(measured("numpy", 30, 0.4, 0.5))
    assert gradients(state) == [(0.5, mean), (1.5, pytest.approx(0.3))]
    state.apply(epoch_done("numpy", 2))
    assert [x for x, _ in gradients(state)] == [0.5, 1.5]


def test_a_run_of_one_epoch_shows_its_steps() -> None:
    steps = [measured("numpy", step, step / 100, 1.0) for step in (5, 15)]
    state = state_after(started("numpy"), *steps, epochs=1)
    assert gradients(state) == [(0.25, 0.05), (0.75, 0.15)]
    state.apply(epoch_done("numpy", 1))
    assert gradients(state) == [(0.25, 0.05), (0.75, 0.15)], "still"


def test_both_models_have_the_same_limits_and_the_rule_of_thumb_is_inside() -> None:
    state = state_after(*training())
    both = [
        one
        for engine in state.engines.values()
        for one in layer_series(state, engine, "update_ratio", range(2))
    ]
    assert [one.label for one in both] == ["1e-3", "0", "1"] * 2
    assert both[0].points == [(0.0, 1e-3), (12.0, 1e-3)]
    low, high = LayerLimits().of("update_ratio", both)
    values = [y for one in both for _, y in one.points]
    assert low <= min(values) <= max(values) <= high


@pytest.mark.parametrize("size", [(80, 24), (100, 30), (140, 40), (220, 60)])
async def test_it_shows_both_models_and_what_is_wrong(size: tuple[int, int]) -> None:
    async with on_stage(training(), size) as stage:
        await stage.press("u")
        row = stage.row(" 0  64→32")
        assert "0.229" in row, "NumPy's gradient after epoch 5"
        assert "71 %" in row, "PyTorch's dead units"
        assert "…" not in row
        words = " ".join(stage.text().split())
        assert "PyTorch, layer 0: 71 % of the units are dead since epoch 3; a smaller" in words
        # PyTorch has done three epochs, and is sound in the first two.
        await stage.press(*["less_than_sign"] * 4)
        assert "nothing is wrong" in stage.text()
        assert "epoch 1" in stage.row("PyTorch")


async def test_live_steps_are_shown_and_nan_as_such() -> None:
    async with on_stage(training()) as stage:
        await stage.press("u")
        await stage.feed(measured("numpy", 107, 123.0, nan))
        await stage.look()
        assert "NumPy  step 107" in stage.text()
        assert "123" in stage.row(" 0  64→32")
        assert "NaN" in stage.row(" 1  32→10")
        assert "the gradient is not finite" in stage.text()


@pytest.mark.parametrize("size", [(80, 24), (220, 60)], ids=str)
async def test_a_model_that_failed_says_why_and_when(size: tuple[int, int]) -> None:
    why = "net.py line 43, in backward: ValueError: what now?"
    own = replace(CONFIG, network=NetworkFile("net.py", "0" * 64, "Net"))
    sound = [measured(name, 3, 0.2, 0.1) for name in CONFIG.engine_names]
    events: list[Event] = [started("numpy"), started("torch"), *sound]
    async with on_stage(events, size, session=FakeSession(own)) as stage:
        await stage.press("u")
        assert SOUND in stage.text()
        await stage.feed(RunEnded("numpy", "failed", why, 1067, 0.1))
        assert f"net.py failed after step 1,067: {why}" in " ".join(stage.text().split())
        assert SOUND not in stage.text()


async def test_a_diverged_run_says_why() -> None:
    why = "the loss is nan at step 3"
    async with on_stage([started("numpy"), started("torch")]) as stage:
        await stage.press("u")
        assert "a few steps of each epoch are measured" in stage.text()
        await stage.feed(*(RunEnded(name, "diverged", why, 3, 0.1) for name in CONFIG.engine_names))
        assert f"NumPy diverged: {why}" in stage.text()
        assert f"PyTorch diverged: {why}" in stage.text()


def without_layers(event: Event) -> Event:
    if isinstance(event, EpochDone):
        return replace(event, record=replace(event.record, layers=()))
    return event


async def test_an_old_run_says_that_it_has_no_numbers() -> None:
    async with on_stage([without_layers(event) for event in training()]) as stage:
        await stage.press("u")
        assert "an older mlpwatch trained it" in stage.text()
        await stage.press("less_than_sign")
        assert "epoch 4 of 12" in stage.text()
        assert "an older mlpwatch trained it" in stage.text()


@pytest.mark.parametrize(
    ("settings", "there", "missing"),
    [
        ({"hidden": ()}, "0  64→10", "units %"),
        ({"activation": "sigmoid"}, "saturated units %", "dead"),
        ({"activation": "leaky-relu"}, "gradient norm", "units %"),
        ({"only": "torch"}, "PyTorch", "NumPy"),
    ],
)
async def test_it_fits_the_network(settings: dict[str, Any], there: str, missing: str) -> None:
    session = FakeSession(config=replace(CONFIG, **settings))
    names = session.config.engine_names
    events = [event for event in training() if getattr(event, "engine", None) in names]
    async with on_stage(events, session=session) as stage:
        await stage.press("u")
        body = "\n".join(stage.text().split("\n")[1:-2])
        assert there in body
        assert missing not in body


async def test_units_that_can_not_be_looked_into_are_said_to_be_so() -> None:
    def closed(event: Event) -> Event:
        if isinstance(event, EpochDone):
            layers = tuple(replace(one, flat_share=nan) for one in event.record.layers)
            return replace(event, record=replace(event.record, layers=layers))
        return event

    async with on_stage([closed(event) for event in training()]) as stage:
        await stage.press("u")
        assert "own units can't be looked into: gradients and updates only" in stage.text()


async def test_plain_terminals_get_plain_characters() -> None:
    async with on_stage(training(), (80, 24), ascii_only=True) as stage:
        await stage.press("u")
        assert stage.text().isascii()
        assert "0  64>32" in stage.text()
        assert "?" not in stage.text().replace("? help", "")


async def test_a_change_of_the_learning_rate_is_marked_on_the_model_s_charts() -> None:
    async with on_stage(training(), (220, 60)) as stage:
        await stage.press("u")
        assert "↑ rate" not in stage.text()
        await stage.feed(RateChanged("numpy", 40, 2.0, 0.6, 0.3))
        assert stage.text().count("↑ rate") == 3, "of NumPy's three charts"
