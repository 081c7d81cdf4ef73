"""A watched loop on the dashboard: what it shows, what it has not, and its orders by keys."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from textual.pilot import Pilot

import mlpwatch
from mlpwatch.core.machine.samples import Sample
from mlpwatch.core.runs.layout import MACHINE_NAME
from mlpwatch.tui.loop_app import LoopApp
from mlpwatch.tui.metrics.pushed import PushedMetrics
from mlpwatch.tui.startup import ScreenOptions
from tests.support.screen_text import screen_text
from tests.support.stage import NEVER_FPS, until
from tests.support.waiting import wait_until
from tests.support.watched import ENDLESS, lines_of, program

LABELS = np.arange(40) % 10
SHARES = np.eye(10)[np.where(LABELS == 3, 5, LABELS)] * 0.9 + 0.01
IMAGES = np.random.default_rng(0).random((40, 8, 8))


@pytest.fixture
def ended(tmp_path: Path) -> Path:
    """Return the folder of a loop that has ended."""
    with mlpwatch.watch("my-cnn", saved=tmp_path, epochs=2, steps_per_epoch=2, classes=10) as run:
        for _ in range(2):
            for loss in run.steps([2.0, 1.0]):
                run.log(loss=loss, learning_rate=0.25)
            run.epoch(val_loss=0.5, labels=LABELS, probabilities=SHARES, images=IMAGES)
    return tmp_path / "my-cnn"


@asynccontextmanager
async def shown(
    path: Path, size: tuple[int, int] = (140, 40)
) -> AsyncIterator[tuple[LoopApp, Pilot[Any]]]:
    """Show a loop; the screen's own timer stays silent."""
    app = LoopApp(path, ScreenOptions(fps=NEVER_FPS, saved=path.parent))
    async with app.run_test(size=size) as pilot:

        def has_begun() -> bool:
            app.runs.main.poll()
            return app.runs.main.session is not None

        await until(has_begun, pilot)
        yield app, pilot
        app.runs.leave()


async def sees(app: LoopApp, pilot: Pilot[Any], words: str) -> None:
    """Wait until the screen has words."""

    def has() -> bool:
        app.runs.poll()
        app.update_screen(numbers=True)
        return words in screen_text(app)

    await until(has, pilot)


@pytest.mark.parametrize("size", [(80, 24), (140, 40), (220, 60)])
async def test_the_dashboard_shows_what_is_known_and_no_more(
    ended: Path, size: tuple[int, int]
) -> None:
    async with shown(ended, size) as (app, pilot):
        await sees(app, pilot, "my-cnn · watched loop")
        await sees(app, pilot, "90.00 %")
        text = screen_text(app)
        assert "rate 0.25" in text or size[0] == 80
        for absent in ("samples/s", "thread", "batch 1", "relu", "e why", "w weights", "d draw"):
            assert absent not in text
        for key in ("e", "w", "u", "d", "b"):
            await pilot.press(key)
            await sees(app, pilot, "a watched loop keeps its network to itself")
        await pilot.press("space")
        await sees(app, pilot, "this loop has ended; only its own program can start it again")


async def test_its_mistakes_are_browsed_like_those_of_a_run(ended: Path) -> None:
    async with shown(ended) as (app, pilot):
        await sees(app, pilot, "my-cnn · watched loop")
        await pilot.press("m")
        await sees(app, pilot, "3 → 5")
        await pilot.press("enter")
        await sees(app, pilot, "true label       3")
        await pilot.press("T")
        await sees(app, pilot, "a watched loop gives one set of images")
        await pilot.press("escape", "escape")
        await sees(app, pilot, "my-cnn · watched loop")


async def test_keys_reach_the_loop(tmp_path: Path) -> None:
    with program(ENDLESS, tmp_path) as process:
        path = tmp_path / "saved/loop"
        wait_until((path / "loop.jsonl").exists)
        async with shown(path) as (app, pilot):
            await sees(app, pilot, "training")
            await pilot.press("space")
            await sees(app, pilot, "paused")
            await pilot.press("s", "space")
            await sees(app, pilot, "training")
            await until(lambda: any(one.kind == "saved" for one in lines_of(path)), pilot)
            await pilot.press("X", "X")
            await until(lambda: process.poll() is not None, pilot)
            await sees(app, pilot, "stopped")


async def test_all_metrics_lie_over_the_dashboard(ended: Path) -> None:
    async with shown(ended) as (app, pilot):
        await sees(app, pilot, "n, all its numbers")
        await pilot.press("n")
        await sees(app, pilot, "learning_rate")
        assert "q back" in screen_text(app)
        await pilot.press("S", "q")
        await sees(app, pilot, "my-cnn · watched loop")


async def test_figures_of_the_machine_lie_over_the_dashboard(ended: Path) -> None:
    async with shown(ended) as (app, pilot):
        await sees(app, pilot, "my-cnn · watched loop")
        (found,) = [one for one in app.get_system_commands(app.screen) if one.title == "Machine"]
        found.callback()
        await sees(app, pilot, "no CPU, memory and GPU figures")
        values = {"process/CPU %": 50.0, "machine/CPU %": 75.0, "GPU 0/GPU power W": 123.0}
        lines = [Sample(n + 1.0, 1e9 + n, values).encoded() for n in range(60)]
        (ended / MACHINE_NAME).write_text("\n".join(lines) + "\n")
        found.callback()
        await sees(app, pilot, "my-cnn · machine  ended · second 60")
        await sees(app, pilot, "GPU power W")
        assert "CPU: 100 % are all cores" in screen_text(app)
        await pilot.press(*["left"] * 4)
        await sees(app, pilot, "second 5")
        await pilot.press("q", "q")
        await sees(app, pilot, "my-cnn · watched loop")


async def test_numbers_that_the_dashboard_does_not_know_are_shown_by_themselves_once(
    tmp_path: Path,
) -> None:
    with mlpwatch.watch("gan", saved=tmp_path, epochs=1) as run:
        for step in run.steps(range(5)):
            run.log(generator=float(step), critic=-float(step))
        run.epoch(fid=40.0)
    async with shown(tmp_path / "gan") as (app, pilot):

        def has_charts() -> bool:
            app.runs.poll()
            app._tick()
            return "generator" in screen_text(app)

        await until(has_charts, pilot)
        assert isinstance(app.screen, PushedMetrics)
        await pilot.press("q")
        await sees(app, pilot, "gan · watched loop")
        app._tick()
        assert not isinstance(app.screen, PushedMetrics)
