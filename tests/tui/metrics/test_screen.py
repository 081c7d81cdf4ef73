"""The screen of foreign logs, as a person sees and uses it."""

import math
import os
import re
import time
from pathlib import Path

import pytest
from textual.events import MouseScrollDown, MouseScrollUp
from textual.widgets import Input

from mlpwatch.core.foreign_logs.event_files import NO_EVENTS
from mlpwatch.core.scalars.store import ScalarPoint
from mlpwatch.tui.charts.chart import Chart
from mlpwatch.tui.help.screen import HelpScreen
from mlpwatch.tui.metrics.following import FollowedMetrics
from mlpwatch.tui.metrics_app import MetricsApp
from mlpwatch.tui.startup import ScreenOptions
from tests.support.metrics_stage import on_metrics_stage, training_log, write_lines
from tests.support.screen_text import screen_picture, screen_text
from tests.support.stage import until

SIZES = [(80, 24), (140, 40), (220, 60)]


@pytest.mark.parametrize("size", SIZES)
async def test_train_and_val_share_a_chart_and_the_status_says_how_it_stands(
    tmp_path: Path, size: tuple[int, int]
) -> None:
    log = training_log(tmp_path / "log.jsonl", extra=("lr", "accuracy", "grad/1", "grad/2"))
    async with on_metrics_stage(log, size=size) as stage:
        assert stage.titles() == ["loss", "accuracy", "lr", "grad/1", "grad/2"]
        assert "─ train  • val" in stage.text()
        first = stage.text().split("\n")[0]
        assert first.startswith(" log.jsonl  live · step 999")
        assert first.endswith("JSON lines")


async def test_what_is_written_later_appears(tmp_path: Path) -> None:
    log = write_lines(tmp_path / "log.jsonl", [{"step": 0, "loss": 2.0}])
    async with on_metrics_stage(log) as stage:
        write_lines(log, [{"step": 7, "loss": 1.25, "a new one": 3}], append=True)
        await until(lambda: stage.logs[0].last_step == 7, stage.pilot)
        await stage.look()
        assert "loss  1.25" in stage.text()
        assert "a new one  3" in stage.text()


async def test_two_logs_stand_beside_each_other_to_one_scale(tmp_path: Path) -> None:
    mine = training_log(tmp_path / "keras.jsonl", extra=("only here",))
    yours = training_log(tmp_path / "torch.jsonl", steps=500, extra=())
    async with on_metrics_stage(mine, yours) as stage:
        assert stage.titles() == ["loss", "loss", "only here", "only here"]
        assert "not in this log" in stage.text()
        charts = [chart for chart in stage.screen.query(Chart) if chart.display]
        assert charts[0]._frame.x_limits == charts[1]._frame.x_limits == (0, 1_000)
        assert charts[0]._frame.y_limits == charts[1]._frame.y_limits
        row = stage.text().split("\n")[0]
        assert "keras.jsonl" in row[:70]
        assert "torch.jsonl" in row[70:]


async def test_the_crosshair_goes_through_all_charts_with_their_values(tmp_path: Path) -> None:
    records = [{"step": k, "loss": k / 10, "lr": 2 * k} for k in range(11)]
    async with on_metrics_stage(write_lines(tmp_path / "log.jsonl", records)) as stage:
        await stage.press("home")
        assert re.search(r"loss  0\s", stage.text())
        await stage.press("end")
        assert re.search(r"loss  1\s", stage.text())
        await stage.press(*["left"] * 9)
        at = stage.screen._options.crosshair
        assert at is not None
        assert re.search(rf"lr  {2 * math.floor(at):g}\s", stage.text())


async def test_the_wheel_zooms_and_a_click_puts_the_crosshair(tmp_path: Path) -> None:
    async with on_metrics_stage(training_log(tmp_path / "log.jsonl")) as stage:
        chart = stage.screen.query(Chart).first()
        await stage.pilot.click(Chart, offset=(chart.size.width - 1, 5))
        assert stage.screen._options.crosshair is not None
        assert stage.screen._options.crosshair > 950
        x, y = chart.region.offset
        for kind, shown in ((MouseScrollUp, True), (MouseScrollDown, False)):
            await stage.pilot._post_mouse_events([kind], Chart, offset=(5, 5))
            await stage.look()
            assert ("zoom x 2" in stage.text()) is shown, (x, y)


async def test_epochs_beside_steps_have_their_own_axis(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    write_lines(tmp_path / "a/log.jsonl", ({"step": k, "loss": 1} for k in range(5_000)))
    write_lines(tmp_path / "b/log.jsonl", ({"epoch": k, "accuracy": k / 9} for k in range(10)))
    async with on_metrics_stage(tmp_path) as stage:
        limits = {c._title[0]: c._frame.x_limits for c in stage.screen.query(Chart) if c.display}
        assert limits == {"loss": (0, 5_000), "accuracy": (0, 10)}


async def test_an_empty_log_waits_and_a_filter_without_a_match_says_so(tmp_path: Path) -> None:
    log = tmp_path / "log.jsonl"
    log.touch()
    async with on_metrics_stage(log, size=(80, 24)) as stage:
        assert "no number yet" in stage.text()
        write_lines(log, [{"loss": 1}])
        await until(lambda: stage.logs[0].revision, stage.pilot)
        await stage.press("slash", *"xyz")
        assert "no metric has 'xyz'" in stage.text()
        assert stage.app.screen.query_one(Input).has_focus
        await stage.press("escape")
        assert "loss  1" in stage.text()


async def test_a_log_that_can_t_be_read_any_more_names_why_instead_of_no_number_yet(
    tmp_path: Path,
) -> None:
    log = tmp_path / "events.out.tfevents.1"
    log.touch()
    async with on_metrics_stage(log, size=(80, 24)) as stage:
        assert "no number yet" in stage.text()
        log.write_bytes(b"\0" * 500)
        await until(lambda: stage.logs[0].source.fault, stage.pilot)
        # As the timer draws it: a log without a new number is not drawn again.
        stage.screen._pace.due = 0
        stage.screen.update()
        await stage.pilot.pause()
        assert "no number yet" not in stage.text()
        assert f"no number: {NO_EVENTS}" in stage.text()


async def test_an_old_log_says_when_it_was_written_and_a_fault_what_is_wrong(
    tmp_path: Path,
) -> None:
    log = write_lines(tmp_path / "log.jsonl", [{"loss": 1}])
    os.utime(log, (time.time() - 7_300,) * 2)
    async with on_metrics_stage(log, size=(80, 24)) as stage:
        assert "written 2 h ago" in stage.text()
        log.unlink()
        await until(lambda: stage.logs[0].source.fault, stage.pilot)
        await stage.look()
        assert "log.jsonl  no such file or directory" in stage.text()


async def test_keys_of_a_run_say_that_there_is_none_and_the_help_has_only_what_works(
    tmp_path: Path,
) -> None:
    async with on_metrics_stage(training_log(tmp_path / "log.jsonl"), size=(80, 24)) as stage:
        for key in ("space", "full_stop", "s", "1", "X", "plus", "less_than_sign"):
            await stage.press("end", key)
            assert "another program trains this" in stage.text(), key
        assert "pause" not in stage.text().split("\n")[-1]
        await stage.press("question_mark")
        assert isinstance(stage.app.screen, HelpScreen)
        await stage.pilot.pause()
        assert "On the charts of a log" in stage.text()
        assert "pause or resume" not in stage.text()


async def test_the_palette_offers_what_works(tmp_path: Path) -> None:
    async with on_metrics_stage(training_log(tmp_path / "log.jsonl")) as stage:
        titles = {one.title for one in stage.app.get_system_commands(stage.app.screen)}
        assert {"Filter", "Smooth", "Light theme", "Quit"} <= titles
        assert titles.isdisjoint({"Pause", "Save", "New run", "Set the learning rate", "Faster"})


@pytest.mark.parametrize("size", [(20, 5), (1, 1), (45, 12)])
async def test_a_tiny_terminal_is_no_error(tmp_path: Path, size: tuple[int, int]) -> None:
    log = training_log(tmp_path / "log.jsonl")
    async with on_metrics_stage(log, log, size=size) as stage:
        await stage.press("left", "S", "l", "z", "o", "pagedown", "slash", "a", "escape")


async def test_plain_ascii_has_no_other_character(tmp_path: Path) -> None:
    log = training_log(tmp_path / "log.jsonl")
    async with on_metrics_stage(log, size=(80, 24), ascii_only=True) as stage:
        await stage.press("left", "S", "ctrl+up")
        assert stage.text().isascii()


async def test_curves_differ_without_colours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    async with on_metrics_stage(training_log(tmp_path / "log.jsonl"), size=(80, 24)) as stage:
        assert "─ train  • val" in stage.text()
        assert "#e69f00" not in screen_picture(stage.app)


class BrokenSource:
    """Fails at the second read."""

    title, format, prefixes, fault = "broken", "nothing", (), ""
    written_at, ended, planned = 0.0, False, math.nan

    def __init__(self) -> None:
        self.reads = 0

    def read(self) -> list[ScalarPoint]:
        self.reads += 1
        if self.reads > 1:
            raise ValueError("a bad number")
        return [ScalarPoint("loss", 1, 2)]


async def test_an_error_of_the_reader_is_shown_beside_what_was_read() -> None:
    log = FollowedMetrics(BrokenSource())
    app = MetricsApp([log], ScreenOptions(fps=50.0))
    async with app.run_test(size=(80, 24)) as pilot:
        await until(lambda: "ValueError: a bad number" in screen_text(app), pilot)
        await until(lambda: "loss  2" in screen_text(app), pilot)
        await pilot.press("q")
        await until(lambda: app.return_value is not None, pilot)
        assert app.return_value == 0
