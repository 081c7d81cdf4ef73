"""The crosshair stands on every chart at one epoch, and reads out both models there."""

from itertools import product

import pytest

from tests.tui.recording import RecordingApp
from tests.tui.scenes import CONFIG, FakeSession, epoch_done, gap, started, trained, training
from tests.tui.stage import Stage, on_stage
from tui.palette import Role
from tui.widgets.cells import Canvas
from tui.widgets.chart import Chart, Series

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
        await stage.press(*keys.split(), "left", "left", "left")
        columns = [line(shown(stage, *chart)) for chart in CHARTS]
        assert all(len(column) == 1 for column in columns)
        assert len(set.union(*columns)) == 1
        await stage.press("escape")
        assert [line(shown(stage, *chart)) for chart in CHARTS] == [set()] * 4


async def test_it_stands_where_the_epoch_ended_on_an_axis_of_seconds() -> None:
    async with on_stage(training()) as stage:
        await stage.press("x", "left", "left", "left")
        numpy, torch = (line(shown(stage, name, "loss")) for name in ("numpy", "torch"))
        assert max(numpy) < min(torch), "PyTorch, slower, did epoch 3 later"
        await stage.press("right")
        assert line(shown(stage, "torch", "loss")) == set(), "epoch 4 is still to come"


async def test_it_works_in_a_zoomed_panel_and_on_a_small_terminal() -> None:
    async with on_stage(training(), (80, 24)) as stage:
        await stage.press("z", "left", "tab")
        assert len(line(shown(stage, "numpy", "accuracy"))) == 1
        assert "epoch 5: 70.00%" in stage.row("▸ accuracy")


async def test_the_message_tells_the_difference_of_both_models() -> None:
    async with on_stage(training(), (80, 24)) as stage:
        await stage.press("left", "left", "left")
        numpy, torch = epoch_done("numpy", 3), epoch_done("torch", 3)
        accuracy = numpy.validation.accuracy - torch.validation.accuracy
        assert (
            f"epoch 3 · NumPy − PyTorch: loss {numpy.train_loss - torch.train_loss:+.1e}, "
            f"val {numpy.validation.loss - torch.validation.loss:+.1e}, "
            f"accuracy {accuracy * 100:+.2f} %"
        ) in stage.text()
        await stage.press("right")
        assert "epoch 4 · PyTorch not there yet" in stage.text()
        await stage.press("escape")
        assert "epoch 4 ·" not in stage.text()


async def test_the_gap_charts_read_out_too() -> None:
    async with on_stage(training()) as stage:
        await stage.press("o", "left", "left", "left")
        told = gap(3)
        assert f"gap · weights {told.weight_difference:.1e}" in stage.text()
        layers = ", ".join(f"{difference:.1e}" for difference in told.layer_differences)
        assert f"gap by layer · {layers}" in stage.text()


async def test_one_model_alone_has_no_difference() -> None:
    session = FakeSession(config=CONFIG.__class__(data="digits", only="numpy", epochs=12))
    async with on_stage([started("numpy"), *trained("numpy", 50)], session=session) as stage:
        await stage.press("left")
        assert "−" not in stage.text()
        assert "epoch 2:" in stage.row("▸ loss")


async def test_moving_it_sends_two_columns_and_nothing_else() -> None:
    chart = Chart()
    app = RecordingApp(chart)
    curve = Series("train", Role.NUMPY, [(x, 1.0) for x in range(101)])
    async with app.run_test(size=(70, 12)) as pilot:
        for crosshair in (40.0, 60.0):
            app.sent.clear()
            chart.draw("loss", [curve], x_limits=(0, 100), y_limits=(0, 2), crosshair=crosshair)
            await pilot.pause()
    # 10 rows of two cells, each with its own movement and colour.
    assert 0 < app.sent_bytes() < 10 * 2 * 20


def test_it_leaves_curves_in_front_and_the_outside_alone() -> None:
    chart, curve = Chart(), Series("train", Role.NUMPY, [(x, 1.0) for x in range(101)])
    for crosshair, bars in ((50.0, 9), (0.0, 9), (100.0, 9), (101.0, 0), (-1.0, 0)):
        chart.draw(
            "loss", [curve], x_limits=(0, 100), y_limits=(0, 2), crosshair=crosshair,
            ascii_only=True,
        )  # fmt: skip
        canvas = chart.paint(70, 12)
        plot = list(product(range(6, 70), range(1, 11)))
        assert sum(canvas.cell(x, y)[0] == "|" for x, y in plot) == bars
        assert sum(canvas.cell(x, y)[0] == "*" for x, y in plot) == 64
