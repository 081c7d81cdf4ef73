"""Small checkpoints for the tests of run folders."""

from itertools import pairwise

import numpy as np

from mlpwatch.core.arrays import Tensors
from mlpwatch.core.network.engine import EngineState
from mlpwatch.core.runs.checkpoints import Checkpoint, Position

SIZES = (6, 4, 3)
"""Features, hidden width, classes."""


def sample_checkpoint(
    step: int, sizes: tuple[int, ...] = SIZES, dtype: str = "float32"
) -> Checkpoint:
    """Return a checkpoint whose every number follows from `step`."""
    weights: dict[str, np.ndarray] = {}
    for k, (fan_in, fan_out) in enumerate(pairwise(sizes)):
        weights[f"layers.{k}.weight"] = np.full((fan_out, fan_in), step, dtype)
        weights[f"layers.{k}.bias"] = np.full(fan_out, -step, dtype)
    slots = {f"momentum.{name}": array * 2 for name, array in weights.items()}
    position = Position(step // 10, step % 10, step, step / 8, step / 4, step / 16)
    return Checkpoint("numpy", EngineState(weights, slots, step), position)


def assert_same_tensors(found: Tensors, expected: Tensors) -> None:
    """Compare names, dtypes, shapes and bits; -0.0 is not 0.0."""
    assert found.keys() == expected.keys()
    for name, array in expected.items():
        native = array.astype(array.dtype.newbyteorder("="))
        assert found[name].dtype == native.dtype
        assert found[name].shape == native.shape
        assert found[name].tobytes() == native.tobytes()


def assert_same_checkpoint(found: Checkpoint, expected: Checkpoint) -> None:
    """Compare two checkpoints to the bit."""
    assert (found.engine, found.position) == (expected.engine, expected.position)
    assert found.state.updates == expected.state.updates
    assert_same_tensors(found.state.weights, expected.state.weights)
    assert_same_tensors(found.state.slots, expected.state.slots)
