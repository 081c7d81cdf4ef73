"""The comparison's key that says why two runs differ: the time first, then bars and a sentence."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from mlpwatch.core.recipes import from_recipe
from mlpwatch.core.sweeps.group import Trial, read_group
from mlpwatch.core.sweeps.local import LocalPool
from mlpwatch.core.sweeps.trial import TrialEnd
from mlpwatch.tui.kit.dialogs import Confirmation
from mlpwatch.tui.runs.comparison_screen import CompareScreen
from tests.support.samples.run_scenes import make_run
from tests.support.samples.scenes import finished
from tests.support.samples.sweep_samples import train_trial
from tests.support.stage import NEVER_FPS, Stage, on_stage, until

A = from_recipe("twin", data="digits", epochs=3, learning_rate=0.1)


def pretend(pool: LocalPool, trials: Sequence[Trial], _is_stopped: object) -> Iterator[TrialEnd]:
    """Train nothing: a learning rate of 0.5 is worth 4 points, the rest a tenth."""
    for trial in trials:
        share = 0.9 + trial.seed / 1000 + 0.04 * (trial.config.learning_rate == 0.5)
        share += 0.001 * (trial.config.initialization == "normal")
        train_trial(pool._folder, trial, {"numpy": share, "torch": share})
        yield TrialEnd(trial.name, "finished")


async def compare(stage: Stage, *keys: str) -> None:
    await stage.open_runs()
    await stage.press(*keys, "o")
    await until(lambda: isinstance(stage.app.screen, CompareScreen), stage.pilot)
    await stage.see("NumPy loss")


async def test_the_answer_comes_as_bars_and_more_seeds_are_added(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    b = replace(A, learning_rate=0.5, initialization="normal")
    make_run(tmp_path, "b", b, 1, {"numpy": 3, "torch": 3})
    make_run(tmp_path, "a", A, 2, {"numpy": 3, "torch": 3})
    monkeypatch.setattr(LocalPool, "train", pretend)
    async with on_stage(finished(), fps=NEVER_FPS, saved=tmp_path, size=(100, 40)) as stage:
        await compare(stage, "m", "down", "m")
        await stage.press("w")
        await stage.see("Why do a and b differ?")
        assert "2 settings differ: learning rate, initialization" in stage.text()
        assert "4 networks x 3 seeds" in stage.text()
        await stage.press("y")
        await stage.see("4.0 of 4.1 points: learning rate; 0.1 ± 0.0: initialization")
        row = stage.row("  learning rate ")
        assert "4.00 ±" in row
        assert "█" * 6 in row
        assert len(read_group(tmp_path / "why-a-b").seeds) == 3
        await stage.press("y")
        await until(lambda: len(read_group(tmp_path / "why-a-b").seeds) == 6, stage.pilot)
        await until(lambda: isinstance(stage.app.screen, Confirmation), stage.pilot)
        await stage.press("n")
        assert "saved in" in stage.text()


async def test_what_has_no_answer_is_said_on_the_screen(tmp_path: Path) -> None:
    make_run(tmp_path, "a", A, 2, {"numpy": 3, "torch": 3})
    make_run(tmp_path, "b", replace(A, seed=4), 1, {"numpy": 3, "torch": 3})
    async with on_stage(finished(), fps=NEVER_FPS, saved=tmp_path, size=(100, 40)) as stage:
        await compare(stage)
        await stage.press("w")
        await stage.see("why: mark two runs")
        await stage.press("escape", "m", "down", "m", "o")
        await stage.press("w")
        await stage.see("b: has all settings of a but perhaps the seed")


async def test_leaving_the_screen_stops_what_trains(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_run(tmp_path, "a", A, 2, {"numpy": 3, "torch": 3})
    make_run(tmp_path, "b", replace(A, learning_rate=0.5), 1, {"numpy": 3, "torch": 3})
    seen: list[str] = []

    def wait(
        _pool: LocalPool, trials: Sequence[Trial], is_stopped: Callable[[], bool]
    ) -> Iterator[TrialEnd]:
        seen.append("began")
        while not is_stopped():
            """A trial that trains."""
        seen.append("stopped")
        yield TrialEnd(trials[0].name, "stopped")

    monkeypatch.setattr(LocalPool, "train", wait)
    async with on_stage(finished(), fps=NEVER_FPS, saved=tmp_path, size=(100, 40)) as stage:
        await compare(stage, "m", "down", "m")
        await stage.press("w")
        await stage.see("Why do a and b differ?")
        await stage.press("y")
        await until(lambda: seen == ["began"], stage.pilot)
        await stage.press("escape")
        await until(lambda: seen == ["began", "stopped"], stage.pilot)
