"""The sweep's screen: what it shows while trials come and go, and what keys do to no run."""

from pathlib import Path
from threading import Event as Flag

import pytest

from mlpwatch.core.config import RunConfig
from mlpwatch.core.errors import DataError
from mlpwatch.core.runs.layout import GROUP_NAME, METRICS_NAME
from mlpwatch.core.runs.lock import RunLock
from mlpwatch.core.sweeps.group import held_group, read_group
from mlpwatch.core.sweeps.local import LocalPool
from mlpwatch.core.sweeps.sweep import Sweep
from mlpwatch.tui.groups.screen import GroupScreen
from mlpwatch.tui.groups.source import SweepSource, SweepTraining
from tests.support.samples.sweep_samples import four_settings, group_of, make_group, train_trial
from tests.support.stage import until
from tests.support.sweep_stage import SweepStage, on_sweep_stage
from tests.support.waiting import wait_until

pytestmark = pytest.mark.slow


def is_back(stage: SweepStage) -> bool:
    return isinstance(stage.app.screen, GroupScreen)


async def test_a_trial_that_ends_is_in_the_means_and_the_verdict(tmp_path: Path) -> None:
    group = group_of({}, seeds=3)
    path = make_group(tmp_path, "g", group)
    async with on_sweep_stage(path) as stage:
        assert "0 of 3 finished" in stage.text()
        assert "no pair of the same seed yet" in stage.text()
        for trial, torch in zip(group.trials, (0.86, 0.87, 0.85), strict=True):
            train_trial(path, trial, {"numpy": 0.9, "torch": torch})
        await stage.read()
        assert "3 of 3 finished" in stage.text()
        assert "90.00 ± 0.00  86.00 ± 1.00" in stage.row("▸ all seeds")
        assert "PyTorch is 4.00 ± 2.48 points lower: real" in stage.text()


async def test_what_trains_says_how_much_is_left(tmp_path: Path) -> None:
    path = four_settings(tmp_path)
    last = read_group(path).trials[-1]
    async with on_sweep_stage(path) as stage:
        assert "left" not in stage.row(" sweep g")
        with held_group(path):
            lock = RunLock(train_trial(path, last, {"numpy": 0.5, "torch": 0.4}, epochs=1))
            lock.acquire()
            await stage.read()
            assert "10 of 12 finished, 1 failed, 1 training" in stage.text()
            assert "about 0:04 left" in stage.text()
            assert "1 training     0:04" in stage.row("+ 32       0.3")
            await stage.press("end", "enter", "end")
            assert "val 16.67" in stage.row("▸")
            lock.release()


@pytest.mark.parametrize("key", ["space", "full_stop", "1", "s", "plus", "less_than_sign"])
async def test_a_key_for_a_run_says_that_none_is_open(key: str, tmp_path: Path) -> None:
    async with on_sweep_stage(four_settings(tmp_path)) as stage:
        await stage.press(key)
        assert "no run is open: enter lists a setting's trials, then opens one" in stage.text()


async def test_the_footer_and_the_palette_offer_what_works_here(tmp_path: Path) -> None:
    async with on_sweep_stage(four_settings(tmp_path)) as stage:
        footer = stage.row("? help")
        assert footer.rstrip().endswith("q leave it")
        assert "pause" not in footer
        titles = {one.title for one in stage.app.get_system_commands(stage.app.screen)}
        assert {"Open", "Filter", "Bands", "Quit"} <= titles
        assert "New run" not in titles, "it would take the sweep's place"


async def test_a_trial_that_cannot_be_opened_says_why(tmp_path: Path) -> None:
    path = four_settings(tmp_path)
    metrics = path / read_group(path).trials[4].name / METRICS_NAME
    async with on_sweep_stage(path) as stage:
        await stage.press("end", "enter", "end", "enter")
        assert "this trial has not begun" in stage.text()
        await stage.press("home", "enter", "down", "down")
        (metrics.parent / "config.json").write_text("{")
        await stage.press("enter")
        # The folder was whole when the list was read.
        await until(lambda: stage.app.runs.poll() and is_back(stage), stage.pilot)
        await stage.see("config.json")
        await stage.read()
        assert "2 failed" in stage.row(" sweep g")
        await stage.press("enter")
        assert isinstance(stage.app.screen, GroupScreen)


async def test_a_trial_is_not_branched_in_the_sweeps_place(tmp_path: Path) -> None:
    async with on_sweep_stage(four_settings(tmp_path)) as stage:
        await stage.press("enter", "down", "enter")
        await stage.see_trial()
        await stage.press("b")
        assert "mlpwatch branch g/hidden=16,learning-rate=0.1,seed=0 --at EPOCH" in stage.text()
        await stage.press("space")
        assert "this trial has ended" in stage.text()
        await stage.press("r")
        assert isinstance(stage.app.screen, GroupScreen)


async def test_a_folder_that_is_gone_is_said_and_the_last_numbers_stay(tmp_path: Path) -> None:
    path = four_settings(tmp_path)
    async with on_sweep_stage(path) as stage:
        (path / GROUP_NAME).rename(path / "elsewhere")
        await stage.read()
        await until(lambda: "group.json: missing" in stage.text(), stage.pilot)
        assert "90.27 ± 0.31" in stage.text()


async def test_the_screen_ends_with_the_reason_where_a_sweep_cannot_be_trained(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_pool: LocalPool, _configs: object) -> list[float]:
        raise DataError("no such data")

    monkeypatch.setattr(LocalPool, "estimate", refuse)
    path, stop = tmp_path / "g", Flag()
    group = group_of({}, seeds=1, config=RunConfig(data="digits"))
    training = SweepTraining(
        Sweep(path, group, stop.is_set), LocalPool(path, jobs=1, threads=1), stop
    )
    async with on_sweep_stage(SweepSource(path, training), fps=50.0) as stage:
        await until(lambda: stage.app.return_value == 1, stage.pilot)
    assert str(training.error) == "no such data"
    assert not path.exists(), "nothing was written"


async def test_leaving_while_speed_is_measured_waits_for_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    measuring, may_end = Flag(), Flag()

    def measure(_pool: LocalPool, _configs: object) -> list[float]:
        measuring.set()
        may_end.wait(30)
        return [1.0]

    monkeypatch.setattr(LocalPool, "estimate", measure)
    path, stop = tmp_path / "g", Flag()
    group = group_of({}, seeds=1, config=RunConfig(data="digits"))
    training = SweepTraining(
        Sweep(path, group, stop.is_set), LocalPool(path, jobs=1, threads=1), stop
    )
    async with on_sweep_stage(SweepSource(path, training), fps=50.0) as stage:
        assert "measuring how fast the trials train: 1 at a time, 1 core each" in stage.text()
        await until(measuring.is_set, stage.pilot)
        await stage.pilot.press("q")
        await until(lambda: stage.app.return_value == 0, stage.pilot)
    may_end.set()
    wait_until(lambda: training.phase == "ended")
    assert not path.exists(), "nothing was written or trained after that"


@pytest.mark.parametrize("size", [(80, 24), (40, 12), (20, 6)])
async def test_it_is_drawn_at_any_size(size: tuple[int, int], tmp_path: Path) -> None:
    async with on_sweep_stage(four_settings(tmp_path), size, ascii_only=True) as stage:
        await stage.press("enter", "down", "z", "z", "z", "G", "l")
        rows = stage.text().split("\n")
        assert max(map(len, rows)) <= size[0]
        assert stage.text().isascii()
        assert "finished" in stage.text() or size[0] < 40
