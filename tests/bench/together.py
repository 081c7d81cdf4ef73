"""Both engines at once, as the app runs them, against each alone; what optimizers cost."""

import sys
from collections.abc import Mapping
from statistics import median
from threading import Barrier, Thread
from time import perf_counter

from mlpwatch.core.config import ENGINE_NAMES, EngineName
from mlpwatch.core.network.optimizers import OPTIMIZERS
from mlpwatch.core.scheduling import share_interpreter
from tests.bench.bench_data import BenchData
from tests.bench.contenders import SHAPES, engine_epoch
from tests.bench.processes import print_ceiling
from tests.bench.tables import spread
from tests.bench.turns import Epoch, time_in_turn

SLICE_SECONDS = 0.4
"""How long each reading lasts: some 10 epochs of a slice of the data. Short, since what is compared
stands in turn, and a shared machine's speed drifts within seconds."""

READINGS_PER_ROUND = 5


def steps_per_second(runs: Mapping[EngineName, Epoch], steps: int) -> dict[EngineName, float]:
    """Run these for a while, each in a thread of its own, and return their speeds."""
    start = Barrier(len(runs))
    found: dict[EngineName, float] = {}

    def work(name: EngineName, epoch: Epoch) -> None:
        epoch()
        start.wait()
        began, rounds = perf_counter(), 0
        while perf_counter() - began < SLICE_SECONDS:
            epoch()
            rounds += 1
        found[name] = rounds * steps / (perf_counter() - began)

    threads = [Thread(target=work, args=item) for item in runs.items()]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return found


def print_together(data: BenchData, rounds: int) -> None:
    """Print each engine's speed beside the other as a share of its speed alone."""
    share_interpreter()
    print(f"\nboth at once, one thread each, switch interval {sys.getswitchinterval() * 1e3:g} ms")  # noqa: T201
    for shape in SHAPES[:2]:
        brief = type(shape)(shape.hidden, shape.batch_size, 6_400)
        steps = brief.samples // brief.batch_size
        epochs = {name: engine_epoch(name, brief, data, 1) for name in ENGINE_NAMES}
        shares: dict[EngineName, list[float]] = {name: [] for name in ENGINE_NAMES}
        for _ in range(rounds * READINGS_PER_ROUND):
            alone = {
                name: steps_per_second({name: epoch}, steps)[name] for name, epoch in epochs.items()
            }
            for name, speed in steps_per_second(epochs, steps).items():
                shares[name].append(speed / alone[name])
        told = ", ".join(f"{n} {median(s):.2f} {spread(s)}" for n, s in shares.items())
        print(f"{shape.name}, batch {shape.batch_size}: speed together / alone: {told}")  # noqa: T201
        print_ceiling(brief, rounds * READINGS_PER_ROUND, SLICE_SECONDS)


def print_optimizers(data: BenchData, rounds: int) -> None:
    """Print what each optimizer adds to a step of the NumPy engine."""
    shape = SHAPES[1]
    epochs: dict[str, Epoch] = {
        name: engine_epoch("numpy", shape, data, 1, optimizer=name, learning_rate=1e-3)
        for name in OPTIMIZERS
    }
    times = time_in_turn(epochs, rounds)
    print(f"\n{shape.name}, batch {shape.batch_size}: a NumPy step against one with SGD")  # noqa: T201
    for name in tuple(OPTIMIZERS)[1:]:
        ratios = [own / sgd for own, sgd in zip(times[name], times["sgd"], strict=True)]
        print(f"{name:<10}{median(ratios):.2f}x  {spread(ratios)}")  # noqa: T201
