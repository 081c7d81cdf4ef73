"""The tour takes one step of the paused run apart, and tells before and after once it is taken."""

import re
from dataclasses import replace

import pytest
from syrupy.assertion import SnapshotAssertion

from mlpwatch.core.analysis.step_trace import StepTrace
from mlpwatch.core.config import LossName, OptimizerName, RecipeName, RunConfig
from mlpwatch.core.events import Event
from mlpwatch.core.network.optimizers import OPTIMIZERS
from mlpwatch.core.recipes import RECIPE_STORIES, RECIPE_SUMMARIES, from_recipe, recipe_story
from mlpwatch.tui.explain.screen import ExplainScreen
from mlpwatch.tui.explain.tour_formulas import (
    backward_formulas,
    forward_formulas,
    loss_formulas,
    update_formulas,
)
from mlpwatch.tui.kit.text_block import Row, without_blanks
from mlpwatch.tui.kit.theme import Role
from tests.support.samples.scenes import CONFIG, FakeSession, ended, started, training
from tests.support.stage import Stage, on_stage, until

pytestmark = pytest.mark.slow

PAGES = ["Forward", "The loss", "Backward", "One unit", "The update"]


@pytest.mark.parametrize(
    ("room", "left"), [(6, "a--b-c"), (5, "a--bc"), (4, "a-bc"), (3, "abc"), (2, "abc")]
)
def test_blank_rows_give_way_to_what_stands_below_but_no_text_does(room: int, left: str) -> None:
    rows: list[Row] = [[(sign, Role.TEXT)] if sign != "-" else [] for sign in "a--b-c"]
    shown = "".join(row[0][0] if row else "-" for row in without_blanks(rows, 9, room))
    assert shown == left


async def turn_to(stage: Stage, page: int) -> None:
    """Open a page of the paused run and wait for its numbers."""
    await stage.press("space", "e", *["right"] * page)
    await until(lambda: "NumPy    step" in stage.text(), stage.pilot)


async def test_in_ascii_the_footer_names_the_key_and_the_signs_of_its_arrow_work_too() -> None:
    async with on_stage(training(), ascii_only=True) as stage:
        await stage.press("e")
        assert "right next page" in stage.text()
        await stage.press("right")
        assert "2/6" in stage.text()
        await stage.press("left")
        assert "1/6" in stage.text()
        await stage.press("escape", "w")
        assert "right next  left previous" in stage.text()


async def take_step(stage: Stage) -> None:
    await stage.press("full_stop")
    await until(lambda: "taken" in stage.text(), stage.pilot)


async def test_pages_go_round_both_ends() -> None:
    async with on_stage(training()) as stage:
        await stage.press("e")
        assert "1/6  → takes one training step apart" in stage.text()
        for number, title in enumerate(PAGES, start=2):
            await stage.press("right")
            assert f"{number}/6  {title}" in stage.text()
        await stage.press("right")
        assert "1/6" in stage.text()
        await stage.press("left")
        assert "6/6  The update" in stage.text()


async def test_a_run_that_trains_is_not_stopped_unasked_and_is_told_how() -> None:
    async with on_stage(training()) as stage:
        await stage.press("e", "right")
        assert "Space pauses the models; then this page shows their next step" in stage.text()
        assert {engine.phase for engine in stage.state.engines.values()} == {"training"}
        await stage.press("space")
        await until(lambda: "NumPy    step 108: epoch 6, batch 8" in stage.text(), stage.pilot)
        assert "PyTorch  step 68: epoch 4, batch 8 of 20, 50 images" in stage.text()
        await stage.press("space")
        assert "Space pauses" in stage.text()


async def test_one_model_paused_alone_is_not_enough() -> None:
    async with on_stage(training()) as stage:
        await stage.press("1", "e", "right")
        assert "Space pauses" in stage.text()


async def test_forward_tells_shapes_means_spreads_and_dead_units() -> None:
    async with on_stage(training(), (80, 24)) as stage:
        await turn_to(stage, 1)
        assert stage.row("A0  images").split() == [
            "A0", "images", "50x64", "0.0759", "0.152", "0.0709", "0.142",
        ]  # fmt: skip
        assert stage.row("A1  relu").split() == [
            "A1", "relu", "50x32", "0.201", "0.402", "1/32", "0.196", "0.392", "1/32",
        ]  # fmt: skip
        assert "Z1  logits" in stage.text()


async def test_a_step_turns_the_numbers_into_before_and_after() -> None:
    async with on_stage(training(), (80, 24)) as stage:
        await turn_to(stage, 2)
        assert stage.row("mean of all").split() == [
            "mean", "of", "all", "0.607", "mean", "of", "all", "0.567",
        ]  # fmt: skip
        await take_step(stage)
        assert "0.607 → 0.507" in stage.row("mean of all")
        assert "0.567 → 0.467" in stage.row("mean of all")
        assert "NumPy    step 108" in stage.text(), "still the batch of that step"
        await stage.press("full_stop")
        await until(lambda: "step 109" in stage.text(), stage.pilot)
        assert "0.608 → 0.508" in stage.row("mean of all")


async def test_backward_sets_both_norms_side_by_side_with_their_difference() -> None:
    async with on_stage(training(), (80, 24)) as stage:
        await turn_to(stage, 3)
        rows = [row.split() for row in stage.text().split("\n") if row.startswith(" ∂L/∂W")]
        assert rows[1:] == [
            ["∂L/∂W1", "32x10", "0.303", "0.283", "1.50e-08"],
            ["∂L/∂W0", "64x32", "0.607", "0.567", "3.20e-08"],
        ]
        await take_step(stage)
        assert "0.607 → 0.507" in stage.row("∂L/∂W0")
        # As with more layers: blank rows go first, then the table's end; never what comes next.
        for height, has_all in ((16, True), (13, False)):
            await stage.pilot.resize_terminal(80, height)
            await stage.look()
            *page, last, footer = stage.text().split("\n")
            assert "∂L/∂W0" in "".join(page)
            assert ("difference: by hand" in "".join(page)) == has_all
            assert last.startswith(" Before → after")
            assert "q back" in footer


@pytest.mark.parametrize("bias", [True, False])
async def test_without_biases_no_page_names_one(bias: bool) -> None:
    session = FakeSession(config=replace(CONFIG, bias=bias))
    async with on_stage(training(), (140, 40), session=session) as stage:
        named = []
        await turn_to(stage, 1)
        assert ("self.b" in stage.text()) == bias, "the source of the layer that is used"
        for _ in PAGES:
            named += [word for word in ("∂L/∂b0", "Wk + bk", "w x + b ") if word in stage.text()]
            await stage.press("right")
    assert named == (["Wk + bk", "∂L/∂b0", "w x + b "] if bias else [])


async def test_the_update_tells_how_far_the_weights_go() -> None:
    async with on_stage(training(), (80, 24)) as stage:
        await turn_to(stage, 5)
        assert stage.row("W1 ").split() == [
            "W1", "32x10", "4.50", "0.0625", "0.0139", "4.50", "0.0625", "0.0139",
        ]  # fmt: skip
        assert stage.row("η  ").split() == ["η", "0.3", "0.3"]
        stage.state.engines["numpy"].step += 1
        await stage.press("left", "right")
        await stage.says("The run trains elsewhere: these are the weights that it saved last")


async def test_an_ended_run_shows_the_step_that_would_come() -> None:
    events = [*training(), ended("numpy", step=107), ended("torch", step=67)]
    async with on_stage(events, (80, 24)) as stage:
        await stage.press("e")
        for page in PAGES:
            await stage.press("right")
            await stage.see("The run has ended")
            assert f"  {page}" in stage.text()


@pytest.mark.parametrize("only", ["numpy", "torch"])
async def test_one_model_alone_has_the_pages_to_itself(only: str) -> None:
    session = FakeSession(config=replace(CONFIG, only=only))  # type: ignore[arg-type]
    events: list[Event] = [started(only)]  # type: ignore[arg-type]
    async with on_stage(events, (80, 24), session=session) as stage:
        await stage.press("space", "e")
        assert "Each step goes against these gradients" in stage.text()
        assert "Both" not in stage.text()
        await stage.press("right")
        await until(lambda: "step 1: epoch 1" in stage.text(), stage.pilot)
        for page in PAGES:
            assert f"  {page}" in stage.text()
            assert ("step 1," if page == "One unit" else "step 1: epoch 1") in stage.text()
            assert ("PyTorch" in stage.text()) == (only == "torch")
            assert "difference" not in stage.text()
            await stage.press("right")


@pytest.mark.parametrize(
    ("loss", "optimizer", "decay"),
    [
        ("cross-entropy", "sgd", 0.0),
        ("cross-entropy", "momentum", 0.0),
        ("mse", "adam", 0.0),
        ("half-mse", "sgd", 0.0),
        ("bce", "sgd", 0.0),
        ("mse", "nesterov", 1e-4),
        ("mse", "rmsprop", 0.0),
        ("mse", "adamw", 0.01),
    ],
)
async def test_plain_ascii_is_plain_and_fits(
    loss: LossName, optimizer: OptimizerName, decay: float
) -> None:
    config = replace(
        CONFIG, optimizer=optimizer, loss=loss, weight_decay=decay, dropout=0.2,
        activation="sigmoid",
    )  # fmt: skip
    session = FakeSession(config=replace(config, torch_loss_mean="element"))
    async with on_stage(training(), (80, 24), session=session, ascii_only=True) as stage:
        await turn_to(stage, 1)
        await take_step(stage)
        assert "flat: units whose derivative stays below 1 %" in stage.text()
        for page in PAGES:
            assert f"  {page}" in stage.text()
            assert stage.text().isascii()
            assert "?" not in stage.text().replace("? help", ""), "every sign has a plain spelling"
            assert "q back" in stage.text().split("\n")[-1]
            assert "takes the next step" in stage.text()
            # The page of a unit has no room for the second line about the step.
            is_unit = page == "One unit"
            assert (" taken" if is_unit else "taken  with dropout") in stage.text()
            assert "sum  " not in stage.text()
            words = [row.strip() for row in stage.text().split("\n") if len(row.split()) == 1]
            assert [word for word in words if not re.search("[().]", word)] == [], "a folded word"
            assert not re.search(r"\S mean of all", stage.text()), "too near to NumPy's numbers"
            await stage.press("right")


async def test_formulas_name_what_this_run_computes() -> None:
    plain, dropping = RunConfig(), RunConfig(dropout=0.2)
    assert "relu(Zk)" in forward_formulas(plain)[0]
    assert "Mk" not in " ".join([*forward_formulas(plain), *backward_formulas(plain)])
    assert "⊙ Mk" in forward_formulas(dropping)[0]
    assert "⊙ Mk ⊙ f'" in backward_formulas(dropping)[1]
    assert "log p[label]" in loss_formulas(plain)[0]
    mse = RunConfig(loss="mse", torch_loss_mean="element")
    assert "nn.MSELoss()" in loss_formulas(mse)[-1]
    assert "nn.MSELoss()" not in " ".join(loss_formulas(replace(mse, only="numpy")))
    of_each = replace(mse, loss="bce")
    assert "log(1 − a)" in loss_formulas(of_each)[0]
    assert "nn.BCEWithLogitsLoss()" in loss_formulas(of_each)[-1]
    starts = {name: update_formulas(RunConfig(optimizer=name))[0][0] for name in OPTIMIZERS}
    rest = {"nesterov": "v", "rmsprop": "v", "adamw": "m"}
    assert starts == {"sgd": "θ", "momentum": "v", "adam": "m"} | rest
    heavy = RunConfig(optimizer="nesterov", momentum=0.8, weight_decay=0.01)
    assert update_formulas(heavy) == [
        "g = ∂L/∂θ + 0.01 θ", "v ← 0.8 v + g    θ ← θ − η (g + 0.8 v)",
    ]  # fmt: skip
    decoupled = RunConfig(optimizer="adamw", weight_decay=0.01)
    assert update_formulas(decoupled)[0] == "θ ← θ − η 0.01 θ"


async def test_a_failure_is_said_and_the_page_waits() -> None:
    class Broken(FakeSession):
        def trace_step(self, previous: StepTrace | None = None) -> StepTrace:  # noqa: ARG002
            raise TimeoutError("30 s")

    async with on_stage(training(), session=Broken()) as stage:
        await stage.press("space", "e", "right")
        await until(lambda: "the step could not be computed: 30 s" in stage.text(), stage.pilot)
        assert "computed" not in stage.state.message, "on other screens it would answer nothing"
        assert isinstance(stage.app.screen, ExplainScreen)
        await stage.press("escape")
        assert "could not be computed" not in stage.text(), "it belongs to the explanation"


@pytest.mark.parametrize("recipe", RECIPE_STORIES)
async def test_the_first_page_tells_a_recipes_story(recipe: RecipeName) -> None:
    config = from_recipe(recipe)
    async with on_stage(training(), (80, 24), session=FakeSession(config=config)) as stage:
        await stage.press("e")
        page_text = " ".join(stage.text().split())
        assert recipe_story(recipe, 10) in page_text
        assert RECIPE_SUMMARIES[recipe][1:] in page_text
        assert "accuracy %" in page_text, "the chart keeps its place"


@pytest.mark.parametrize("page", [1, 2, 3, 4, 5])
async def test_the_pages(page: int, snapshot: SnapshotAssertion) -> None:
    async with on_stage(training(), (80, 24)) as stage:
        await turn_to(stage, page)
        await take_step(stage)
        assert stage.text() == snapshot


@pytest.mark.parametrize("size", [(140, 40), (220, 60)], ids=["140x40", "220x60"])
async def test_a_wide_page(size: tuple[int, int]) -> None:
    async with on_stage(training(), size) as stage:
        await turn_to(stage, 2)
        await take_step(stage)
        assert "NumPy  worst images" in stage.text()
        assert "PyTorch  worst images" in stage.text()
        assert stage.text().count(" %") >= 12, "many images, each with its share"
        await stage.press("space")
        assert "Space pauses" in stage.text()
        assert "worst images" not in stage.text(), "of a step long gone"
