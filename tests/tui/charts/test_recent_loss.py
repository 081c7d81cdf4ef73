"""The loss of the last 1,000 steps, every one of them drawn."""

import math

from mlpwatch.core.events import RunStarted, StepDone
from mlpwatch.tui.charts.chart import Chart
from mlpwatch.tui.charts.chart_data import RECENT_X, ChartLimits, ChartOptions, recent_loss_series
from mlpwatch.tui.dashboard.screen import Dashboard
from mlpwatch.tui.kit.cells import Canvas
from mlpwatch.tui.state.curves import RECENT_CAPACITY
from mlpwatch.tui.state.run_state import RunState
from tests.support.samples.scenes import CONFIG, EPOCH_STEPS
from tests.support.stage import Stage, on_stage


def state_after(steps: int, *, spike_at: int = 0, level: float = 0.5) -> RunState:
    state = RunState(1_000, EPOCH_STEPS, ("numpy", "torch"))
    for n in range(1, steps + 1):
        loss = 9.0 if n == spike_at else level + 0.1 * math.sin(n)
        state.apply(StepDone("numpy", n, n / 100, loss))
    return state


def test_it_holds_the_last_steps_as_they_came_counted_from_the_newest() -> None:
    state = state_after(5_000)
    train, _ = recent_loss_series([state.engines["numpy"]], ChartOptions(recent=True))
    assert len(train.points) == RECENT_CAPACITY
    assert train.points[-1] == (0.0, 0.5 + 0.1 * math.sin(5_000))
    assert train.points[0] == (-999.0, 0.5 + 0.1 * math.sin(4_001))
    assert RECENT_X == (-1_000.0, 0.0)


def test_one_step_alone_is_seen_where_the_whole_run_would_average_it() -> None:
    def rows(spike_at: int) -> set[int]:
        state, chart = state_after(1_500, spike_at=spike_at), Chart()
        series = recent_loss_series([state.engines["numpy"]], ChartOptions(recent=True))
        chart.update("loss", series, x_limits=RECENT_X, y_limits=(0, 10))
        canvas = chart.paint(70, 12)
        return {y for y in range(1, 11) if any(c > "\u2800" for c in canvas.row(y))}

    assert min(rows(spike_at=1_234)) == 1, "9 of 10: on the lower edge of the first row"
    assert min(rows(spike_at=0)) >= 9


def test_its_height_follows_a_loss_that_has_fallen() -> None:
    limits, options = ChartLimits(), ChartOptions(recent=True)
    assert limits.recent_loss(state_after(10, level=2.3), options)[1] >= 2.3
    fitted = limits.recent_loss(state_after(2_000, level=0.2), options)
    assert fitted[1] <= 0.4
    assert limits.recent_loss(state_after(2_001, level=0.19), options) == fitted, "it stands still"


async def test_nan_is_a_gap_and_nothing_positive_is_said_politely() -> None:
    events = [RunStarted("numpy", 10, 1, 0, 0.0)]
    steps = [StepDone("numpy", n, n / 100, math.nan) for n in range(1, 40)]
    async with on_stage([*events, *steps], (140, 40)) as stage:
        await stage.press("f", "l")
        assert stage.text().count("waiting for the first step") >= 2
        await stage.feed(*(StepDone("numpy", n, n / 100, 0.0) for n in range(40, 60)))
        assert "nothing above 0 to show on a log axis" in stage.text()


async def test_it_works_in_the_overlay_too() -> None:
    events = [RunStarted("numpy", 10, 1, 0, 0.0), RunStarted("torch", 10, 1, 0, 0.0)]
    steps = [StepDone("numpy", n, n / 100, 2.0) for n in range(1, 200)]
    steps += [StepDone("torch", n, n / 50, 1.0) for n in range(1, 100)]
    assert CONFIG.epochs * EPOCH_STEPS == 240
    async with on_stage([*events, *steps], (140, 40)) as stage:
        await stage.press("f", "o")
        title = stage.row("loss of the last steps")
        assert "NumPy" in title
        assert "PyTorch" in title
        assert "steps " in stage.text()


async def test_while_training_it_is_drawn_every_other_second_and_at_once_when_paused() -> None:
    events = [RunStarted("numpy", 10, 1, 0, 0.0)]
    steps = [StepDone("numpy", n, n / 100, 1.0 + n % 2) for n in range(1, 400)]

    def shown(stage: Stage) -> Canvas:
        return stage.app.screen.query_one("#numpy-loss", Chart)._shown

    async with on_stage([*events, *steps], (140, 40)) as stage:
        await stage.press("f")
        before = shown(stage)
        stage.session.feed(StepDone("numpy", n, n / 100, 1.0) for n in range(400, 700))
        stage.app.runs.top.poll()
        assert isinstance(stage.app.screen, Dashboard)
        stage.app.screen.update()
        assert shown(stage) is before
        stage.app.screen.charts.recent_pace.due = 0.0
        stage.app.screen.update()
        assert shown(stage) is not before
        await stage.press("1")
        before = shown(stage)
        await stage.feed(StepDone("numpy", 700, 7.0, 1.5))
        stage.app.screen.update()
        assert shown(stage) is not before
