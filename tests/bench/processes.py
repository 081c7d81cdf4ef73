"""The ceiling for two engines at once: each in a process of its own, without a shared interpreter.

What is lost there is lost to memory, caches and the machine's other guests; what the two lose
beyond that when they share one process is the price of Python's interpreter lock.
"""

import tempfile
from collections.abc import Mapping
from multiprocessing import get_context
from multiprocessing.queues import Queue
from multiprocessing.synchronize import Barrier
from pathlib import Path
from statistics import median
from time import perf_counter

from mlpwatch.core.config import ENGINE_NAMES, EngineName
from tests.bench.bench_data import load_bench_data
from tests.bench.contenders import Shape, engine_epoch
from tests.bench.turns import Epoch

Reading = tuple[int, EngineName, float]
"""Phase, engine, steps per second."""


def print_ceiling(shape: Shape, rounds: int, seconds: float) -> None:
    """Print each engine's speed beside the other process as a share of its speed alone.

    Args:
        shape: of both networks.
        rounds: readings of each engine alone and of both.
        seconds: how long a reading lasts.
    """
    context = get_context("spawn")
    barrier, readings = context.Barrier(len(ENGINE_NAMES)), context.Queue()
    workers = [
        context.Process(target=_work, args=(name, shape, rounds, seconds, (barrier, readings)))
        for name in ENGINE_NAMES
    ]
    for worker in workers:
        worker.start()
    found = [readings.get() for _ in range(2 * rounds * len(ENGINE_NAMES))]
    for worker in workers:
        worker.join()
    shares = _shares({(phase, name): speed for phase, name, speed in found}, rounds)
    told = ", ".join(f"{name} {median(own):.2f}" for name, own in shares.items())
    print(f"{shape.name}, batch {shape.batch_size}: the same in two processes: {told}")  # noqa: T201


def _shares(
    speeds: Mapping[tuple[int, EngineName], float], rounds: int
) -> dict[EngineName, list[float]]:
    """Divide each round's speed together (its last phase) by that alone."""
    alone = dict(zip(ENGINE_NAMES, range(len(ENGINE_NAMES)), strict=True))
    phases = len(alone) + 1
    return {
        name: [
            speeds[r * phases + phases - 1, name] / speeds[r * phases + alone[name], name]
            for r in range(rounds)
        ]
        for name in ENGINE_NAMES
    }


def _work(
    name: EngineName,
    shape: Shape,
    rounds: int,
    seconds: float,
    channels: tuple[Barrier, "Queue[Reading]"],
) -> None:
    """Per round: each engine alone in turn, then both; this process does its part."""
    barrier, readings = channels
    with tempfile.TemporaryDirectory() as folder:
        data = load_bench_data(Path(folder))
    epoch = engine_epoch(name, shape, data, 1)
    epoch()
    steps = shape.samples // shape.batch_size
    phases = len(ENGINE_NAMES) + 1
    for phase in range(rounds * phases):
        barrier.wait()
        turn = phase % phases
        if turn == len(ENGINE_NAMES) or ENGINE_NAMES[turn] == name:
            readings.put((phase, name, _speed(epoch, steps, seconds)))
        barrier.wait()


def _speed(epoch: Epoch, steps: int, seconds: float) -> float:
    began, done = perf_counter(), 0
    while perf_counter() - began < seconds:
        epoch()
        done += steps
    return done / (perf_counter() - began)
