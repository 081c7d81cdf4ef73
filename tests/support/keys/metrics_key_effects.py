"""What each key does on the screen of foreign logs; see `key_effects`."""

from collections.abc import Awaitable, Callable

from mlpwatch.tui.charts.chart import Chart
from mlpwatch.tui.metrics.picture import MetricOptions
from tests.support.keys.key_effects import EFFECTS
from tests.support.metrics_stage import MetricsStage
from tests.support.stage import Stage

MetricsEffect = Callable[[MetricsStage, str], Awaitable[None]]


def metrics_effect(action: str) -> Callable[[MetricsEffect], MetricsEffect]:
    """Say that a function presses the key on two logs of 1,000 steps, and proves what came."""

    def note(proof: MetricsEffect) -> MetricsEffect:
        async def on_logs(stage: Stage, key: str) -> None:
            assert isinstance(stage, MetricsStage)
            await proof(stage, key)

        EFFECTS["metrics", action] = on_logs
        return proof

    return note


def options(stage: MetricsStage) -> MetricOptions:
    return stage.screen._options


@metrics_effect("filter")
async def filters(stage: MetricsStage, key: str) -> None:
    await stage.press(key, *"loss", "enter")
    assert set(stage.titles()) == {"loss"}
    assert "/loss" in stage.text()


@metrics_effect("page(1)")
async def turns_the_page(stage: MetricsStage, key: str) -> None:
    before = stage.titles()
    await stage.press(key)
    assert "page 2 of" in stage.text()
    assert set(stage.titles()).isdisjoint(before)


@metrics_effect("page(-1)")
async def turns_the_page_back(stage: MetricsStage, key: str) -> None:
    await stage.press("pagedown", key)
    assert "page 1 of" in stage.text()


def moves_the_crosshair(columns: int) -> MetricsEffect:
    async def proof(stage: MetricsStage, key: str) -> None:
        await stage.press(*["left"] * 20)
        before = options(stage).crosshair
        await stage.press(key)
        after = options(stage).crosshair
        assert before is not None
        assert after is not None
        stride = 1_000 / stage.screen.query(Chart).first().plot_columns
        assert abs(after - before - columns * stride) <= 1
        assert stage.text().count("│") > 40, "it stands in every chart"

    return proof


for _action, _columns in (
    ("crosshair(-1)", -1), ("crosshair(1)", 1), ("crosshair(-10)", -10), ("crosshair(10)", 10),
):  # fmt: skip
    metrics_effect(_action)(moves_the_crosshair(_columns))


@metrics_effect("end(-1)")
async def goes_to_the_first_step(stage: MetricsStage, key: str) -> None:
    await stage.press(key)
    assert options(stage).crosshair == 0
    assert "step 0" in stage.text()
    assert "loss  2" in stage.text()


@metrics_effect("end(1)")
async def goes_back_to_the_newest(stage: MetricsStage, key: str) -> None:
    await stage.press("left", "left", key)
    assert options(stage).crosshair is None


@metrics_effect("zoom_x(1)")
async def halves_the_steps(stage: MetricsStage, key: str) -> None:
    await stage.press(key)
    assert "zoom x 2" in stage.text()
    assert stage.screen._x_limits() == (500, 1_000)


@metrics_effect("zoom_x(-1)")
async def doubles_the_steps(stage: MetricsStage, key: str) -> None:
    await stage.press("ctrl+up", "ctrl+up", key)
    assert "zoom x 2" in stage.text()


@metrics_effect("toggle_log")
async def makes_the_axes_logarithmic(stage: MetricsStage, key: str) -> None:
    await stage.press(key)
    assert "log y" in stage.row("page 1")
    await stage.press(key)
    assert "log y" not in stage.row("page 1")


@metrics_effect("next_smoothing")
async def smooths(stage: MetricsStage, key: str) -> None:
    rough = stage.text()
    for shown in ("smooth 0.6", "smooth 0.9"):
        await stage.press(key)
        assert shown in stage.text()
    await stage.press(key)
    assert stage.text() == rough


@metrics_effect("toggle_single")
async def shows_one_chart(stage: MetricsStage, key: str) -> None:
    await stage.press(key)
    assert stage.titles() == ["loss", "loss"]
    await stage.press(key)
    assert len(stage.titles()) > 2


@metrics_effect("toggle_overlay")
async def shows_both_in_one_chart(stage: MetricsStage, key: str) -> None:
    await stage.press(key)
    assert stage.titles().count("loss") == 1
    assert "1 train" in stage.text()
    assert "2 train" in stage.text()


@metrics_effect("back")
async def drops_one_after_the_other(stage: MetricsStage, key: str) -> None:
    await stage.press("slash", *"loss", "enter", "z", "ctrl+up", "left", key)
    assert options(stage).crosshair is None
    await stage.press(key)
    assert options(stage).halvings == 0
    await stage.press(key, key)
    assert len(set(stage.titles())) > 1
