"""Memory, threads and file descriptors stay as they are at full speed with the screen on.

Two minutes by default; MLPWATCH_SOAK_MINUTES=60 for the hour of `python -m tests.bench.soak`.
"""

import os
from pathlib import Path

import numpy as np
import pytest

from tests.bench.soak import Sample, faults_of, growth, soak

pytestmark = pytest.mark.xdist_group("soak")

SECONDS = 60 * float(os.environ.get("MLPWATCH_SOAK_MINUTES", "2"))
"""The first third is warm-up."""

NICENESS = 5
"""It takes what other tests leave of the cores, and some of them in any case."""

IMAGES = 1_000
"""Of MNIST's shape; drawn, since not every machine has MNIST. So few that epochs go by quickly."""

WARM_UP_EPOCHS = 120
"""Until then what is kept for a while is full: the faster engine's weights of 16 MiB of epochs, 40
of them, until the other has done them too."""


@pytest.mark.rare
def test_a_run_at_full_speed_takes_no_more_and_no_more(tmp_path: Path) -> None:
    if not Path("/proc/self/status").exists():
        pytest.skip("there is no /proc to read a process's memory from")
    random = np.random.default_rng(0)
    data = tmp_path / "random.npz"
    images = random.integers(0, 256, (IMAGES, 28, 28), np.uint8)
    np.savez(data, x=images, y=random.integers(0, 10, IMAGES))
    samples = soak(
        tmp_path, str(data), SECONDS / 3, SECONDS * 2 / 3, epochs=WARM_UP_EPOCHS, niceness=NICENESS
    )
    assert faults_of(samples) == [], samples


def test_growth_and_leaks_are_found() -> None:
    flat = [Sample(200.0 + n % 2, 9, 20) for n in range(20)]
    assert faults_of(flat) == []
    assert growth([Sample(200.0 + n, 9, 20) for n in range(20)]) == 15.0
    assert "memory grew by 15.0 MB" in faults_of([Sample(200.0 + n, 9, 20) for n in range(20)])[0]
    assert "threads: 9 at first, 28" in faults_of([Sample(1.0, 9 + n, 20) for n in range(20)])[0]
    assert "descriptors" in faults_of([Sample(1.0, 9, 20 + n) for n in range(20)])[0]
