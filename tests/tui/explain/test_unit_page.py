"""The page of a unit adds up as it is shown, has the unit's own numbers, and keys lead to it."""

import re
from dataclasses import replace
from decimal import Decimal

import numpy as np
import pytest

from mlpwatch.core.analysis.one_unit.unit_trace import UnitChoice, trace_unit
from mlpwatch.core.analysis.step_trace import StepTrace
from mlpwatch.core.config import RunConfig
from mlpwatch.tui.explain.choice import Chosen
from mlpwatch.tui.explain.screen import ExplainScreen
from mlpwatch.tui.explain.tour import UNIT_PAGE
from mlpwatch.tui.explain.unit_text import adding_up, unit_formulas, unit_tables
from mlpwatch.tui.kit.look import Look
from tests.support.samples.scenes import CONFIG, FakeSession, digits, training
from tests.support.samples.step_trace_samples import sample_trace
from tests.support.stage import Stage, on_stage

pytestmark = pytest.mark.slow

SIZES = [(80, 24), (100, 30), (140, 40), (220, 60)]


def trace_of(config: RunConfig = CONFIG, *, taken: bool = False) -> StepTrace:
    steps = dict.fromkeys(config.engine_names, 107)
    first = sample_trace(config, digits(), steps, None)
    return sample_trace(config, digits(), dict.fromkeys(steps, 108), first) if taken else first


@pytest.mark.parametrize("scale", [1e-9, 1e-4, 0.01, 1.0, 300.0, 1e8])
def test_what_is_shown_adds_up_and_is_within_a_unit_of_the_last_decimal(scale: float) -> None:
    random = np.random.default_rng(3)
    for count in (1, 2, 5, 40):
        parts = [float(part) for part in scale * random.normal(size=count)]
        shown, total, unit = adding_up(parts, sum(parts))
        assert sum(map(Decimal, shown)) == Decimal(total)
        factor = float(unit or 1)
        last = 10.0 ** -len(total.partition(".")[2])
        for text, part in zip([*shown, total], [*parts, sum(parts)], strict=True):
            assert abs(float(text) - part / factor) < last
            assert len(text) <= 10, text
        assert max(len(text.strip("-0.").replace(".", "")) for text in [*shown, total]) >= 4


def test_a_sum_of_nothing_and_one_without_a_number_are_shown_too() -> None:
    assert adding_up([0.0, 0.0], 0.0).total == "0.0000"
    assert adding_up([float("nan"), 1.0], float("nan")).total == "nan"
    assert adding_up([float("inf")], float("inf")).parts == ["inf"]


@pytest.mark.parametrize("layer", [0, 1])
@pytest.mark.parametrize("taken", [False, True])
def test_the_numbers_of_the_page_are_those_of_the_unit(layer: int, taken: bool) -> None:
    trace = trace_of(taken=taken)
    chosen = Chosen()
    chosen.move_layer(trace, layer)
    shown = chosen.shown(trace, CONFIG, digits())
    rows = ["".join(text for text, _ in row) for row in unit_tables(shown, 78, 16, Look())]
    one, choice = trace.engines["numpy"], shown.choice
    w = one.state.weights[f"layers.{layer}.weight"][choice.unit].astype(np.float64)
    b = float(one.state.weights[f"layers.{layer}.bias"][choice.unit])
    n = one.worst_first[choice.image]
    x = one.before.activations[layer][n].astype(np.float64)
    order = np.argsort(-abs(w * x), kind="stable")
    found = [row[:37] for row in rows]
    terms = found[2 : next(n for n, row in enumerate(found) if row.startswith("the other"))]
    for row, k in zip(terms, order, strict=False):
        name, *numbers = row.split()
        assert name == (str(k) if layer else f"{k // 8},{k % 8}")
        expected = [w[k], x[k], w[k] * x[k]]
        for text, value in zip(numbers, expected, strict=True):
            assert float(text) == pytest.approx(value, rel=6e-3, abs=1e-4)
    assert len(terms) >= 3
    sums = [row.split()[-1] for row in found[2 : 2 + len(terms) + 2]]
    total = next(row for row in found if row.startswith("z = Σ w x + b")).split()[-1]
    assert sum(map(Decimal, sums)) == Decimal(total)
    assert float(total) == pytest.approx(float(w @ x) + b, abs=1e-3)
    assert f"the other {len(w) - len(terms):,}" in "".join(found)
    text = "\n".join(found)
    unit = trace_unit(CONFIG, trace, "numpy", choice)
    assert f"{unit.delta:#.3g}" in text
    greatest = int(np.argmax(abs(one.before.gradient[f"layers.{layer}.weight"][choice.unit])))
    head = next(n for n, row in enumerate(found) if "∂L/∂w" in row)
    name, own, batch = found[head + 1].split()
    assert name == (str(greatest) if layer else f"{greatest // 8},{greatest % 8}")
    assert float(batch) == pytest.approx(unit.gradient[greatest], rel=6e-3)
    assert float(own) == pytest.approx(x[greatest] * unit.delta, rel=6e-3, abs=1e-12)
    if layer:
        assert "should be " in text
    assert ("→" in text) == taken


@pytest.mark.parametrize("layer", [0, 1])
def test_without_biases_the_sum_has_none_and_no_choice_leads_to_one(layer: int) -> None:
    config = replace(CONFIG, bias=False)
    trace, chosen = trace_of(config), Chosen()
    chosen.move_layer(trace, layer)
    shown = chosen.shown(trace, config, digits())
    found = ["".join(text for text, _ in row)[:37] for row in unit_tables(shown, 78, 16, Look())]
    total = next(n for n, row in enumerate(found) if row.startswith("z = Σ w x"))
    sums = [row.split()[-1] for row in found[2 : total + 1]]
    assert sum(map(Decimal, sums[:-1])) == Decimal(sums[-1])
    assert "b" not in [row.split()[0] for row in found if row.split()]
    assert unit_formulas(shown, Look())[0].startswith("z = Σ w x ")
    weights = trace.engines["numpy"].state.weights[f"layers.{layer}.weight"].shape[1]
    chosen.move_weight(trace, -1)
    last = chosen.shown(trace, config, digits())
    assert (last.weight is not None, last.weight_rank) == (True, weights - 1)
    chosen.move_weight(trace, 1)
    assert chosen.shown(trace, config, digits()).weight == shown.weight


def test_choices_go_round_through_layers_units_images_and_weights() -> None:
    trace = trace_of()
    chosen = Chosen(3)
    assert chosen.choice(trace) == UnitChoice(0, 3, 0)
    chosen.move_unit(trace, -4)
    assert chosen.choice(trace) == UnitChoice(0, 31, 0)
    chosen.move_unit(trace, 1)
    chosen.move_image(trace, -1)
    assert chosen.choice(trace) == UnitChoice(0, 0, 49)
    chosen.move_layer(trace, 1)
    layer, unit, image = chosen.choice(trace)
    assert (layer, image) == (1, 49)
    assert 0 <= unit < 10
    chosen.move_layer(trace, 1)
    assert chosen.choice(trace).layer == 0
    gradient = trace.engines["numpy"].before.gradient["layers.0.weight"]
    seen = []
    for _ in range(65):
        shown = chosen.shown(trace, CONFIG, digits())
        seen.append(shown.weight)
        chosen.move_weight(trace, 1)
    own = [abs(gradient[shown.choice.unit, k]) for k in seen if k is not None]
    assert own == sorted(own, reverse=True)
    assert seen[-1] is None, "the bias comes last"
    assert sorted(k for k in seen if k is not None) == list(range(64))
    assert chosen.shown(trace, CONFIG, digits()).weight == seen[0]


def test_a_choice_that_no_longer_exists_falls_back() -> None:
    chosen = Chosen(31)
    chosen.move_layer(trace_of(), 1)
    small = trace_of(replace(CONFIG, hidden=()))
    layer, unit, _ = chosen.choice(small)
    assert (layer, unit < 10) == (0, True)


async def open_unit(stage: Stage) -> None:
    await stage.press("space", "e", *["right"] * UNIT_PAGE)
    await stage.see("z = Σ w x + b")


async def test_arrows_choose_unit_layer_and_image() -> None:
    async with on_stage(training(), (140, 40)) as stage:
        await open_unit(stage)
        first = re.match(r"layer 0, unit (\d+) of 32, image 1 of 50", stage.row("layer 0").strip())
        assert first, stage.text()
        unit = int(first[1])
        await stage.press("down", "down", "up")
        assert f"layer 0, unit {(unit + 1) % 32} of 32" in stage.text()
        await stage.press("n", "shift+right", "p")
        assert "image 2 of 50" in stage.text()
        await stage.press("shift+left", "p")
        assert "image 50 of 50" in stage.text()
        await stage.press("shift+down")
        assert "layer 1, unit " in stage.text()
        assert "of class " in stage.text()
        await stage.press("pagedown")
        assert "layer 0, unit " in stage.text()
        await stage.press("right")
        assert "The update" in stage.text()
        await stage.press("n")
        assert "gradient number 2 of 64" in stage.text()


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("ascii_only", [False, True])
async def test_nothing_is_cut_and_much_is_filled(size: tuple[int, int], ascii_only: bool) -> None:
    config = replace(CONFIG, optimizer="adam")
    session = FakeSession(config=config)
    async with on_stage(training(), size, session=session, ascii_only=ascii_only) as stage:
        await stage.press("space", "e")
        await stage.see("ratio")
        for number in range(1, 7):
            if number > 1:
                await stage.press("right")
                await stage.see("step 108")
            rows = stage.text().split("\n")
            cut = [row for row in rows[1:-1] if row.rstrip().endswith("…")]
            assert cut == [], (number, cut)
            if ascii_only:
                assert stage.text().isascii()
                assert "?" not in stage.text().replace("? help", "")
            filled = sum(1 for row in rows[1:-1] if row.strip())
            assert filled >= 0.7 * (size[1] - 2), (number, stage.text())


async def test_where_there_is_no_room_a_key_shows_the_source_alone() -> None:
    async with on_stage(training(), (80, 24)) as stage:
        await open_unit(stage)
        assert "Linear.forward" not in stage.text()
        assert "c code" in stage.text()
        await stage.press("c")
        assert "layers.py  Linear.forward" in stage.text()
        assert "np.matmul(x, self.W, self._z)" in stage.text()
        assert "torch_mlp.py" in stage.text()
        assert "z = Σ w x + b" not in stage.text()
        await stage.press("right")
        assert "core/network/optimizers.py  SGD." in stage.text()
        await stage.press("c", "left")
        assert "z = Σ w x + b" in stage.text()


async def test_every_page_has_its_source_where_there_is_room() -> None:
    names = ["CrossEntropy.forward", "Linear.forward", "CrossEntropy.forward", "Linear.backward",
             "Linear.forward", "SGD."]  # fmt: skip
    theirs = ["_cross_entropy", "MLP.activations", "_cross_entropy", "_forward_and_backward",
              "MLP.activations", "_sgd"]  # fmt: skip
    async with on_stage(training(), (140, 40)) as stage:
        await stage.press("space", "e")
        for ours, other in zip(names, theirs, strict=True):
            await stage.see(ours)
            assert other in stage.text()
            await stage.press("right")


async def test_enter_among_the_weights_opens_the_unit() -> None:
    async with on_stage(training(), (140, 40)) as stage:
        await stage.press("space", "w")
        await stage.see("units 0–8 of 32")
        await stage.press("shift+right", "j", "enter")
        assert isinstance(stage.app.screen, ExplainScreen)
        await stage.see("layer 0, unit 2 of 32")
        await stage.press("escape")
        await stage.see("units 0–8 of 32")


async def test_while_it_trains_the_page_says_how_to_see_the_unit() -> None:
    async with on_stage(training()) as stage:
        await stage.press("w")
        await stage.see("units 0–8 of 32")
        await stage.press("enter")
        assert "Space pauses the models" in stage.text()
        await stage.press("down", "n", "space")
        await stage.see("layer 0, unit 0 of 32, image 1 of 50")


@pytest.mark.parametrize("hidden", [(), (1,), (3, 1, 2)])
async def test_no_hidden_layer_and_a_single_unit_have_their_page(hidden: tuple[int, ...]) -> None:
    session = FakeSession(config=replace(CONFIG, hidden=hidden, activation="sigmoid", loss="mse"))
    async with on_stage(training(), (100, 30), session=session) as stage:
        await open_unit(stage)
        for layer in range(len(hidden) + 1):
            assert f"layer {layer}, unit " in stage.text()
            await stage.press("down", "shift+down")
        assert "layer 0, unit " in stage.text()
