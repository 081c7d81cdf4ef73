"""The crosshair stands on every chart at one step, and reads out both models there."""

from itertools import product

import pytest

from mlpwatch.core.config import EngineName
from mlpwatch.core.events import StepDone, StepGroup
from mlpwatch.tui.charts.chart import Chart, Series
from mlpwatch.tui.charts.chart_data import ChartOptions
from mlpwatch.tui.dashboard.crosshair import crosshair_x, moved, read_out, reading_at
from mlpwatch.tui.dashboard.text import difference_text
from mlpwatch.tui.kit.cells import Canvas
from mlpwatch.tui.kit.look import Look
from mlpwatch.tui.kit.theme import Role
from mlpwatch.tui.state.run_state import RunState
from tests.support.pty.recording import RecordingApp
from tests.support.samples.scenes import (
    CONFIG,
    EPOCH_STEPS,
    FakeSession,
    epoch_done,
    failed,
    gap,
    loss_at,
    started,
    trained,
    training,
)
from tests.support.stage import Stage, on_stage

CHARTS = [(name, row) for name in ("numpy", "torch") for row in ("loss", "accuracy")]


def shown(stage: Stage, name: str, row: str) -> Canvas:
    return stage.app.screen.query_one(f"#{name}-{row}", Chart)._shown


def line(canvas: Canvas) -> set[int]:
    """Columns of vertical bars right of the axis, in the rows of the plot."""
    return {
        x
        for x, y in product(range(6, canvas.width), range(1, canvas.height - 1))
        if canvas.cell(x, y) in [("│", Role.DIM), ("|", Role.DIM)]
    }


@pytest.mark.parametrize("size", [(220, 60), (140, 40)])
@pytest.mark.parametrize("keys", ["", "o", "l"])
async def test_it_stands_in_one_column_of_all_four_charts(size: tuple[int, int], keys: str) -> None:
    async with on_stage(training(), size) as stage:
        await stage.press(*keys.split(), "pageup")
        columns = [line(shown(stage, *chart)) for chart in CHARTS]
        assert all(len(column) == 1 for column in columns)
        assert len(set.union(*columns)) == 1
        await stage.press("escape")
        assert [line(shown(stage, *chart)) for chart in CHARTS] == [set()] * 4


async def test_it_stands_where_the_epoch_ended_on_an_axis_of_seconds() -> None:
    async with on_stage(training()) as stage:
        await stage.press("x", "pageup")
        numpy, torch = (line(shown(stage, name, "loss")) for name in ("numpy", "torch"))
        assert max(numpy) < min(torch), "PyTorch, slower, did epoch 3 later"
        await stage.press("pagedown")
        assert line(shown(stage, "torch", "loss")) == set(), "epoch 4 is still to come"


async def test_it_works_in_a_zoomed_panel_and_on_a_small_terminal() -> None:
    async with on_stage(training(), (80, 24)) as stage:
        await stage.press("z", "pageup", "pagedown", "pagedown", "tab")
        assert len(line(shown(stage, "numpy", "accuracy"))) == 1
        assert "epoch 5: 70.00 %" in stage.row("▸ accuracy")


async def test_the_message_tells_the_difference_of_both_models() -> None:
    async with on_stage(training(), (80, 24)) as stage:
        await stage.press("pageup")
        numpy, torch = epoch_done("numpy", 3).record, epoch_done("torch", 3).record
        accuracy = numpy.val_accuracy - torch.val_accuracy
        assert (
            f"epoch 3 · NumPy − PyTorch: loss {loss_at('numpy', 60) - loss_at('torch', 60):+.1e}, "
            f"val {numpy.val_loss - torch.val_loss:+.1e}, "
            f"accuracy {accuracy * 100:+.2f} points"
        ) in stage.text()
        await stage.press("pagedown")
        assert "epoch 4 · PyTorch not there yet" in stage.text()
        await stage.press("escape")
        assert "epoch 4 ·" not in stage.text()


async def test_the_gap_charts_read_out_too() -> None:
    async with on_stage(training()) as stage:
        await stage.press("o", "pageup")
        told = gap(3)
        assert f"gap · weights {told.weight_difference:.1e}" in stage.text()
        layers = ", ".join(f"{difference:.1e}" for difference in told.layer_differences)
        assert f"gap by layer · {layers}" in stage.text()


async def test_one_model_alone_has_no_difference() -> None:
    session = FakeSession(config=CONFIG.__class__(data="digits", only="numpy", epochs=12))
    async with on_stage([started("numpy"), *trained("numpy", 50)], session=session) as stage:
        await stage.press("pageup")
        assert "−" not in stage.text()
        assert "epoch 2:" in stage.row("▸ loss")


async def test_moving_it_sends_two_columns_and_nothing_else() -> None:
    chart = Chart()
    app = RecordingApp(chart)
    curve = Series("train", Role.NUMPY, [(x, 1.0) for x in range(101)])
    async with app.run_test(size=(70, 12)) as pilot:
        for crosshair in (40.0, 60.0):
            app.sent.clear()
            chart.update("loss", [curve], x_limits=(0, 100), y_limits=(0, 2), crosshair=crosshair)
            await pilot.pause()
    # 10 rows of two cells, each with its own movement and colour.
    assert 0 < app.sent_bytes() < 10 * 2 * 20


def test_it_leaves_curves_in_front_and_the_outside_alone() -> None:
    chart, curve = Chart(), Series("train", Role.NUMPY, [(x, 1.0) for x in range(101)])
    chart.look = Look(ascii_only=True)
    for crosshair, bars in ((50.0, 9), (0.0, 9), (100.0, 9), (101.0, 0), (-1.0, 0)):
        chart.update("loss", [curve], x_limits=(0, 100), y_limits=(0, 2), crosshair=crosshair)
        canvas = chart.paint(70, 12)
        plot = list(product(range(6, 70), range(1, 11)))
        assert sum(canvas.cell(x, y)[0] == "|" for x, y in plot) == bars
        assert sum(canvas.cell(x, y)[0] == "*" for x, y in plot) == 64


async def test_the_arrows_move_it_by_one_column_of_the_chart() -> None:
    async with on_stage(training()) as stage:
        await stage.press("left")
        [before] = line(shown(stage, "numpy", "loss"))
        assert "step 67:" in stage.row("▸ loss"), "it enters at the newest step of both"
        for n in range(1, 8):
            await stage.press("left")
            assert line(shown(stage, "numpy", "loss")) == {before - n}
        await stage.press("right")
        assert line(shown(stage, "torch", "accuracy")) == {before - 6}


@pytest.mark.parametrize(
    ("key", "words"),
    [
        ("right", "← brings the crosshair in"),
        ("shift+right", "← brings the crosshair in"),
        ("pagedown", "← brings the crosshair in"),
        ("up", "↑ and ↓ move in the matrix"),
        ("enter", "enter opens a cell of the matrix"),
    ],
)
async def test_keys_without_effect_on_a_chart_say_why(key: str, words: str) -> None:
    async with on_stage(training()) as stage:
        await stage.press(key)
        assert words in stage.text()
        assert "step 67:" not in stage.text()


async def test_it_does_not_enter_where_a_model_broke_off() -> None:
    async with on_stage(failed()) as stage:
        await stage.press("left")
        assert "step 107:" in stage.row("▸ loss")


async def test_shift_and_arrow_move_it_by_one_point() -> None:
    async with on_stage(training()) as stage:
        await stage.press("pageup", "shift+left")
        assert (
            f"step 59: {loss_at('numpy', 59):.4f}, val {epoch_done('numpy', 2).record.val_loss:.4f}"
            in stage.row("▸ loss")
        )
        await stage.press("shift+right")
        assert "epoch 3:" in stage.row("▸ loss")


async def test_among_the_last_steps_it_reads_each_step_itself() -> None:
    async with on_stage([started("numpy"), started("torch"), *trained("numpy", 107)]) as stage:
        await stage.press("f", "left", "shift+left", "shift+left")
        assert f"step 105: {loss_at('numpy', 105):.4f}" in stage.row("▸ loss")


def long_run(steps: int = 5_000) -> RunState:
    """NumPy alone, whose batches' losses go 1, 2, 3, 1, 2, 3 and so on."""
    state = RunState(10, 1_000, ("numpy",))
    state.apply_all(StepDone("numpy", n, n / 100, 1.0 + n % 3) for n in range(1, steps + 1))
    return state


def test_in_a_long_run_it_reads_a_bucket_and_the_spread_of_its_batches() -> None:
    engine = long_run().engines["numpy"]
    value, _, spread = read_out("loss", engine, ChartOptions(), 2_345)
    loss, _, steps = value.partition(" ")
    assert 1.9 < float(loss) < 2.1
    assert steps == "(39 steps)", "the mean of a bucket is not called a step's"
    assert spread == ", batches 1.0000 to 3.0000"
    assert read_out("loss", engine, ChartOptions(recent=True), 4_500) == ("1.0000", "", "")
    assert read_out("loss", engine, ChartOptions(), 5_001) == ("not yet", "", "")
    assert read_out("accuracy", engine, ChartOptions(), 2_345) == ("no epoch yet", "", "")


def twins(steps: dict[EngineName, int], *, grouped: bool = False) -> RunState:
    """Two models with equal losses, which fall with every step, at unlike steps of a long run."""
    state = RunState(10, 1_000, ("numpy", "torch"))
    for name, last in steps.items():
        state.apply_all(StepDone(name, n, n / 100, 2.0 - n / 9_000) for n in range(1, last + 1))
        if grouped:
            low, high = 2.0 - (last + 40) / 9_000, 2.0 - (last + 1) / 9_000
            group = StepGroup(name, last + 40, 40, 50.0, (low + high) / 2, low, high)
            state.apply(group)
    return state


def test_of_a_bucket_that_one_model_has_more_of_no_difference_is_told() -> None:
    state = twins({"numpy": 5_511, "torch": 4_026})
    # The newest bucket of PyTorch begins at step 4,001: of NumPy it holds 39 steps, of PyTorch 26.
    assert "no loss of the same steps" not in difference_text(state, ChartOptions(), 3_990)
    text = difference_text(state, ChartOptions(), 4_020)
    assert "loss +" not in text
    assert "no loss of the same steps" in text


@pytest.mark.parametrize("recent", [False, True])
def test_equal_models_differ_nowhere(recent: bool) -> None:
    state = twins({"numpy": 5_511, "torch": 5_026})
    options = ChartOptions(recent=recent)
    for step in range(1, 5_026, 7):
        text = difference_text(state, options, step)
        assert "loss +0.0e+00" in text or "no loss of the same steps" in text, text
    assert "loss +0.0e+00 (39 steps)" in difference_text(state, options, 2_345)
    step_itself = difference_text(state, options, 5_020)
    assert step_itself.endswith("loss +0.0e+00"), "both still have this step"


def test_the_mean_of_a_group_of_steps_is_no_step() -> None:
    state = twins({"numpy": 1_000, "torch": 1_020}, grouped=True)
    assert state.engines["numpy"].loss_by_step.exact(1_020) is None
    assert state.engines["torch"].loss_by_step.exact(1_040) is None
    text = difference_text(state, ChartOptions(), 1_030)
    assert "loss -" not in text, "each has another group there"
    assert "loss +" not in text


def test_steps_before_a_resume_read_their_epoch_s_mean() -> None:
    state = RunState(12, EPOCH_STEPS, ("numpy",))
    engine = state.engines["numpy"]
    state.apply_all([epoch_done("numpy", 1), epoch_done("numpy", 2)])
    state.apply_all(trained("numpy", 60, first=41))
    read = reading_at(engine, ChartOptions(), 30)
    assert read is not None
    assert read.loss == epoch_done("numpy", 2).record.train_loss
    assert read.epoch is not None
    assert read.epoch.epoch == 1


def test_it_never_leaves_to_the_left_and_leaves_behind_the_newest_step() -> None:
    state = long_run()
    assert moved(state, None, 40, 1) is None
    assert moved(state, None, 40, -1) == 5_000
    assert moved(state, 30, 40, -1) == 1
    assert moved(state, 4_980, 40, 1) is None
    assert moved(state, 1, 40, 1) == 41
    assert moved(state, 1_500, 1_000, 1) == 2_000
    assert moved(state, 2_000, 1_000, -1) == 1_000
    assert moved(RunState(10, 1_000, ("numpy",)), None, 40, -1) is None, "nothing to stand on"


def test_on_an_axis_of_seconds_it_stands_in_proportion_between_two_epochs() -> None:
    state = RunState(12, EPOCH_STEPS, ("numpy",))
    state.apply_all(trained("numpy", 50))
    engine, options = state.engines["numpy"], ChartOptions(by_seconds=True)
    for step in (5, 20, 30, 45):
        assert crosshair_x(engine, state, options, step) == pytest.approx(step * 0.05)
    assert crosshair_x(engine, state, options, 51) is None
