"""SIGKILL at any moment of the real command loses nothing that was saved.

5 rounds, 20 in the rare test; MLPWATCH_KILLS=200 for as many as one likes.
"""

import os
from pathlib import Path

import numpy as np
import pytest

from mlpwatch.core.arrays import Tensors
from mlpwatch.core.config import RunConfig
from mlpwatch.core.data.dataset import batch_order, load_dataset, steps_per_epoch
from mlpwatch.core.network.build import build_engine
from mlpwatch.core.network.optimizers import learning_rate_at
from mlpwatch.core.runs.run import Run
from tests.support.faults.killing import Kills

pytestmark = pytest.mark.xdist_group("kills")

ROUNDS = int(os.environ.get("MLPWATCH_KILLS", "5"))


def never_killed(config: RunConfig, steps: int) -> Tensors:
    """Return NumPy's weights after so many steps in one go."""
    data = load_dataset("digits", config.seed, config.pixel_range)
    labels = data.train_labels
    engine = build_engine(
        "numpy", config, data.train_images, labels, data.classes, grey_levels=data.grey_levels
    )
    engine.use_threads(1)
    per_epoch = steps_per_epoch(data.train_count, config.batch_size)
    for step in range(steps):
        epoch, batch = divmod(step, per_epoch)
        if batch == 0:
            order = batch_order(config.seed, epoch, data.train_count)
        engine.set_learning_rate(learning_rate_at(step, config.epochs * per_epoch, config))
        engine.train_batch(order[batch * config.batch_size : (batch + 1) * config.batch_size])
    return engine.state().weights


@pytest.mark.parametrize("rounds", [ROUNDS, pytest.param(20, marks=pytest.mark.rare)])
def test_a_run_that_is_killed_again_and_again_comes_out_as_if_never_killed(
    tmp_path: Path, rounds: int
) -> None:
    kills = Kills(tmp_path)
    for _ in range(rounds):
        kills.round()
        assert kills.faults == []
    steps = kills.end()
    assert kills.faults == []
    assert steps > rounds
    run = Run.open(tmp_path / "saved", "demo")
    latest = run.read_latest("numpy")
    assert latest is not None
    expected = never_killed(run.config, steps)
    for name, array in latest.checkpoint.state.weights.items():
        np.testing.assert_array_equal(array, expected[name])
