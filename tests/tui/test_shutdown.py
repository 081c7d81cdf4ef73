"""Leaving waits for the last writes once, however many frames that takes."""

from dataclasses import replace
from threading import Event as Flag

import pytest
from textual.events import Key

from mlpwatch.tui.app import MlpwatchApp
from mlpwatch.tui.dashboard.screen import Dashboard
from mlpwatch.tui.startup import ScreenOptions
from mlpwatch.tui.state.watch import Watch
from tests.support.samples.scenes import FakeSession, digits, training
from tests.support.stage import on_stage, until


class SlowDisk(FakeSession):
    """Joins when it is told to."""

    def __post_init__(self) -> None:
        """Begin with nothing joined."""
        super().__post_init__()
        self.joins, self.written = 0, Flag()

    def join(self, seconds: float) -> bool:
        self.joins += 1
        return self.written.wait(seconds)


async def test_an_end_that_takes_many_frames_is_waited_for_once() -> None:
    session = SlowDisk(dataset=replace(digits(), name="mnist"))
    watch = Watch(lambda _report: session)
    app = MlpwatchApp(watch, session.config.engine_names, ScreenOptions(fps=50))
    async with app.run_test(size=(80, 24)) as pilot:
        await until(lambda: watch.session is not None, pilot)
        await pilot.press("q")
        await until(lambda: session.joins, pilot)
        # Ten more looks, as ten more frames would take them.
        for _ in range(10):
            app._tick()
            await pilot.pause()
        assert session.joins == 1
        session.written.set()
        await until(lambda: app._exit, pilot)
    assert app.return_value == 0


async def test_quitting_says_so_and_a_second_time_leaves_at_once() -> None:
    session = SlowDisk()
    async with on_stage(training(), session=session) as stage:
        await stage.press("q")
        assert "saving, then leaving; ctrl+c leaves at once" in stage.text()
        assert stage.app.return_value is None
        await stage.pilot.press("ctrl+c")
        assert stage.app.return_value == 130
        session.written.set()


async def test_a_new_message_is_shown_before_the_cell_under_the_cursor() -> None:
    async with on_stage(training()) as stage:
        await stage.press("tab", "tab", "down")
        assert "predicted as" in stage.row("enter opens")
        await stage.press("s")
        assert "saved in" in stage.text()
        await stage.press("left")
        assert "saved in" not in stage.text()
        await stage.press("escape")
        assert "enter opens" not in stage.text()


@pytest.mark.parametrize("keys", ["m", "m enter", "e", "w", "d", "r"])
async def test_q_on_another_screen_goes_back_and_training_continues(keys: str) -> None:
    async with on_stage(training()) as stage:
        await stage.press(*keys.split())
        depth = len(keys.split())
        for _ in range(depth):
            assert "q back" in stage.row("? help")
            await stage.press("q")
        assert isinstance(stage.app.screen, Dashboard)
        assert not stage.app.shutdown.is_asked
        assert not stage.session.ended
        assert {engine.phase for engine in stage.state.engines.values()} == {"training"}


async def test_q_behind_a_key_that_opens_a_screen_does_not_end_the_training() -> None:
    async with on_stage(training()) as stage:
        for character in "eq":
            stage.app.post_message(Key(character, character))
        await stage.pilot.pause()
        assert not stage.app.shutdown.is_asked


async def test_ctrl_q_which_flow_control_sends_does_nothing() -> None:
    async with on_stage(training()) as stage:
        await stage.press("ctrl+q")
        assert not stage.app.shutdown.is_asked
