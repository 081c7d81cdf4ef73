"""Makes the README's pictures from the real app: `python -m tests.pictures [--data mnist.npz]`.

Writes SVG files beside this module, and PNG files where `rsvg-convert` is installed.
"""

import argparse
import asyncio
import os
import shutil
import subprocess
import tempfile
from collections.abc import Awaitable, Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

from textual.pilot import Pilot

from mlpwatch.core.config import RunConfig
from mlpwatch.core.data.registry import SOURCES
from mlpwatch.core.network_file import NetworkFile as UsersFile
from mlpwatch.core.recipes import from_recipe
from mlpwatch.core.training.launch import new_session
from mlpwatch.core.training.session import Session
from mlpwatch.tui.app import MlpwatchApp
from mlpwatch.tui.draw.view import DrawView
from mlpwatch.tui.startup import ScreenOptions
from mlpwatch.tui.state.watch import Watch
from tests.support.network_files import NetworkFile
from tests.support.samples.user_networks import written

FOLDER = Path(__file__).parent

Scene = Callable[[MlpwatchApp, Pilot[Any]], Awaitable[None]]


async def _until(condition: Callable[[], bool], pilot: Pilot[Any]) -> None:
    while not condition():
        await pilot.pause(0.02)


async def _half_trained(app: MlpwatchApp, pilot: Pilot[Any]) -> None:
    """Hold each model at half of its steps, however much faster the other is."""
    watch = app.runs.top
    await _until(lambda: watch.state is not None, pilot)
    assert watch.state is not None
    engines = watch.state.engines
    waiting = dict(engines)
    while waiting:
        await pilot.pause(0.02)
        for name, engine in list(waiting.items()):
            if engine.step > 0.5 * engine.planned_steps:
                watch.toggle_pause(name)
                del waiting[name]
    # Until the numbers, which change twice a second at most, have caught up.
    await _until(lambda: all(e.phase == "paused" for e in engines.values()), pilot)
    await pilot.pause(1.2)


async def _spiral(app: MlpwatchApp, pilot: Pilot[Any]) -> None:
    """Half trained, and the planes, which change every two seconds, have caught up."""
    await _half_trained(app, pilot)
    await pilot.pause(2.5)


async def _mistake(app: MlpwatchApp, pilot: Pilot[Any]) -> None:
    await _half_trained(app, pilot)
    await pilot.press("m", "enter")
    await pilot.pause(0.7)


async def _explained(app: MlpwatchApp, pilot: Pilot[Any]) -> None:
    await _half_trained(app, pilot)
    await pilot.press("e")
    await pilot.pause(1.2)


async def _different(app: MlpwatchApp, pilot: Pilot[Any]) -> None:
    """Show the page of the first difference, once the cause is known."""
    watch = app.runs.top
    await _until(lambda: bool(watch.state and watch.state.difference), pilot)
    await _half_trained(app, pilot)
    await pilot.press("e")
    await pilot.pause(1.2)


async def _drawn(app: MlpwatchApp, pilot: Pilot[Any]) -> None:
    await _half_trained(app, pilot)
    await pilot.press("d")
    await pilot.pause(0.2)
    corners = [(0.27, 0.2), (0.74, 0.2), (0.42, 0.86)]
    assert app.runs.top.session is not None
    side = app.runs.top.session.dataset.image_shape[0]
    places = [(x * side, y * side) for x, y in corners]
    for start, end in pairwise(places):
        stroke = DrawView.Stroke(start, end, erases=False)
        app.screen.query_one(DrawView).post_message(stroke)
    await pilot.pause(0.5)
    await pilot.press("enter", "7")
    await pilot.pause(0.5)
    # The path of the set is the person's own: leave it out of the picture.
    await pilot.press("n", "n")
    await pilot.pause(0.7)


async def _toured(app: MlpwatchApp, pilot: Pilot[Any]) -> None:
    await _half_trained(app, pilot)
    await pilot.press("e", "right", "right")
    await pilot.pause(1.2)
    await pilot.press("full_stop")
    await pilot.pause(1.2)


SCENES: dict[str, tuple[Scene, tuple[int, int], dict[str, Any]]] = {
    "dashboard": (_half_trained, (140, 40), {"recipe": "seed"}),
    "mistakes": (_mistake, (120, 34), {}),
    "explain": (_explained, (120, 34), {"recipe": "seed"}),
    "difference": (_different, (120, 34), {"activation": "tanh"}),
    "draw": (_drawn, (120, 34), {"recipe": "seed"}),
    "tour": (_toured, (120, 34), {}),
    "spiral": (_spiral, (140, 40), dict(SOURCES["spiral"].pace["twin"]) | {"epochs": 60}),
}


def _wrong_file(folder: Path) -> UsersFile:
    """Write a hand-written network whose backward pass lacks the activation's derivative."""
    right = NetworkFile((128,), "tanh")
    return written(right.wrong((" * f_derivative(Z[k - 1], A[k])", "")).source(), folder)


async def take(name: str, data: str, theme: str, folder: Path) -> Path:
    """Run the app until the scene is there, and write its picture."""
    scene, size, settings = SCENES[name]
    data = name if name in SOURCES else data
    chosen: dict[str, Any] = {"recipe": "twin", "epochs": 12, "data": data} | settings
    config: RunConfig = from_recipe(**chosen)
    with tempfile.TemporaryDirectory() as saved:
        if name == "difference":
            config = replace(config, network=_wrong_file(Path(saved)))

        def start(report: Callable[[str], None]) -> Session:
            return new_session(config, Path(saved), None, report)

        # A set of its own: no picture shows, or joins, the drawings of whoever makes it.
        os.environ["MLPWATCH_DRAWINGS"] = saved
        app = MlpwatchApp(Watch(start), config.engine_names, ScreenOptions())
        async with app.run_test(size=size) as pilot:
            app.theme = theme
            await scene(app, pilot)
            svg = app.export_screenshot()
            await pilot.press("q")
            await _until(lambda: app.runs.top.left, pilot)
    path = folder / f"{name}.svg"
    path.write_text(svg)
    if shutil.which("rsvg-convert"):
        subprocess.run(
            ["rsvg-convert", "-w", "1600", str(path), "-o", str(path.with_suffix(".png"))],
            check=True,
        )
    return path


def main() -> None:
    """Make the named pictures, or all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("scenes", nargs="*", default=list(SCENES))
    parser.add_argument("--data", default="auto")
    parser.add_argument("--theme", default="textual-dark")
    parser.add_argument("--folder", type=Path, default=FOLDER)
    options = parser.parse_args()
    for name in options.scenes:
        print(asyncio.run(take(name, options.data, options.theme, options.folder)))  # noqa: T201


if __name__ == "__main__":
    main()
