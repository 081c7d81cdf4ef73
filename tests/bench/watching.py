"""What `mlpwatch.watch()` costs a loop: µs per logged step, its slowest calls, its thread."""

import argparse
import sys
import tempfile
from collections.abc import Callable
from statistics import median, quantiles
from time import perf_counter, process_time, thread_time

import mlpwatch
from mlpwatch.core.monitor.loop import WatchedLoop

ROWS: dict[str, dict[str, object]] = {
    "1 float": {"loss": 0.5},
    "3 floats": {"train/loss": 0.5, "train/accuracy": 0.75, "learning_rate": 0.1},
    "20 floats": {f"layer{n}/norm": float(n) for n in range(20)},
}

MOST_MICROSECONDS = 20.0


def rows() -> dict[str, dict[str, object]]:
    """Return the rows to log; those of NumPy and PyTorch where they are."""
    found = dict(ROWS)
    import numpy as np

    found["3 of NumPy"] = {name: np.float32(0.5) for name in "abc"}
    try:
        import torch
    except ImportError:
        return found
    found["3 of PyTorch"] = {name: torch.tensor(0.5, requires_grad=True) for name in "abc"}
    return found


def call_times(run: WatchedLoop, values: dict[str, object], count: int) -> list[float]:
    """Return the µs of each of `count` calls of `log`."""
    times = []
    for _ in run.steps(range(count)):
        began = perf_counter()
        run.log(**values)
        times.append((perf_counter() - began) * 1e6)
    return times


def loop_seconds(run: WatchedLoop | None, steps: int, work: Callable[[], object]) -> float:
    """Return the seconds of a loop of `steps`, watched or not."""
    began = perf_counter()
    if run is None:
        for _ in range(steps):
            work()
    else:
        for _ in run.steps(range(steps)):
            work()
            run.log(loss=0.5, accuracy=0.5, rate=0.1)
    return perf_counter() - began


def some_work() -> int:
    """Compute for about 0.1 ms: a fast step."""
    return sum(range(4_000))


def main() -> int:
    """Print the costs; exit 1 if a logged step takes more than `MOST_MICROSECONDS`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=9)
    options = parser.parse_args()
    worst = 0.0
    with tempfile.TemporaryDirectory() as folder:
        print(f"{'log':<14}{'median':>9}{'p99':>9}{'p99.9':>9}  µs")  # noqa: T201
        for name, values in rows().items():
            with mlpwatch.watch(saved=folder) as run:
                times = sorted(call_times(run, values, options.steps))
            cuts = quantiles(times, n=1_000)
            worst = max(worst, median(times))
            print(f"{name:<14}{median(times):>9.2f}{cuts[989]:>9.2f}{cuts[998]:>9.2f}")  # noqa: T201
        pairs = []
        for _ in range(options.rounds):
            alone = loop_seconds(None, options.steps, some_work)
            before, mine = process_time(), thread_time()
            with mlpwatch.watch(saved=folder) as run:
                watched = loop_seconds(run, options.steps, some_work)
                writing = (process_time() - before) - (thread_time() - mine)
            pairs.append(((watched - alone) / options.steps * 1e6, writing / watched))
        extra, writing = (median(column) for column in zip(*pairs, strict=True))
        print(f"a step of {alone / options.steps * 1e6:.0f} µs takes {extra:.1f} µs more, watched")  # noqa: T201
        print(f"the writing thread takes {writing:.1%} of a core")  # noqa: T201
    worst = max(worst, extra)
    print(f"at most {worst:.1f} µs per logged step; the limit is {MOST_MICROSECONDS:g}")  # noqa: T201
    return int(worst > MOST_MICROSECONDS)


if __name__ == "__main__":
    sys.exit(main())
