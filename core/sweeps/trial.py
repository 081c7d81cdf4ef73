"""One trial of a sweep, trained to its end in this process by the ordinary session."""

import math
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from time import monotonic, perf_counter
from typing import TYPE_CHECKING, Literal

from mlpwatch.core.config import EngineName, RunConfig
from mlpwatch.core.errors import ConfigError, error_text
from mlpwatch.core.files.scratch import delete_folder
from mlpwatch.core.runs.layout import MANIFEST_NAME
from mlpwatch.core.runs.listing import summarize_run
from mlpwatch.core.sweeps.group import Trial

if TYPE_CHECKING:
    # They import torch's neighbours, which take seconds: only in the process that trains.
    from mlpwatch.core.network.engine import Engine
    from mlpwatch.core.runs.run import Run
    from mlpwatch.core.training.session import Session

POLL_SECONDS = 0.1
"""Time between two looks at the session and at the order to stop."""

DISK_SECONDS = 30.0
"""How long a trial that has ended may take to write."""

MEASURED_SECONDS = 0.2
"""Of training, per engine, from which a sweep's time is estimated."""

START_SECONDS = 0.3
"""To load the data, build the engines, evaluate the test images and write the result, per trial, in
a process that has imported PyTorch. Measured: 0.27 s on the digits, 0.3 s on 20,000 images."""

EPOCH_SECONDS = 0.004
"""To write an engine's line and checkpoint, per epoch: 45 epochs of the digits took 0.27 s more
than their steps, and more than half of all where an epoch has 19 steps."""

BESIDE_SECONDS = 0.016
"""The same for two engines that train at once in one process: 60 epochs of the digits take 1.75 s,
of which their steps are 0.5 s."""

EVALUATION_SHARE = 0.4
"""Time of an image in an evaluation, which has no backward pass and no update, of one in a step."""


@dataclass(frozen=True, slots=True)
class TrialEnd:
    """How a trial ended."""

    name: str
    state: Literal["finished", "stopped", "failed"]
    reason: str = ""
    """Why it failed, in one line; else empty."""
    is_in_folder: bool = True
    """Whether its run folder says so too; not where no folder could be made."""


def train_trial(
    folder: Path, trial: Trial, threads: int, is_stopped: Callable[[], bool]
) -> TrialEnd:
    """Train a trial to its end, or until `is_stopped`; a saved one continues exactly.

    Args:
        folder: of the sweep.
        trial: to train.
        threads: cores that it may use. Two engines take turns on one.
        is_stopped: asked ten times a second; once true, the trial is saved and ends.

    Returns:
        How it ended. Any error is a reason, so that it does not end the sweep.
    """
    if is_stopped():
        return TrialEnd(trial.name, "stopped")
    path = folder / trial.name
    try:
        session = _session(folder, trial, threads)
    except Exception as error:  # one trial's error is a row of the table
        return TrialEnd(trial.name, "failed", error_text(error), is_in_folder=False)
    try:
        fault = _train(session, is_stopped, takes_turns=threads < len(session.config.engine_names))
    finally:
        session.run.release()
    if fault:
        return TrialEnd(trial.name, "failed", fault, is_in_folder=False)
    found = summarize_run(path)
    if found.state in ("failed", "damaged"):
        return TrialEnd(trial.name, "failed", found.reason)
    is_stopped_early = any(end.reason == "stopped" for end in session.results.values())
    return TrialEnd(trial.name, "stopped" if is_stopped_early else "finished")


def estimate_seconds(configs: Sequence[RunConfig], threads: int) -> list[float]:
    """Return the time that a trial of each config takes, from a few steps on its data.

    NaN for one that can't be trained: its trials will say why.

    Raises:
        DataError: the data can't be read.
    """
    from mlpwatch.core.data.dataset import steps_per_epoch  # noqa: PLC0415
    from mlpwatch.core.scheduling import share_interpreter  # noqa: PLC0415
    from mlpwatch.core.training.launch import build_engines, load_new  # noqa: PLC0415

    share_interpreter()
    found: list[float] = []
    for given in configs:
        config, dataset = load_new(given, lambda _text: None)
        try:
            engines = build_engines(config, dataset, lambda _text: None)
        except ConfigError:
            found.append(math.nan)
            continue
        share = max(1, threads // len(engines))
        # Side by side, as they train, where there are cores: they share memory and interpreter.
        with ThreadPoolExecutor(len(engines) if threads >= len(engines) else 1) as pool:
            measured = [
                pool.submit(
                    _seconds_per_step, engine, dataset.train_count, config.batch_size, share
                )
                for engine in engines.values()
            ]
            steps = [future.result() for future in measured]
        evaluated = (len(dataset.labels) - dataset.train_count) / dataset.train_count
        count = steps_per_epoch(dataset.train_count, config.batch_size)
        work = count * (1 + EVALUATION_SHARE * evaluated)
        if len(steps) > 1 and threads >= len(steps):
            epoch = BESIDE_SECONDS + work * max(steps)
        else:
            epoch = sum(EPOCH_SECONDS + work * step for step in steps)
        found.append(START_SECONDS + config.epochs * epoch)
    return found


def _session(folder: Path, trial: Trial, threads: int) -> "Session":
    """Open the trial's run, or make it.

    Raises:
        MlpwatchError: the data or the folder can't be used.
    """
    from mlpwatch.core.runs.run import Run  # noqa: PLC0415
    from mlpwatch.core.training.launch import new_session, resumed_session  # noqa: PLC0415

    def ignore(_text: str) -> None:
        """What it loads and skips is of no interest in a table of trials."""

    config = replace(trial.config, threads=threads)
    path = folder / trial.name
    if (path / MANIFEST_NAME).exists():
        run = Run.open(folder, str(path))
        if not _is_all_done(run):
            planned = replace(run.config, threads=threads, data=config.data)
            return resumed_session(run, planned, ignore)
        # Killed between its last checkpoint and its result, which only a whole run has.
        run.acquire()
        delete_folder(path)
        run.release()
    return new_session(config, folder, trial.name, ignore, group=folder.name)


def _is_all_done(run: "Run") -> bool:
    """Whether both engines have a checkpoint of their last epoch."""
    names = run.config.engine_names
    latest = [run.read_latest(name) for name in names]
    return all(one and one.checkpoint.position.epoch >= run.config.epochs for one in latest)


def _train(session: "Session", is_stopped: Callable[[], bool], *, takes_turns: bool) -> str:
    """Train until all engines have ended and are saved; return what could not be saved."""
    waiting: EngineName = "torch"
    if takes_turns:
        # Both at once would want two cores: PyTorch begins when NumPy has ended.
        session.pause(waiting)
    session.start()
    ends_by = None
    while not session.join(POLL_SECONDS):
        session.mailbox.drain()
        if takes_turns and "numpy" in session.results:
            session.resume(waiting)
            takes_turns = False
        if is_stopped():
            session.stop()
        if session.ended:
            ends_by = ends_by or monotonic() + DISK_SECONDS
            if monotonic() > ends_by:
                break
    return session.save_error or ""


def _seconds_per_step(engine: "Engine", count: int, batch_size: int, threads: int) -> float:
    """Return the mean time of a step, without the first ones, which allocate.

    The shorter of two looks: something else may have the core in one of them.
    """
    import numpy as np  # noqa: PLC0415

    engine.use_threads(threads)
    size = min(batch_size, count)
    rows = np.random.default_rng(0).permutation(count)
    means = []
    for part in (4, 2, 2):
        steps, began = 0, perf_counter()
        while perf_counter() - began < MEASURED_SECONDS / part:
            start = steps * size % max(1, count - size + 1)
            engine.train_batch(rows[start : start + size])
            steps += 1
        engine.take_losses()
        means.append((perf_counter() - began) / steps)
    return min(means[1:])
