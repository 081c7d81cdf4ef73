"""Whatever stands in the files of one run: list, comparison, export and training stay."""

import json
import math
import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from mlpwatch.core.errors import RunError
from mlpwatch.tui.dashboard.screen import Dashboard
from mlpwatch.tui.runs.columns import COLUMNS
from mlpwatch.tui.runs.comparison import (
    QUANTITIES,
    Axes,
    ComparedRun,
    engines_of,
    series_of,
    settings_texts,
    values_at,
)
from mlpwatch.tui.runs.screen import RunsScreen
from tests.support.samples.run_scenes import FINISHED
from tests.support.samples.scenes import training
from tests.support.stage import on_stage, until

pytestmark = pytest.mark.usefixtures("runs")

SAVED = Path("saved")
BAD = "bad"
HUGE = 10**400


def edited(name: str, *path: str | int, value: object) -> Callable[[Path], None]:
    """Replace one value of a JSON file, or of the last line of a JSON lines file."""

    def edit(folder: Path) -> None:
        file = folder / name
        *before, last = file.read_text().splitlines() if name.endswith("l") else [file.read_text()]
        whole = json.loads(last)
        inner = whole
        for key in path[:-1]:
            inner = inner[key]
        inner[path[-1]] = value
        text = json.dumps(whole).replace('"<nest>"', "[" * 5000 + "]" * 5000)
        file.write_text("\n".join([*before, text]) + "\n")

    return edit


def written(name: str, content: bytes) -> Callable[[Path], object]:
    return lambda folder: (folder / name).write_bytes(content)


def sparse(name: str) -> Callable[[Path], None]:
    def make(folder: Path) -> None:
        (folder / name).touch()
        os.truncate(folder / name, 10_000_000_000)

    return make


def fifo(name: str) -> Callable[[Path], None]:
    def make(folder: Path) -> None:
        (folder / name).unlink(missing_ok=True)
        os.mkfifo(folder / name)

    return make


NUMBERS: list[object] = [
    HUGE,
    -HUGE,
    1e308,
    -1,
    float("nan"),
    float("inf"),
    "9" * 5000,
    None,
    "<nest>",
]
KINDS: dict[str, Callable[[Path], object]] = {
    **{
        f"{key}={str(value)[:9]}": edited("metrics.jsonl", key, value=value)
        for key in ("epoch", "step", "seconds", "val_accuracy", "val_loss")
        for value in NUMBERS
    },
    **{
        f"result {str(value)[:9]}": edited(
            "result.json", "engines", "numpy", "test_accuracy", value=value
        )
        for value in NUMBERS
    },
    **{
        f"config {key} {str(value)[:9]}": edited("config.json", "config", key, value=value)
        for key in ("epochs", "batch_size", "learning_rate", "seed", "hidden")
        for value in (*NUMBERS, [HUGE], [10**12])
    },
    "classes": edited("config.json", "dataset", "classes", value=10**12),
    "shape": edited("config.json", "dataset", "image_shape", value=[28, 28, 3]),
    "large shape": edited("config.json", "dataset", "image_shape", value=[10**6, 10**6]),
    "date": edited("config.json", "created", value="9999-12-31T23:59:59.999999-23:59"),
    "escape": edited("config.json", "dataset", "name", value="\x1b[2J\n" * 99),
    **{
        f"{name} {kind}": make(name)
        for name in (
            "config.json",
            "metrics.jsonl",
            "result.json",
            "events.jsonl",
            "numpy.safetensors",
        )
        for kind, make in (
            ("fifo", fifo),
            ("sparse", sparse),
            ("garbage", lambda name: written(name, b"\xff\x00{" * 99)),
            ("folder", lambda name: lambda folder: _replaced_by_folder(folder / name)),
        )
    },
}


def _replaced_by_folder(path: Path) -> None:
    path.unlink(missing_ok=True)
    path.mkdir()


def copied(kind: str, name: str = BAD) -> Path:
    """Copy a sound run and spoil it."""
    source, folder = SAVED / FINISHED, SAVED / name
    folder.mkdir()
    for file in source.iterdir():
        if file.is_file():
            (folder / file.name).write_bytes(file.read_bytes())
    KINDS[kind](folder)
    return folder


async def test_every_bad_run_is_a_row_of_the_list() -> None:
    for n, kind in enumerate(KINDS):
        copied(kind, f"bad-{n}")
    async with on_stage(training(), (220, 60), saved=SAVED) as stage:
        await stage.open_runs()
        assert f"saved · {len(KINDS) + 7} runs" in stage.text()
        assert FINISHED in stage.text()
        for _ in COLUMNS:
            await stage.press("right", "end", "v", "home", "pagedown")
        await stage.press("slash", *BAD, "enter", "end")
        assert f"{len(KINDS)} of" in stage.text()
        assert not stage.session.ended


@pytest.mark.parametrize("kind", KINDS)
def test_a_bad_run_is_compared_or_refused_in_a_line(kind: str) -> None:
    runs = [ComparedRun(0, copied(kind)), ComparedRun(1, SAVED / FINISHED)]
    with suppress(RunError):
        runs[0].read()
    runs[1].read()
    axes = Axes()
    for engine in engines_of(runs):
        for quantity in QUANTITIES:
            for seconds in (False, True):
                assert all(map(math.isfinite, axes.x(runs, seconds=seconds)))
                assert series_of(runs, engine, quantity, seconds=seconds)
            assert all(map(math.isfinite, axes.y(runs, quantity, log=True)))
            assert values_at(runs, engine, quantity, 15).isprintable()
    assert all(text.isprintable() for text in settings_texts(runs))


SHOWN = [
    "val_accuracy=100000000",
    "epoch=100000000",
    "seconds=inf",
    "val_loss=1e+308",
    "classes",
    "large shape",
    "shape",
    "escape",
    "metrics.jsonl garbage",
    "numpy.safetensors sparse",
    "events.jsonl garbage",
    "events.jsonl folder",
    "result 100000000",
]


@pytest.mark.parametrize(
    "kind",
    [*SHOWN[::4], *(pytest.param(k, marks=pytest.mark.rare) for k in SHOWN if k not in SHOWN[::4])],
)
async def test_one_bad_run_takes_nothing_away(kind: str) -> None:
    copied(kind)
    async with on_stage(training(), saved=SAVED) as stage:
        await stage.open_runs()
        await stage.press(
            "slash", *BAD, "enter", "m", "escape", "slash", *"q7ra", "enter", "m", "o"
        )
        await stage.see("compare  ")
        await stage.see("q7ra")
        await stage.press("l", "x", "x", "left", "left", "escape", "escape")
        assert isinstance(stage.app.screen, RunsScreen)
        for key in ("e", "j"):
            await stage.press(key)
        await stage.press("escape", "slash", *BAD, "enter", "enter")
        if isinstance(stage.app.screen, Dashboard):
            watch = stage.app.runs.top
            is_read = lambda: watch.session is not None or watch.error is not None  # noqa: E731
            await until(is_read, stage.pilot)
            stage.app.runs.poll()
            await stage.press(*["tab", "m", "escape", "e", "escape", "r"])
        await until(lambda: isinstance(stage.app.screen, RunsScreen), stage.pilot)
        await stage.press("escape", "escape")
        assert stage.app.screen is stage.app.screen_stack[0]
        assert not stage.session.ended
