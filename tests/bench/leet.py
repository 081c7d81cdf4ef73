"""W&B LEET, the monitor to compare with, on a run that logs beside it."""

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic, sleep

from tests.support.pty.noted import NotedProgram, environment

POINTS_PER_SECOND = 20

DRAWN = b"Run Overview"
"""In LEET's first frame."""

_LOGGER = """
import math, sys, time
import wandb
settings = wandb.Settings(x_disable_stats=True, silent=True)
run = wandb.init(project="bench", dir=sys.argv[1], mode="offline", settings=settings)
due = time.time()
many = int(sys.argv[3])
for n in range(10**9):
    if many:
        run.log({f"metric{k}": 2.3 * math.exp(-n / (500 + 20 * k)) + 0.05 * math.sin(1.7 * n + k)
                 for k in range(many)})
        due += 1 / float(sys.argv[2])
        time.sleep(max(0.0, due - time.time()))
        continue
    wave = 0.05 * math.sin(1.7 * n)
    run.log({
        "loss": 2.3 * math.exp(-n / 500) + wave, "val_loss": 2.3 * math.exp(-n / 450) - wave,
        "accuracy": 1 - math.exp(-n / 300) + wave, "val_accuracy": 1 - math.exp(-n / 280) - wave,
    })
    due += 1 / float(sys.argv[2])
    time.sleep(max(0.0, due - time.time()))
"""
"""Logs four metrics, each a chart; no system metrics, which would be four more."""


class NoWandbError(Exception):
    """wandb is not installed."""


def find_wandb(given: str | None) -> Path:
    """Return the `wandb` command: the given one, beside this Python, or on the path.

    Raises:
        NoWandbError: there is none.
    """
    beside = Path(sys.executable).with_name("wandb")
    found = given or (str(beside) if beside.is_file() else shutil.which("wandb"))
    if found is None or not Path(found).is_file():
        raise NoWandbError("wandb not found: install the extra `bench`, or name it with --wandb")
    return Path(found)


@contextmanager
def logging_run(
    wandb: Path, folder: Path, *, per_second: float = POINTS_PER_SECOND, metrics: int = 0
) -> Iterator[Path]:
    """Log a run beside, as long as the block lasts; yield the run's folder.

    Args:
        wandb: the command.
        folder: for the run.
        per_second: points of each metric.
        metrics: their number; 0 for the four of a training.

    Raises:
        TimeoutError: the logger wrote no run.
    """
    python = wandb.with_name("python")
    command = [str(python), "-c", _LOGGER, str(folder), str(per_second), str(metrics)]
    with (folder / "logger.txt").open("wb") as log:
        logger = subprocess.Popen(command, cwd=folder, env=_env(folder), stdout=log, stderr=log)
    try:
        yield _wait_for_run(folder, logger)
    finally:
        logger.terminate()
        logger.wait()


def leet(
    wandb: Path,
    run: Path,
    folder: Path,
    *,
    filled: bool = False,
    grid: tuple[int, int] = (2, 2),
) -> NotedProgram:
    """Start LEET on a run, with its default layout, or `grid` rows and columns of charts alone."""
    config = folder / ("leet-filled" if filled else "leet-default")
    config.mkdir(exist_ok=True)
    if filled:
        layout = {
            "metrics_grid": {"rows": grid[0], "cols": grid[1]},
            "left_sidebar_visible": False,
            "right_sidebar_visible": False,
        }
        (config / "wandb-leet.json").write_text(json.dumps(layout))
    env = _env(folder) | {"WANDB_CONFIG_DIR": str(config)}
    return NotedProgram([str(wandb), "leet", "run", str(run)], folder, env)


def _env(folder: Path) -> dict[str, str]:
    return environment(WANDB_MODE="offline", WANDB_DIR=str(folder), WANDB_ERROR_REPORTING="false")


def _wait_for_run(folder: Path, logger: subprocess.Popen[bytes], seconds: float = 60.0) -> Path:
    deadline = monotonic() + seconds
    while monotonic() < deadline and logger.poll() is None:
        for file in folder.glob("wandb/offline-run-*/*.wandb"):
            if file.stat().st_size > 10_000:
                return file.parent
        sleep(0.1)
    raise TimeoutError(f"no wandb run: {(folder / 'logger.txt').read_text()[-500:]!r}")
