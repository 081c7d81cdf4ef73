"""How far both models are apart: after one step, and after training; where they part, and why."""

from dataclasses import replace
from itertools import product

import pytest

from mlpwatch.core.config import ENGINE_NAMES
from mlpwatch.core.events import RateChanged
from mlpwatch.tui.charts.chart import Chart, Series
from mlpwatch.tui.charts.chart_data import ChartOptions, gap_series
from mlpwatch.tui.kit.look import Look
from mlpwatch.tui.kit.theme import Role
from tests.support.samples.scenes import compared, difference, gap, training
from tests.support.stage import on_stage


async def test_both_gaps_share_a_chart_where_steps_were_compared() -> None:
    async with on_stage(training()) as stage:
        assert [s.label for s in gap_series(stage.state, ChartOptions())] == [
            "largest weight", "loss",
        ]  # fmt: skip
        await stage.feed(compared(1), compared(40))
        grown, one_step, rounding = gap_series(stage.state, ChartOptions())
        assert [label.label for label in (grown, one_step, rounding)] == [
            "grown apart", "one step apart", "rounding",
        ]  # fmt: skip
        assert list(one_step.points) == [(0.05, 6e-8), (2.0, 6e-8)]
        assert list(rounding.points) == [(0.05, 4e-6), (2.0, 4e-6)]
        by_seconds = gap_series(stage.state, ChartOptions(by_seconds=True, gap="one step apart"))
        assert list(by_seconds[0].points) == [(0.05, 6e-8), (2.0, 6e-8)]
        await stage.press("o", "left", "left")
        assert "one step 6.0e-08" in stage.text() or "gap" in stage.text()


@pytest.mark.parametrize("width", [80, 140])
async def test_the_line_that_explains_comes_when_they_part(width: int) -> None:
    async with on_stage(training(), (width, 36)) as stage:
        await stage.feed(compared(1), compared(20))
        assert "o charts the gap" in stage.text()
        # 4 epochs of 20 steps, each 6e-8 apart, add up to 4.8e-6.
        await stage.feed(replace(gap(4), weight_difference=4e-6))
        assert "kinks" not in stage.text()
        await stage.feed(replace(gap(5), weight_difference=6e-3))
        line = stage.row("one step differs by")
        assert (
            "o: one step differs by 6.0e-8 at most (rounding); ReLU's kinks made 6e-3 of it" in line
        )


@pytest.mark.parametrize("width", [80, 140])
async def test_the_first_step_outside_is_marked_and_e_says_why(width: int) -> None:
    async with on_stage(training(), (width, 36)) as stage:
        await stage.feed(compared(1), compared(40, 0.01))
        assert "step 40 of both differs by 1.0e-02, rounding makes at most 4.0e-06" in stage.text()
        chart = stage.app.screen.query_one("#numpy-loss", Chart)
        canvas = chart.paint(60, 12)
        marked = [
            (x, y) for x, y in product(range(60), range(1, 11))
            if canvas.cell(x, y) == ("│", Role.WARNING)
        ]  # fmt: skip
        assert len({x for x, _ in marked}) == 1
        await stage.feed(difference(40))
        line = stage.row("e: PyTorch differs")
        assert "e: PyTorch differs since step 40: loss-mean-over-classes, factor 1/10" in line
        await stage.feed(difference(60))
        assert "since step 40" in stage.text(), "the first counts"


def test_a_mark_and_a_crosshair_may_stand_in_one_chart() -> None:
    chart, curve = Chart(), Series("train", Role.NUMPY, [(x, 1.0) for x in range(101)])
    chart.look = Look(ascii_only=True)
    chart.update("loss", [curve], x_limits=(0, 100), y_limits=(0, 2), crosshair=20.0, mark=80.0)
    canvas = chart.paint(70, 12)
    cells = [canvas.cell(x, y) for x, y in product(range(6, 70), range(1, 11))]
    assert cells.count(("|", Role.DIM)) == cells.count(("|", Role.WARNING)) == 9


async def test_models_that_learn_at_different_rates_are_not_put_down_to_rounding() -> None:
    async with on_stage(training()) as stage:
        await stage.feed(compared(1), replace(gap(4), weight_difference=6e-3))
        assert "one step differs by" in stage.text()
        for engine in ENGINE_NAMES:
            assert ("one step differs by" in stage.text()) == (engine == "numpy")
            await stage.feed(RateChanged(engine, 90, 4.5, 0.1, 0.3))
            if engine == "numpy":
                await stage.press("e")
                assert "They learn at different rates: after epoch 4" in stage.text()
                await stage.press("escape")
        stage.state.expire(stage.state.message_until)
        await stage.look()
        assert "one step differs by" in stage.text(), "both were changed at the same step"
