"""Speed of both engines against everything that a user would pick instead.

    python -m tests.bench.engine [--rounds 7] [--threads 1]

Every contender trains in turn, round after round, in one process per thread count, so that a busy
machine slows all of them alike; the table has medians, spreads and ratios. With one thread the
process is held on one core: JAX otherwise uses more (1.4 times as fast on 2 cores at 512-512).
"""

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from threadpoolctl import threadpool_info

from tests.bench.tables import print_table
from tests.bench.turns import time_in_turn

THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
KERNEL_VARIABLES = ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE")


def main() -> None:
    """Run the benchmark once per thread count, each in a fresh process."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--threads", type=int, help="this count only, in this process")
    parser.add_argument("--shape", type=int, help="only the n-th shape, from 0")
    options = parser.parse_args()
    if options.threads:
        run(options.threads, options.rounds, options.shape)
        return
    for threads in sorted({1, len(os.sched_getaffinity(0))}):
        environment = os.environ | dict.fromkeys(THREAD_VARIABLES, str(threads))
        command = [sys.executable, "-m", "tests.bench.engine", f"--threads={threads}"]
        command.append(f"--rounds={options.rounds}")
        subprocess.run(command, env=environment, check=True)


def run(threads: int, rounds: int, only: int | None) -> None:
    """Time every contender at every shape with this many threads, and print the tables."""
    cores = os.sched_getaffinity(0)
    if threads == 1:
        os.sched_setaffinity(0, {max(cores)})
    import torch

    from tests.bench import compilers, contenders
    from tests.bench.bench_data import load_bench_data
    from tests.bench.together import print_optimizers, print_together

    torch.set_num_threads(threads)
    with tempfile.TemporaryDirectory() as folder:
        data = load_bench_data(Path(folder))
    print_kernel()
    for shape in contenders.SHAPES if only is None else [contenders.SHAPES[only]]:
        epochs = {
            "our NumPy engine": contenders.engine_epoch("numpy", shape, data, threads),
            "our PyTorch engine": contenders.engine_epoch("torch", shape, data, threads),
            "PyTorch, DataLoader": contenders.data_loader_epoch(shape, data),
            "PyTorch, eager tensors": contenders.eager_epoch(shape, data),
            **compilers.compiled_epochs(shape, data),
            "scikit-learn": contenders.scikit_learn_epoch(shape, data),
            "products as nn.Linear": contenders.products_epoch(shape, data, transposed=True),
            "products as our engine": contenders.products_epoch(shape, data, transposed=False),
        }
        times = time_in_turn(epochs, rounds)
        title = f"{shape.name}, batch {shape.batch_size}, {threads} thread(s), {data.source}"
        print_table(title, shape.samples, times)
    os.sched_setaffinity(0, cores)
    if threads == 1 and only is None:
        print_optimizers(data, rounds)
        print_together(data, rounds)


def print_kernel() -> None:
    """Print which kernel NumPy's BLAS runs; warn where the environment chose it."""
    kernels = {pool["architecture"] for pool in threadpool_info() if "architecture" in pool}
    print(f"NumPy's BLAS runs the kernel {', '.join(sorted(kernels)) or 'unknown'}")  # noqa: T201
    if chosen := [name for name in KERNEL_VARIABLES if name in os.environ]:
        variables = " ".join(f"-u {name}" for name in chosen)
        print(  # noqa: T201
            f"warning: {' and '.join(chosen)} choose it; that may halve NumPy's speed. "
            f"Without: env {variables} .venv/bin/python -m tests.bench.engine"
        )


if __name__ == "__main__":
    main()
