"""The screen's cost is measured, seldom told anew, and 0 that stays when nothing is drawn."""

import re
from dataclasses import dataclass

import pytest

from mlpwatch.tui.terminal.cost import FPS_STEPS, READING_SECONDS, CostMeter
from tests.support.samples.scenes import trained, training
from tests.support.stage import on_stage, until


@dataclass
class Clocks:
    """Time, bytes and computing time as a test says."""

    now: float = 0.0
    sent: int = 0
    computed: float = 0.0

    def meter(self, fps: float = 4.0) -> CostMeter:
        return CostMeter(fps, lambda: self.sent, lambda: self.now, lambda: self.computed)

    def go_on(self, sent: int = 0, computed: float = 0.0, seconds: float = READING_SECONDS) -> None:
        self.now += seconds
        self.sent += sent
        self.computed += computed


def test_it_tells_frames_bytes_and_share_per_second_of_the_reading() -> None:
    clocks = Clocks()
    meter = clocks.meter()
    assert meter.text == ""
    clocks.go_on(seconds=READING_SECONDS / 2)
    assert not meter.read()
    clocks.go_on(sent=5_400, computed=0.06, seconds=2.0)
    assert meter.read()
    assert meter.text == "4 fps ·  1.8 kB/s · ui  2 %"


@pytest.mark.parametrize(
    ("sent", "shown"), [(180, " 0.1"), (242_000, " 121"), (2_000_000, "1000"), (98, "   0")]
)
def test_bytes_keep_their_width(sent: int, shown: str) -> None:
    clocks = Clocks()
    meter = clocks.meter()
    clocks.go_on(sent=sent, computed=0.5)
    meter.read()
    assert meter.text == f"4 fps · {shown} kB/s · ui 25 %"


def test_nothing_drawn_is_0_and_stays_0_whatever_telling_it_costs() -> None:
    clocks = Clocks()
    meter = clocks.meter()
    clocks.go_on(sent=9_000, computed=0.05)
    meter.read()
    clocks.go_on(sent=60, computed=0.01)
    assert meter.read()
    assert meter.text == "4 fps ·    0 kB/s · ui  0 %"
    for share in (0.0, 0.029, 0.01):
        clocks.go_on(sent=70, computed=share)
        assert not meter.read()


def test_a_share_that_trembles_is_not_told_anew() -> None:
    clocks = Clocks()
    meter = clocks.meter()
    clocks.go_on(sent=4_000, computed=0.059)
    meter.read()
    for share in (0.062, 0.085, 0.035):
        clocks.go_on(sent=4_000, computed=share)
        assert not meter.read()
    clocks.go_on(sent=4_000, computed=0.10)
    assert meter.read()
    assert meter.text.endswith("ui  5 %")


def test_frames_per_second_go_up_and_down_in_steps_and_stop_at_both_ends() -> None:
    meter = Clocks().meter(5.0)
    assert (meter.slower(), meter.faster()) == (4.0, 8.0)
    for _ in FPS_STEPS:
        meter.slower()
    assert meter.fps == FPS_STEPS[0]
    for _ in FPS_STEPS:
        meter.faster()
    assert meter.fps == FPS_STEPS[-1]
    assert Clocks().meter(60.0).faster() == 60.0


async def test_the_header_tells_it_where_there_is_room() -> None:
    async with on_stage(training(), fps=30.0) as stage:
        await until(lambda: "kB/s" in stage.text(), stage.pilot)
        header = stage.text().split("\n")[0]
        assert re.search(r"about 0:13 left    30 fps ·    0 kB/s · ui +\d+ %$", header)
        await stage.pilot.resize_terminal(80, 24)
        await stage.look()
        assert "kB/s" not in stage.text().split("\n")[0]


async def test_the_command_palette_changes_how_often_the_screen_looks() -> None:
    async with on_stage(training()) as stage:
        step = stage.state.engines["numpy"].step
        stage.session.feed(trained("numpy", step + 1, first=step + 1))
        commands = {c.title: c for c in stage.app.get_system_commands(stage.app.screen)}
        for _ in FPS_STEPS:
            commands["Faster screen"].callback()
        await until(lambda: stage.state.engines["numpy"].step > step, stage.pilot)
        for _ in FPS_STEPS:
            commands["Slower screen"].callback()
        await until(lambda: f"{FPS_STEPS[0]:g} fps" in stage.text(), stage.pilot)
