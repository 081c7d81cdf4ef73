"""When several processes pay: samples per second by number of ranks, beside a model.

    python -m tests.bench.scale [--ranks 2,4] [--steps 200]

Each rank is a process with one BLAS thread on this machine; they sum NumPy's gradient as training
does. The model of a step has three measured parts: the computing of a share of the batch by one
process alone, the latency of a sum of 10 numbers, and what a sum of the gradient's bytes takes
longer, from a sum of 4 MB. With more ranks than cores it does not hold. Data parallelism pays where
a step of the whole batch takes longer than that of a share and the sum together.
"""

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlpwatch.core.config import RunConfig
from mlpwatch.core.network.build import build_engine, layer_sizes, parameter_count
from mlpwatch.core.scheduling import available_cores, set_numpy_threads
from tests.support.checkout import CHECKOUT

FEATURES, CLASSES, IMAGES = 784, 10, 8_192
SHAPES: dict[str, RunConfig] = {
    "784-128-10, batch 64": RunConfig(hidden=(128,), batch_size=64),
    "784-512-256-10, batch 256": RunConfig(hidden=(512, 256), batch_size=256),
    "784-1024-1024-10, batch 2048": RunConfig(hidden=(1024, 1024), batch_size=2048),
}
LARGE_BYTES = 4 * 2**20
WARM_UP = 10


def _engine(config: RunConfig) -> Any:  # noqa: ANN401 - both engines' own methods are used
    random = np.random.default_rng(0)
    images = random.random((IMAGES, FEATURES), np.float32)
    labels = np.arange(IMAGES) % CLASSES
    return build_engine("numpy", config, images, labels, CLASSES)


def _seconds(engine: Any, rows: int, steps: int) -> float:  # noqa: ANN401
    """Return the seconds of a step on so many rows."""
    order = np.random.default_rng(1).permutation(IMAGES)[:rows]
    for _ in range(WARM_UP):
        engine.train_batch(order)
    began = perf_counter()
    for _ in range(steps):
        engine.train_batch(order)
    engine.take_losses()
    return (perf_counter() - began) / steps


def _work(steps: int) -> None:
    """Be one rank: measure all shapes; rank 0 prints one JSON object."""
    from mlpwatch.core.training.ranks.connection import Start, connect_ranks
    from mlpwatch.core.training.ranks.torch_processes import join

    set_numpy_threads(1)
    processes = join()
    processes.make_groups(("torch",), "cpu")
    found: dict[str, Any] = {"link": {}}
    for count in (10, LARGE_BYTES // 4):
        vector = processes.vector("torch", np.ones(count, np.float32), 1)
        for number in range(WARM_UP + steps):
            if number == WARM_UP:
                began = perf_counter()
            vector.sum()
        found["link"][str(count * 4)] = (perf_counter() - began) / steps
    for name, config in SHAPES.items():
        engine = _engine(config)
        exchange = connect_ranks(processes, {"numpy": engine}, {"numpy": Start()})["numpy"]
        sums: list[float] = []
        exchange.on_step = partial(_note_sum, sums)
        seconds = _seconds(engine, config.batch_size, _steps_of(config, steps))
        # Rank 0 alone is given the times of all.
        found[name] = {"step": seconds, "sum": float(np.median(sums[WARM_UP:] or [0.0]))}
    if processes.rank == 0:
        print(json.dumps(found), flush=True)  # noqa: T201
    processes.leave()


def _note_sum(sums: list[float], times: NDArray[np.floating], _idle: float) -> None:
    # The rank that comes last waits for nobody.
    sums.append(float(times[:, 1].min()))


def _steps_of(config: RunConfig, steps: int) -> int:
    return max(5, steps * 64 // config.batch_size)


def _launched(ranks: int, steps: int) -> dict[str, Any]:
    command = [
        sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", str(ranks),
        "--rdzv-backend", "c10d", "--rdzv-endpoint", "127.0.0.1:0", "--local-addr", "127.0.0.1",
        "-m", "tests.bench.scale", "--work", "--steps", str(steps),
    ]  # fmt: skip
    changes = {"OMP_NUM_THREADS": "1", "GLOO_SOCKET_IFNAME": "lo", "PYTHONPATH": str(CHECKOUT)}
    done = subprocess.run(
        command, cwd=Path(CHECKOUT), env=os.environ | changes, stdout=subprocess.PIPE, check=True
    )
    measured: dict[str, Any] = json.loads(done.stdout.decode().splitlines()[-1])
    return measured


def link_seconds(link: dict[str, float], size: int) -> float:
    """Return what the model says that a sum of `size` bytes takes."""
    small, large = link["40"], link[str(LARGE_BYTES)]
    return small + max(0.0, large - small) * size / LARGE_BYTES


def _report(ranks: Sequence[int], steps: int) -> None:
    cores = available_cores()
    print(f"{cores} cores, one thread per rank, gloo on loopback")  # noqa: T201
    print(f"{'':<30}{'ranks':>6}{'samples/s':>12}{'in the sum':>12}{'model':>12}")  # noqa: T201
    measured = {count: _launched(count, steps) for count in ranks}
    set_numpy_threads(1)
    for name, config in SHAPES.items():
        engine, batch = _engine(config), config.batch_size
        size = 4 * parameter_count(layer_sizes(FEATURES, config.hidden, CLASSES))
        alone = _seconds(engine, batch, _steps_of(config, steps))
        print(f"{name:<30}{1:>6}{batch / alone:>12,.0f}{'':>12}{'':>12}")  # noqa: T201
        for count, found in measured.items():
            share = _seconds(engine, -(-batch // count), _steps_of(config, steps))
            step, in_sum = found[name]["step"], found[name]["sum"]
            link = link_seconds(found["link"], size)
            verdict = "pays" if step < alone else "loses"
            note = "" if count <= cores else ", more ranks than cores"
            print(  # noqa: T201
                f"{f'  {size / 1e6:.2f} MB, {verdict}{note}':<30}{count:>6}{batch / step:>12,.0f}"
                f"{in_sum / step:>12.0%}{batch / (share + link):>12,.0f}"
            )
    for count, found in measured.items():
        small, large = (1e3 * found["link"][str(n)] for n in (40, LARGE_BYTES))
        print(f"a sum over {count}: {small:.2f} ms for 40 bytes, {large:.1f} ms for 4 MB")  # noqa: T201


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--ranks", default="2,4", help="numbers of processes, joined by commas")
    parser.add_argument("--steps", type=int, default=200, help="per measurement, at batch 64")
    parser.add_argument("--work", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.work:
        _work(options.steps)
    else:
        _report([int(count) for count in options.ranks.split(",")], options.steps)


if __name__ == "__main__":
    main()
