"""mlpwatch as the benchmarks start it, with a screen and without, and what its runs have logged."""

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from mlpwatch.core.config import ENGINE_NAMES, EngineName
from tests.bench.bench_data import load_bench_data
from tests.support.checkout import CHECKOUT
from tests.support.pty.noted import NotedProgram, environment

START_SECONDS = 120.0
"""For whatever is waited for: a busy machine takes tens of seconds to import torch."""

WARM_UP_EPOCHS = 2
"""Left out of speeds: the first steps load libraries and caches."""

TRAINING = b"samples/s"
"""On the screen once there is a session."""

_HOLDING_OUT = """
import sys, mlpwatch.core.data.splits
mlpwatch.core.data.splits.MAX_VALIDATION = int(sys.argv.pop(1))
from mlpwatch.tui.__main__ import run
sys.exit(run())
"""
"""The command with another number of validation images, first among its arguments."""


@contextmanager
def scratch() -> Iterator[Path]:
    """Yield a folder of its own for runs, caches and logs."""
    with TemporaryDirectory(prefix="mlpwatch-bench-") as name:
        yield Path(name)


def data_argument(folder: Path) -> str:
    """Return what `--data` takes for MNIST: a file, the cache, or random images in `folder`."""
    beside = CHECKOUT.parent / "shared/data/mnist.npz"
    for path in (os.environ.get("MLPWATCH_MNIST", ""), str(beside)):
        if path and Path(path).is_file():
            return path
    load_bench_data(folder)
    random = folder / "random.npz"
    return str(random) if random.is_file() else "mnist"


def training_options(folder: Path, data: str, epochs: int) -> list[str]:
    """Return the options of the recipe twin, saved inside a folder."""
    return ["--data", data, "--recipe", "twin", f"--epochs={epochs}", f"--saved={folder}"]


def watching(folder: Path, data: str, epochs: int, **env: str) -> NotedProgram:
    """Start mlpwatch with its screen."""
    options = training_options(folder, data, epochs)
    return NotedProgram([sys.executable, "-m", "mlpwatch", *options], folder, environment(**env))


@contextmanager
def watched_with_validation(
    folder: Path, data: str, epochs: int, held_out: int
) -> Iterator[NotedProgram]:
    """Start mlpwatch with this many images for validation, yield once it trains, and quit."""
    options = training_options(folder, data, epochs)
    command = [sys.executable, "-c", _HOLDING_OUT, str(held_out), *options]
    with NotedProgram(command, folder) as program:
        yield from _until_quit(program)


@contextmanager
def watched(folder: Path, data: str, epochs: int, **env: str) -> Iterator[NotedProgram]:
    """Start mlpwatch with its screen, yield once it trains, and quit."""
    with watching(folder, data, epochs, **env) as program:
        yield from _until_quit(program)


def _until_quit(program: NotedProgram) -> Iterator[NotedProgram]:
    program.read_until(lambda: program.saw(TRAINING), START_SECONDS, pause=0.02)
    yield program
    if program.process.poll() is None:
        program.end(b"q")


def training(folder: Path, data: str, epochs: int) -> NotedProgram:
    """Start `mlpwatch train`; in a terminal too, so that both are scheduled alike."""
    options = training_options(folder, data, epochs)
    return NotedProgram([sys.executable, "-m", "mlpwatch", "train", *options], folder)


def logged_speeds(saved: Path) -> dict[EngineName, float]:
    """Return each engine's steps per second of training time in the folder's one run.

    Raises:
        ValueError: too few epochs were logged to tell.
    """
    speeds: dict[EngineName, float] = {}
    lines = _metrics(saved)
    for name in ENGINE_NAMES:
        points = [(p["step"], p["seconds"]) for p in lines if p["engine"] == name]
        if len(points) < WARM_UP_EPOCHS + 2:
            raise ValueError(f"{name}: {len(points)} epochs logged; measure for longer")
        (s0, t0), (s1, t1) = points[WARM_UP_EPOCHS], points[-1]
        speeds[name] = (s1 - s0) / (t1 - t0)
    return speeds


def epochs_logged(saved: Path) -> int:
    """Return the epochs that the slower engine of the folder's one run has done."""
    engines = [line["engine"] for line in _metrics(saved)]
    return min(engines.count(name) for name in ENGINE_NAMES)


def _metrics(saved: Path) -> list[dict[str, Any]]:
    """Return the lines of the metrics of the folder's one run."""
    logs = saved.glob("*/metrics.jsonl")
    return [json.loads(line) for log in logs for line in log.read_text().splitlines()]
