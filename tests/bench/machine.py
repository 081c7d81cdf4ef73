"""What sampling CPU, memory and GPU figures costs: its share of a core, in its thread's time."""

import argparse
import sys
from statistics import median
from time import perf_counter, thread_time

from mlpwatch.core.machine.figures import MachineFigures
from mlpwatch.core.machine.recorder import SAMPLE_SECONDS
from mlpwatch.core.machine.samples import Sample

MOST_SHARE = 0.01


def main() -> int:
    """Print the share; exit 1 if it is over `MOST_SHARE`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--samples", type=int, default=500)
    options = parser.parse_args()
    began = perf_counter()
    figures = MachineFigures()
    print(f"imports and first sample: {(perf_counter() - began) * 1e3:.0f} ms")  # noqa: T201
    times = []
    for number in range(options.samples):
        before = thread_time()
        line = Sample(float(number + 1), 1e9, figures.read()).encoded()
        times.append(thread_time() - before)
    figures.close()
    share = sum(times) / len(times) / SAMPLE_SECONDS
    middle, worst = median(times) * 1e6, max(times) * 1e6
    print(f"a sample of {len(line)} bytes: {middle:.0f} µs, at worst {worst:.0f}")  # noqa: T201
    print(f"every {SAMPLE_SECONDS:g} s: {share:.3%} of a core; the limit is {MOST_SHARE:.0%}")  # noqa: T201
    return int(share > MOST_SHARE)


if __name__ == "__main__":
    sys.exit(main())
