"""Numbers that are set while it trains: by keys, by the palette, and what the charts show of it."""

import pytest

from mlpwatch.core.events import RateChanged
from mlpwatch.tui.app import MlpwatchApp
from tests.support.samples.scenes import finished, training
from tests.support.stage import Stage, on_stage


def run_command(stage: Stage, title: str) -> None:
    """Choose a command of the palette."""
    app: MlpwatchApp = stage.app
    commands = {one.title: one.callback for one in app.get_system_commands(app.screen)}
    commands[title]()


async def test_the_palette_sets_the_rate_of_one_model_by_number() -> None:
    async with on_stage(training()) as stage:
        run_command(stage, "Set the learning rate of NumPy")
        await stage.look()
        assert "Learning rate of NumPy" in stage.text()
        await stage.press("ctrl+u", *"nan", "enter")
        assert "learning rate nan: expected a number from 1e-30 to 1e+30" in stage.text()
        await stage.press("ctrl+u", *"0.07", "enter")
        assert stage.session.rates == {"numpy": 0.07}
        assert "learning rate 0.07 from NumPy step 108 on" in stage.text()


async def test_the_palette_sets_the_speed_limit_by_number_and_lifts_it() -> None:
    async with on_stage(training()) as stage:
        run_command(stage, "Set the speed limit")
        await stage.look()
        await stage.press("ctrl+u", *"0", "enter")
        assert "limit 0: expected steps per second from 0.001 to 1,000,000" in stage.text()
        await stage.press("ctrl+u", *"33", "enter")
        assert stage.session.limit == 33
        run_command(stage, "Set the speed limit")
        await stage.look()
        await stage.press("ctrl+u", "enter")
        assert stage.session.limit is None


@pytest.mark.parametrize("ascii_only", [False, True])
async def test_a_change_is_marked_on_both_charts_and_the_header_shows_the_rate(
    ascii_only: bool,
) -> None:
    up, down = "^v" if ascii_only else "↑↓"
    async with on_stage(training(), (220, 60), ascii_only=ascii_only) as stage:
        assert f"{down} rate" not in stage.text()
        before = stage.session.learning_rate("numpy")
        await stage.feed(RateChanged("numpy", 40, 5.0, 2 * before, before))
        assert stage.text().count(f"{up} rate") == 2, "NumPy's loss and accuracy"
        await stage.press("minus")
        assert stage.text().count(f"{down} rate") == 4
        assert f"rate {before / 2:.2g}" in stage.text().split("\n")[0]
        await stage.press("o")
        assert stage.text().count(f"{down} rate") >= 2


async def test_a_run_that_has_ended_is_not_changed() -> None:
    async with on_stage(finished()) as stage:
        await stage.press("plus")
        assert stage.session.rates == {}
        assert "this run has ended" in stage.text()
